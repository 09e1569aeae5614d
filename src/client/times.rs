//! Times and modes of files: what their servers say of them, and the change times that show whether a file was written.

use std::{
    io,
    os::fd::AsFd,
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, fchown},
    io::Errno,
};

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

/// Sets who may do what with a new file: `wanted`, where it is no more than a file allows in whose place it comes. That one's
/// permissions are kept, and executable is for whoever may read what `wanted` says.
pub(super) fn set_access(file: impl AsFd, old: Option<&Stat>, wanted: u32) {
    let is_file = |old: &&Stat| FileType::from_raw_mode(old.st_mode) == FileType::RegularFile;
    // A link has permissions that say nothing.
    let Some(old) = old.filter(is_file) else { return set_mode(file, Mode::from_raw_mode(wanted)) };
    let readers = (old.st_mode & 0o444) >> 2;
    let mut mode = old.st_mode & 0o666 | wanted & readers;
    if !keeps_group(mode, old, rustix::fs::fstat(&file).as_ref(), |group| fchown(&file, None, Some(group))) {
        mode = without_group(mode);
    }
    set_mode(file, Mode::from_raw_mode(mode));
}

/// Gives a new file the group of the old one, where the permissions of the group are worth more than those of all others. Whether
/// the group is right then.
pub(super) fn keeps_group(
    mode: u32,
    old: &Stat,
    new: Result<&Stat, &Errno>,
    change: impl FnOnce(Gid) -> Result<(), Errno>,
) -> bool {
    let is_same = new.is_ok_and(|new| new.st_gid == old.st_gid);
    is_same || without_group(mode) == mode || change(Gid::from_raw(old.st_gid)).is_ok()
}

/// Takes from all others what they may do with what is unfinished. `mode` is what its owner may do.
pub(super) fn make_private(file: impl AsFd, mode: u32) {
    // As the system gives it to a new folder, where its parent has that.
    const SET_GROUP: u32 = 0o2000;
    if let Ok(stat) = rustix::fs::fstat(&file)
        && stat.st_mode & 0o077 != 0
    {
        set_mode(file, Mode::from_raw_mode(mode | stat.st_mode & SET_GROUP));
    }
}

/// The permissions without those that only the members of the group have.
pub(super) fn without_group(mode: u32) -> u32 {
    mode & (0o7707 | (mode & 0o007) << 3)
}

/// Sets the permission bits. A file without its mode is still the file: failing is no error.
pub(super) fn set_mode(file: impl AsFd, mode: Mode) {
    if let Err(error) = rustix::fs::fchmod(file, mode) {
        tracing::debug!("a mode was not set: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_its_group_a_file_is_as_private_as_for_all_others() {
        for (mode, without) in
            [(0o640, 0o600), (0o664, 0o644), (0o604, 0o604), (0o755, 0o755), (0o2770, 0o2700)]
        {
            assert_eq!(without_group(mode), without, "{mode:o}");
        }
    }

    #[test]
    fn what_takes_the_place_of_a_file_is_as_private_as_that_was() {
        let (file, old) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut old = rustix::fs::fstat(&old).unwrap();
        let mut access = |mode, wanted| {
            old.st_mode = mode;
            set_access(&file, Some(&old), wanted);
            rustix::fs::fstat(&file).unwrap().st_mode & 0o777
        };
        assert_eq!(access(0o100_600, 0o755), 0o700);
        assert_eq!(access(0o100_640, 0o644), 0o640);
        assert_eq!(access(0o100_664, 0o755), 0o775);
        assert_eq!(access(0o100_755, 0o644), 0o644);
        assert_eq!(access(0o120_777, 0o644), 0o644, "a link is no file");
        old.st_gid += 1;
        old.st_mode = 0o100_640;
        if rustix::process::geteuid().is_root() {
            set_access(&file, Some(&old), 0o644);
            let new = rustix::fs::fstat(&file).unwrap();
            assert_eq!((new.st_gid, new.st_mode & 0o777), (old.st_gid, 0o640));
        }
        let refused = |_| Err(Errno::PERM);
        let new = rustix::fs::fstat(tempfile::tempfile().unwrap()).unwrap();
        assert!(!keeps_group(0o640, &old, Ok(&new), refused) && keeps_group(0o644, &old, Ok(&new), refused));
    }
}
