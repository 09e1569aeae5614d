//! A token bucket: a rate limit with time as an argument.

use std::time::{Duration, Instant};

/// Maximum unused credit, as the time in which it accumulates.
const BURST_TIME: Duration = Duration::from_millis(100);

/// Credit in bytes that grows with time. It can become negative: the caller then waits until it is 0.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Option<u64>,
    balance: f64,
    at: Instant,
}

impl Bucket {
    /// Creates a bucket that fills at `rate` bytes a second; `None` is no limit.
    pub(crate) fn new(rate: Option<u64>, now: Instant) -> Bucket {
        Bucket { rate, balance: 0.0, at: now }
    }

    /// The rate in bytes a second; `None` is no limit.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.rate
    }

    fn settle(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        if let Some(rate) = self.rate {
            let rate = rate as f64;
            let most = rate * BURST_TIME.as_secs_f64();
            self.balance = (self.balance + rate * elapsed.as_secs_f64()).min(most);
        }
    }

    /// Sets another rate. A negative allowance is reset, so that a higher rate takes effect at once.
    pub(crate) fn set(&mut self, rate: Option<u64>, now: Instant) {
        *self = Bucket::new(rate, now);
    }

    /// Spends bytes that were transferred.
    pub(crate) fn spend(&mut self, bytes: usize, now: Instant) {
        self.settle(now);
        if self.rate.is_some() {
            self.balance -= bytes as f64;
        }
    }

    /// Time until the allowance is no longer negative.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        self.settle(now);
        match self.rate {
            Some(rate) if self.balance < 0.0 => {
                Duration::try_from_secs_f64(-self.balance / rate.max(1) as f64).unwrap_or(Duration::MAX)
            }
            _ => Duration::ZERO,
        }
    }

    /// Spends bytes before they are transferred, and returns how long to wait before. Users of a bucket who reserve equal
    /// amounts are served in the order of their calls.
    pub(crate) fn reserve(&mut self, bytes: usize, now: Instant) -> Duration {
        let wait = self.wait(now);
        self.spend(bytes, now);
        wait
    }

    /// Returns reserved bytes that are not transferred.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        if self.rate.is_some() {
            self.balance += bytes as f64;
        }
    }

    /// Bytes to transfer at once so that the rate is smooth and shared: those of a `parts`-th of a
    /// second, at least `least`.
    pub(crate) fn quantum(&self, parts: u64, least: usize) -> usize {
        match self.rate {
            Some(rate) => usize::try_from(rate / parts).unwrap_or(usize::MAX).max(least),
            None => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIN_QUANTUM: usize = 1024;

    /// Reserves `quanta` one after the other on virtual time; returns bytes a second.
    fn drain(bucket: &mut Bucket, start: Instant, seconds: f64) -> f64 {
        let (mut now, mut bytes) = (start, 0usize);
        while now.duration_since(start).as_secs_f64() < seconds {
            now += bucket.wait(now);
            let quantum = bucket.quantum(20, MIN_QUANTUM);
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
        fn idle_time_allows_at_most_a_burst(rate in 10_000u64..1_000_000_000, idle in 1u64..10_000) {
            let start = Instant::now();
            let mut bucket = Bucket::new(Some(rate), start);
            let now = start + Duration::from_secs(idle);
            let mut bytes = 0;
            while bucket.wait(now).is_zero() {
                let quantum = bucket.quantum(20, MIN_QUANTUM);
                bucket.spend(quantum, now);
                bytes += quantum;
            }
            prop_assert!(bytes as f64 <= rate as f64 * 0.2 + 2.0 * MIN_QUANTUM as f64);
        }

        /// Users of a bucket get equal shares, however early or late their timers wake them.
        #[test]
        fn reservations_are_fair_and_keep_the_mean(
            rate in 100_000u64..100_000_000,
            late in proptest::collection::vec(0u64..3, 7),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(Some(rate), start);
            let quantum = bucket.quantum(100, MIN_QUANTUM);
            let mut clients: Vec<(Instant, usize)> = vec![(start, 0); late.len()];
            let end = start + Duration::from_secs(20);
            loop {
                let (index, &(at, _)) =
                    clients.iter().enumerate().min_by_key(|(_, (at, _))| *at).expect("there are some");
                if at >= end {
                    break;
                }
                let wait = bucket.reserve(quantum, at);
                clients[index].0 = at + wait + Duration::from_millis(late[index]);
                clients[index].1 += quantum;
            }
            let sum: usize = clients.iter().map(|(_, bytes)| bytes).sum();
            let mean = sum as f64 / 20.0;
            prop_assert!((mean / rate as f64 - 1.0).abs() < 0.1, "{mean} instead of {rate}");
            let (least, most) = (
                clients.iter().map(|(_, bytes)| *bytes).min().unwrap_or(0),
                clients.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0),
            );
            prop_assert!(least as f64 >= most as f64 * 0.6, "{least} and {most}");
        }
    }

    #[test]
    fn without_a_limit_there_is_no_wait() {
        let now = Instant::now();
        let mut bucket = Bucket::new(None, now);
        bucket.spend(usize::MAX, now);
        assert_eq!(bucket.wait(now), Duration::ZERO);
    }

    #[test]
    fn lifting_the_limit_resets_the_allowance() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Some(1), now);
        bucket.spend(1 << 20, now);
        assert!(bucket.wait(now) > Duration::from_secs(1000));
        bucket.set(Some(1_000_000), now);
        assert_eq!(bucket.wait(now), Duration::ZERO);
    }
}
