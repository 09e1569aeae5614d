//! The bandwidth limit of all jobs together, and what waits on it.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

use crate::bucket::Bucket;

/// Never reads less at once than this: slower limits sleep longer instead.
const LEAST: usize = 1024;
/// Reads a second under a limit.
const READS: u64 = 20;

/// The bucket that all transfers share.
#[derive(Debug)]
pub(crate) struct Limiter {
    bucket: Mutex<Bucket>,
    changed: Notify,
}

impl Limiter {
    pub(crate) fn new(rate: Option<u64>) -> Limiter {
        Limiter { bucket: Mutex::new(Bucket::new(rate, Instant::now())), changed: Notify::new() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Bucket) -> T) -> T {
        work(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the limit, also for those who wait.
    pub(crate) fn set(&self, rate: Option<u64>) {
        self.with(|bucket| bucket.set(rate, Instant::now()));
        self.changed.notify_waiters();
    }

    /// The limit in force.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.with(|bucket| bucket.rate())
    }

    /// Most bytes to read at once.
    pub(crate) fn quantum(&self) -> usize {
        self.with(|bucket| bucket.quantum(READS, LEAST))
    }

    /// Accounts for bytes that were read.
    pub(crate) fn spend(&self, bytes: usize) {
        self.with(|bucket| bucket.spend(bytes, Instant::now()));
    }

    /// Waits until the next read is allowed.
    pub(crate) async fn allowed(&self) {
        loop {
            // Listening before looking: a change in between is not missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let wait = self.with(|bucket| bucket.wait(Instant::now()));
            if wait.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed => {}
            }
        }
    }
}
