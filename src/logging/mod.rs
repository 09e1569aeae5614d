//! Logging: one line a record, to a rotating file and to the ring that the log panes show.
//!
//! A record never blocks a transfer: lines go to the file through a bounded queue; if it is full, they
//! are dropped, counted, and their number is logged. The size of a day's log is bounded. Control characters are made visible before a line
//! is written, so that no file name and no peer can control the terminal of a reader of the log.

mod bounded;
#[cfg(test)]
mod fuzzing;
mod layer;
pub mod ring;

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use time::{OffsetDateTime, UtcOffset};
use tracing::{Level, Subscriber};
use tracing_appender::{
    non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard},
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

pub use ring::{LogRing, Record};

use self::bounded::{Bounded, MAX_DAY_LEN};
use crate::{platform, text::SafeText};

/// Maximum number of lines that wait for the disk.
const MAX_LINES: usize = 16 * 1024;
/// The log files of a folder are named `tui.DATE.log`.
const FILE_PREFIX: &str = "tui";
const FILE_SUFFIX: &str = "log";

/// The log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A new file of bounded size each day in this folder; the newest `keep` are kept.
    Folder {
        /// The folder, created if missing.
        folder: PathBuf,
        /// Number of files.
        keep: usize,
    },
    /// This file, to which at most the same size is appended in a day.
    File(PathBuf),
    /// No file.
    Nowhere,
}

/// Options of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The log file.
    pub destination: Destination,
    /// The minimum level of this program. Of libraries, warnings and errors are logged.
    pub level: Level,
    /// Whether to print the lines to stderr, too.
    pub stderr: bool,
}

/// The named log file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the log file '{path}': {error}")]
pub struct LogFileError {
    /// The file.
    pub path: SafeText,
    /// Why.
    pub error: io::Error,
}

/// Keeps the log running. Dropping it writes the waiting lines.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct Guard {
    worker: Option<WorkerGuard>,
    dropped: Option<ErrorCounter>,
    /// Why nothing is logged to a file, if the folder cannot be written.
    pub warning: Option<String>,
}

static LOCAL_OFFSET: OnceLock<UtcOffset> = OnceLock::new();

/// The local time zone, read by [`init`]: it cannot be read safely once there are several threads.
pub fn local_offset() -> UtcOffset {
    LOCAL_OFFSET.get().copied().unwrap_or(UtcOffset::UTC)
}

/// Starts logging for the whole process. To be called before other threads are started, because only then the local time
/// zone can be read.
///
/// A folder that cannot be written is not an error but [`Guard::warning`].
///
/// # Errors
/// The named file cannot be opened.
pub fn init(options: &LogOptions, ring: Option<LogRing>) -> Result<Guard, LogFileError> {
    // Before the thread of the log is started.
    let offset = *LOCAL_OFFSET.get_or_init(|| UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC));
    let (sink, guard) = open(&options.destination)?;
    let lines = layer::Lines::new(sink, guard.dropped.clone(), ring, options.stderr, offset);
    // Fails only for a second call in one process: the first subscriber stays.
    let _ = subscriber(lines, options.level).try_init();
    if let Some(warning) = &guard.warning {
        tracing::warn!("{warning}");
    }
    Ok(guard)
}

fn subscriber(lines: layer::Lines, level: Level) -> impl Subscriber + Send + Sync {
    let targets =
        Targets::new().with_default(Level::WARN).with_target("fdsp", level).with_target("tui", level);
    tracing_subscriber::registry().with(targets).with(lines)
}

fn open(destination: &Destination) -> Result<(Option<NonBlocking>, Guard), LogFileError> {
    let silent = |warning| (None, Guard { worker: None, dropped: None, warning });
    Ok(match destination {
        Destination::Nowhere => silent(None),
        Destination::File(path) => {
            let open = || {
                platform::check_threads(1)?;
                OpenOptions::new().create(true).append(true).mode(0o600).open(path)
            };
            match open() {
                // The file has several days in it; the budget of today starts now.
                Ok(file) => queue(bounded(file, 0)),
                Err(error) => return Err(LogFileError { path: SafeText::from_path(path), error }),
            }
        }
        Destination::Folder { folder, keep } => match rolling(folder, *keep) {
            Ok(appender) => queue(bounded(appender, written_today(folder))),
            Err(reason) => silent(Some(format!(
                "nothing is logged to a file: the folder '{}' cannot be written: {reason}",
                SafeText::from_path(folder)
            ))),
        },
    })
}

fn rolling(folder: &Path, keep: usize) -> Result<RollingFileAppender, String> {
    // The names of downloads are private.
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| error.to_string())?;
    // The appender panics if it cannot start its thread.
    probe(folder).and_then(|()| platform::check_threads(1)).map_err(|error| error.to_string())?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(FILE_PREFIX)
        .filename_suffix(FILE_SUFFIX)
        .max_log_files(keep)
        .build(folder)
        .map_err(|error| error.to_string())
}

/// The size of today's file in bytes.
fn written_today(folder: &Path) -> u64 {
    let name = format!("{FILE_PREFIX}.{}.{FILE_SUFFIX}", OffsetDateTime::now_utc().date());
    std::fs::metadata(folder.join(name)).map_or(0, |file| file.len())
}

fn bounded<W: io::Write>(writer: W, written: u64) -> Bounded<W, fn() -> OffsetDateTime> {
    Bounded::new(writer, OffsetDateTime::now_utc, local_offset(), MAX_DAY_LEN, written)
}

/// Why a folder cannot be written, which the appender's own error does not say.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".probe-{}", std::process::id()));
    File::create(&path)?;
    std::fs::remove_file(path)
}

fn queue(writer: impl io::Write + Send + 'static) -> (Option<NonBlocking>, Guard) {
    let (sink, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_LINES)
        .thread_name("log")
        .finish(writer);
    let dropped = sink.error_counter();
    (Some(sink), Guard { worker: Some(worker), dropped: Some(dropped), warning: None })
}

impl Guard {
    /// Number of lines that were dropped because the queue was full.
    pub fn lost(&self) -> usize {
        self.dropped.as_ref().map_or(0, ErrorCounter::dropped_lines)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.lost() > 0 {
            tracing::warn!("{}", layer::lost(self.lost()));
        }
        // Waits for a bounded time until the queue is written.
        self.worker.take();
    }
}

#[cfg(test)]
mod tests;
