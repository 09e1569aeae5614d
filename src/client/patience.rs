//! How long the client waits for a server, and the fewest bytes that it must send meanwhile.

use std::time::{Duration, Instant};

/// The time that a server with a slow disk may take to read and hash a block of 1 MiB.
const BLOCK_TIME: Duration = Duration::from_secs(5);

/// The timeouts of all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeouts {
    /// A server that sends nothing for this long is lost.
    pub(super) silence: Duration,
    /// A server that sends fewer bytes a second than this, averaged over `speed_time`, is lost, too; 0 is no minimum.
    pub(super) speed_limit: u64,
    /// See `speed_limit`.
    pub(super) speed_time: Duration,
}

impl Timeouts {
    pub(super) fn of(config: &super::Config) -> Timeouts {
        Timeouts {
            silence: config.timeout,
            speed_limit: config.speed_limit,
            speed_time: config.speed_time.unwrap_or(config.timeout),
        }
    }
}

/// The time that reading and hashing this many bytes may take.
pub(super) fn hashing_time(bytes: u64) -> Duration {
    // Less than a second of float error in a year.
    Duration::try_from_secs_f64(
        bytes as f64 / crate::protocol::digest::BLOCK_SIZE as f64 * BLOCK_TIME.as_secs_f64(),
    )
    .unwrap_or(Duration::MAX)
}

/// The patience with one connection. Time in which the client does not read, since it holds itself back, does not count.
#[derive(Debug)]
pub(super) struct Patience {
    timeouts: Timeouts,
    /// The time that the server was waited for.
    waited: Duration,
    /// Bytes that were received meanwhile.
    received: u64,
}

impl Patience {
    pub(super) fn new(timeouts: Timeouts) -> Patience {
        Patience { timeouts, waited: Duration::ZERO, received: 0 }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Something is asked: before that there was nothing to wait for.
    pub(super) fn begin(&mut self) {
        (self.waited, self.received) = (Duration::ZERO, 0);
    }

    /// The server has read and hashed for some of the time: at most `budget` does not count, and is taken from it.
    pub(super) fn hashed(&mut self, budget: &mut Duration) {
        let time = self.waited.min(*budget);
        self.waited -= time;
        *budget -= time;
        if !time.is_zero() {
            // What was received meanwhile says only that.
            self.received = 0;
        }
    }

    /// Bytes were received that were waited for since `since`. False if they are fewer than the minimum.
    pub(super) fn took(&mut self, since: Instant, bytes: usize) -> bool {
        self.took_in(since.elapsed(), bytes)
    }

    fn took_in(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.received = self.received.saturating_add(bytes as u64);
        if self.waited < self.timeouts.speed_time {
            return true;
        }
        let enough = self.received as f64 >= self.timeouts.speed_limit as f64 * self.waited.as_secs_f64();
        self.begin();
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn patience() -> Patience {
        Patience::new(Timeouts { silence: 30 * SECOND, speed_limit: 100, speed_time: 30 * SECOND })
    }

    /// Whether this many bytes a second are enough over a minute.
    fn lasts(bytes: usize) -> bool {
        let mut patience = patience();
        (0..60).all(|_| patience.took_in(SECOND, bytes))
    }

    #[test]
    fn a_trickle_is_as_good_as_silence() {
        assert!(lasts(100));
        assert!(!lasts(99));
        assert!(!lasts(13), "a frame with one byte of content a second");
    }

    #[test]
    fn no_minimum_is_none() {
        let mut patience = Patience::new(Timeouts { speed_limit: 0, ..patience().timeouts() });
        assert!((0..60).all(|_| patience.took_in(SECOND, 1)));
    }

    #[test]
    fn what_is_asked_begins_anew() {
        let mut patience = patience();
        for _ in 0..10 {
            assert!(patience.took_in(29 * SECOND, 60), "an answer of few bytes may take its time");
            patience.begin();
        }
    }

    #[test]
    fn hashing_takes_as_long_as_there_is_something_to_hash() {
        assert_eq!(hashing_time(1 << 20), BLOCK_TIME);
        assert!(hashing_time(u64::MAX) > Duration::from_secs(86_400));
        let mut patience = patience();
        let mut budget = hashing_time(60 << 20);
        let lasted = (1..1000)
            .take_while(|_| {
                let enough = patience.took_in(SECOND, 12);
                patience.hashed(&mut budget);
                enough
            })
            .count();
        assert_eq!(lasted, 300 + 29, "the time for 60 blocks, and the window without progress");
    }
}
