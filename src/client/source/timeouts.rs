//! How long the client waits for a server, and the fewest bytes that it must send meanwhile.

use std::time::{Duration, Instant};

use crate::protocol::{digest::BLOCK_SIZE, message::Content};

/// The time that a server with a slow disk may take to read and hash a block of 1 MiB.
const BLOCK_TIME: Duration = Duration::from_secs(5);

/// The time that a slow server with many clients may take to compress 1 MiB.
const COMPRESSION_TIME: Duration = Duration::from_secs(1);

/// See [`reading_time`].
const READING_TIMEOUTS: u32 = 60;

/// The maximum compression ratio of DEFLATE.
const MAX_RATIO: u64 = 1032;

/// The timeouts of all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// A server that sends nothing for this long is lost.
    pub(crate) silence: Duration,
    /// A server that sends fewer bytes a second than this, averaged over `speed_time`, is lost, too; 0 is no minimum.
    pub(crate) speed_limit: u64,
    /// See `speed_limit`.
    pub(crate) speed_time: Duration,
}

impl Timeouts {
    pub(crate) fn of(config: &crate::client::api::settings::config::Config) -> Timeouts {
        Timeouts {
            silence: config.timeout,
            speed_limit: config.speed_limit,
            speed_time: config.speed_time.unwrap_or(config.timeout),
        }
    }
}

/// The time that reading and hashing this many bytes may take.
pub(crate) fn hashing_time(bytes: u64) -> Duration {
    time_of_blocks(bytes, BLOCK_TIME)
}

/// The time that a server may take to compress the part of an archive before the requested range again, without sending anything. The
/// size of the sources that the server announces is limited to what the archive before the range can decompress to.
pub(crate) fn compression_time(content: &Content) -> Duration {
    let before = content.first_block.saturating_mul(BLOCK_SIZE).saturating_add(content.skip);
    let sources = content.sources.map_or(0, |sources| sources.bytes);
    time_of_blocks(sources.min(before.saturating_mul(MAX_RATIO)), COMPRESSION_TIME)
}

/// The time that a server may take to read a folder before it sends what is in it, however often it says that it works: half an hour with the
/// default timeout. The client does not know how much there is to read, and a user who sets a shorter timeout wants to wait less.
pub(crate) fn reading_time(timeouts: Timeouts) -> Duration {
    timeouts.silence.saturating_mul(READING_TIMEOUTS)
}

fn time_of_blocks(bytes: u64, time: Duration) -> Duration {
    // Less than a second of float error in a year.
    Duration::try_from_secs_f64(bytes as f64 / BLOCK_SIZE as f64 * time.as_secs_f64())
        .unwrap_or(Duration::MAX)
}

/// Measures how long the client waits for the server of one connection. Time in which the client does not read, because of its limit, does not
/// count.
#[derive(Debug)]
pub(crate) struct Watchdog {
    timeouts: Timeouts,
    /// The time that the server was waited for.
    waited: Duration,
    /// Bytes that were received meanwhile.
    received: u64,
    /// The time that the server was waited for while it sent nothing, or only said that it works.
    working: Duration,
    /// Time beyond the timeout in which the server may send nothing before its next bytes.
    preparing: Duration,
}

