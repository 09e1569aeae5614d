//! What a loop does when the system gives it no connection.

use std::{
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use super::{limits::WARNING_INTERVAL, shared::Shared};
use crate::platform::reason;

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Waits longer and longer while accepting fails, so that a server without descriptors neither spins nor
/// floods its log, and goes on when there are some.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    delay: Duration,
    warned: Option<Instant>,
}

impl Backoff {
    /// A client was accepted.
    pub fn reset(&mut self) {
        self.delay = Duration::ZERO;
    }

    /// How long to wait after an error. Tells people of it, once an interval.
    pub fn after(&mut self, shared: &Shared, error: &io::Error) -> Duration {
        // These are about one client, which has gone already; and a listener that was shut down says so by
        // an error too.
        let harmless = matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted);
        if harmless || !shared.accepting() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        self.delay = (self.delay * 2).clamp(FIRST, LONGEST);
        if self.warned.is_none_or(|warned| now.duration_since(warned) >= WARNING_INTERVAL) {
            self.warned = Some(now);
            shared.warn(&format!("new clients have to wait: {}", reason(error)));
        }
        self.delay
    }
}
