//! The bandwidth limit of all jobs together: a token bucket whose time is an argument, and what waits on it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// So much unused allowance is kept: bursts are as long as that.
const BURST: Duration = Duration::from_millis(100);
/// Never reads less at once than this: slower limits sleep longer instead.
const LEAST: usize = 1024;

/// Allowance that grows with time. It may be overdrawn: whoever spends waits until it is no longer so.
#[derive(Debug)]
struct Bucket {
    rate: Option<u64>,
    balance: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: Option<u64>, now: Instant) -> Bucket {
        Bucket { rate, balance: 0.0, at: now }
    }

    fn settle(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        if let Some(rate) = self.rate {
            let rate = rate as f64;
            let most = rate * BURST.as_secs_f64();
            self.balance = (self.balance + rate * elapsed.as_secs_f64()).min(most);
        }
    }

    /// Another limit; debts of the old one are forgotten, so that lifting it takes effect at once.
    fn set(&mut self, rate: Option<u64>, now: Instant) {
        *self = Bucket::new(rate, now);
    }

    fn spend(&mut self, bytes: usize, now: Instant) {
        self.settle(now);
        if self.rate.is_some() {
            self.balance -= bytes as f64;
        }
    }

    /// How long until nothing is overdrawn.
    fn wait(&mut self, now: Instant) -> Duration {
        self.settle(now);
        match self.rate {
            Some(rate) if self.balance < 0.0 => {
                Duration::try_from_secs_f64(-self.balance / rate.max(1) as f64).unwrap_or(Duration::MAX)
            }
            _ => Duration::ZERO,
        }
    }

    /// How much to read at once, so that the flow under a limit is smooth and shared.
    fn quantum(&self) -> usize {
        match self.rate {
            Some(rate) => usize::try_from(rate / 20).unwrap_or(usize::MAX).max(LEAST),
            None => usize::MAX,
        }
    }
}

/// The bucket that all transfers share.
#[derive(Debug)]
pub(super) struct Limiter {
    bucket: Mutex<Bucket>,
    changed: Notify,
}

impl Limiter {
    pub(super) fn new(rate: Option<u64>) -> Limiter {
        Limiter { bucket: Mutex::new(Bucket::new(rate, Instant::now())), changed: Notify::new() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Bucket) -> T) -> T {
        work(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the limit, also for those who wait.
    pub(super) fn set(&self, rate: Option<u64>) {
        self.with(|bucket| bucket.set(rate, Instant::now()));
        self.changed.notify_waiters();
    }

    /// The limit in force.
    pub(super) fn rate(&self) -> Option<u64> {
        self.with(|bucket| bucket.rate)
    }

    /// Most bytes to read at once.
    pub(super) fn quantum(&self) -> usize {
        self.with(|bucket| bucket.quantum())
    }

    /// Accounts for bytes that were read.
    pub(super) fn spend(&self, bytes: usize) {
        self.with(|bucket| bucket.spend(bytes, Instant::now()));
    }

    /// Waits until the next read is allowed.
    pub(super) async fn allowed(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Spends `quanta` in turn, waiting as told, on virtual time; returns bytes and seconds.
    fn drain(bucket: &mut Bucket, start: Instant, seconds: f64) -> f64 {
        let (mut now, mut bytes) = (start, 0usize);
        while now.duration_since(start).as_secs_f64() < seconds {
            now += bucket.wait(now);
            let quantum = bucket.quantum();
            bucket.spend(quantum, now);
            bytes += quantum;
        }
        bytes as f64 / now.duration_since(start).as_secs_f64()
    }

    proptest! {
        #[test]
        fn the_mean_is_the_limit(rate in 1_000u64..2_000_000_000) {
            let start = Instant::now();
            let mean = drain(&mut Bucket::new(Some(rate), start), start, 60.0);
            prop_assert!((mean / rate as f64 - 1.0).abs() < 0.02, "{mean} instead of {rate}");
        }

        #[test]
        fn idle_time_gives_no_more_than_a_burst(rate in 10_000u64..1_000_000_000, idle in 1u64..10_000) {
            let start = Instant::now();
            let mut bucket = Bucket::new(Some(rate), start);
            let now = start + Duration::from_secs(idle);
            let mut bytes = 0;
            while bucket.wait(now).is_zero() {
                let quantum = bucket.quantum();
                bucket.spend(quantum, now);
                bytes += quantum;
            }
            prop_assert!(bytes as f64 <= rate as f64 * 0.2 + 2.0 * LEAST as f64);
        }
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let now = Instant::now();
        let mut bucket = Bucket::new(None, now);
        bucket.spend(usize::MAX, now);
        assert_eq!(bucket.wait(now), Duration::ZERO);
    }

    #[test]
    fn lifting_the_limit_forgives_the_debt() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Some(1), now);
        bucket.spend(1 << 20, now);
        assert!(bucket.wait(now) > Duration::from_secs(1000));
        bucket.set(Some(1_000_000), now);
        assert_eq!(bucket.wait(now), Duration::ZERO);
    }
}
