//! The folders that files are saved in, held open: everything in them is reached through these handles.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

pub(crate) use crate::platform::{is_of_another, is_shared};
use crate::{
    client::{
        disk::{
            journal::seal::Seal,
            name::{is_no_name, length},
        },
        error::Fault,
    },
    platform::{self, of_another_on_way},
    protocol::message::Timestamp,
    text::ShowPath,
};
/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) handle: OwnedFd,
    path: PathBuf,
    /// Bytes of the longest name that its file system accepts.
    longest: usize,
    /// Authenticates the journals in it.
    pub(crate) seal: Seal,
}

impl Folder {
    /// Opens a folder that no other user can replace.
    fn open(path: &Path, seal: Seal) -> Result<Folder, Fault> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                Fault::disk(format!("there is no folder {}; create it first", path.shown()))
            }
            _ => Fault::io("use the folder", path, &error),
        };
        let handle = platform::open_directory(path).map_err(failed)?;
        refuse_way_of_another(path)?;
        let folder = Folder::of(handle, path.canonicalize().map_err(failed)?, seal);
        // Another user may have replaced it since it was examined.
        let owner = |stat: rustix::fs::Stat| stat.st_uid;
        let opened = rustix::fs::fstat(&folder.handle).map(owner);
        match opened.is_ok() && opened == rustix::fs::stat(&folder.path).map(owner) {
            true => Ok(folder),
            false => {
                Err(Fault::io("use the folder", path, &io::Error::other("another program has replaced it")))
            }
        }
    }

    /// An open folder that this program has created, with its path.
    pub(crate) fn of(handle: OwnedFd, path: PathBuf, seal: Seal) -> Folder {
        Folder { longest: platform::longest_name(&handle), handle, path, seal }
    }

    /// The name of a content in it: shortened if the name is too long for its file system.
    pub(crate) fn within(&self, name: &OsStr) -> OsString {
        length::within(name, self.longest)
    }

    /// One whose file system accepts names of at most this many bytes.
    #[cfg(test)]
    pub(crate) fn limited(path: &Path, longest: usize) -> Folder {
        Folder { longest, ..Folder::open(path, Seal::default()).expect("it is there") }
    }

    /// Bytes of the longest name that its file system accepts.
    pub(crate) fn longest_name(&self) -> usize {
        self.longest
    }

    /// Whether a name is too long for its file system.
    pub(crate) fn is_too_long(&self, name: &OsStr) -> bool {
        name.len() > self.longest
    }

    /// `name (number).ext`.
    pub(crate) fn numbered(&self, name: &OsStr, number: u32) -> OsString {
        length::numbered(name, number, self.longest)
    }

    /// The name of the unfinished file beside `name`.
    pub(crate) fn part_name(&self, name: &OsStr) -> OsString {
        self.beside(name, ".part")
    }

    /// The name of a file that belongs to the incomplete `name`.
    pub(crate) fn beside(&self, name: &OsStr, suffix: &str) -> OsString {
        length::beside(name, suffix, self.longest)
    }

    /// Whether its path still leads to it.
    fn is_there(&self) -> bool {
        let id = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let held = rustix::fs::fstat(&self.handle).map(id);
        held.is_ok() && held == rustix::fs::stat(&self.path).map(id)
    }

    /// The path of a file in it, without any link on the way to it.
    pub(crate) fn join(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// The file with this name in it; links are not followed.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Option<Found>> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Found {
                kind: FileType::from_raw_mode(stat.st_mode),
                size: u64::try_from(stat.st_size).unwrap_or(0),
                modified: Timestamp { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 },
                owner: stat.st_uid,
                id: (stat.st_dev, stat.st_ino),
            })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) if is_no_name(&error.into()) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a file with this owner in this folder belongs to another user; see [`is_of_another`].
    pub(crate) fn is_of_another(&self, owner: u32) -> bool {
        rustix::fs::fstat(&self.handle).is_ok_and(|folder| is_of_another(&folder, owner))
    }

    /// Opens a file in it for reading; links are not followed.
    pub(crate) fn read(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.handle, name, flags, Mode::empty())?.into())
    }

    /// Renames within it; replaces nothing.
    pub(crate) fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        platform::rename_new(&self.handle, from, to)
    }

    /// Renames within it, and replaces an existing file.
    pub(crate) fn rename_over(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Waits until the disk has its names.
    pub(crate) fn sync(&self) -> io::Result<()> {
        platform::sync(&self.handle)
    }

    /// Free bytes of its file system, if known.
    pub(crate) fn free(&self) -> Option<u64> {
        platform::free_space(&self.handle)
    }
}

