//! Renames that never replace an existing file, and exchanges of two names in one step.

use std::{io, path::Path};

use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{AtFlags, Mode, OFlags, RenameFlags},
    io::Errno,
};

/// Renames `from` to `to`, both relative to `directory`.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a `to`, which is left as it is; and the errors of the system.
pub(crate) fn rename_new(
    directory: impl AsFd,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> io::Result<()> {
    let (directory, from, to) = (directory.as_fd(), from.as_ref(), to.as_ref());
    match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        // The file system does not support flags.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => by_link(directory, from, to),
        result => Ok(result?),
    }
}

/// Moves a file to `to` in another directory of the same file system.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a `to`, which is left as it is; and the errors of the system.
pub(crate) fn move_file(
    (source, from): (impl AsFd, impl AsRef<Path>),
    (target, to): (impl AsFd, impl AsRef<Path>),
) -> io::Result<()> {
    let (source, target) = ((source.as_fd(), from.as_ref()), (target.as_fd(), to.as_ref()));
    match rustix::fs::renameat_with(source.0, source.1, target.0, target.1, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => by_placeholder(source, target),
        result => Ok(result?),
    }
}

/// Moves a directory to `to` in another directory of the same file system.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a `to`, which is left as it is; and the errors of the system.
pub(crate) fn move_directory(
    (source, from): (impl AsFd, &Path),
    (target, to): (impl AsFd, &Path),
) -> io::Result<()> {
    let (source, target) = (source.as_fd(), target.as_fd());
    match rustix::fs::renameat_with(source, from, target, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => over_empty((source, from), (target, to)),
        result => Ok(result?),
    }
}

/// Creates an empty directory with that name, and renames over it.
fn over_empty(
    (source, from): (BorrowedFd<'_>, &Path),
    (target, to): (BorrowedFd<'_>, &Path),
) -> io::Result<()> {
    rustix::fs::mkdirat(target, to, Mode::RWXU)?;
    rustix::fs::renameat(source, from, target, to).map_err(|error| {
        let _ = rustix::fs::unlinkat(target, to, AtFlags::REMOVEDIR);
        error.into()
    })
}

/// Exchanges two names of the same file system in one step. If the file system does not support it, `to` first
/// becomes `away`, beside `from`.
pub(crate) fn exchange(
    (source, from): (impl AsFd, &Path),
    (target, to): (impl AsFd, &Path),
    away: &Path,
) -> io::Result<()> {
    let (source, target) = (source.as_fd(), target.as_fd());
    match rustix::fs::renameat_with(source, from, target, to, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            by_two_steps((source, from), (target, to), away)
        }
        result => Ok(result?),
    }
}

fn by_two_steps(
    (source, from): (BorrowedFd<'_>, &Path),
    (target, to): (BorrowedFd<'_>, &Path),
    away: &Path,
) -> io::Result<()> {
    rustix::fs::renameat(target, to, source, away)?;
    rustix::fs::renameat(source, from, target, to).map_err(|error| {
        let _ = rustix::fs::renameat(source, away, target, to);
        error.into()
    })
}

/// Renames through a hard link, which never replaces a file.
fn by_link(directory: BorrowedFd<'_>, from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::linkat(directory, from, directory, to, AtFlags::empty()) {
        Ok(()) => Ok(rustix::fs::unlinkat(directory, from, AtFlags::empty())?),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
            by_placeholder((directory, from), (directory, to))
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates an empty file with that name, and renames over it.
fn by_placeholder(
    (source, from): (BorrowedFd<'_>, &Path),
    (target, to): (BorrowedFd<'_>, &Path),
) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(rustix::fs::openat(target, to, flags, Mode::RUSR | Mode::WUSR)?);
    rustix::fs::renameat(source, from, target, to).map_err(|error| {
        let _ = rustix::fs::unlinkat(target, to, AtFlags::empty());
        error.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::open_directory;
    use std::fs;

    type Way = fn(BorrowedFd<'_>, &Path, &Path) -> io::Result<()>;

    /// Every way moves a file, and none replaces one.
    fn holds(way: Way) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let handle = open_directory(folder.path()).unwrap();
        fs::write(at("a"), "a").unwrap();
        fs::write(at("b"), "b").unwrap();
        let error = way(handle.as_fd(), "a".as_ref(), "b".as_ref()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(at("a")).unwrap(), b"a");
        assert_eq!(fs::read(at("b")).unwrap(), b"b");
        way(handle.as_fd(), "a".as_ref(), "c".as_ref()).unwrap();
        assert_eq!(fs::read(at("c")).unwrap(), b"a");
        assert!(!at("a").exists());
        assert!(way(handle.as_fd(), "absent".as_ref(), "d".as_ref()).is_err());
        assert!(!at("d").exists(), "nothing is left after a failure");
    }

    /// A folder with the directories `work/a` and `b`, each with a file that holds its path.
    fn two_directories() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["work/a", "b"] {
            let at = folder.path().join(name);
            fs::create_dir_all(&at).unwrap();
            fs::write(at.join("x"), name).unwrap();
        }
        folder
    }

    type Move = fn((BorrowedFd<'_>, &Path), (BorrowedFd<'_>, &Path)) -> io::Result<()>;

    fn moves(way: Move) {
        let folder = two_directories();
        let at = |name: &str| folder.path().join(name);
        let (work, top) = (open_directory(&at("work")).unwrap(), open_directory(folder.path()).unwrap());
        let (work, top) = (work.as_fd(), top.as_fd());
        let error = way((work, "a".as_ref()), (top, "b".as_ref())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(at("b/x")).unwrap(), b"b");
        way((work, "a".as_ref()), (top, "c".as_ref())).unwrap();
        assert_eq!(fs::read(at("c/x")).unwrap(), b"work/a");
        assert!(way((work, "absent".as_ref()), (top, "d".as_ref())).is_err());
        assert!(!at("d").exists(), "nothing is left after a failure");
    }

    #[test]
    fn no_directory_is_replaced() {
        moves(|from, to| move_directory(from, to));
        moves(over_empty);
    }

    #[test]
    fn a_directory_is_exchanged_in_one_step() {
        for way in [
            |from: (BorrowedFd<'_>, &Path), to: (BorrowedFd<'_>, &Path)| exchange(from, to, "old".as_ref()),
            |from: (BorrowedFd<'_>, &Path), to: (BorrowedFd<'_>, &Path)| {
                by_two_steps(from, to, "old".as_ref())
            },
        ] {
            let folder = two_directories();
            let at = |name: &str| folder.path().join(name);
            let (work, top) = (open_directory(&at("work")).unwrap(), open_directory(folder.path()).unwrap());
            way((work.as_fd(), "a".as_ref()), (top.as_fd(), "b".as_ref())).unwrap();
            assert_eq!(fs::read(at("b/x")).unwrap(), b"work/a");
            assert_eq!(fs::read_dir(at("work")).unwrap().count(), 1, "the old one is kept");
        }
    }

    #[test]
    fn no_rename_replaces_a_file() {
        holds(|directory, from, to| rename_new(directory, from, to));
        holds(by_link);
        holds(|directory, from, to| by_placeholder((directory, from), (directory, to)));
        holds(|directory, from, to| move_file((directory, from), (directory, to)));
    }
}
