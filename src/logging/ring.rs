//! The last lines of the log in memory, for the log panes.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use time::OffsetDateTime;
use tracing::Level;

use crate::text::{SafeText, dates};

/// Default number of records.
pub const DEFAULT_CAPACITY: usize = 10_000;
/// Maximum number of bytes of their texts, so that peers cannot fill the memory with log lines.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Local time.
    pub time: OffsetDateTime,
    /// Severity.
    pub level: Level,
    /// Message and fields.
    pub text: SafeText,
}

impl Record {
    /// The time of day: `22:31:04`.
    pub fn clock(&self) -> String {
        dates::clock(self.time)
    }
}

/// Called after each record, outside the ring's lock.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A handle of the ring; clones share it.
///
/// Records are numbered from 0 in the order of their arrival, and keep their number when older ones
/// are dropped, so that a reader can keep showing the same range.
#[derive(Clone)]
pub struct LogRing {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    records: VecDeque<Record>,
    capacity: usize,
    /// Bytes of the texts.
    bytes: usize,
    total: u64,
    waker: Option<Waker>,
}

impl Default for LogRing {
    fn default() -> LogRing {
        LogRing::new()
    }
}

impl fmt::Debug for LogRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogRing").field("len", &self.len()).field("total", &self.total()).finish()
    }
}

impl LogRing {
    /// An empty ring of [`DEFAULT_CAPACITY`].
    pub fn new() -> LogRing {
        LogRing::with_capacity(DEFAULT_CAPACITY)
    }

    /// An empty ring that keeps `capacity` records, at least one.
    pub fn with_capacity(capacity: usize) -> LogRing {
        let capacity = capacity.max(1);
        let inner = Inner { records: VecDeque::new(), capacity, bytes: 0, total: 0, waker: None };
        LogRing { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Adds a record; a full ring drops the oldest ones.
    pub fn push(&self, record: Record) {
        let waker = {
            let mut inner = self.lock();
            inner.bytes += record.text.as_str().len();
            while (inner.records.len() == inner.capacity || inner.bytes > MAX_TEXT_BYTES)
                && let Some(oldest) = inner.records.pop_front()
            {
                inner.bytes -= oldest.text.as_str().len();
            }
            inner.records.push_back(record);
            inner.total += 1;
            inner.waker.clone()
        };
        if let Some(wake) = waker {
            wake();
        }
    }

    /// Number of records in the ring.
    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Whether nothing was ever logged.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Number of records so far, with the dropped ones: the number of the next record.
    pub fn total(&self) -> u64 {
        self.lock().total
    }

    /// Numbers of the records in the ring.
    pub fn kept(&self) -> Range<u64> {
        let inner = self.lock();
        inner.total - inner.records.len() as u64..inner.total
    }

    /// The records of `range` that are in the ring.
    pub fn get(&self, range: Range<u64>) -> Vec<Record> {
        let inner = self.lock();
        let first = inner.total - inner.records.len() as u64;
        let start = range.start.clamp(first, inner.total);
        let end = range.end.clamp(start, inner.total);
        // Both differences are at most the number of records in memory.
        inner.records.range((start - first) as usize..(end - first) as usize).cloned().collect()
    }

    /// Sets the function that is called after each new record.
    pub fn set_waker(&self, waker: Waker) {
        self.lock().waker = Some(waker);
    }

    /// Ignores poisoning: the state of the ring is consistent after each statement.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn record(second: i64) -> Record {
        Record {
            time: OffsetDateTime::from_unix_timestamp(second).expect("a small number"),
            level: Level::INFO,
            text: SafeText::default(),
        }
    }

    fn seconds(records: &[Record]) -> Vec<i64> {
        records.iter().map(|record| record.time.unix_timestamp()).collect()
    }

    #[test]
    fn numbers_stay_when_old_records_are_dropped() {
        let ring = LogRing::with_capacity(3);
        assert!(ring.is_empty());
        for second in 0..5 {
            ring.push(record(second));
        }
        assert_eq!((ring.len(), ring.total(), ring.kept()), (3, 5, 2..5));
        assert_eq!(seconds(&ring.get(0..10)), [2, 3, 4]);
        assert_eq!(seconds(&ring.get(3..4)), [3]);
        assert_eq!(seconds(&ring.get(0..2)), [0i64; 0]);
        assert_eq!(seconds(&ring.get(7..9)), [0i64; 0]);
        let backwards = Range { start: 4, end: 2 };
        assert_eq!(seconds(&ring.get(backwards)), [0i64; 0]);
    }

    #[test]
    fn long_lines_reduce_the_number_of_records() {
        let ring = LogRing::new();
        let text = SafeText::new(&"x".repeat(4000));
        for second in 0..5000 {
            ring.push(Record { text: text.clone(), ..record(second) });
        }
        assert_eq!((ring.len(), ring.total()), (MAX_TEXT_BYTES / 4000, 5000));
        assert_eq!(seconds(&ring.get(4999..5000)), [4999]);
        ring.push(record(5000));
        assert_eq!(ring.len(), MAX_TEXT_BYTES / 4000 + 1);
    }

    #[test]
    fn clones_share_and_the_waker_may_read_the_ring() {
        let ring = LogRing::new();
        let seen = Arc::new(AtomicU64::new(0));
        let (reader, count) = (ring.clone(), seen.clone());
        ring.set_waker(Arc::new(move || count.store(reader.total(), Ordering::Relaxed)));
        ring.clone().push(record(1));
        ring.push(record(2));
        assert_eq!(seen.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_clock_has_two_digits_each() {
        assert_eq!(record(3661).clock(), "01:01:01");
    }
}
