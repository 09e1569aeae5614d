//! Times and modes of files: what their servers say of them, and the change times that show whether a file was written.

use std::{
    io,
    os::fd::AsFd,
    time::{Duration, SystemTime},
};

use rustix::fs::{Mode, Stat, Timespec, Timestamps, UTIME_OMIT};

use crate::protocol::message::Timestamp;

/// Longer than a tick of the clock that file systems take their times from.
const TICK: Duration = Duration::from_millis(100);

/// Whether every later write will change the status of a file: within one tick of the clock it need not.
pub(super) fn is_settled(stat: &Stat) -> bool {
    let seconds = u64::try_from(stat.st_ctime).unwrap_or(u64::MAX);
    let changed = Duration::new(seconds, u32::try_from(stat.st_ctime_nsec).unwrap_or(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(changed).is_some_and(|age| age >= TICK)
}

/// What every write to a file changes, and every other file in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    id: (u64, u64),
    size: i64,
    changed: (i64, i64),
}

impl Status {
    /// That of an open file; `None` while a later write might not change it.
    pub(super) fn settled(file: impl AsFd) -> io::Result<Option<Status>> {
        let stat = rustix::fs::fstat(file)?;
        let status = Status {
            id: (stat.st_dev, stat.st_ino),
            size: stat.st_size,
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        };
        Ok(is_settled(&stat).then_some(status))
    }
}

/// The times to set for a modification time.
pub(super) fn times(modified: Timestamp) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let modified = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() };
    Timestamps { last_access: omit, last_modification: modified }
}

/// Sets the modification time. A file without its time is still the file: failing is no error.
pub(super) fn set_modified(file: impl AsFd, modified: Timestamp) {
    if let Err(error) = rustix::fs::futimens(file, &times(modified)) {
        tracing::debug!("a modification time was not set: {error}");
    }
}

/// The permission bits of a file that takes the place of another one: those of that one, and executable as its server says.
pub(super) fn mode_in_place_of(old: &Stat, executable: u32) -> Mode {
    Mode::from_raw_mode(old.st_mode & 0o666 | executable & 0o111)
}

/// Sets the permission bits. A file without its mode is still the file: failing is no error.
pub(super) fn set_mode(file: impl AsFd, mode: Mode) {
    if let Err(error) = rustix::fs::fchmod(file, mode) {
        tracing::debug!("a mode was not set: {error}");
    }
}
