//! Work directories beside a target. They are locked, so that two clients cannot use one, and refused if they hold files of other
//! programs.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, FileType, Mode},
    io::Errno,
};

use crate::{
    client::{
        disk::{
            attributes::make_private,
            folder::{Folder, open_directory},
            open::open_locked,
            remove,
        },
        error::Fault,
    },
    text::ShowPath,
};

/// What a work directory is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// What a client does in it, as in "another client is downloading to".
    pub(crate) doing: &'static str,
    /// What it is needed for.
    pub(crate) coming: &'static str,
    /// What an earlier run may have left in it.
    pub(crate) unfinished: &'static str,
    /// Whether an entry with this name and kind may be in it.
    pub(crate) is_known: fn(&OsStr, FileType) -> bool,
}

/// An open work directory. It is locked until this, and every clone of its folder, is dropped.
#[derive(Debug)]
pub(crate) struct WorkDir {
    parent: Arc<Folder>,
    name: OsString,
    folder: Arc<Folder>,
}

impl WorkDir {
    /// Opens or creates one and locks it. An earlier run may have left content in it.
    pub(crate) fn open(parent: &Arc<Folder>, name: OsString, purpose: &Purpose) -> Result<WorkDir, Fault> {
        let path = parent.join(&name);
        let shown = path.shown();
        let refuse = |why: &str| Fault::disk(format!("{shown} {why}; move it away"));
        let failed = |error: &io::Error| Fault::io("use", &path, error);
        let open = || {
            // The target may be private.
            match rustix::fs::mkdirat(&parent.handle, &name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(&error.into())),
            }
            match open_directory(&parent.handle, &name) {
                Ok(handle) => Ok(Some(File::from(handle))),
                Err(error) => match parent.look(&name).ok().flatten().map(|found| found.kind) {
                    None => Ok(None),
                    Some(FileType::Symlink) => Err(refuse("is a symbolic link, which is not followed")),
                    Some(FileType::Directory) => Err(failed(&error)),
                    Some(_) => Err(refuse(&format!("is in the way of {}", purpose.coming))),
                },
            }
        };
        let handle = open_locked(parent, &name, purpose.doing, open, |handle, _| {
            let found = remove::list(handle.as_fd()).map_err(|error| failed(&error))?;
            let mut found = found.iter().filter(|(name, _)| !remove::is_ghost(name));
            if !found.all(|(name, kind)| (purpose.is_known)(name, *kind)) {
                let what = purpose.unfinished;
                return Err(refuse(&format!("is in the way: it holds something else than {what}")));
            }
            Ok(true)
        })?;
        make_private(&handle, 0o700);
        let folder = Arc::new(Folder::of(handle.into(), path, parent.seal.clone()));
        Ok(WorkDir { parent: Arc::clone(parent), name, folder })
    }

    /// The folder that it is in.
    pub(crate) fn parent(&self) -> &Arc<Folder> {
        &self.parent
    }

    /// Its name in that folder.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// The directory.
    pub(crate) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// The handle of the directory.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.folder.handle.as_fd()
    }

    /// Opens or creates a directory in it, and returns whether it was created.
    pub(crate) fn directory(&self, name: &str) -> io::Result<(OwnedFd, bool)> {
        let is_new = match rustix::fs::mkdirat(self.handle(), name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        Ok((open_directory(self.handle(), OsStr::new(name))?, is_new))
    }

    /// Deletes an entry with everything in it.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        remove::remove(self.handle(), OsStr::new(name))
    }

    /// Whether its name still is that of the open directory.
    pub(crate) fn is_in_place(&self) -> bool {
        let open = rustix::fs::fstat(&self.folder.handle).map(|stat| (stat.st_dev, stat.st_ino)).ok();
        open.is_some() && open == self.parent.look(&self.name).ok().flatten().map(|found| found.id)
    }

    /// Deletes it if it is empty.
    pub(crate) fn delete_empty(&self) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.parent.handle, &self.name, AtFlags::REMOVEDIR)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::disk::folder::Folders;
    use std::fs;

    const PURPOSE: Purpose = Purpose {
        doing: "testing",
        coming: "a test",
        unfinished: "a test",
        is_known: |name, _| name == "known",
    };

    #[test]
    fn a_work_folder_of_an_earlier_version_becomes_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        let work = dir.path().join("work");
        fs::create_dir(&work).unwrap();
        for (before, after) in [(0o755, 0o700), (0o2770, 0o2700), (0o700, 0o700)] {
            fs::set_permissions(&work, fs::Permissions::from_mode(before)).unwrap();
            WorkDir::open(&folder, "work".into(), &PURPOSE).unwrap();
            assert_eq!(fs::metadata(&work).unwrap().permissions().mode() & 0o7777, after, "{before:o}");
        }
    }

    #[test]
    fn names_of_deleted_open_files_are_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        for name in ["known", ".nfs00000000000a1b2c", ".fuse_hidden0000000100000002"] {
            fs::write(dir.path().join("work").join(name), "").unwrap();
        }
        WorkDir::open(&folder, "work".into(), &PURPOSE).unwrap();
        fs::write(dir.path().join("work/thesis"), "").unwrap();
        let fault = WorkDir::open(&folder, "work".into(), &PURPOSE).unwrap_err();
        assert!(fault.trouble.message.as_str().contains("something else than a test"), "{fault:?}");
    }
}
