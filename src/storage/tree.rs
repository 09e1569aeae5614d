//! A directory as a tree: its entries one by one, and its files.

use std::{ffi::CString, io, os::fd::OwnedFd, sync::Arc};

use rustix::{fs::Stat, io::Errno};

use super::{
    directory::Directory,
    error::StorageError,
    file::FileSource,
    folder::Opened,
    name,
    stat::{Served, shown},
    walk::{
        MissingEntry, Step, Visited, Walk,
        found::{Found, Kind, Purpose},
        root::WalkRoot,
    },
};
use crate::{
    platform::{self, Access, Medium},
    protocol::{
        message::{Missing, NameForm, TreeEntry, TreeNode},
        path::{RemotePath, odd_name},
    },
    text::SafeText,
};

/// The entries of a directory, at any depth: the directory itself first, and each directory before its entries.
#[derive(Debug)]
pub struct Tree {
    walk: Walk,
    omitted: u64,
    missing: Missing,
    data_bytes: u64,
}

/// The result of a step.
#[derive(Debug)]
pub enum TreeStep {
    /// Nothing to report.
    On,
    /// An entry.
    Entry(TreeEntry),
    /// The walk is complete.
    End {
        /// Number of entries omitted by policy.
        omitted: u64,
        /// Missing entries.
        missing: Missing,
        /// Bytes of the files that are on the disk.
        data_bytes: u64,
    },
}

impl Tree {
    /// Starts to walk a directory. `names`: how the names may be written.
    pub fn new(directory: Directory, names: NameForm) -> Tree {
        let walk = Walk::new(Arc::new(WalkRoot::new(directory)), Purpose::Tree(names));
        Tree { walk, omitted: 0, missing: Missing::default(), data_bytes: 0 }
    }

    /// Approximate bytes of memory.
    pub fn cost(&self) -> usize {
        self.walk.cost()
    }

