//! The bandwidth limit of all transfers together, and that of one job.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

use crate::net::bucket::Bucket;

/// Bytes of a read, at least: lower limits wait longer instead.
const MIN_READ_LEN: usize = 1024;
/// Reads a second under a limit.
const READS_PER_SECOND: u64 = 20;

/// A bucket that transfers share.
#[derive(Debug)]
pub(crate) struct Limiter {
    bucket: Mutex<Bucket>,
    /// The limiter of all transfers, for which everything counts as well.
    all: Option<Arc<Limiter>>,
    /// One for all limiters: reads may wait for several.
    changed: Arc<Notify>,
}

impl Limiter {
    /// The limiter of all transfers.
    pub(crate) fn new(rate: Option<u64>) -> Limiter {
        Limiter { bucket: bucket(rate), all: None, changed: Arc::default() }
    }

    /// A limiter of some transfers, which are held to that of all as well.
    pub(crate) fn within(all: &Arc<Limiter>, rate: Option<u64>) -> Limiter {
        Limiter { bucket: bucket(rate), all: Some(Arc::clone(all)), changed: Arc::clone(&all.changed) }
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
        let all = self.all.as_ref().and_then(|all| all.rate());
        self.with(|bucket| bucket.rate()).into_iter().chain(all).min()
    }

    /// Bytes of a read, at most.
    pub(crate) fn quantum(&self) -> usize {
        let own = self.with(|bucket| bucket.quantum(READS_PER_SECOND, MIN_READ_LEN));
        self.all.as_ref().map_or(own, |all| own.min(all.quantum()))
    }

    /// Accounts for bytes that were read.
    pub(crate) fn spend(&self, bytes: usize) {
        self.with(|bucket| bucket.spend(bytes, Instant::now()));
        if let Some(all) = &self.all {
            all.spend(bytes);
        }
    }

    /// Time until the next read is allowed.
    fn wait(&self) -> std::time::Duration {
        let own = self.with(|bucket| bucket.wait(Instant::now()));
        self.all.as_ref().map_or(own, |all| own.max(all.wait()))
    }

    /// Waits until the next read is allowed.
    pub(crate) async fn allowed(&self) {
        loop {
            // Listening before looking: a change in between is not missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let wait = self.wait();
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

fn bucket(rate: Option<u64>) -> Mutex<Bucket> {
    Mutex::new(Bucket::new(rate, Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_held_to_the_lower_of_both_limits() {
        for (all, job, rate) in [
            (None, None, None),
            (Some(7), None, Some(7)),
            (None, Some(8), Some(8)),
            (Some(7), Some(8), Some(7)),
            (Some(9), Some(8), Some(8)),
        ] {
            let all = Arc::new(Limiter::new(all));
            assert_eq!(Limiter::within(&all, job).rate(), rate);
        }
        let all = Arc::new(Limiter::new(Some(10_000_000)));
        assert_eq!(Limiter::within(&all, Some(1_000_000)).quantum(), 50_000);
        assert_eq!(Limiter::within(&all, None).quantum(), 500_000);
    }

    #[test]
    fn what_a_job_receives_counts_for_all() {
        let all = Arc::new(Limiter::new(Some(1_000)));
        let (one, other) = (Limiter::within(&all, None), Limiter::within(&all, Some(1)));
        one.spend(100_000);
        assert!(all.wait().as_secs() > 90 && other.wait().as_secs() > 90);
        let lone = Limiter::within(&Arc::new(Limiter::new(None)), Some(1_000));
        lone.spend(100_000);
        assert!(lone.wait().as_secs() > 90);
    }

    #[tokio::test]
    async fn a_read_that_waits_notices_a_change_of_each_limit() {
        let all = Arc::new(Limiter::new(Some(1)));
        let job = Limiter::within(&all, Some(1));
        job.spend(1_000_000);
        let mut read = std::pin::pin!(job.allowed());
        let waits = |read: std::pin::Pin<&mut _>| futures_util::FutureExt::now_or_never(read).is_none();
        assert!(waits(read.as_mut()));
        all.set(None);
        assert!(waits(read.as_mut()), "the limit of the job holds");
        job.set(None);
        read.await;
    }
}
