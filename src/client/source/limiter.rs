//! The bandwidth limit of all transfers together.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

use crate::net::bucket::Bucket;

/// Bytes of a read, at least: lower limits wait longer instead.
const MIN_READ_LEN: usize = 1024;
/// Reads a second under a limit.
const READS_PER_SECOND: u64 = 20;

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

    /// Changes the limit, also for reads that wait.
    pub(crate) fn set(&self, rate: Option<u64>) {
        self.with(|bucket| bucket.set(rate, Instant::now()));
        self.changed.notify_waiters();
    }

    /// The limit in force.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.with(|bucket| bucket.rate())
    }

    /// Bytes of a read, at most.
    pub(crate) fn quantum(&self) -> usize {
        self.with(|bucket| bucket.quantum(READS_PER_SECOND, MIN_READ_LEN))
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
