//! The served folder, opened once; everything in it is reached through that handle with `openat2`.

use std::{io, path::Path, sync::Arc};

use rustix::{
    fs::{FileType, Stat},
    io::Errno,
};

use super::{
    StorageError,
    folder::{Folder, Opened},
    name,
};
pub use super::{file::FileSource, folder::Policy, listing::Directory};
pub use crate::platform::Links;
use crate::{
    platform::{self, Access},
    protocol::{
        message::{Meta, Timestamp},
        path::RemotePath,
    },
    text::SafeText,
};

/// The served folder.
#[derive(Debug)]
pub struct Root {
    folder: Arc<Folder>,
    name: String,
}

impl Root {
    /// Opens the folder, to serve of it what the policy says.
    ///
    /// # Errors
    /// Absent, not a directory, not permitted; [`io::ErrorKind::Unsupported`] where the system cannot
    /// confine paths to a folder.
    pub fn open(path: &Path, policy: Policy) -> io::Result<Root> {
        let folder = Folder::new(platform::open_directory(path)?, policy);
        // The first use tells at once, and not with the first request, whether the system can.
        match folder.open(".", Access::Directory) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => {
                let reason = "openat2 is not permitted here; some containers filter it";
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
            result => drop(result?),
        }
        let name = match path.canonicalize() {
            Ok(path) => path.file_name().map(|name| name::as_text(name.as_encoded_bytes()).into_owned()),
            Err(_) => None,
        };
        Ok(Root { folder: Arc::new(folder), name: name.unwrap_or_else(|| "root".to_owned()) })
    }

    /// Its own last name, for archives of it; `root` for `/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens what `path` names; regular files and directories only.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open_node(&self, path: &RemotePath) -> Result<Node, StorageError> {
        let Opened { handle, stat, kind } = open(&self.folder, path.as_str())?;
        let name = path.name().unwrap_or(&self.name).to_owned();
        let path = path.as_str();
        Ok(match kind {
            Served::File => Node::File(FileSource::new(handle, shown(path), name, &stat)),
            Served::Directory => {
                Node::Directory(Directory::new(self.folder.clone(), handle, path.to_owned(), name, &stat))
            }
        })
    }
}

/// Opens a path as a request names it, for reading.
pub(super) fn open(folder: &Folder, path: &str) -> Result<Opened, StorageError> {
    let absent = || StorageError::NotFound(shown(path));
    if !folder.serves_all(path) {
        return Err(absent());
    }
    let opened = folder.open_served(if path.is_empty() { "." } else { path });
    opened.map_err(|error| StorageError::opening(shown(path), error))?.ok_or_else(absent)
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
        match self {
            Node::File(file) => file.meta().clone(),
            Node::Directory(directory) => directory.meta().clone(),
        }
    }
}

/// The two kinds that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    File,
    Directory,
}

impl Served {
    pub(super) fn of(stat: &Stat) -> Option<Served> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(Served::File),
            FileType::Directory => Some(Served::Directory),
            _ => None,
        }
    }
}

/// A path of the served folder in messages.
pub(super) fn shown(path: &str) -> SafeText {
    SafeText::new(if path.is_empty() { "/" } else { path })
}

pub(super) fn modified(stat: &Stat) -> Timestamp {
    Timestamp { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 }
}

pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Permission bits: read, write, execute.
pub(super) fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o777
}
