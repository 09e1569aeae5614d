//! An opened file.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
};

use rustix::fs::Stat;

use super::{
    error::StorageError,
    identity::Identity,
    stat::{data_bytes, modified, permissions, size},
};
use crate::{
    platform::{self, Medium},
    protocol::message::{Kind, Meta},
    text::SafeText,
};

/// An opened regular file.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    path: SafeText,
    identity: Identity,
    size: u64,
    data_bytes: u64,
    meta: Meta,
    text: String,
    medium: Medium,
}

impl FileSource {
    pub(super) fn new(
        handle: OwnedFd,
        path: SafeText,
        name: String,
        stat: &Stat,
        medium: Medium,
    ) -> FileSource {
        let identity = Identity::of_file(stat);
        let text = identity.to_string();
        let meta = Meta {
            kind: Kind::File,
            name,
            size: Some(size(stat)),
            modified: modified(stat),
            mode: permissions(stat),
            identity: Some(text.clone()),
        };
        let (size, data_bytes) = (size(stat), data_bytes(stat));
        FileSource { file: File::from(handle), path, identity, size, data_bytes, meta, text, medium }
    }

    /// The answer to `stat`; `size` and `identity` are always present.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Its path in the served folder, for messages.
    pub fn path(&self) -> &SafeText {
        &self.path
    }

    /// The identity when it was opened.
    pub fn identity(&self) -> &str {
        &self.text
    }

    /// The size when it was opened, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills all of `buffer` from `offset`.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if the file ends before; [`StorageError::Unreadable`].
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), StorageError> {
        read_exact_at(&self.file, self.identity, buffer, offset)
            .map_err(|error| reading(self.path.clone(), error))
    }

    /// Reads cached bytes at `offset` without waiting for the disk. Returns their number, which may be 0.
    pub fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        platform::read_cached(&self.file, self.medium, buffer, offset)
    }

    /// Bytes of it that are on the disk; fewer than its size where it has holes.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Whether a range of it is in a hole. If the file system does not say, it is not.
    pub fn is_hole(&self, offset: u64, length: u64) -> bool {
        platform::is_hole(&self.file, offset, length)
    }

    /// Announces to the kernel that `length` bytes from `offset` will be read soon.
    pub fn read_ahead(&self, offset: u64, length: u64) {
        platform::read_ahead(&self.file, offset, length);
    }

    /// Compares the identity with the current one of the file.
    ///
    /// # Errors
    /// [`StorageError::Changed`].
    pub fn check(&self) -> Result<(), StorageError> {
        check(&self.file, self.identity).map_err(|error| reading(self.path.clone(), error))
    }
}

/// Why a file cannot be read whose size is not that of its content, as in `/sys`.
pub(super) const SHORT: &str = "it is shorter than its size says";

/// Why a file cannot be read that has content and a size of 0, as in `/proc`.
const SIZELESS: &str = "it has content, though its size is 0";

/// Why an empty file of `/proc` is not served: its content changes without a change of its size or times.
const GENERATED: &str = "its content is generated when it is read";

/// Why a source could not be read to its end.
pub(super) enum ReadError {
    /// The file has changed.
    Changed,
    /// The system returns an error.
    System(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::System(error)
    }
}

pub(super) fn reading(path: SafeText, error: ReadError) -> StorageError {
    match error {
        ReadError::Changed => StorageError::Changed { path },
        ReadError::System(error) => StorageError::Unreadable { path, error },
    }
}

/// Fills all of `buffer`. A file that ends before has changed, unless its identity is the same:
/// then its size is wrong.
pub(super) fn read_exact_at(
    file: &File,
    identity: Identity,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), ReadError> {
    file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => match check(file, identity) {
            Ok(()) => ReadError::System(io::Error::other(SHORT)),
            Err(changed) => changed,
        },
        _ => ReadError::System(error),
    })
}

/// Checks that a file still has that identity, and no content if its size is 0.
pub(super) fn check(file: &File, identity: Identity) -> Result<(), ReadError> {
    let stat = rustix::fs::fstat(file).map_err(io::Error::from)?;
    if Identity::of_file(&stat) != identity {
        return Err(ReadError::Changed);
    }
    if stat.st_size == 0 {
        check_empty(file)?;
    }
    Ok(())
}

/// Whether a file whose size is 0 is empty.
///
/// # Errors
/// It has content, is a file of `/proc`, or cannot be read.
pub(super) fn check_empty(file: &File) -> io::Result<()> {
    match file.read_at(&mut [0], 0) {
        Ok(0) if platform::is_of_proc(file) => Err(io::Error::other(GENERATED)),
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::other(SIZELESS)),
        // It has content that would block.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::other(SIZELESS)),
        Err(error) => Err(error),
    }
}