impl Watchdog {
    pub(crate) fn new(timeouts: Timeouts) -> Watchdog {
        Watchdog {
            timeouts,
            waited: Duration::ZERO,
            received: 0,
            working: Duration::ZERO,
            preparing: Duration::ZERO,
        }
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// A request is sent: before that there was nothing to wait for.
    pub(crate) fn begin(&mut self) {
        self.open_window();
        self.working = Duration::ZERO;
    }

    fn open_window(&mut self) {
        (self.waited, self.received) = (Duration::ZERO, 0);
    }

    /// How long the server may send nothing.
    pub(crate) fn silence(&self) -> Duration {
        self.timeouts.silence.saturating_add(self.preparing)
    }

    /// Allows the server to send nothing for this time before its next bytes. The time does not count for the minimum rate.
    pub(crate) fn prepares(&mut self, time: Duration) {
        self.preparing = time;
    }

    /// The server has read and hashed for some of the time: at most `budget` does not count, and is taken from it.
    pub(crate) fn hashed(&mut self, budget: &mut Duration) {
        let time = self.waited.min(*budget);
        self.waited -= time;
        *budget -= time;
        if !time.is_zero() {
            // What was received meanwhile says only that.
            self.received = 0;
        }
    }

    /// The server says that it works: at most `budget` does not count, and is taken from it. False if the rest is as long as a server may send
    /// nothing.
    pub(crate) fn works(&mut self, budget: &mut Duration) -> bool {
        let time = self.working.min(*budget);
        self.working -= time;
        *budget -= time;
        if !time.is_zero() {
            self.waited = self.waited.saturating_sub(time);
            self.received = 0;
        }
        self.working < self.timeouts.silence
    }

    /// The server has sent more than that it works.
    pub(crate) fn answered(&mut self) {
        self.working = Duration::ZERO;
    }

    /// Bytes were received that were waited for since `since`. False if they are fewer than the minimum.
    pub(crate) fn took(&mut self, since: Instant, bytes: usize) -> bool {
        self.took_in(since.elapsed(), bytes)
    }

    fn took_in(&mut self, waited: Duration, bytes: usize) -> bool {
        let waited = waited.saturating_sub(std::mem::take(&mut self.preparing));
        self.waited = self.waited.saturating_add(waited);
        self.working = self.working.saturating_add(waited);
        self.received = self.received.saturating_add(bytes as u64);
        if self.waited < self.timeouts.speed_time {
            return true;
        }
        let enough = self.received as f64 >= self.timeouts.speed_limit as f64 * self.waited.as_secs_f64();
        self.open_window();
        enough
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::message::{Form, Sources, Timestamp};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn patience() -> Watchdog {
        Watchdog::new(Timeouts { silence: 30 * SECOND, speed_limit: 100, speed_time: 30 * SECOND })
    }

    /// Whether this many bytes a second are enough over a minute.
    fn lasts(bytes: usize) -> bool {
        let mut patience = patience();
        (0..60).all(|_| patience.took_in(SECOND, bytes))
    }

    #[test]
    fn a_server_that_is_too_slow_is_lost() {
        assert!(lasts(100));
        assert!(!lasts(99));
        assert!(!lasts(13), "a frame with one byte of content a second");
    }

    #[test]
    fn a_minimum_rate_of_0_is_no_minimum() {
        let mut patience = Watchdog::new(Timeouts { speed_limit: 0, ..patience().timeouts() });
        assert!((0..60).all(|_| patience.took_in(SECOND, 1)));
    }

    #[test]
    fn a_request_restarts_the_measurement() {
        let mut patience = patience();
        for _ in 0..10 {
            assert!(patience.took_in(29 * SECOND, 60), "an answer of few bytes may take its time");
            patience.begin();
        }
    }

    #[test]
    fn an_archive_that_resumes_may_be_compressed_again_before_it_is_sent() {
        let content = |first_block, skip, bytes| Content {
            form: Form::Zip,
            name: "a.zip".into(),
            size: None,
            sources: Some(Sources { bytes, ..Sources::default() }),
            modified: Timestamp { seconds: 0, nanoseconds: 0 },
            mode: 0o644,
            identity: "i".into(),
            first_block,
            skip,
            data_bytes: None,
        };
        assert_eq!(compression_time(&content(0, 0, 100 << 20)), Duration::ZERO, "it does not resume");
        assert_eq!(compression_time(&content(3, 7, 100 << 20)), 100 * COMPRESSION_TIME);
        assert_eq!(compression_time(&content(0, 1 << 10, u64::MAX)), COMPRESSION_TIME * 1032 / 1024);
        assert!(compression_time(&content(u64::MAX, 1, u64::MAX)) > Duration::from_secs(86_400));
        let mut patience = patience();
        patience.prepares(100 * SECOND);
        assert_eq!(patience.silence(), 130 * SECOND);
        assert!(patience.took_in(129 * SECOND, 3000));
        assert_eq!(patience.silence(), 30 * SECOND, "only once");
        patience.prepares(100 * SECOND);
        assert!(!patience.took_in(131 * SECOND, 100));
    }

    #[test]
    fn hashing_takes_as_long_as_there_is_something_to_hash() {
        assert_eq!(hashing_time(1 << 20), BLOCK_TIME);
        assert!(hashing_time(u64::MAX) > Duration::from_secs(86_400));
        let mut patience = patience();
        let mut budget = hashing_time(60 << 20);
        assert_eq!(
            lasts_working(&mut patience, &mut budget, 12),
            300 + 29,
            "the time for 60 blocks, and the timeout"
        );
    }

    /// The number of seconds until the connection to a server that sends only `working` frames is closed, at this rate in bytes per second.
    fn lasts_working(patience: &mut Watchdog, budget: &mut Duration, bytes: usize) -> usize {
        (1..100_000).take_while(|_| patience.took_in(SECOND, bytes) && patience.works(budget)).count()
    }

    #[test]
    fn reading_a_folder_takes_as_long_as_the_timeout_allows() {
        let mut patience = patience();
        let mut budget = reading_time(patience.timeouts());
        assert_eq!(budget, 1800 * SECOND);
        assert_eq!(lasts_working(&mut patience, &mut budget, 12), 1800 + 29);
        patience.answered();
        assert_eq!(lasts_working(&mut patience, &mut budget, 12), 29, "the next page has no more time");
    }

    #[test]
    fn a_server_that_only_says_that_it_works_is_lost() {
        let mut patience = patience();
        let mut budget = reading_time(patience.timeouts());
        assert_eq!(lasts_working(&mut patience, &mut budget, 12_000), 1800 + 29);
    }
}
