//! The limits of bandwidth: how many bytes a connection may write, and when.

use std::time::Instant;

use crate::{
    net::bucket::Bucket,
    server::{
        limits::{MAX_OUTPUT, MAX_TIMEOUT},
        shared::Shared,
    },
};

/// Outputs a second of a limited connection that is alone.
const OUTPUTS_PER_SECOND: u64 = 100;
/// The minimum number of bytes of an output.
const MIN_OUTPUT: usize = 1024;

/// The bandwidth of one connection.
///
/// It reserves the bytes of an output in its own bucket and in the shared one, and writes them when both are due. Reservations are due in
/// the order in which they were made, so that all connections get equal shares. Bytes that a slow client does not receive stay reserved; when the
/// connection ends, they are given back.
#[derive(Debug)]
pub(crate) struct Pacing {
    own: Bucket,
    /// Bytes that are reserved.
    left: usize,
    /// When they may be written.
    due: Instant,
}

impl Pacing {
    /// Of a connection that begins.
    pub fn new(shared: &Shared, now: Instant) -> Pacing {
        Pacing { own: Bucket::new(shared.services.terms.limits.rate_each, now), left: 0, due: now }
    }

    /// How many bytes may be written now.
    ///
    /// # Errors
    /// No byte may be written before this moment.
    pub fn allowed(&mut self, shared: &Shared, now: Instant) -> Result<usize, Instant> {
        if self.left == 0 {
            let output = shared
                .services
                .output_under_limit(OUTPUTS_PER_SECOND, MIN_OUTPUT)
                .min(self.own.quantum(OUTPUTS_PER_SECOND, MIN_OUTPUT));
            if output == usize::MAX {
                return Ok(usize::MAX);
            }
            self.left = output.min(MAX_OUTPUT);
            let wait = self.own.reserve(self.left, now).max(shared.services.reserve(self.left, now));
            // A wait that overflows the clock has no end.
            self.due = now.checked_add(wait).unwrap_or(now + MAX_TIMEOUT);
        }
        if now < self.due { Err(self.due) } else { Ok(self.left) }
    }

    /// The connection ends. Returns the bytes that were reserved in the shared bucket and not written.
    pub fn end(&mut self) -> usize {
        std::mem::take(&mut self.left)
    }

    /// Bytes were written.
    pub fn wrote(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
    }
}
