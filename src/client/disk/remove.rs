//! Lists directories and deletes them with everything in them, through their handles.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode},
    io::Errno,
};

use crate::{
    client::disk::folder::open_directory,
    platform::{self, Access, Links, Reach},
};
/// Deletes an entry of a directory with everything in it. No link is followed and no other file system is entered. At any depth, only
/// a few handles are open and no path is longer than a name.
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    remove_while(parent, name, &|| true)
}

/// Deletes an entry while `should_continue` returns true, and then fails as interrupted.
pub(crate) fn remove_while(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    should_continue: &dyn Fn() -> bool,
) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let mut descent = Descent { parent, should_continue, way: Vec::new(), last: None };
    descent.down(name.to_owned())?;
    while let Some(level) = descent.way.last_mut() {
        match level.left.pop() {
            Some(name) => descent.down(name)?,
            None => descent.up()?,
        }
    }
    Ok(())
}

/// The path to the directory that is being emptied. Only that one is open: a deep path could exceed the limits of the system for handles
/// and path lengths.
struct Descent<'a> {
    parent: BorrowedFd<'a>,
    /// Whether to continue.
    should_continue: &'a dyn Fn() -> bool,
    way: Vec<Level>,
    /// The last directory of the path; `None` for the parent.
    last: Option<OwnedFd>,
}

/// A directory of the path.
#[derive(Debug)]
struct Level {
    name: OsString,
    /// Its device and inode.
    id: (u64, u64),
    /// The directories that are still in it.
    left: Vec<OsString>,
}

impl Descent<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        self.last.as_ref().map_or(self.parent, AsFd::as_fd)
    }

    /// Enters a directory, and deletes everything in it but directories.
    fn down(&mut self, name: OsString) -> io::Result<()> {
        let reach = Reach { links: Links::Never, mounts: false };
        let handle = platform::open_beneath(self.here(), &*name, Access::Directory, reach)?;
        unlock(handle.as_fd());
        let id = id(handle.as_fd())?;
        let mut left = Vec::new();
        for (name, kind) in list(handle.as_fd())? {
            match kind {
                FileType::Directory => left.push(name),
                _ if !(self.should_continue)() => return Err(io::ErrorKind::Interrupted.into()),
                _ => match rustix::fs::unlinkat(&handle, &name, AtFlags::empty()) {
                    // It is deleted when it is closed.
                    Err(Errno::BUSY | Errno::NOENT) if is_ghost(&name) => {}
                    unlinked => unlinked?,
                },
            }
        }
        self.way.push(Level { name, id, left });
        self.last = Some(handle);
        Ok(())
    }

    /// Leaves the last directory, which is empty, and deletes it.
    fn up(&mut self) -> io::Result<()> {
        let Some(empty) = self.way.pop() else { return Ok(()) };
        self.last = match self.way.last() {
            None => None,
            Some(above) => {
                let handle = open_directory(self.here(), OsStr::new(".."))?;
                // Another program has moved it: nothing is deleted there.
                if id(handle.as_fd())? != above.id {
                    return Err(io::Error::other("another program moved a folder that is in it"));
                }
                Some(handle)
            }
        };
        Ok(rustix::fs::unlinkat(self.here(), &empty.name, AtFlags::REMOVEDIR)?)
    }
}

/// Whether this is the name that NFS or FUSE gives to a deleted file that is still open.
pub(crate) fn is_ghost(name: &OsStr) -> bool {
    [&b".nfs"[..], b".fuse_hidden"].iter().any(|begin| name.as_bytes().starts_with(begin))
}

fn id(directory: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Makes a directory writable, so that its content can be deleted.
fn unlock(directory: BorrowedFd<'_>) {
    let Ok(stat) = rustix::fs::fstat(directory) else { return };
    let mode = Mode::from_raw_mode(stat.st_mode);
    if !mode.contains(Mode::RWXU) {
        // If this fails, deleting something reports why.
        let _ = rustix::fs::fchmod(directory, mode | Mode::RWXU);
    }
}

/// The entries of a directory: names and kinds.
pub(crate) fn list(directory: BorrowedFd<'_>) -> io::Result<Vec<(OsString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    #[test]
    fn read_only_directories_are_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("left/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("file"), "x").unwrap();
        for path in [&inner, &dir.path().join("left")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o500)).unwrap();
        }
        let parent = platform::open_directory(dir.path()).unwrap();
        remove(parent.as_fd(), OsStr::new("left")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn names_of_deleted_open_files_are_recognised() {
        for name in [".nfs000000000001", ".fuse_hidden0000001"] {
            assert!(is_ghost(OsStr::new(name)));
        }
        assert!(!is_ghost(OsStr::new("nfs")) && !is_ghost(OsStr::new(".hidden")));
    }

    #[test]
    fn it_can_be_interrupted_and_continued() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("left/inner")).unwrap();
        for number in 0..10 {
            fs::write(dir.path().join(format!("left/inner/{number}")), "x").unwrap();
        }
        let parent = platform::open_directory(dir.path()).unwrap();
        let asked = std::cell::Cell::new(0);
        let few = || asked.replace(asked.get() + 1) < 4;
        let error = remove_while(parent.as_fd(), OsStr::new("left"), &few).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert_eq!(fs::read_dir(dir.path().join("left/inner")).unwrap().count(), 6);
        remove(parent.as_fd(), OsStr::new("left")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_depth_is_too_deep() {
        for (depth, name) in [(40, "d".repeat(250)), (2100, "d".to_owned())] {
            // In memory where possible: thousands of directories take half a minute on some disks.
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            let parent = platform::open_directory(dir.path()).unwrap();
            let mut here = parent.try_clone().unwrap();
            for _ in 0..depth {
                rustix::fs::mkdirat(&here, &*name, Mode::RWXU).unwrap();
                rustix::fs::mkdirat(&here, "beside", Mode::RWXU).unwrap();
                rustix::fs::symlinkat("..", &here, "link").unwrap();
                here = open_directory(&here, OsStr::new(&name)).unwrap();
            }
            remove(parent.as_fd(), OsStr::new(&name)).unwrap();
            assert!(!dir.path().join(&name).exists());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "what is beside it stays");
        }
    }

    #[test]
    fn a_directory_that_is_moved_away_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["left/inner/empty", "outside/empty", "outside/precious"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let parent = platform::open_directory(dir.path()).unwrap();
        let mut descent =
            Descent { parent: parent.as_fd(), should_continue: &|| true, way: Vec::new(), last: None };
        for name in ["left", "inner", "empty"] {
            descent.down(name.into()).unwrap();
        }
        fs::rename(dir.path().join("left/inner/empty"), dir.path().join("outside/moved")).unwrap();
        descent.up().unwrap_err();
        assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 3);
    }

    #[test]
    fn a_link_that_replaces_a_directory_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("left/real")).unwrap();
        fs::create_dir_all(dir.path().join("outside/precious")).unwrap();
        let parent = platform::open_directory(dir.path()).unwrap();
        let mut descent =
            Descent { parent: parent.as_fd(), should_continue: &|| true, way: Vec::new(), last: None };
        descent.down("left".into()).unwrap();
        fs::remove_dir(dir.path().join("left/real")).unwrap();
        symlink("../outside", dir.path().join("left/real")).unwrap();
        descent.down("real".into()).unwrap_err();
        remove(parent.as_fd(), OsStr::new("left")).unwrap();
        assert!(dir.path().join("outside/precious").exists() && !dir.path().join("left").exists());
    }
}
