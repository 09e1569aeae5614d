//! Rates from counters that are read now and then: of each connection, and of the whole server with its recent past.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::server::{ConnectionId, ConnectionView};

/// The window that rates are averaged over.
const RATE_WINDOW: Duration = Duration::from_secs(4);
/// A rate over less than this is not shown.
const MIN_WINDOW: Duration = Duration::from_millis(400);
/// A server that has sent nothing for this time is idle.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// Seconds that the sparkline goes back.
const SPARK_SECONDS: usize = 30;
/// Seconds that the graph goes back at most; then it begins again with half of them.
const MAX_SECONDS: usize = 600;

/// The last readings of a counter, oldest first.
#[derive(Clone, Debug, Default)]
struct Readings(VecDeque<(Instant, u64)>);

impl Readings {
    fn read(&mut self, now: Instant, count: u64) {
        // One reading older than the window stays, so that the rate covers the whole window.
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RATE_WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back((now, count));
    }

    fn rate(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.0.front()?, self.0.back()?);
        let time = last.saturating_duration_since(*first);
        (time >= MIN_WINDOW).then(|| to.saturating_sub(*from) as f64 / time.as_secs_f64())
    }
}

/// The rates of connections.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    readings: HashMap<ConnectionId, (u64, Readings)>,
    /// Number of the last reading.
    last: u64,
}

impl Rates {
    /// Takes in all connections and forgets those that have ended.
    pub fn read(&mut self, now: Instant, rows: &[ConnectionView]) {
        self.last += 1;
        for row in rows {
            let Some(id) = row.id else { continue };
            let (last, readings) = self.readings.entry(id).or_default();
            readings.read(now, row.sent);
            *last = self.last;
        }
        self.readings.retain(|_, (last, _)| *last == self.last);
    }

    /// Bytes a second of a connection; `None` before there was time to measure.
    pub fn rate(&self, id: ConnectionId) -> Option<f64> {
        self.readings.get(&id)?.1.rate()
    }
}

/// The rate of the whole server, and its past.
#[derive(Clone, Debug)]
pub struct Throughput {
    readings: Readings,
    /// When time began for the buckets below.
    origin: Instant,
    /// Bytes sent in each of the last seconds, the present one last.
    seconds: VecDeque<f64>,
    /// Which second since `origin` the last bucket is.
    second: u64,
    /// The last reading.
    at: Instant,
    sent: u64,
    moved: Option<Instant>,
}

impl Throughput {
    /// Of a server that has sent `sent` bytes before.
    pub fn new(now: Instant, sent: u64) -> Throughput {
        Throughput {
            readings: Readings::default(),
            origin: now,
            seconds: VecDeque::from([0.0]),
            second: 0,
            at: now,
            sent,
            moved: None,
        }
    }

    /// Takes in the number of bytes sent so far. They are shared out over the time since the last reading, so that a pause between
    /// two readings leaves no peak.
    pub fn read(&mut self, now: Instant, sent: u64) {
        self.readings.read(now, sent);
        let since = self.at.saturating_duration_since(self.origin).as_secs_f64();
        let until = now.saturating_duration_since(self.origin).as_secs_f64();
        let second = until as u64;
        for _ in 0..second.saturating_sub(self.second).min(MAX_SECONDS as u64) {
            self.seconds.push_back(0.0);
        }
        self.second = self.second.max(second);
        let more = sent.saturating_sub(self.sent) as f64;
        if more > 0.0 {
            self.moved = Some(now);
            let mut begin = self.second as f64;
            for bucket in self.seconds.iter_mut().rev() {
                let share = until.min(begin + 1.0) - since.max(begin);
                // Two readings at one moment have no time between them.
                *bucket += if until > since { more * share.max(0.0) / (until - since) } else { more };
                if begin <= since {
                    break;
                }
                begin -= 1.0;
            }
        }
        if self.seconds.len() > MAX_SECONDS {
            self.seconds.drain(..self.seconds.len() - MAX_SECONDS / 2);
        }
        (self.at, self.sent) = (now, sent);
    }

    /// Bytes a second over the last seconds.
    pub fn rate(&self) -> f64 {
        self.readings.rate().unwrap_or(0.0)
    }

    /// Bytes in each of the last whole seconds, at most `columns`, the latest last. The present second is not
    /// among them: it would grow in each frame.
    pub fn past(&self, columns: usize) -> impl ExactSizeIterator<Item = f64> + Clone + '_ {
        let whole = self.seconds.len() - 1;
        self.seconds.range(whole.saturating_sub(columns)..whole).copied()
    }

    /// Whether bytes moved lately.
    pub fn moves(&self, now: Instant) -> bool {
        self.moved.is_some_and(|moved| now.saturating_duration_since(moved) < IDLE_TIME)
    }

    /// Whether nothing of what is shown would change if nothing moved any more, but for the time that passes in the graph.
    pub fn is_at_rest(&self) -> bool {
        self.rate() == 0.0 && self.seconds.iter().rev().take(SPARK_SECONDS).all(|bytes| *bytes == 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut readings = Readings::default();
        readings.read(start, 1000);
        assert_eq!(readings.rate(), None);
        for quarter in 1..=40 {
            readings.read(after(start, quarter * 250), 1000 + quarter * 250);
        }
        assert_eq!(readings.rate(), Some(1000.0));
        for quarter in 41..=80 {
            readings.read(after(start, quarter * 250), 11_000);
        }
        assert_eq!(readings.rate(), Some(0.0), "what was 4 s ago counts no more");
    }

    #[test]
    fn the_past_has_a_bucket_for_each_second() {
        let start = Instant::now();
        let mut throughput = Throughput::new(start, 500);
        assert!(throughput.is_at_rest());
        throughput.read(after(start, 500), 600);
        throughput.read(after(start, 1500), 800);
        throughput.read(after(start, 3500), 900);
        // Each reading is shared out over the time since the one before.
        assert_eq!(throughput.past(8).collect::<Vec<_>>(), [200.0, 125.0, 50.0]);
        assert_eq!(throughput.past(2).collect::<Vec<_>>(), [125.0, 50.0]);
        assert!(throughput.moves(after(start, 8000)) && !throughput.moves(after(start, 8500)));
        for second in 4..40 {
            throughput.read(after(start, second * 1000), 900);
        }
        assert!(throughput.is_at_rest(), "the past is forgotten");
        throughput.read(after(start, 1_000_000_000), 900);
        assert_eq!(throughput.past(MAX_SECONDS).len(), MAX_SECONDS / 2 - 1);
    }

    #[test]
    fn a_pause_between_two_readings_leaves_no_peak() {
        let start = Instant::now();
        let mut throughput = Throughput::new(start, 0);
        let mut readings = Readings::default();
        for second in (1..=10).chain(100..=110) {
            throughput.read(after(start, second * 1000), second * 1000);
            readings.read(after(start, second * 1000), second * 1000);
            assert!(readings.rate().is_none_or(|rate| rate == 1000.0), "{second}: {readings:?}");
        }
        let past: Vec<_> = throughput.past(MAX_SECONDS).collect();
        assert_eq!(past.len(), 110);
        assert!(past.iter().all(|bytes| (bytes - 1000.0).abs() < 1e-6), "{past:?}");
        assert_eq!(throughput.rate(), 1000.0);
        throughput.read(after(start, 10_000_000), 10_000_000);
        let past: Vec<_> = throughput.past(MAX_SECONDS).collect();
        assert!(past.iter().all(|bytes| *bytes < 1001.0), "{past:?}");
    }
}
