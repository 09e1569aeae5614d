//! Work of a connection as a value: everything that may wait for the disk or take processor time. The architectures decide where it runs.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{
    dialect::{Dialect, step::Step},
    output::Output,
};

/// A bounded piece of work: it opens, reads, hashes or compresses at most about a megabyte, or a few hundred names.
pub(crate) struct Task {
    work: Box<Work>,
    now: Instant,
}

/// What a task needs, and what it changes. In a box, which moves between a connection and its tasks without a new allocation.
pub(crate) struct Work {
    pub dialect: Dialect,
    pub output: Output,
}

/// The outcome of a [`Task`]; only [`Connection::done`](super::Connection::done) can use it.
pub(crate) struct Outcome {
    pub(crate) work: Box<Work>,
    /// What the dialect needs next; `None` if the task panicked.
    pub(crate) step: Option<Step>,
}

impl Task {
    pub(crate) fn new(work: Box<Work>, now: Instant) -> Task {
        Task { work, now }
    }

    /// Whether it sends more of files that are open or small, and nothing else that costs as much.
    pub fn sends_files(&self) -> bool {
        self.work.dialect.sends_files()
    }

    /// Does the work. May block for as long as the disk does.
    pub fn run(self) -> Outcome {
        let Task { mut work, now } = self;
        let step = guarded(|| work.dialect.run(&mut work.output, now));
        Outcome { work, step }
    }

    /// Does the part of the work that neither blocks nor takes long: it sends content that is in memory.
    ///
    /// # Errors
    /// There is no such part: the task.
    pub fn run_cached(self) -> Result<Outcome, Task> {
        let Task { mut work, now } = self;
        match guarded(|| work.dialect.run_cached(&mut work.output)) {
            Some(false) => Err(Task { work, now }),
            has_filled => Ok(Outcome { work, step: has_filled.map(|_| Step::Again) }),
        }
    }
}

/// Does the work; `None` if it panicked. A panic, which is an internal error, ends its connection and no other, though connections share
/// a thread in some architectures.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}
