//! Formats each record as a line for the file, the ring and stderr.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use time::{OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking};
use tracing_subscriber::{Layer, layer::Context};

use super::{LogRing, Record};
use crate::{platform::note_output, text::SafeText};

/// RFC 3339 with milliseconds.
const TIME_FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
    "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3][offset_hour sign:mandatory]:[offset_minute]"
);

/// The layer. Spans are not used in this program; only events are logged.
#[derive(Debug)]
pub(super) struct Lines {
    file: Option<NonBlocking>,
    dropped: Option<ErrorCounter>,
    reported: Mutex<Reported>,
    ring: Option<LogRing>,
    stderr: bool,
    offset: UtcOffset,
}

/// The last report of dropped lines.
#[derive(Debug, Default)]
struct Reported {
    /// Number of reported lines.
    lines: usize,
    /// Time of the report. A report adds a line to a full queue, so reports have an interval.
    at: Option<Instant>,
}

/// Time between two reports of dropped lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The report of dropped lines.
pub(super) fn lost(count: usize) -> String {
    format!("{count} lines are missing from the log file: the disk was too slow to write them")
}

/// A line of the file.
pub(super) fn line(time: OffsetDateTime, level: Level, text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 48);
    let time = time.format(TIME_FORMAT).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(line, "{time} {level:5} {} {text}", std::process::id());
    line
}

impl Lines {
    pub(super) fn new(
        file: Option<NonBlocking>,
        dropped: Option<ErrorCounter>,
        ring: Option<LogRing>,
        stderr: bool,
        offset: UtcOffset,
    ) -> Lines {
        Lines { file, dropped, reported: Mutex::default(), ring, stderr, offset }
    }

    fn write(&self, record: Record) {
        if let Some(file) = &self.file {
            let line = line(record.time, record.level, record.text.as_str());
            // One write takes one place in the queue. A full queue counts it as dropped.
            let _ = file.clone().write(line.as_bytes());
        }
        if self.stderr {
            let line = format!("{} {:5} {}\n", record.clock(), record.level, record.text);
            if let Err(error) = std::io::stderr().lock().write_all(line.as_bytes()) {
                // The file, the ring and the exit code report it.
                note_output("stderr", &error);
            }
        }
        if let Some(ring) = &self.ring {
            ring.push(record);
        }
    }

    fn report_lost_lines(&self, time: OffsetDateTime) {
        let dropped = self.dropped.as_ref().map_or(0, ErrorCounter::dropped_lines);
        let news = {
            let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            let news = dropped - reported.lines;
            if news == 0 || reported.at.is_some_and(|at| at.elapsed() < REPORT_INTERVAL) {
                return;
            }
            *reported = Reported { lines: dropped, at: Some(Instant::now()) };
            news
        };
        self.write(Record { time, level: Level::WARN, text: SafeText::new(&lost(news)) });
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let time = OffsetDateTime::now_utc().to_offset(self.offset);
        let mut text = Text::default();
        event.record(&mut text);
        self.report_lost_lines(time);
        let text = SafeText::new(&(text.message + &text.fields));
        self.write(Record { time, level: *event.metadata().level(), text });
    }
}

/// The message, and the other fields as ` key=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