    /// Visits at most one entry.
    ///
    /// # Errors
    /// The directory cannot be read, or one in it was replaced. The walk ends then.
    pub fn step(&mut self) -> Result<TreeStep, StorageError> {
        match self.walk.step()? {
            Step::On => {}
            Step::Omitted => self.omitted += 1,
            Step::Entry(visited) => {
                let entry = match entry(visited) {
                    Ok((entry, data_bytes)) => {
                        self.data_bytes = self.data_bytes.saturating_add(data_bytes);
                        entry
                    }
                    Err(MissingEntry { path, reason }) => {
                        self.missing.add(SafeText::from_bytes(&path).as_str(), &reason);
                        return Ok(TreeStep::On);
                    }
                };
                return Ok(TreeStep::Entry(entry));
            }
            Step::Missing(MissingEntry { path, reason }) => {
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

/// The maximum length of the path and the target of a link together, in bytes of JSON, where escapes make them long: an entry has to fit into a page.
const MAX_ESCAPED: usize = 20_000;

/// The wire form of an entry, and its bytes on the disk.
fn entry(visited: Visited) -> Result<(TreeEntry, u64), MissingEntry> {
    let Visited { path, found, .. } = visited;
    let Found { kind, mode, modified, size, data_bytes, identity } = found;
    let text = odd_name::to_text(&path).into_owned();
    let (node, data_bytes) = match kind {
        Kind::Directory => (TreeNode::Directory, 0),
        Kind::File | Kind::LinkedFile => {
            (TreeNode::File { size, identity: identity.to_string() }, data_bytes)
        }
        Kind::Link(target) if odd_name::is_escaped(&target) && text.len() + target.len() > MAX_ESCAPED => {
            return Err(MissingEntry {
                path,
                reason: "its path and its target are too long together".into(),
            });
        }
        Kind::Link(target) => (TreeNode::Link { target: target.into() }, 0),
    };
    Ok((TreeEntry { path: text, modified, mode, node }, data_bytes))
}

/// Opens files of a directory, at any depth.
#[derive(Debug)]
pub struct Files {
    top: Directory,
    /// The directory of the file that was opened last: most often the next one is there, too.
    last: Option<Parent>,
}

/// An opened directory of files.
#[derive(Debug)]
struct Parent {
    /// From the top.
    path: Vec<u8>,
    handle: OwnedFd,
    /// Where its file system keeps its files.
    medium: Medium,
}

impl Files {
    /// Opens files of this directory.
    pub fn new(top: Directory) -> Files {
        Files { top, last: None }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open(&mut self, path: &RemotePath) -> Result<FileSource, StorageError> {
        let beneath = path.to_bytes();
        let whole = name::join(&self.top.path, &beneath);
        let Some(text) = path.name() else { return Err(is_directory(&whole)) };
        let (directory, name) = split(&beneath);
        if self.top.folder.serves_all(&whole)
            && let Some((handle, stat)) = self.open_beside(directory, name)
        {
            // The comparison after reading shows whether it is the checked file.
            return Ok(self.source(handle, &whole, text, &stat));
        }
        let Opened { handle, stat, kind } = self.top.folder.open_path(&whole)?;
        match kind {
            Served::File => Ok(self.source(handle, &whole, text, &stat)),
            Served::Directory => Err(is_directory(&whole)),
        }
    }

    /// Opens a file without waiting for the disk. `None` if that cannot be, or if it is not a regular file.
    pub fn open_cached(&mut self, path: &RemotePath) -> Option<FileSource> {
        let beneath = path.to_bytes();
        let whole = name::join(&self.top.path, &beneath);
        let text = path.name().filter(|_| self.top.folder.serves_all(&whole))?;
        let (directory, name) = split(&beneath);
        let folder = Arc::clone(&self.top.folder);
        let parent = self.parent(directory, Files::open_directory_cached)?;
        if parent.medium == Medium::Other {
            return None;
        }
        let stat = match parent.medium {
            Medium::Memory => folder.look_in(&parent.handle, &CString::new(name).ok()?).ok()?,
            // Asking by the name might wait for the disk.
            _ => rustix::fs::fstat(platform::open_cached(&parent.handle, name, Access::Look).ok()?).ok()?,
        };
        if Served::of(&stat) != Some(Served::File) {
            return None;
        }
        let handle = platform::open_cached(&parent.handle, name, Access::Read).ok()?;
        Some(self.source(handle, &whole, text, &stat))
    }

    fn source(&self, handle: OwnedFd, path: &[u8], name: &str, stat: &Stat) -> FileSource {
        FileSource::new(handle, shown(path), name.to_owned(), stat, self.top.folder.medium(stat))
    }

    /// Opens a file by the handle of its directory, which takes the system half as long as by the path. `None` if that is no regular
    /// file; opening it by the path may succeed, or has the error.
    fn open_beside(&mut self, directory: &[u8], name: &[u8]) -> Option<(OwnedFd, Stat)> {
        let folder = Arc::clone(&self.top.folder);
        let parent = self.parent(directory, Files::open_directory)?;
        let stat = folder.look_in(&parent.handle, &CString::new(name).ok()?).ok()?;
        if Served::of(&stat) != Some(Served::File) {
            return None;
        }
        let file = folder.open_in(&parent.handle, name, Access::Read).ok()?;
        Some((file, stat))
    }

    /// The directory with this path from the top: the last one, or else what `open` opens.
    fn parent(
        &mut self,
        path: &[u8],
        open: impl FnOnce(&Files, &[u8]) -> io::Result<OwnedFd>,
    ) -> Option<&Parent> {
        if self.last.as_ref().is_none_or(|last| last.path != path) {
            let handle = open(self, path).ok()?;
            let medium = self.top.folder.medium(&rustix::fs::fstat(&handle).ok()?);
            self.last = Some(Parent { path: path.to_vec(), handle, medium });
        }
        self.last.as_ref()
    }

    fn open_directory(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let whole = name::join(&self.top.path, path);
        self.top.folder.open(if whole.is_empty() { &b"."[..] } else { &whole }, Access::Directory)
    }

    fn open_directory_cached(&self, path: &[u8]) -> io::Result<OwnedFd> {
        if self.top.medium == Medium::Other {
            return Err(Errno::AGAIN.into());
        }
        let path = if path.is_empty() { &b"."[..] } else { path };
        platform::open_cached(&self.top.handle, path, Access::Directory)
    }
}

/// The directory of a path, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn is_directory(path: &[u8]) -> StorageError {
    StorageError::WrongKind { path: shown(path), what: "a directory" }
}
