//! The work directory beside an archive, `NAME.unpack`, and the directory in it that the archive is unpacked to. The name of the latter
//! shows that this program has created the work directory, if a killed process has left it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use rustix::fs::FileType;

use crate::{
    client::{
        disk::{
            commit::Uncommitted,
            folder::Folder,
            name::folding::Folding,
            work_dir::{Purpose, WorkDir},
        },
        error::Fault,
    },
    text::ShowPath,
};
/// The directory that is unpacked to. No user chooses this name by chance.
const CONTENT: &str = "fdsp-unpacking";

const PURPOSE: Purpose = Purpose {
    doing: "unpacking",
    coming: "an archive that is to be unpacked",
    unfinished: "the unfinished contents of an archive",
    is_known: |found, kind| found == CONTENT && kind == FileType::Directory,
};

/// See the module. It is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct UnpackDir {
    work: WorkDir,
    content: File,
}

impl UnpackDir {
    /// Creates the one of an archive. What a killed process has left is deleted first.
    pub(super) fn make(folder: &Arc<Folder>, archive: &OsStr) -> Result<UnpackDir, Fault> {
        let work = WorkDir::open(folder, UnpackDir::name(folder, archive), &PURPOSE)?;
        let made = work.remove(CONTENT).and_then(|()| work.directory(CONTENT));
        let (content, _) = made.map_err(|error| Fault::io("unpack in", &work.path(), &error))?;
        Ok(UnpackDir { work, content: content.into() })
    }

    /// Deletes what a killed process has left of the one of an archive.
    pub(crate) fn clear(folder: &Arc<Folder>, archive: &OsStr) {
        let is_there = folder.look(&UnpackDir::name(folder, archive)).is_ok_and(|found| found.is_some());
        // One of another program or client is left alone.
        if is_there && let Err(fault) = UnpackDir::make(folder, archive) {
            tracing::debug!("{}", fault.trouble.message);
        }
    }

    fn name(folder: &Folder, archive: &OsStr) -> OsString {
        folder.beside(archive, ".unpack")
    }

    /// The empty directory to unpack into.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.content.as_fd()
    }

    /// Which names the file system treats as the same.
    pub(super) fn folding(&self) -> Folding {
        Folding::probe(self.handle())
    }

    /// What was unpacked, to be committed.
    pub(super) fn uncommitted(&self) -> Uncommitted<'_> {
        Uncommitted::Directory { work: &self.work, name: CONTENT, handle: self.handle() }
    }
}

impl Drop for UnpackDir {
    fn drop(&mut self) {
        // Files of other programs in the work directory are kept, and the directory with them.
        let removed = self.work.remove(CONTENT).and_then(|()| self.work.delete_empty());
        if let Err(error) = removed {
            tracing::warn!("cannot delete {}: {error}", self.work.path().shown());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::disk::{commit::commit, folder::Folders, remove, target::Target};
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    fn folder() -> (tempfile::TempDir, Arc<Folder>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        (dir, folder)
    }

    fn place(unpack_dir: &UnpackDir, folder: &Arc<Folder>, name: &str) -> Result<(), Fault> {
        let target = Target::new(Arc::clone(folder), name.into());
        let ready = || Ok::<_, Fault>(());
        commit(&unpack_dir.uncommitted(), target, false, ready, |target| Err(target.differs(None))).map(drop)
    }

    #[test]
    fn it_is_created_empty_and_deleted() {
        let (dir, folder) = folder();
        let left = dir.path().join("a.zip.unpack").join(CONTENT).join("d");
        fs::create_dir_all(&left).unwrap();
        symlink("../../..", left.join("link")).unwrap();
        fs::write(dir.path().join("precious"), "precious").unwrap();
        let unpack_dir = UnpackDir::make(&folder, "a.zip".as_ref()).unwrap();
        assert_eq!(remove::list(unpack_dir.handle()).unwrap(), []);
        assert_eq!(unpack_dir.folding(), Folding::default());
        drop(unpack_dir);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_of_other_programs_in_it_are_kept() {
        let (dir, folder) = folder();
        let unpack_dir = UnpackDir::make(&folder, "a.zip".as_ref()).unwrap();
        let mine = dir.path().join("a.zip.unpack/mine.txt");
        fs::write(&mine, "precious").unwrap();
        place(&unpack_dir, &folder, "a").unwrap();
        drop(unpack_dir);
        assert!(mine.exists() && dir.path().join("a").is_dir());
    }

    #[test]
    fn a_read_only_directory_is_put_in_place() {
        let (dir, folder) = folder();
        let unpack_dir = UnpackDir::make(&folder, "a.zip".as_ref()).unwrap();
        rustix::fs::fchmod(unpack_dir.handle(), rustix::fs::Mode::from_raw_mode(0o500)).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        let fault = place(&unpack_dir, &folder, "a").unwrap_err();
        assert_eq!(fault, Target::new(Arc::clone(&folder), "a".into()).differs(None), "it is occupied");
        place(&unpack_dir, &folder, "b").unwrap();
        drop(unpack_dir);
        assert_eq!(fs::metadata(dir.path().join("b")).unwrap().permissions().mode() & 0o777, 0o500);
        assert!(!dir.path().join("a.zip.unpack").exists());
    }
}
