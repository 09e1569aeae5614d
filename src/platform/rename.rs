//! Renaming that never replaces what is already there.

use std::{io, path::Path};

use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{AtFlags, Mode, OFlags, RenameFlags},
    io::Errno,
};

/// Renames `from` to `to`, both relative to `directory`.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a `to`, which is left as it is; whatever the system says.
pub(crate) fn rename_new(
    directory: impl AsFd,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> io::Result<()> {
    let (directory, from, to) = (directory.as_fd(), from.as_ref(), to.as_ref());
    match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        // The file system knows no flags.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => by_link(directory, from, to),
        result => Ok(result?),
    }
}

/// A link refuses to replace, everywhere where there are links.
fn by_link(directory: BorrowedFd<'_>, from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::linkat(directory, from, directory, to, AtFlags::empty()) {
        Ok(()) => Ok(rustix::fs::unlinkat(directory, from, AtFlags::empty())?),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
            by_placeholder(directory, from, to)
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes the name with an empty file that nobody else can have made, and renames over that.
fn by_placeholder(directory: BorrowedFd<'_>, from: &Path, to: &Path) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(rustix::fs::openat(directory, to, flags, Mode::RUSR | Mode::WUSR)?);
    rustix::fs::renameat(directory, from, directory, to).map_err(|error| {
        let _ = rustix::fs::unlinkat(directory, to, AtFlags::empty());
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
        assert!(!at("d").exists(), "nothing stays behind a failure");
    }

    #[test]
    fn none_replaces() {
        holds(|directory, from, to| rename_new(directory, from, to));
        holds(by_link);
        holds(by_placeholder);
    }
}
