//! Sends requests, and follows redirects. What belongs to one server is not sent to another one.

use std::{sync::PoisonError, time::Instant};

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{ACCEPT, ACCEPT_ENCODING, IF_RANGE, LOCATION, RANGE},
};
use tokio::time::timeout;

use super::{Http, answer::Head, faults, fields};
use crate::client::{
    api::{
        address::web::{self, WebAddress},
        views::view::TroubleKind,
    },
    error::Fault,
};

/// Redirects that are followed, at most.
const MAX_REDIRECTS: usize = 10;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// The value of `Range`.
    pub(super) range: Option<String>,
    /// The value of `If-Range`.
    pub(super) condition: Option<String>,
    /// Whether an earlier request for the content was answered.
    pub(super) worked: bool,
}

/// The answer to a request, and the URL that it is from.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response,
    pub(super) url: Url,
}

impl Http {
    /// Asks what the server says of the content, without receiving it.
    pub(super) async fn head(&self, worked: bool) -> Result<Head, Fault> {
        // Many servers refuse HEAD. Of an empty content no range can be asked for.
        let asks = [(Method::HEAD, None), (Method::GET, Some("bytes=0-0")), (Method::GET, None)];
        let mut refused = None;
        for (method, range) in asks {
            let range = range.map(str::to_owned);
            let ask = Ask { method, range, condition: None, worked };
            let Reply { response, url } = self.send(&ask).await?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                    return Head::read(&response, &url, &ask.method);
                }
                status if ask.method == Method::HEAD || status == StatusCode::RANGE_NOT_SATISFIABLE => {
                    refused = Some(faults::refused(&response, &url, worked));
                }
                _ => return Err(faults::refused(&response, &url, worked)),
            }
        }
        Err(refused.unwrap_or_else(|| faults::violation(self.address.url(), "it answers nothing")))
    }

    /// Sends a request, first to where redirects have led before. The answer is no redirect.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Reply, Fault> {
        if let Some(url) = self.found(None) {
            let reply = self.send_to(ask, url).await?;
            let is_stale = matches!(
                reply.response.status(),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE
            );
            if !is_stale {
                self.note_digest(&reply);
                return Ok(reply);
            }
        }
        let reply = self.send_to(ask, self.address.url().clone()).await?;
        if reply.response.status().is_success() {
            self.found(Some(reply.url.clone()));
        }
        self.note_digest(&reply);
        Ok(reply)
    }

    /// Where redirects have led; `now` replaces it.
    fn found(&self, now: Option<Url>) -> Option<Url> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_some() {
            *found = now;
        }
        found.clone()
    }

    /// Sends a request, and follows redirects from `url`.
    pub(super) async fn send_to(&self, ask: &Ask, mut url: Url) -> Result<Reply, Fault> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(ask, &url).await?;
            if !is_redirect(response.status()) {
                return Ok(Reply { response, url });
            }
            url = next(&response, &url)?;
        }
        let message = format!("{}: the server redirects more than {MAX_REDIRECTS} times", self.address);
        Err(Fault::never(TroubleKind::Other, message))
    }

    async fn send_once(&self, ask: &Ask, url: &Url) -> Result<Response, Fault> {
        let is_own = url.origin() == self.address.url().origin();
        let sent = self.send_alone(ask, url, is_own).await;
        sent.map_err(|fault| if is_own { fault } else { fault.of_another_server() })
    }

    /// Sends a request and follows no redirect. `is_own`: whether it is to the server of the address.
    async fn send_alone(&self, ask: &Ask, url: &Url, is_own: bool) -> Result<Response, Fault> {
        let pin = if is_own { self.address.pin() } else { None };
        let secrets = self.secrets(url, is_own);
        let client = self.clients.client(url, pin, secrets.are_there)?;
        let mut request = client
            .http
            .request(ask.method.clone(), web::without_user(url))
            .header(ACCEPT, "*/*")
            .header(ACCEPT_ENCODING, "identity")
            .header("want-repr-digest", "sha-256=9, sha-512=5");
        // With a signed link each field of Amazon's would have to be signed.
        if !is_signed(url) {
            request = request.header("x-amz-checksum-mode", "ENABLED");
        }
        if let Some(range) = &ask.range {
            request = request.header(RANGE, range);
        }
        if let Some(condition) = &ask.condition {
            request = request.header(IF_RANGE, condition);
        }
        request = request.headers(secrets.fields);
        let (began, silence) = (Instant::now(), self.clients.timeouts().silence);
        // Connecting and answering may take this long each.
        let sent = timeout(silence.saturating_mul(2), request.send()).await.map_err(|_| {
            let seconds = silence.as_secs_f32();
            Fault::silent(began, format!("{} sent nothing for {seconds} s", web::authority(url, None)))
        })?;
        let address = WebAddress::of(url.clone(), pin);
        match sent {
            Ok(response) => {
                self.clients.answered(&client, &address)?;
                self.observer.reached();
                Ok(response)
            }
            Err(error) => {
                let refused = if error.is_connect() { self.clients.refused(&client, &address) } else { None };
                Err(refused.unwrap_or_else(|| faults::no_answer(&error, url, began)))
            }
        }
    }
}

/// Whether an address is a signed link.
fn is_signed(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| name.to_ascii_lowercase().ends_with("signature"))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// Where a redirect leads. User and password in it are left out.
fn next(response: &Response, url: &Url) -> Result<Url, Fault> {
    let shown = web::shown(url);
    let refused = |kind, what: &str| Fault::never(kind, format!("{shown}: {what}"));
    let next = fields::text(response, LOCATION).and_then(|location| url.join(location).ok());
    let next = next.ok_or_else(|| refused(TroubleKind::Other, "the server redirects to no valid address"))?;
    match (url.scheme(), next.scheme()) {
        ("http" | "https", "https") | ("http", "http") if next.has_host() => Ok(web::without_user(&next)),
        ("https", "http") => Err(refused(
            TroubleKind::Refused,
            &format!(
                "the server redirects to {}, which is not encrypted; give that address to fetch it all the same",
                web::shown(&next)
            ),
        )),
        _ => Err(refused(TroubleKind::Other, &format!("the server redirects to {}://", next.scheme()))),
    }
}
