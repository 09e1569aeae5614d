//! The served folder, opened once; everything in it is reached through that handle with `openat2`.

use std::path::Path;

use super::{StorageError, archive::Planner};
use crate::protocol::{
    message::{Entries, Meta},
    path::RemotePath,
};

/// The served folder.
#[derive(Debug)]
pub struct Root;

impl Root {
    /// Opens the folder.
    ///
    /// # Errors
    /// Absent, not a directory, not permitted.
    pub fn open(path: &Path) -> std::io::Result<Root> {
        let _ = path;
        todo!()
    }
    /// Its own last name, for archives of it.
    pub fn name(&self) -> &str {
        todo!()
    }
    /// Opens what `path` names; regular files and directories only.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open_node(&self, path: &RemotePath) -> Result<Node, StorageError> {
        let _ = path;
        todo!()
    }
}

/// An opened file or directory.
#[derive(Debug)]
pub enum Node {
    /// A regular file.
    File(FileSource),
    /// A directory.
    Directory(Directory),
}

impl Node {
    /// What `stat` answers.
    pub fn meta(&self) -> Meta {
        todo!()
    }
}

/// An opened regular file.
#[derive(Debug)]
pub struct FileSource;

impl FileSource {
    /// What `stat` answers; `size` and `identity` are always present.
    pub fn meta(&self) -> &Meta {
        todo!()
    }
    /// The identity when it was opened.
    pub fn identity(&self) -> &str {
        todo!()
    }
    /// The size when it was opened, in bytes.
    pub fn size(&self) -> u64 {
        todo!()
    }
    /// Fills all of `buffer` from `offset`.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if the file ends before; [`StorageError::Unreadable`].
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), StorageError> {
        let _ = (buffer, offset);
        todo!()
    }
    /// Tells the kernel that `length` bytes from `offset` will be read soon.
    pub fn read_ahead(&self, offset: u64, length: u64) {
        let _ = (offset, length);
        todo!()
    }
    /// Compares the identity with what the file is now.
    ///
    /// # Errors
    /// [`StorageError::Changed`].
    pub fn check(&self) -> Result<(), StorageError> {
        todo!()
    }
}

/// An opened directory.
#[derive(Debug)]
pub struct Directory;

impl Directory {
    /// What `stat` answers.
    pub fn meta(&self) -> &Meta {
        todo!()
    }
    /// A page of at most `limit` entries after the name `after`, sorted by bytes.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn list(&self, after: Option<&str>, limit: usize) -> Result<Entries, StorageError> {
        let _ = (after, limit);
        todo!()
    }
    /// Begins an archive whose entries are named `prefix/…`.
    pub fn archive(self, prefix: &str) -> Planner {
        let _ = prefix;
        todo!()
    }
}
