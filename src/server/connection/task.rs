//! Work of a connection as a value: everything that may wait for the disk or take processor time. The architectures decide where it runs.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    dialect::{Dialect, Step},
    turn::Turn,
};
use crate::platform;

/// A bounded piece of work: it opens, reads, hashes or compresses at most about a megabyte, or a few hundred names.
pub(in crate::server) struct Task {
    dialect: Dialect,
    turn: Turn,
    now: Instant,
}

/// What came of a [`Task`]; only [`Connection::done`](super::Connection::done) can use it.
pub(in crate::server) struct Outcome {
    pub(super) dialect: Dialect,
    pub(super) turn: Turn,
    /// What the dialect asks for next; `None` if the task panicked.
    pub(super) step: Option<Step>,
    /// Processor time that it took.
    pub(super) spent: Duration,
}

impl Task {
    pub(super) fn new(dialect: Dialect, turn: Turn, now: Instant) -> Task {
        Task { dialect, turn, now }
    }

    /// Does the work. May block for as long as the disk does.
    pub fn run(self) -> Outcome {
        let Task { mut dialect, mut turn, now } = self;
        let begun = platform::thread_time();
        let step = catch_unwind(AssertUnwindSafe(|| dialect.run(&mut turn, now))).ok();
        // Not by the clock: while other threads have the processors, this costs nothing.
        let spent = platform::thread_time().saturating_sub(begun);
        Outcome { dialect, turn, step, spent }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}
