//! Errors of web servers, for people.

use std::{
    error::Error as _,
    io,
    time::{Duration, Instant, SystemTime},
};

use reqwest::{Response, StatusCode, Url, header::RETRY_AFTER};

use super::fields;
use crate::{
    client::{
        api::{address::web, question::Question, views::view::TroubleKind},
        error::{Fault, MAX_SERVER_DELAY, Verdict},
    },
    platform::reason,
    protocol::address::Authority,
};

/// No answer to a request: `began` is when it was sent.
pub(super) fn no_answer(error: &reqwest::Error, url: &Url, began: Instant) -> Fault {
    let peer = web::authority(url, None);
    let cause = cause(error);
    if error.is_connect() {
        return no_connection(error, &peer, &cause, began);
    }
    if error.is_timeout() {
        return Fault::silent(began, format!("{peer} did not answer in time"));
    }
    if cause.contains("too large") {
        let message = format!("{peer} sends more header fields than a client accepts; check the address");
        return Fault::never(TroubleKind::Other, message);
    }
    if cause.starts_with("invalid ") {
        let message = format!("{peer} does not answer with HTTP; check the address");
        return Fault::never(TroubleKind::Connection, message);
    }
    Fault::silent(began, format!("{peer} closed the connection without an answer: {cause}"))
}

fn no_connection(error: &reqwest::Error, peer: &Authority, cause: &str, began: Instant) -> Fault {
    let host = &peer.host;
    if cause.contains("NoApplicationProtocol") {
        let message =
            format!("{peer} does not speak HTTP/1.1 (it may speak HTTP/2 only, which is not supported)");
        return Fault::never(TroubleKind::Connection, message);
    }
    if is_caused_by::<rustls::Error>(error) {
        let message = format!("cannot speak TLS with {peer}: {cause}; check host and port");
        return Fault::never(TroubleKind::Connection, message);
    }
    if cause.contains("failed to lookup address information") {
        let words = cause.rsplit(": ").next().unwrap_or_default().to_lowercase();
        let message = format!("cannot find the host {host}: {words}");
        return match words.contains("temporary failure") {
            true => Fault::unreachable(began, message),
            false => Fault::unknown_host(began, format!("{message}; check the name")),
        };
    }
    if error.is_timeout() {
        return Fault::unreachable(began, format!("connecting to {peer} took too long"));
    }
    Fault::unreachable(began, format!("cannot connect to {peer}: {cause}"))
}

/// The connection was lost while the content was received.
pub(super) fn lost(error: &reqwest::Error, url: &Url) -> Fault {
    Fault::lost(format!("the connection to {} was lost: {}", web::authority(url, None), cause(error)))
}

/// The error that caused the others, in words.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    loop {
        if let Some(error) = innermost.downcast_ref::<io::Error>()
            && error.raw_os_error().is_some()
        {
            return reason(error);
        }
        match innermost.source() {
            Some(source) => innermost = source,
            None => return innermost.to_string(),
        }
    }
}

fn is_caused_by<E: std::error::Error + 'static>(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if unwrapped(error).is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The error that an error of the system's kind was made of.
fn unwrapped<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        error = inner;
    }
    error
}

/// The server answered with an error. `worked`: whether an earlier request for the content was answered.
pub(super) fn refused(response: &Response, url: &Url, worked: bool) -> Fault {
    let status = response.status();
    let (peer, shown) = (web::authority(url, None), web::shown(url));
    let said = status
        .canonical_reason()
        .map_or_else(|| status.as_str().to_owned(), |reason| format!("{} {reason}", status.as_str()));
    let after = fields::text(response, RETRY_AFTER)
        .and_then(|value| fields::retry_after(value, SystemTime::now()))
        .unwrap_or_default()
        .min(MAX_SERVER_DELAY);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::GONE if worked => Fault::never(
            TroubleKind::NotFound,
            format!("{shown}: the link has expired ({said}); what was received is kept: paste a new link"),
        )
        .or_by(", or name it with --session NAME --replace-address OLD NEW")
        .asking(Question::Expired),
        StatusCode::UNAUTHORIZED => Fault::never(
            TroubleKind::Refused,
            format!(
                "{shown}: the server wants a user name and password: write https://USER:PASSWORD@HOST/PATH"
            ),
        ),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Fault::never(
            TroubleKind::Refused,
            format!("{shown}: the proxy wants a user name and password: write them in its address"),
        ),
        StatusCode::FORBIDDEN => {
            Fault::never(TroubleKind::NotFound, format!("{shown}: not permitted ({said})"))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Fault::never(TroubleKind::NotFound, format!("{shown}: not found on the server ({said})"))
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Fault { verdict: Verdict::Busy(after), ..Fault::lost(format!("{peer} is busy ({said})")) }
        }
        StatusCode::REQUEST_TIMEOUT => {
            again(format!("{peer} waited too long for the request ({said})"), after)
        }
        status if status.is_server_error() => again(format!("{peer} failed ({said})"), after),
        _ => Fault::never(TroubleKind::Other, format!("{shown}: the server refuses the request ({said})")),
    }
}

fn again(message: String, after: Duration) -> Fault {
    // Not at once: what fails now fails a moment later, too.
    let after = after.max(Duration::from_millis(1));
    Fault { verdict: Verdict::Again(after), ..Fault::lost(message) }
}

/// What the server sends contradicts HTTP, or what it has said before.
pub(super) fn violation(url: &Url, what: &str) -> Fault {
    let peer = web::authority(url, None);
    let message = format!("{peer}: protocol error: {what} (server bug or corrupted connection)");
    Fault::never(TroubleKind::Connection, message)
}

/// The server does not send what is missing of this version: all of it has to be received again.
pub(super) fn cannot_resume(url: &Url, why: &str) -> Fault {
    Fault { verdict: Verdict::Discard, ..start_over(url, why) }
}

/// The content that the server sends now cannot be added to what was received.
pub(super) fn start_over(url: &Url, why: &str) -> Fault {
    Fault::changed(format!("{}: {why}", web::shown(url)))
}
