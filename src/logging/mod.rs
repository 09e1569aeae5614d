//! Logging: one line a record, to a rotating file and to the ring that the log panes show.
//!
//! A record never stops a transfer: lines go to the file through a bounded queue, those that find it full
//! are dropped, counted, and the count is logged. Nor does it fill the disk: a day has a budget. Control characters are made visible before a line
//! is written, so that no name of a file or a peer can act on the terminal of a reader of the log.

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

/// Lines that wait for the disk, at most.
const MAX_LINES: usize = 16 * 1024;
/// The names of the files in a folder begin with this, have the date in the middle, and end with that.
const FILE_PREFIX: &str = "tui";
const FILE_SUFFIX: &str = "log";

/// Where the lines go besides the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A new file each day in this folder, bounded in size, of which the newest `keep` are kept.
    Folder {
        /// The folder, made if missing.
        folder: PathBuf,
        /// How many files.
        keep: usize,
    },
    /// This file, appended to, in one day no more than the same.
    File(PathBuf),
    /// To no file.
    Nowhere,
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// To which file.
    pub destination: Destination,
    /// The least severe level that is logged of this program. Of libraries, warnings are logged.
    pub level: Level,
    /// Whether the lines are printed on stderr, too.
    pub stderr: bool,
}

/// The file that was asked for cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the log file '{path}': {error}")]
pub struct LogFileError {
    /// The file.
    pub path: SafeText,
    /// Why.
    pub error: io::Error,
}

/// Keeps logging alive; lives in `main`. Dropping it writes what still waits.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct Guard {
    worker: Option<WorkerGuard>,
    dropped: Option<ErrorCounter>,
    /// Why nothing is written to a file, where that was not asked for.
    pub warning: Option<String>,
}

static LOCAL_OFFSET: OnceLock<UtcOffset> = OnceLock::new();

/// The local time zone as [`init`] found it: with more threads than one, it cannot be asked for safely.
pub fn local_offset() -> UtcOffset {
    LOCAL_OFFSET.get().copied().unwrap_or(UtcOffset::UTC)
}

/// Starts logging for the whole process. To be called before other threads run, which is when the local time
/// zone can be asked for.
///
/// A folder that cannot be written is not worth failing for; it becomes [`Guard::warning`].
///
/// # Errors
/// A file that was asked for by name cannot be opened.
pub fn init(options: &LogOptions, ring: Option<LogRing>) -> Result<Guard, LogFileError> {
    // Before the log's own thread runs.
    let offset = *LOCAL_OFFSET.get_or_init(|| UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC));
    let (sink, guard) = open(&options.destination)?;
    let lines = layer::Lines::new(sink, guard.dropped.clone(), ring, options.stderr, offset);
    // Only a second call in one process fails, and then the first one's subscriber stays.
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
                // It has more days than one in it; today's are those that are written from now on.
                Ok(file) => queue(bounded(file, 0)),
                Err(error) => return Err(LogFileError { path: SafeText::from_path(path), error }),
            }
        }
        Destination::Folder { folder, keep } => match rolling(folder, *keep) {
            Ok(appender) => queue(bounded(appender, written_today(folder))),
            Err(reason) => silent(Some(format!(
                "nothing is logged to a file, the folder '{}' cannot be written: {reason}",
                SafeText::from_path(folder)
            ))),
        },
    })
}

fn rolling(folder: &Path, keep: usize) -> Result<RollingFileAppender, String> {
    // What a user fetches is private.
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| error.to_string())?;
    // The appender ends the program where there is no thread for it.
    probe(folder).and_then(|()| platform::check_threads(1)).map_err(|error| error.to_string())?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(FILE_PREFIX)
        .filename_suffix(FILE_SUFFIX)
        .max_log_files(keep)
        .build(folder)
        .map_err(|error| error.to_string())
}

/// Bytes that today's file has already.
fn written_today(folder: &Path) -> u64 {
    let name = format!("{FILE_PREFIX}.{}.{FILE_SUFFIX}", OffsetDateTime::now_utc().date());
    std::fs::metadata(folder.join(name)).map_or(0, |file| file.len())
}

fn bounded<W: io::Write>(writer: W, written: u64) -> Bounded<W, fn() -> OffsetDateTime> {
    Bounded::new(writer, OffsetDateTime::now_utc, local_offset(), MAX_DAY_LEN, written)
}

/// The appender's own error does not name why a folder cannot be written.
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
    /// Lines that found the queue full and are not in the file.
    pub fn lost(&self) -> usize {
        self.dropped.as_ref().map_or(0, ErrorCounter::dropped_lines)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.lost() > 0 {
            tracing::warn!("{}", layer::lost(self.lost()));
        }
        // Waits, for a bounded time, until the queue is written.
        self.worker.take();
    }
}

#[cfg(test)]
mod tests;
