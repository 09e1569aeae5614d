//! Times and modes of files, and the status that shows whether a file was changed.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, fchown},
    io::Errno,
};

use crate::protocol::message::Timestamp;

/// Longer than a tick of the clock that file systems take their times from.
const TICK: Duration = Duration::from_millis(100);

/// Whether every later write will change the status of a file: within one tick of the clock it need not.
pub(crate) fn is_settled(stat: &Stat) -> bool {
    let seconds = u64::try_from(stat.st_ctime).unwrap_or(u64::MAX);
    let changed = Duration::new(seconds, u32::try_from(stat.st_ctime_nsec).unwrap_or(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(changed).is_some_and(|age| age >= TICK)
}

/// The status of a file: every write changes it, and another file of the same name has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    id: (u64, u64),
    size: i64,
    changed: (i64, i64),
}

impl Status {
    /// That of an open file; `None` while a later write might not change it.
    pub(crate) fn settled(file: impl AsFd) -> io::Result<Option<Status>> {
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
pub(crate) fn times(modified: Timestamp) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let modified = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() };
    Timestamps { last_access: omit, last_modification: modified }
}

/// Sets the modification time. Failing is no error.
pub(crate) fn set_modified(file: impl AsFd, modified: Timestamp) {
    if let Err(error) = rustix::fs::futimens(file, &times(modified)) {
        tracing::debug!("a modification time was not set: {error}");
    }
}

/// Sets the permission bits of a new file: `wanted`, or if it replaces a file, those of that file. It is then executable if `wanted`
/// says so, for users who may read it. `replaced`: the folder and the name of what is replaced.
pub(crate) fn set_access(file: impl AsFd, replaced: Option<(BorrowedFd<'_>, &OsStr)>, wanted: u32) {
    let stat = |(folder, name): (_, _)| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok();
    // The permissions of a link mean nothing.
    let is_file = |old: &Stat| FileType::from_raw_mode(old.st_mode) == FileType::RegularFile;
    let Some(old) = replaced.and_then(stat).filter(is_file) else {
        return set_mode(file, Mode::from_raw_mode(wanted));
    };
    let readers = (old.st_mode & 0o444) >> 2;
    let mut mode = old.st_mode & 0o666 | wanted & readers;
    let new = rustix::fs::fstat(&file);
    let has_acl = replaced.is_some_and(|(folder, name)| has_acl(folder, name));
    if has_acl || !keeps_group(mode, &old, new.as_ref(), |group| fchown(&file, None, Some(group))) {
        mode = without_group(mode);
    }
    set_mode(file, Mode::from_raw_mode(mode));
}

/// Whether something in a folder has an access control list. Its group permissions are then those of all users and groups in
/// that list, which is not copied.
pub(crate) fn has_acl(folder: BorrowedFd<'_>, name: &OsStr) -> bool {
    let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    rustix::fs::lgetxattr_query(path, "system.posix_acl_access").is_ok()
}

/// Gives a new file the group of the old one, if `mode` gives the group more permissions than all other users. Returns false if the
/// new file still has another group, whose members must not get these permissions.
pub(crate) fn keeps_group(
    mode: u32,
    old: &Stat,
    new: Result<&Stat, &Errno>,
    change: impl FnOnce(Gid) -> Result<(), Errno>,
) -> bool {
    let is_same = new.is_ok_and(|new| new.st_gid == old.st_gid);
    is_same || without_group(mode) == mode || change(Gid::from_raw(old.st_gid)).is_ok()
}

/// Removes all permissions of group and others from an unfinished file or folder. `mode`: the permissions of its owner.
pub(crate) fn make_private(file: impl AsFd, mode: u32) {
    // A new folder inherits it from its parent.
    const SET_GROUP: u32 = 0o2000;
    if let Ok(stat) = rustix::fs::fstat(&file)
        && stat.st_mode & 0o077 != 0
    {
        set_mode(file, Mode::from_raw_mode(mode | stat.st_mode & SET_GROUP));
    }
}

/// The permission bits without those that the group has and others do not.
pub(crate) fn without_group(mode: u32) -> u32 {
    mode & (0o7707 | (mode & 0o007) << 3)
}

/// Sets the permission bits. Failing is no error.
pub(crate) fn set_mode(file: impl AsFd, mode: Mode) {
    if let Err(error) = rustix::fs::fchmod(file, mode) {
        tracing::debug!("a mode was not set: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use rustix::fs::XattrFlags;

    use super::*;

    #[test]
    fn without_group_leaves_the_group_the_permissions_of_all_others() {
        for (mode, without) in
            [(0o640, 0o600), (0o664, 0o644), (0o604, 0o604), (0o755, 0o755), (0o2770, 0o2700)]
        {
            assert_eq!(without_group(mode), without, "{mode:o}");
        }
    }

    #[test]
    fn a_new_file_is_as_private_as_the_file_that_it_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let folder = crate::platform::open_directory(dir.path()).unwrap();
        let old = dir.path().join("old");
        let file = tempfile::tempfile().unwrap();
        let access = |wanted| {
            set_access(&file, Some((folder.as_fd(), "old".as_ref())), wanted);
            rustix::fs::fstat(&file).unwrap()
        };
        assert_eq!(access(0o644).st_mode & 0o777, 0o644, "nothing is replaced");
        std::fs::write(&old, "old").unwrap();
        let set_mode = |mode| std::fs::set_permissions(&old, PermissionsExt::from_mode(mode)).unwrap();
        for (mode, wanted, expected) in
            [(0o600, 0o755, 0o700), (0o640, 0o644, 0o640), (0o664, 0o755, 0o775), (0o755, 0o644, 0o644)]
        {
            set_mode(mode);
            assert_eq!(access(wanted).st_mode & 0o777, expected, "{mode:o}");
        }
        set_mode(0o640);
        if rustix::process::geteuid().is_root() {
            chown(&old, None, Some(1234)).unwrap();
            let new = access(0o644);
            assert_eq!((new.st_gid, new.st_mode & 0o777), (1234, 0o640));
        }
        // Version 2; owner rw, user 1234 rw, group none, mask rw, others none.
        let entries =
            [(1u16, 6u16, u32::MAX), (2, 6, 1234), (4, 0, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
            list.extend(id.to_le_bytes());
        }
        match rustix::fs::setxattr(&old, "system.posix_acl_access", &list, XattrFlags::empty()) {
            Ok(()) => {
                assert_eq!(std::fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o660);
                assert_eq!(access(0o644).st_mode & 0o777, 0o600);
            }
            Err(error) => println!("skipped: this file system has no access control lists ({error})"),
        }
        std::fs::remove_file(&old).unwrap();
        symlink("elsewhere", &old).unwrap();
        assert_eq!(access(0o644).st_mode & 0o777, 0o644, "a link is no file");
    }

    #[test]
    fn another_group_gets_no_permissions() {
        let stat = || rustix::fs::fstat(tempfile::tempfile().unwrap()).unwrap();
        let (mut old, new) = (stat(), stat());
        old.st_gid = new.st_gid + 1;
        let refused = |_| Err(Errno::PERM);
        assert!(!keeps_group(0o640, &old, Ok(&new), refused));
        assert!(keeps_group(0o644, &old, Ok(&new), refused), "all others have them too");
        assert!(
            keeps_group(0o640, &old, Ok(&new), |_| Ok(())) && keeps_group(0o640, &new, Ok(&new), refused)
        );
    }
}
