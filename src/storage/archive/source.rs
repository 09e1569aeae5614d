//! The planned sources, opened and compared with the plan.

use std::{fs::File, io};

use rustix::io::Errno;

use super::plan::{Entries, Kind};
use crate::{
    storage::{
        error::StorageError,
        file::{self, ReadError, reading},
        identity::Identity,
    },
    text::SafeText,
};

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
    /// It has changed since it was planned, or cannot be read.
    pub(super) fn open(entries: &Entries, index: usize) -> Result<OpenSource, StorageError> {
        let (source, path, top) = (entries.source(index), entries.raw_path(index), &entries.top);
        let file = if source.kind == Kind::LinkedFile {
            let opened = top.folder.open_served(&*top.path_from_root(&path));
            opened
                .and_then(|opened| opened.map(|opened| File::from(opened.handle)).ok_or(Errno::NOENT.into()))
        } else {
            top.open_file(&path, source.identity)
        };
        let source = OpenSource {
            file: file.map_err(|error| top.vanished(&path, error))?,
            path: top.shown(&path),
            identity: source.identity,
            size: source.size,
            position: 0,
        };
        source.check()?;
        Ok(source)
    }

    /// Bytes when it was planned.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn remaining(&self) -> u64 {
        self.size - self.position
    }

    /// Fills `buffer` with the next bytes; it must not be longer than what remains.
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
        file::read_exact_at(&self.file, self.identity, buffer, self.position)
            .map_err(|error| self.refuse(error))
    }

    /// Compares it with the plan.
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
