//! The work folder beside an archive, `NAME.unpack`, and the one folder in it that the archive is unpacked to. By the
//! name of that one we know our own when a run that was killed has left it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    sync::Arc,
};

use rustix::fs::{AtFlags, FileType, Mode};

use crate::{
    client::{
        disk::{
            attributes::set_mode,
            folder::{Folder, open_directory},
            name::folding::Folding,
            remove,
            work_folder::{self, Purpose},
        },
        error::Fault,
    },
    platform::{self, reason},
    text::ShowPath,
};
/// What is unpacked, until it is whole. Nobody calls anything so by chance.
const CONTENT: &str = "fdsp-unpacking";

const PURPOSE: Purpose = Purpose {
    doing: "unpacking",
    coming: "an archive that is to be unpacked",
    unfinished: "the unfinished contents of an archive",
    is_known: |found, kind| found == CONTENT && kind == FileType::Directory,
};

/// See the module. What is left of it when this is dropped is removed.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: Arc<Folder>,
    name: OsString,
    /// The locked work folder.
    work: File,
    content: File,
}

impl Staging {
    /// Makes the one of an archive; what was left behind by a killed process is removed first.
    pub(super) fn make(folder: &Arc<Folder>, archive: &OsStr) -> Result<Staging, Fault> {
        let name = Staging::name(folder, archive);
        let work = work_folder::open(folder, &name, &PURPOSE)?;
        let make = || -> io::Result<_> {
            remove::remove(work.as_fd(), OsStr::new(CONTENT))?;
            rustix::fs::mkdirat(&work, CONTENT, Mode::from_raw_mode(0o777))?;
            open_directory(&work, OsStr::new(CONTENT))
        };
        let content = File::from(make().map_err(|error| {
            Fault::disk(format!("cannot unpack in {}: {}", folder.join(&name).shown(), reason(&error)))
        })?);
        Ok(Staging { folder: Arc::clone(folder), name, work, content })
    }

    /// Removes what a killed process has left of the one of an archive.
    pub(crate) fn clear(folder: &Arc<Folder>, archive: &OsStr) {
        let is_there = folder.look(&Staging::name(folder, archive)).is_ok_and(|found| found.is_some());
        // What is not ours, or is another client's, is in the way of nothing here.
        if is_there && let Err(fault) = Staging::make(folder, archive) {
            tracing::debug!("{}", fault.trouble.message);
        }
    }

    fn name(folder: &Folder, archive: &OsStr) -> OsString {
        folder.beside(archive, ".unpack")
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The empty directory to unpack into.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.content.as_fd()
    }

    /// What the file system takes for the same name.
    pub(super) fn folding(&self) -> Folding {
        Folding::probe(self.handle())
    }

    /// Waits until the disk has everything.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        platform::sync_file_system(&self.content)
            .map_err(|error| Fault::disk(format!("cannot write {}: {}", self.path().shown(), reason(&error))))
    }

    /// Moves what was unpacked out of it, to a name in the folder; replaces nothing.
    pub(super) fn place(&self, target: &OsStr) -> io::Result<()> {
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&self.content)?.st_mode);
        let is_locked = !mode.contains(Mode::WUSR);
        // Only whoever may write into a directory may move it into another one.
        if is_locked {
            rustix::fs::fchmod(&self.content, mode | Mode::WUSR)?;
        }
        let moved =
            platform::move_directory((&self.work, CONTENT.as_ref()), (&self.folder.handle, target.as_ref()));
        if is_locked {
            set_mode(&self.content, mode);
        }
        moved
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let removed = remove::remove(self.work.as_fd(), OsStr::new(CONTENT)).and_then(|()| {
            // Whatever else has come into it stays, and with it the folder.
            Ok(rustix::fs::unlinkat(&self.folder.handle, &self.name, AtFlags::REMOVEDIR)?)
        });
        if let Err(error) = removed {
            tracing::warn!("cannot delete {}: {error}", self.path().shown());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::disk::folder::Folders;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    fn folder() -> (tempfile::TempDir, Arc<Folder>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        (dir, folder)
    }

    #[test]
    fn it_begins_empty_and_leaves_nothing() {
        let (dir, folder) = folder();
        let left = dir.path().join("a.zip.unpack").join(CONTENT).join("d");
        fs::create_dir_all(&left).unwrap();
        symlink("../../..", left.join("link")).unwrap();
        fs::write(dir.path().join("precious"), "precious").unwrap();
        let staging = Staging::make(&folder, "a.zip".as_ref()).unwrap();
        assert_eq!(remove::list(staging.handle()).unwrap(), []);
        assert_eq!(staging.folding(), Folding::default());
        drop(staging);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_comes_into_it_meanwhile_stays() {
        let (dir, folder) = folder();
        let staging = Staging::make(&folder, "a.zip".as_ref()).unwrap();
        let mine = dir.path().join("a.zip.unpack/mine.txt");
        fs::write(&mine, "precious").unwrap();
        staging.place("a".as_ref()).unwrap();
        drop(staging);
        assert!(mine.exists() && dir.path().join("a").is_dir());
    }

    #[test]
    fn what_is_read_only_is_placed_as_it_is() {
        let (dir, folder) = folder();
        let staging = Staging::make(&folder, "a.zip".as_ref()).unwrap();
        rustix::fs::fchmod(staging.handle(), Mode::from_raw_mode(0o500)).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        let error = staging.place("a".as_ref()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        staging.place("b".as_ref()).unwrap();
        drop(staging);
        assert_eq!(fs::metadata(dir.path().join("b")).unwrap().permissions().mode() & 0o777, 0o500);
        assert!(!dir.path().join("a.zip.unpack").exists());
    }
}
