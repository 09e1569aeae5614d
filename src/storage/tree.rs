//! A directory as itself: its entries one by one, and its files.

use std::{ffi::CString, io, os::fd::OwnedFd, sync::Arc};

use super::{
    StorageError,
    file::FileSource,
    folder::Opened,
    found::{Kind, Purpose},
    listing::Directory,
    name,
    root::{self, Served, shown},
    top::Top,
    walk::{Lost, Step, Visited, Walk},
};
use crate::{
    platform::Access,
    protocol::{
        message::{Missing, TreeEntry, TreeNode},
        path::RemotePath,
    },
    text::SafeText,
};

/// The entries of a directory, at any depth: the directory itself first, and each directory before what is in it.
#[derive(Debug)]
pub struct Tree {
    walk: Walk,
    omitted: u64,
    missing: Missing,
    data_bytes: u64,
}

/// What a step came to.
#[derive(Debug)]
pub enum TreeStep {
    /// Nothing to tell of.
    On,
    /// An entry.
    Entry(TreeEntry),
    /// That was all.
    End {
        /// What was left out by policy.
        omitted: u64,
        /// What should be there and is not.
        missing: Missing,
        /// Bytes of the files that are on the disk.
        data_bytes: u64,
    },
}

impl Tree {
    pub(super) fn new(directory: Directory, bytes: bool) -> Tree {
        let walk = Walk::new(Arc::new(Top::new(directory)), Purpose::Tree { bytes });
        Tree { walk, omitted: 0, missing: Missing::default(), data_bytes: 0 }
    }

    /// Bytes that it takes, about.
    pub fn cost(&self) -> usize {
        self.walk.cost()
    }

    /// Looks at one entry at most.
    ///
    /// # Errors
    /// The directory itself cannot be read, or one in it has become another. The walk is over then.
    pub fn step(&mut self) -> Result<TreeStep, StorageError> {
        match self.walk.step()? {
            Step::On => {}
            Step::Omitted => self.omitted += 1,
            Step::Entry(visited) => {
                let data_bytes = visited.found.data_bytes;
                match entry(visited) {
                    Some(entry) => {
                        if matches!(entry.node, TreeNode::File { .. }) {
                            self.data_bytes = self.data_bytes.saturating_add(data_bytes);
                        }
                        return Ok(TreeStep::Entry(entry));
                    }
                    None => self.omitted += 1,
                }
            }
            Step::Missing(Lost { path, reason }) => {
                self.missing.add(SafeText::from_bytes(&path).as_str(), &reason);
            }
            Step::End => {
                let missing = std::mem::take(&mut self.missing);
                let data_bytes = self.data_bytes;
                return Ok(TreeStep::End { omitted: self.omitted, missing, data_bytes });
            }
        }
        Ok(TreeStep::On)
    }
}

/// As it goes over the wire; `None` if its path is no text, which the walk leaves out itself.
fn entry(visited: Visited) -> Option<TreeEntry> {
    let Visited { path, found, .. } = visited;
    let node = match found.kind {
        Kind::Directory => TreeNode::Directory,
        Kind::File | Kind::LinkedFile => {
            TreeNode::File { size: found.size, identity: found.identity.to_string() }
        }
        Kind::Link(target) => TreeNode::Link { target: target.into() },
    };
    let path = String::from_utf8(path).ok()?;
    Some(TreeEntry { path, modified: found.modified, mode: found.mode, node })
}

/// Opens files of a directory, at any depth.
#[derive(Debug)]
pub struct Files {
    top: Directory,
    /// The directory of the file that was opened last, by its path from the top: most often the next one is there, too.
    last: Option<(String, OwnedFd)>,
}

impl Files {
    pub(super) fn new(top: Directory) -> Files {
        Files { top, last: None }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open(&mut self, path: &RemotePath) -> Result<FileSource, StorageError> {
        let whole = name::join(&self.top.path, path.as_str());
        let Some(name) = path.name() else { return Err(is_directory(&whole)) };
        let directory = path.as_str().strip_suffix(name).unwrap_or_default().trim_end_matches('/');
        if self.top.folder.serves_all(&whole)
            && let Some(source) = self.open_beside(directory, name, &whole)
        {
            return Ok(source);
        }
        let Opened { handle, stat, kind } = root::open(&self.top.folder, &whole)?;
        match kind {
            Served::File => Ok(FileSource::new(handle, shown(&whole), name.to_owned(), &stat)),
            Served::Directory => Err(is_directory(&whole)),
        }
    }

    /// Opens a file by the handle of its directory: half the way for the system. `None` if that does not lead to a regular
    /// file; another way may, or tells why not.
    fn open_beside(&mut self, directory: &str, name: &str, whole: &str) -> Option<FileSource> {
        let handle = match self.last.take().filter(|(path, _)| path == directory) {
            Some((_, handle)) => handle,
            None => self.open_directory(directory).ok()?,
        };
        let (_, handle) = self.last.insert((directory.to_owned(), handle));
        let folder = &self.top.folder;
        let stat = folder.look_in(&*handle, &CString::new(name).ok()?).ok()?;
        if Served::of(&stat) != Some(Served::File) {
            return None;
        }
        let file = folder.open_in(&*handle, name, Access::Read).ok()?;
        // Whether that is what was looked at, the comparison after reading tells.
        Some(FileSource::new(file, shown(whole), name.to_owned(), &stat))
    }

    fn open_directory(&self, path: &str) -> io::Result<OwnedFd> {
        let whole = name::join(&self.top.path, path);
        let whole = whole.trim_end_matches('/');
        self.top.folder.open(if whole.is_empty() { "." } else { whole }, Access::Directory)
    }
}

fn is_directory(path: &str) -> StorageError {
    StorageError::WrongKind { path: shown(path), what: "a directory" }
}
