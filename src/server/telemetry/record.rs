//! One request, and how it was answered.

use std::{
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use super::redact::{redacted_link, redacted_target, shortened};
use crate::text::SafeText;

/// The status of a request whose connection ended before there was one, as in the log of nginx.
const CLOSED_BY_CLIENT: u16 = 499;

/// One request, and how it was answered. It has no secrets, and a bounded length.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// When it was received.
    pub at: SystemTime,
    started: Instant,
    pub peer: SocketAddr,
    /// One of the names of [`ConnectionView::dialect`](crate::server::ConnectionView::dialect).
    pub dialect: &'static str,
    /// The method of HTTP, or what is requested in the other dialects; empty if it could not be parsed.
    pub method: String,
    /// The path, with a query if there is one; empty if it could not be parsed.
    pub target: String,
    /// The protocol and its version.
    pub protocol: &'static str,
    pub referer: Option<String>,
    pub agent: Option<String>,
    /// The status of the answer; in the other dialects the one that HTTP would have.
    pub status: u16,
    /// Bytes of the answer without its head.
    pub bytes: u64,
    /// From the request to the end of the answer.
    pub seconds: f64,
    /// Why it failed, or was not sent to its end.
    pub error: Option<SafeText>,
}

impl Record {
    /// Of a request that begins now and could not be parsed, or is not yet.
    pub fn new(peer: SocketAddr, dialect: &'static str, protocol: &'static str) -> Record {
        Record {
            at: SystemTime::now(),
            started: Instant::now(),
            peer,
            dialect,
            method: String::new(),
            target: String::new(),
            protocol,
            referer: None,
            agent: None,
            status: 0,
            bytes: 0,
            seconds: 0.0,
            error: None,
        }
    }

    /// With what is requested.
    pub fn of(self, method: &str, target: &str) -> Record {
        Record { method: shortened(method), target: redacted_target(target), ..self }
    }

    /// With what a client of HTTP says of itself and of the page that it comes from.
    pub fn with_page(self, referer: Option<&str>, agent: Option<&str>) -> Record {
        Record { referer: referer.map(redacted_link), agent: agent.map(shortened), ..self }
    }

    /// It was answered up to its end, or failed.
    pub fn finish(&mut self, now: Instant) {
        self.seconds = now.saturating_duration_since(self.started).as_secs_f64();
        if self.status == 0 {
            self.status = if self.error.is_some() { CLOSED_BY_CLIENT } else { 200 };
        }
    }

    /// Whether the server could not answer it, or not to its end.
    pub fn has_failed(&self) -> bool {
        self.error.is_some() || self.status >= 400
    }
}
