//! What a job counts over all its attempts.

use std::time::Instant;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct JobTotals {
    /// Bytes of content that were received.
    pub(crate) transferred: u64,
    /// Bytes of them that were kept.
    pub(crate) kept: u64,
    /// Lost connections, and when one of them was last logged.
    pub(crate) reconnected: (u64, Option<Instant>),
    /// Blocks that were received corrupt.
    pub(crate) corrupt: u32,
    /// How often the content was started over or compared again, because the source had changed.
    pub(crate) restarts: u32,
}

impl JobTotals {
    /// Counts a restart. Returns whether there were more of them than retries.
    pub(crate) fn restart(&mut self, retries: u32) -> bool {
        self.restarts += 1;
        self.restarts > retries.max(1)
    }

    /// A retry by the user starts with all retries.
    pub(crate) fn reset_retries(&mut self) {
        (self.corrupt, self.restarts) = (0, 0);
    }
}
