//! The limits of bandwidth: how many bytes a connection may write, and when.

use std::time::Instant;

use crate::{
    net::bucket::Bucket,
    server::{limits::TURN, shared::Shared},
};

/// Turns a second that a connection under a limit gets when it is alone.
const PARTS: u64 = 100;
/// Bytes of a turn at least.
const LEAST: usize = 1024;

/// What one connection may write.
///
/// It reserves a turn of bytes in its own bucket and in the one of all, and writes them when both are due. Who has
/// to wait is behind all those who asked before, so that all connections get equal shares. What a slow peer does not take
/// stays reserved and is not asked for again; what no connection will take any more is given back.
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
        Pacing { own: Bucket::new(shared.services.limits.rate_each, now), left: 0, due: now }
    }

    /// How many bytes may be written now.
    ///
    /// # Errors
    /// None before this moment.
    pub fn allowed(&mut self, shared: &Shared, now: Instant) -> Result<usize, Instant> {
        if self.left == 0 {
            let output = shared.services.turn_under_limit(PARTS, LEAST).min(self.own.quantum(PARTS, LEAST));
            if output == usize::MAX {
                return Ok(usize::MAX);
            }
            self.left = output.min(TURN);
            let wait = self.own.reserve(self.left, now).max(shared.services.reserve(self.left, now));
            // A wait that no clock can show is one without end.
            self.due = now.checked_add(wait).unwrap_or(now + super::super::limits::FOREVER);
        }
        if now < self.due { Err(self.due) } else { Ok(self.left) }
    }

    /// The connection ends; returns what was reserved in the bucket of all and is not used.
    pub fn end(&mut self) -> usize {
        std::mem::take(&mut self.left)
    }

    /// So many bytes were written.
    pub fn wrote(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
    }
}
