//! The served folder, opened once; everything in it is reached through that handle with `openat2`.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::io::Errno;

pub use super::{directory::Directory, file::FileSource, folder::Policy};
use super::{
    error::{StorageError, is_absent},
    folder::{Folder, FolderIdentity, Opened},
    name,
    stat::{Served, shown},
};
pub use crate::platform::Links;
use crate::{
    platform::{self, Access},
    protocol::{message::Meta, path::RemotePath},
    text::SafeText,
};

/// The served folder.
///
/// It is reached through one handle, even if it is moved. A folder that was deleted and created again, or replaced in
/// another way, is not the one of the handle; [`Root::renew`] detects that.
#[derive(Debug)]
pub struct Root {
    folder: Mutex<Arc<Folder>>,
    path: PathBuf,
    /// Without links, when it was opened first.
    first: Option<PathBuf>,
    /// Private paths, which must not be served.
    private: Vec<PathBuf>,
    policy: Policy,
    name: String,
}

/// The result of [`Root::renew`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It is still the one that was opened.
    Same,
    /// Another folder has its path, and is served from now on.
    Replaced,
}

impl Root {
    /// Opens the folder with this policy.
    ///
    /// # Errors
    /// Absent, not a directory, not permitted; [`io::ErrorKind::Unsupported`] where the system cannot
    /// confine paths to a folder.
    pub fn open(path: &Path, policy: Policy) -> io::Result<Root> {
        let folder = open_folder(path, policy)?;
        // Checks at once, and not at the first request, whether the system supports it.
        match folder.open(".", Access::Directory) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => {
                let reason = "openat2 is not permitted here; some containers filter it";
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
            result => drop(result?),
        }
        let first = path.canonicalize().ok();
        let name = first.as_ref().and_then(|path| path.file_name());
        let name = name.map(|name| name::as_text(name.as_encoded_bytes()).into_owned());
        // This path finds it again, from any working directory. Links are followed again each time.
        let path = std::path::absolute(path)?;
        let name = name.unwrap_or_else(|| "root".to_owned());
        let folder = Mutex::new(Arc::new(folder));
        Ok(Root { folder, path, first, private: Vec::new(), policy, name })
    }

    /// The same, and a folder that takes its place elsewhere is not served if one of these paths is in it, or the reverse.
    #[must_use]
    pub fn without(self, private: Vec<PathBuf>) -> Root {
        Root { private, ..self }
    }

    /// Whether the served path is now a link to another folder with private files in it.
    fn is_private(&self) -> bool {
        let Ok(now) = self.path.canonicalize() else { return false };
        let leads_in = |private: &PathBuf| private.starts_with(&now) || now.starts_with(private);
        self.first.as_ref() != Some(&now) && self.private.iter().any(leads_in)
    }

    /// Checks whether the served folder is still the one that was opened, and opens its replacement.
    ///
    /// # Errors
    /// The folder does not exist, or cannot be opened.
    pub fn renew(&self) -> Result<Renewed, StorageError> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let unreadable = |error| StorageError::Unreadable { path: shown(b""), error };
        let was = folder.identity().map_err(unreadable)?;
        match rustix::fs::stat(&*self.path) {
            Ok(stat) if was == Some(FolderIdentity::of(&stat)) => return Ok(Renewed::Same),
            Ok(_) => {}
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(StorageError::Gone),
            // The check failed, so the opened folder is kept.
            Err(_) if was.is_some() => return Ok(Renewed::Same),
            Err(error) => return Err(unreadable(error.into())),
        }
        if self.is_private() {
            let error = io::Error::other("is now another folder, which contains the server's key or tokens");
            return Err(unreadable(error));
        }
        *folder = match open_folder(&self.path, self.policy) {
            Ok(new) => Arc::new(new),
            Err(error) if is_absent(&error) => return Err(StorageError::Gone),
            Err(error) => return Err(unreadable(error)),
        };
        Ok(Renewed::Replaced)
    }

    /// Its path on this machine, for messages.
    pub fn path(&self) -> SafeText {
        SafeText::from_path(&self.path)
    }

    /// Its own last name, for archives of it; `root` for `/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens `path`; regular files and directories only.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open_node(&self, path: &RemotePath) -> Result<Node, StorageError> {
        let folder = Arc::clone(&self.folder.lock().unwrap_or_else(PoisonError::into_inner));
        let name = path.name().unwrap_or(&self.name).to_owned();
        let path = path.to_bytes();
        let Opened { handle, stat, kind } = folder.open_path(&path)?;
        Ok(match kind {
            Served::File => {
                let medium = folder.medium(&stat);
                Node::File(FileSource::new(handle, shown(&path), name, &stat, medium))
            }
            Served::Directory => {
                Node::Directory(Directory::new(folder, handle, path.into_owned(), name, &stat))
            }
        })
    }
}

fn open_folder(path: &Path, policy: Policy) -> io::Result<Folder> {
    Ok(Folder::new(platform::open_directory(path)?, policy))
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
    /// The answer to `stat`.
    pub fn meta(&self) -> Meta {
        match self {
            Node::File(file) => file.meta().clone(),
            Node::Directory(directory) => directory.meta().clone(),
        }
    }
}
