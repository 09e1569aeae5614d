//! A directory that is walked, and the paths beneath it.

use std::{fs::File, io, os::fd::OwnedFd, sync::Arc};

use rustix::io::Errno;

use crate::{
    platform::Access,
    storage::{
        directory::Directory,
        error::{StorageError, is_absent},
        file::{ReadError, reading},
        folder::Folder,
        identity::Identity,
        name,
        stat::shown,
    },
    text::SafeText,
};

/// Maximum length of a path in one system call, which accepts 4095 bytes.
const MAX_PATH_PIECE: usize = 4000;

/// A directory and its place in the served folder. Paths are relative to it and as they are on disk; the empty one is its own.
#[derive(Debug)]
pub(crate) struct WalkRoot {
    pub(crate) folder: Arc<Folder>,
    pub(crate) handle: OwnedFd,
    /// The path from the served folder; empty for the folder itself.
    path: Vec<u8>,
}

impl WalkRoot {
    pub(crate) fn new(directory: Directory) -> WalkRoot {
        let Directory { folder, handle, path, .. } = directory;
        WalkRoot { folder, handle, path }
    }

    /// The path from the served folder, for opening.
    pub(crate) fn path_from_root(&self, path: &[u8]) -> Vec<u8> {
        name::join(&self.path, path)
    }

    /// The path from the served folder, for messages.
    pub(crate) fn shown(&self, path: &[u8]) -> SafeText {
        shown(&self.path_from_root(path))
    }

    /// Opens a directory without following a link on the way, however deep it lies.
    pub(crate) fn open_directory(&self, path: &[u8]) -> io::Result<OwnedFd> {
        self.open(if path.is_empty() { b"." } else { path }, Access::Directory)
    }

    /// Opens the file with that identity. A device or FIFO in its place is not opened, unless it is created
    /// between the check and the opening; the identity is always compared after reading.
    pub(crate) fn open_file(&self, path: &[u8], identity: Identity) -> io::Result<File> {
        let look = self.open(path, Access::Look)?;
        if Identity::of_file(&rustix::fs::fstat(&look)?) != identity {
            return Err(Errno::NOENT.into());
        }
        Ok(File::from(self.open(path, Access::Read)?))
    }

    /// Opens a path in pieces of the maximum length.
    fn open(&self, path: &[u8], access: Access) -> io::Result<OwnedFd> {
        let mut within = None;
        let mut rest = path;
        while rest.len() > MAX_PATH_PIECE {
            let cut =
                rest[..MAX_PATH_PIECE].iter().rposition(|byte| *byte == b'/').ok_or(Errno::NAMETOOLONG)?;
            let directory = within.as_ref().unwrap_or(&self.handle);
            let handle = self.folder.open_in(directory, &rest[..cut], Access::Look)?;
            within = Some(handle);
            rest = &rest[cut + 1..];
        }
        self.folder.open_in(within.as_ref().unwrap_or(&self.handle), rest, access)
    }

    /// The error of an unreadable entry.
    pub(crate) fn unreadable(&self, path: &[u8], error: io::Error) -> StorageError {
        reading(self.shown(path), ReadError::System(error))
    }

    /// The error of a walked entry that cannot be opened: it is deleted or unreadable.
    pub(crate) fn vanished(&self, path: &[u8], error: io::Error) -> StorageError {
        let refused = matches!(Errno::from_io_error(&error), Some(Errno::ACCESS | Errno::PERM));
        if is_absent(&error) && !refused {
            StorageError::Changed { path: self.shown(path) }
        } else {
            self.unreadable(path, error)
        }
    }
}
