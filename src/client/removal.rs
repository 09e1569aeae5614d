//! Directories by their handles: what is in them, and deleting what was left behind with all that is in it.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode},
    io::Errno,
};

use crate::platform::{self, Access, Links, Reach};

/// Deletes what a name in a directory is, with all that is in it. No link is followed, and however deep it goes, two
/// handles are held.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    enum Step {
        Empty(PathBuf),
        Remove(PathBuf),
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let mut steps = vec![Step::Empty(PathBuf::from(name))];
    while let Some(step) = steps.pop() {
        match step {
            Step::Remove(path) => rustix::fs::unlinkat(parent, &path, AtFlags::REMOVEDIR)?,
            Step::Empty(path) => {
                let reach = Reach { links: Links::Never, mounts: false };
                let handle = platform::open_beneath(parent, &*path, Access::Directory, reach)?;
                unlock(handle.as_fd());
                steps.push(Step::Remove(path.clone()));
                for (name, kind) in list(handle.as_fd())? {
                    match kind {
                        FileType::Directory => steps.push(Step::Empty(path.join(name))),
                        _ => rustix::fs::unlinkat(&handle, &name, AtFlags::empty())?,
                    }
                }
            }
        }
    }
    Ok(())
}

/// Lets its owner take out what is in a directory that is to go: one that is read-only gives nothing away.
fn unlock(directory: BorrowedFd<'_>) {
    let Ok(stat) = rustix::fs::fstat(directory) else { return };
    let mode = Mode::from_raw_mode(stat.st_mode);
    if !mode.contains(Mode::RWXU) {
        // If it cannot be done, taking something out says why.
        let _ = rustix::fs::fchmod(directory, mode | Mode::RWXU);
    }
}

/// What is in a directory: names and kinds.
pub(super) fn list(directory: BorrowedFd<'_>) -> io::Result<Vec<(OsString, FileType)>> {
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
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn what_is_read_only_goes_too() {
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
}
