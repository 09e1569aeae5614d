//! A log file of at most 64 MiB a day, so that no client can fill the disk with log lines.

use std::io::{self, Write};

use time::{Date, OffsetDateTime, UtcOffset};
use tracing::Level;

use super::layer;

/// Maximum number of bytes written in a day.
pub(super) const MAX_DAY_LEN: u64 = 64 << 20;

/// Writes lines until the budget of the day (UTC, as in the name of the file) is used up. One more line reports that,
/// and further lines of that day are dropped.
pub(super) struct Bounded<W, C> {
    writer: W,
    clock: C,
    offset: UtcOffset,
    budget: u64,
    day: Date,
    written: u64,
    full: bool,
}

impl<W: Write, C: Fn() -> OffsetDateTime> Bounded<W, C> {
    /// Creates it with this budget a day, of which `written` bytes are used today.
    pub fn new(writer: W, clock: C, offset: UtcOffset, budget: u64, written: u64) -> Bounded<W, C> {
        let day = clock().to_offset(UtcOffset::UTC).date();
        Bounded { writer, clock, offset, budget, day, written, full: false }
    }

    fn last_line(&self, now: OffsetDateTime) -> String {
        let text = format!(
            "the log of {} has reached its maximum of {} bytes: nothing more is logged until midnight UTC",
            self.day, self.budget
        );
        layer::line(now.to_offset(self.offset), Level::WARN, &text)
    }
}

impl<W: Write, C: Fn() -> OffsetDateTime> Write for Bounded<W, C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = (self.clock)();
        let today = now.to_offset(UtcOffset::UTC).date();
        if today != self.day {
            (self.day, self.written, self.full) = (today, 0, false);
        }
        if !self.full && self.written.saturating_add(bytes.len() as u64) > self.budget {
            self.full = true;
            self.writer.write_all(self.last_line(now).as_bytes())?;
        }
        if self.full {
            return Ok(bytes.len());
        }
        let count = self.writer.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use time::macros::datetime;

    use super::*;

    const MORNING: OffsetDateTime = datetime!(2026-11-27 08:00 UTC);

    #[test]
    fn each_day_has_its_own_budget() {
        let now = Cell::new(MORNING);
        let mut log = Bounded::new(Vec::new(), || now.get(), UtcOffset::UTC, 100, 0);
        for _ in 0..50 {
            log.write_all(b"123456789\n").unwrap();
        }
        let text = String::from_utf8(log.writer.clone()).unwrap();
        assert!(text.starts_with(&"123456789\n".repeat(10)), "{text}");
        let lines: Vec<_> = text.lines().skip(10).collect();
        let [last] = lines.as_slice() else { panic!("one last line: {text}") };
        assert!(
            last.starts_with("2026-11-27T08:00:00.000+00:00 WARN ") && last.contains("100 bytes"),
            "{last}"
        );
        now.set(datetime!(2026-11-28 00:00 UTC));
        let before = log.writer.len();
        log.write_all(b"a new day\n").unwrap();
        assert_eq!(&log.writer[before..], b"a new day\n");
    }

    #[test]
    fn a_day_starts_at_midnight_utc() {
        let now = Cell::new(datetime!(2026-11-27 23:30 -02:00));
        let mut log = Bounded::new(Vec::new(), || now.get(), UtcOffset::UTC, 10, 0);
        log.write_all(b"123456789\n").unwrap();
        now.set(datetime!(2026-11-28 00:30 -02:00));
        log.write_all(b"123456789\n").unwrap();
        assert!(log.full, "local midnight begins no day");
    }

    #[test]
    fn existing_bytes_count() {
        let mut log = Bounded::new(Vec::new(), || MORNING, UtcOffset::UTC, 100, 95);
        log.write_all(b"123456789\n").unwrap();
        let text = String::from_utf8(log.writer).unwrap();
        assert_eq!((text.lines().count(), text.contains("12345")), (1, false), "{text}");
    }
}
