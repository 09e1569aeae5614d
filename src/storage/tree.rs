//! A directory as itself: its entries one by one, and its files.

use std::{ffi::CString, io, os::fd::OwnedFd, sync::Arc};

use rustix::fs::Stat;

use super::{
    StorageError,
    file::FileSource,
    folder::Opened,
    found::{Found, Kind, Purpose},
    listing::Directory,
    name,
    root::{self, Served, shown},
    top::Top,
    walk::{Lost, Step, Visited, Walk},
};
use crate::{
    platform::Access,
    protocol::{
        message::{Missing, NameForm, TreeEntry, TreeNode},
        odd_name,
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
    pub(super) fn new(directory: Directory, names: NameForm) -> Tree {
        let walk = Walk::new(Arc::new(Top::new(directory)), Purpose::Tree(names));
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
                let entry = match entry(visited) {
                    Ok((entry, data_bytes)) => {
                        self.data_bytes = self.data_bytes.saturating_add(data_bytes);
                        entry
                    }
                    Err(Lost { path, reason }) => {
                        self.missing.add(SafeText::from_bytes(&path).as_str(), &reason);
                        return Ok(TreeStep::On);
                    }
                };
                return Ok(TreeStep::Entry(entry));
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

/// Most bytes of the path and the target of a link together, where escapes make them long in JSON: an entry has to fit into a page.
const MAX_ESCAPED: usize = 20_000;

/// As it goes over the wire, and how much of it is on the disk.
fn entry(visited: Visited) -> Result<(TreeEntry, u64), Lost> {
    let Visited { path, found, .. } = visited;
    let Found { kind, mode, modified, size, data_bytes, identity } = found;
    let text = odd_name::to_text(&path).into_owned();
    let (node, data_bytes) = match kind {
        Kind::Directory => (TreeNode::Directory, 0),
        Kind::File | Kind::LinkedFile => {
            (TreeNode::File { size, identity: identity.to_string() }, data_bytes)
        }
        Kind::Link(target) if odd_name::is_escaped(&target) && text.len() + target.len() > MAX_ESCAPED => {
            return Err(Lost { path, reason: "its path and its target are too long together".into() });
        }
        Kind::Link(target) => (TreeNode::Link { target: target.into() }, 0),
    };
    Ok((TreeEntry { path: text, modified, mode, node }, data_bytes))
}

/// Opens files of a directory, at any depth.
#[derive(Debug)]
pub struct Files {
    top: Directory,
    /// The directory of the file that was opened last, by its path from the top: most often the next one is there, too.
    last: Option<(Vec<u8>, OwnedFd)>,
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
        let beneath = path.to_bytes();
        let whole = name::join(&self.top.path, &beneath);
        let Some(text) = path.name() else { return Err(is_directory(&whole)) };
        let slash = beneath.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = match slash {
            Some(slash) => (&beneath[..slash], &beneath[slash + 1..]),
            None => (&b""[..], &*beneath),
        };
        if self.top.folder.serves_all(&whole)
            && let Some((handle, stat)) = self.open_beside(directory, name)
        {
            // Whether that is what was looked at, the comparison after reading tells.
            return Ok(FileSource::new(handle, shown(&whole), text.to_owned(), &stat));
        }
        let Opened { handle, stat, kind } = root::open(&self.top.folder, &whole)?;
        match kind {
            Served::File => Ok(FileSource::new(handle, shown(&whole), text.to_owned(), &stat)),
            Served::Directory => Err(is_directory(&whole)),
        }
    }

    /// Opens a file by the handle of its directory: half the way for the system. `None` if that does not lead to a regular
    /// file; another way may, or tells why not.
    fn open_beside(&mut self, directory: &[u8], name: &[u8]) -> Option<(OwnedFd, Stat)> {
        let handle = match self.last.take().filter(|(path, _)| path == directory) {
            Some((_, handle)) => handle,
            None => self.open_directory(directory).ok()?,
        };
        let (_, handle) = self.last.insert((directory.to_vec(), handle));
        let folder = &self.top.folder;
        let stat = folder.look_in(&*handle, &CString::new(name).ok()?).ok()?;
        if Served::of(&stat) != Some(Served::File) {
            return None;
        }
        let file = folder.open_in(&*handle, name, Access::Read).ok()?;
        Some((file, stat))
    }

    fn open_directory(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let whole = name::join(&self.top.path, path);
        self.top.folder.open(if whole.is_empty() { &b"."[..] } else { &whole }, Access::Directory)
    }
}

fn is_directory(path: &[u8]) -> StorageError {
    StorageError::WrongKind { path: shown(path), what: "a directory" }
}
