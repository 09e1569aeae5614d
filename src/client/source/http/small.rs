//! Small files as a whole, such as lists of checksums.

use std::time::Instant;

use reqwest::{Method, StatusCode};
use tokio::time::timeout;

use super::{
    Http, faults,
    request::{Ask, Reply},
};
use crate::{
    client::{
        api::{address::web, views::view::TroubleKind},
        error::Fault,
        source::timeouts::{Timeouts, Watchdog},
    },
    text::units,
};

impl Http {
    /// Receives all of a file of at most `max` bytes; `None` if the server does not have it, or does not give it.
    pub(in super::super) async fn small(&self, max: usize) -> Result<Option<Vec<u8>>, Fault> {
        let ask = Ask { method: Method::GET, range: None, condition: None, worked: false };
        let Reply { mut response, url } = self.send(&ask).await?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => return Ok(None),
            _ => return Err(faults::refused(&response, &url, false)),
        }
        let too_large = || {
            let message = format!("{}: it is larger than {} bytes", web::shown(&url), max);
            Fault::never(TroubleKind::Other, message)
        };
        if response.content_length().is_some_and(|length| length > max as u64) {
            return Err(too_large());
        }
        let Timeouts { silence, speed_limit, .. } = self.clients.timeouts();
        let (mut content, mut watchdog) = (Vec::new(), Watchdog::new(self.clients.timeouts()));
        watchdog.begin();
        loop {
            let began = Instant::now();
            let chunk = timeout(silence, response.chunk()).await;
            let chunk = chunk.map_err(|_| {
                let peer = web::authority(&url, None);
                Fault::silent(began, format!("{peer} sent nothing for {} s", silence.as_secs_f32()))
            })?;
            let Some(chunk) = chunk.map_err(|error| faults::lost(&error, &url))? else {
                return Ok(Some(content));
            };
            if content.len() + chunk.len() > max {
                return Err(too_large());
            }
            self.limiter.spend(chunk.len());
            if !watchdog.took(began, chunk.len()) {
                let (peer, rate) = (web::authority(&url, None), units::rate(speed_limit as f64));
                return Err(Fault::too_slow(format!("{peer} sent less than {rate}")));
            }
            content.extend_from_slice(&chunk);
        }
    }

    /// A file beside the one of the address: with this name, in the same folder.
    pub(in super::super) fn beside(&self, name: &str) -> Option<Http> {
        let address = self.address.beside(name)?;
        Some(Http { address, found: Default::default(), ..self.clone() })
    }
}