/// The open folders of all jobs. Jobs share the handle of a folder: thousands of paused jobs would use up the descriptors otherwise.
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Folders {
    open: Mutex<HashMap<PathBuf, Weak<Folder>>>,
    seal: Seal,
}

impl Folders {
    /// Folders whose journals have this seal.
    pub(crate) fn sealed(seal: Seal) -> Folders {
        Folders { open: Mutex::default(), seal }
    }

    /// Opens a folder, or returns the open one.
    pub(crate) fn open(&self, path: &Path) -> Result<Arc<Folder>, Fault> {
        let mut folders = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folders.get(path).and_then(Weak::upgrade).filter(|folder| folder.is_there()) {
            return Ok(folder);
        }
        folders.retain(|_, folder| folder.strong_count() > 0);
        let folder = Arc::new(Folder::open(path, self.seal.clone())?);
        folders.insert(path.to_owned(), Arc::downgrade(&folder));
        Ok(folder)
    }
}

/// Opens a directory by its name in another one; no link.
pub(crate) fn open_directory(parent: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::openat(parent.as_fd(), name, flags, Mode::empty()))?)
}

/// Fails if another user can replace this folder, or one on the way to it; see [`of_another_on_way`].
pub(crate) fn refuse_way_of_another(path: &Path) -> Result<(), Fault> {
    match of_another_on_way(path).map_err(|error| Fault::io("use the folder", path, &error))? {
        None => Ok(()),
        Some((theirs, owner)) => Err(Fault::disk(format!(
            "{} belongs to another user ({owner}) and lies in a folder that several users share, so that user could read or \
             replace what is saved there; save in a folder of your own",
            theirs.shown()
        ))),
    }
}

/// The error for a file that belongs to another user.
pub(crate) fn of_another(path: &Path, owner: u32) -> Fault {
    Fault::disk(format!(
        "{} belongs to another user ({owner}), who could change it at any time; save in a folder of your own, or under another \
         name",
        path.shown()
    ))
    .or_by(" (--local)")
}

/// Identifies a file: its device and inode.
pub(crate) type FileId = (u64, u64);

/// A file in a folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) kind: FileType,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    pub(crate) owner: u32,
    pub(crate) id: FileId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_are_as_long_as_the_file_system_accepts_them() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::limited(dir.path(), 143);
        let long = "x".repeat(200);
        let name = folder.within(format!("{long}.iso").as_ref());
        assert!(name.len() == 143 && name.to_string_lossy().ends_with(".iso"));
        let part = folder.part_name(&name);
        assert!(part.len() + ".fdsp~".len() <= 143, "there is room for what is kept beside it");
        assert!(folder.numbered(&name, 9999).len() <= 143);
        assert!(folder.is_too_long(long.as_ref()) && !folder.is_too_long(&name));
    }

    #[test]
    fn a_folder_is_opened_once_and_again_if_its_path_leads_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (path, folders) = (dir.path().join("d"), Folders::default());
        fs::create_dir(&path).unwrap();
        let first = folders.open(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &folders.open(&path).unwrap()));
        fs::rename(&path, dir.path().join("moved")).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!Arc::ptr_eq(&first, &folders.open(&path).unwrap()));
    }
}
