//! Folders of our own beside a target: locked, so that two clients cannot work in one, and never what somebody else has
//! made, or put something into.

use std::{
    ffi::OsStr,
    fs::{File, TryLockError},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
};

use rustix::{
    fs::{FileType, Mode},
    io::Errno,
};

use crate::{
    client::{
        disk::{
            attributes::make_private,
            folder::{Folder, open_directory},
            lock, remove,
        },
        error::Fault,
    },
    platform::reason,
    text::ShowPath,
};
/// Without a lock two clients could write to one place.
pub(crate) fn cannot_lock(path: &Path, error: &io::Error) -> Fault {
    Fault::disk(format!(
        "cannot lock {}: {}; without locks two clients could write to it at the same time, so save on another file system",
        path.shown(),
        reason(error)
    ))
}

/// What to do where another client works in a file or folder.
pub(crate) const IN_USE_ADVICE: &str = "wait until it has finished, stop it, or save to another folder";

/// What one is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// What whoever holds it does, as in "another client is downloading to".
    pub(crate) doing: &'static str,
    /// What is to get into it.
    pub(crate) coming: &'static str,
    /// What may be in it.
    pub(crate) unfinished: &'static str,
    /// Whether that is part of what may be in it.
    pub(crate) is_known: fn(&OsStr, FileType) -> bool,
}

/// Opens or makes one, and locks it for as long as the handle is open. What is in it was left behind by an earlier run.
pub(crate) fn open(folder: &Folder, name: &OsStr, purpose: &Purpose) -> Result<File, Fault> {
    let path = folder.join(name);
    let shown = path.shown();
    let refuse = |why: &str| Fault::disk(format!("{shown} {why}; move it away"));
    let failed = |error: &io::Error| Fault::disk(format!("cannot use {shown}: {}", reason(error)));
    let busy = || Fault::disk(format!("another client is {} to {shown}; {IN_USE_ADVICE}", purpose.doing));
    // Whoever held the lock may have deleted it between our opening and locking it.
    for _ in 0..8 {
        // What it becomes may be private.
        match rustix::fs::mkdirat(&folder.handle, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(&error.into())),
        }
        let handle = match open_directory(&folder.handle, name) {
            Ok(handle) => File::from(handle),
            Err(error) => match folder.look(name).ok().flatten().map(|found| found.kind) {
                None => continue,
                Some(FileType::Symlink) => return Err(refuse("is a symbolic link, which is not followed")),
                Some(FileType::Directory) => return Err(failed(&error)),
                Some(_) => return Err(refuse(&format!("is in the way of {}", purpose.coming))),
            },
        };
        match lock::lock(&handle, lock::MOMENT) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(cannot_lock(&path, &error)),
        }
        let data = handle.metadata().map_err(|error| failed(&error))?;
        if folder.is_of_another(data.uid()) {
            return Err(refuse("belongs to another user, who could change what is in it"));
        }
        let there = folder.look(name).map_err(|error| failed(&error))?;
        if there.is_none_or(|found| found.id != (data.dev(), data.ino())) {
            continue;
        }
        let found = remove::list(handle.as_fd()).map_err(|error| failed(&error))?;
        let mut found = found.iter().filter(|(name, _)| !remove::is_ghost(name));
        if !found.all(|(name, kind)| (purpose.is_known)(name, *kind)) {
            let what = purpose.unfinished;
            return Err(refuse(&format!("is in the way: it holds something else than {what}")));
        }
        make_private(&handle, 0o700);
        return Ok(handle);
    }
    Err(busy())
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
            open(&folder, "work".as_ref(), &PURPOSE).unwrap();
            assert_eq!(fs::metadata(&work).unwrap().permissions().mode() & 0o7777, after, "{before:o}");
        }
    }

    #[test]
    fn what_the_file_system_keeps_of_open_files_is_not_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        for name in ["known", ".nfs00000000000a1b2c", ".fuse_hidden0000000100000002"] {
            fs::write(dir.path().join("work").join(name), "").unwrap();
        }
        open(&folder, "work".as_ref(), &PURPOSE).unwrap();
        fs::write(dir.path().join("work/thesis"), "").unwrap();
        let fault = open(&folder, "work".as_ref(), &PURPOSE).unwrap_err();
        assert!(fault.trouble.message.as_str().contains("something else than a test"), "{fault:?}");
    }
}
