//! The served folder, opened once; everything in it is reached through that handle with `openat2`.

use std::{io, os::fd::OwnedFd, path::Path, sync::Arc};

use rustix::{
    fs::{FileType, Stat},
    io::Errno,
    path::Arg,
};

use super::{StorageError, name};
pub use super::{file::FileSource, listing::Directory};
use crate::{
    platform::{self, Access, AsFd, Links},
    protocol::{
        message::{Meta, Timestamp},
        path::RemotePath,
    },
    text::SafeText,
};

/// How often a path is opened again because something else took its place between two looks.
const REPLACED: usize = 32;

/// The served folder.
#[derive(Debug)]
pub struct Root {
    handle: Arc<OwnedFd>,
    name: String,
}

impl Root {
    /// Opens the folder.
    ///
    /// # Errors
    /// Absent, not a directory, not permitted; [`io::ErrorKind::Unsupported`] where the system cannot
    /// confine paths to a folder.
    pub fn open(path: &Path) -> io::Result<Root> {
        let handle = platform::open_directory(path)?;
        // The first use tells at once, and not with the first request, whether the system can.
        match platform::open_beneath(&handle, ".", Access::Directory, Links::Inside) {
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
        Ok(Root { handle: Arc::new(handle), name: name.unwrap_or_else(|| "root".to_owned()) })
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
        let absent = || StorageError::NotFound(shown(path.as_str()));
        let relative = if path.is_root() { "." } else { path.as_str() };
        let opened = open_served(&*self.handle, relative, Links::Inside);
        let opened = opened.map_err(|error| StorageError::opening(shown(path.as_str()), error))?;
        let Some(Opened { handle, stat, kind }) = opened else {
            return Err(absent());
        };
        let name = path.name().unwrap_or(&self.name).to_owned();
        let path = path.as_str();
        Ok(match kind {
            Served::File => Node::File(FileSource::new(handle, shown(path), name, &stat)),
            Served::Directory => {
                Node::Directory(Directory::new(self.handle.clone(), handle, path.to_owned(), name, &stat))
            }
        })
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

/// A handle to read from and what it is.
pub(super) struct Opened {
    pub(super) handle: OwnedFd,
    pub(super) stat: Stat,
    pub(super) kind: Served,
}

/// Opens a file or directory for reading; `None` if it is anything else.
///
/// It is looked at before it is opened, since opening a device or a FIFO may have effects, and again
/// after: what counts is what was opened.
pub(super) fn open_served(
    directory: impl AsFd,
    path: impl Arg + Copy,
    links: Links,
) -> io::Result<Option<Opened>> {
    for _ in 0..REPLACED {
        let look = platform::open_beneath(&directory, path, Access::Look, links)?;
        let seen = rustix::fs::fstat(&look)?;
        let Some(kind) = Served::of(&seen) else {
            return Ok(None);
        };
        let access = match kind {
            Served::File => Access::Read,
            Served::Directory => Access::Directory,
        };
        let handle = match platform::open_beneath(&directory, path, access, links) {
            // Another kind took its place: look again.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTDIR) => continue,
            handle => handle?,
        };
        let stat = rustix::fs::fstat(&handle)?;
        if (stat.st_dev, stat.st_ino, Served::of(&stat)) == (seen.st_dev, seen.st_ino, Some(kind)) {
            return Ok(Some(Opened { handle, stat, kind }));
        }
    }
    Err(Errno::AGAIN.into())
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
