//! The planned sources, opened and compared with the plan.

use std::{fs::File, io, os::fd::OwnedFd};

use rustix::io::Errno;

use super::plan::{Entries, Kind};
use crate::{
    platform::Access,
    storage::{
        StorageError,
        file::{self, ReadError, reading},
        identity::Identity,
        is_absent,
    },
    text::SafeText,
};

/// Longest path that is given to the system at once; it takes 4095 bytes.
const PIECE: usize = 4000;

/// A source that is being read from its begin to its end.
#[derive(Debug)]
pub(super) struct OpenSource {
    file: File,
    path: SafeText,
    identity: Identity,
    size: u64,
    position: u64,
}

impl OpenSource {
    /// Opens a planned file.
    ///
    /// # Errors
    /// It is not what was planned, or cannot be read.
    pub(super) fn open(entries: &Entries, index: usize) -> Result<OpenSource, StorageError> {
        let (source, path) = (entries.source(index), entries.raw_path(index));
        let handle = if source.kind == Kind::LinkedFile {
            let path = entries.path_from_root(&path);
            entries
                .folder
                .open_served(&*path)
                .and_then(|opened| opened.map(|opened| opened.handle).ok_or(Errno::NOENT.into()))
        } else {
            open_file(entries, &path, source.identity)
        };
        let path = entries.shown(&path);
        let handle = handle.map_err(|error| vanished(path.clone(), error))?;
        let source = OpenSource {
            file: File::from(handle),
            path,
            identity: source.identity,
            size: source.size,
            position: 0,
        };
        source.check()?;
        Ok(source)
    }

    pub(super) fn remaining(&self) -> u64 {
        self.size - self.position
    }

    /// Fills `buffer` with what comes next; it must not be longer than what remains.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.peek(buffer)?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    /// Moves on without reading; not further than what remains.
    pub(super) fn pass(&mut self, count: u64) {
        self.position += count.min(self.remaining());
    }

    /// Reads without moving on.
    pub(super) fn peek(&self, buffer: &mut [u8]) -> Result<(), StorageError> {
        file::read_exact_at(&self.file, buffer, self.position).map_err(|error| self.refuse(error))
    }

    /// Compares it with what was planned.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        file::check(&self.file, self.identity).map_err(|error| self.refuse(error))
    }

    /// The error of a source that could not be processed.
    pub(super) fn fail(&self, error: io::Error) -> StorageError {
        self.refuse(error.into())
    }

    fn refuse(&self, error: ReadError) -> StorageError {
        reading(self.path.clone(), error)
    }
}

/// Opens a directory without following a link on the way, however deep it lies.
pub(super) fn open_directory(entries: &Entries, path: &[u8]) -> io::Result<OwnedFd> {
    open(entries, path, Access::Directory)
}

/// Opens the file of that identity, so that a device or FIFO in its place is not even opened.
fn open_file(entries: &Entries, path: &[u8], identity: Identity) -> io::Result<OwnedFd> {
    let look = open(entries, path, Access::Look)?;
    if Identity::of_file(&rustix::fs::fstat(&look)?) != identity {
        return Err(Errno::NOENT.into());
    }
    open(entries, path, Access::Read)
}

/// Opens a path by pieces that the system takes.
fn open(entries: &Entries, path: &[u8], access: Access) -> io::Result<OwnedFd> {
    let mut within = None;
    let mut rest = path;
    while rest.len() > PIECE {
        let cut = rest[..PIECE].iter().rposition(|byte| *byte == b'/').ok_or(Errno::NAMETOOLONG)?;
        let directory = within.as_ref().unwrap_or(&entries.top);
        let handle = entries.folder.open_in(directory, &rest[..cut], Access::Look)?;
        within = Some(handle);
        rest = &rest[cut + 1..];
    }
    entries.folder.open_in(within.as_ref().unwrap_or(&entries.top), rest, access)
}

/// The error for a planned path that cannot be opened: what was there is there no longer, or the system
/// does not let it be read.
pub(super) fn vanished(path: SafeText, error: io::Error) -> StorageError {
    let refused = matches!(Errno::from_io_error(&error), Some(Errno::ACCESS | Errno::PERM));
    if is_absent(&error) && !refused {
        StorageError::Changed { path }
    } else {
        StorageError::Unreadable { path, error }
    }
}
