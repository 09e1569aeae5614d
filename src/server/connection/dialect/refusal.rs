//! Clients that are refused: why, and with which message.

use std::time::Instant;

use crate::{
    protocol::{
        error::Code,
        message::{Credential, Failure, Hello},
    },
    server::{
        access::token_check::Verdict,
        limits::{DENIAL_DELAY, RETRY_AFTER},
    },
};

/// Why a connection from a blocked address ends.
pub(crate) const BLOCKED: &str = "its address is blocked";

/// Why a client is refused at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are too many connections.
    Busy,
    /// The operator has blocked its address, for this number of seconds.
    Blocked(u32),
    /// It uses no TLS.
    TlsRequired,
}

impl Refusal {
    /// For the client.
    pub fn failure(self) -> Failure {
        let (code, message, retry_after) = match self {
            Refusal::Busy => {
                let message = format!("{}; try again in {RETRY_AFTER} seconds", Code::Busy);
                (Code::Busy, message, Some(RETRY_AFTER))
            }
            Refusal::Blocked(seconds) => {
                let message = format!("{}; this address is not served for {seconds} seconds", Code::Busy);
                (Code::Busy, message, Some(seconds))
            }
            Refusal::TlsRequired => (Code::TlsRequired, Code::TlsRequired.text().to_owned(), None),
        };
        Failure { code, message, path: None, retry_after }
    }

    /// For the log.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Busy => "busy",
            Refusal::Blocked(_) => BLOCKED,
            Refusal::TlsRequired => "a client without TLS",
        }
    }
}

/// A client without a valid token.
pub(crate) struct Denial {
    /// When the error is sent: the delay slows down guessing.
    pub at: Instant,
    /// For the log.
    pub reason: &'static str,
    /// Seconds after which it may try again, once it has tried too often.
    pub retry_after: Option<u32>,
}

impl Denial {
    pub fn new(verdict: Verdict, hello: &Hello, now: Instant) -> Denial {
        let (reason, retry_after) = match (verdict, &hello.credential) {
            (Verdict::RateLimited(left), _) => {
                let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                ("turned away after too many wrong tokens", Some(seconds))
            }
            _ if hello.token_id.is_some() => ("denied: a token_id that this server does not have", None),
            (_, Some(Credential::Token(_))) => ("denied: a wrong token", None),
            (_, Some(Credential::Proof(_))) => {
                ("denied: a wrong token, or the client was shown another certificate", None)
            }
            (_, None) => ("denied: no token", None),
        };
        Denial { at: now + DENIAL_DELAY, reason, retry_after }
    }
}
