//! The walk over a directory, entry by entry, holding at most three handles whatever the tree is like.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Stat},
    io::Errno,
};

use super::{
    StorageError,
    identity::Identity,
    is_absent, name,
    root::{Served, modified, permissions, size},
    top::Top,
};
use crate::{
    platform::Access,
    protocol::{
        message::Timestamp,
        path::{MAX_PATH, is_target},
    },
};

/// What the walk is for, which decides on names, order and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An archive: names that are no text are escaped, files must be readable, links to files are files. Sorted by
    /// the bytes of the paths, where a directory's ends with `/`.
    Archive,
    /// A tree: names that are no text are left out, links that stay in it are links, others to files are files.
    /// Sorted by the segments of the paths.
    Tree,
}

/// Walks a directory.
#[derive(Debug)]
pub(super) struct Walk {
    top: Arc<Top>,
    purpose: Purpose,
    begun: bool,
    /// What is still to be visited, of each directory from the top to the present one.
    levels: Vec<Level>,
    /// The directory whose entries are being read.
    reading: Option<Reading>,
}

/// What a step of the walk came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing to tell of.
    On,
    /// An entry; each directory comes before what is in it, and the top first.
    Entry(Visited),
    /// Something that is left out.
    Omitted,
    /// That was all.
    End,
}

/// An entry in its place.
#[derive(Debug)]
pub(super) struct Visited {
    /// How many directories it is in: none for the top.
    pub(super) depth: usize,
    /// From the top, as it is on disk.
    pub(super) path: Vec<u8>,
    pub(super) found: Found,
}

/// What an entry was when it was looked at.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) modified: Timestamp,
    pub(super) size: u64,
    pub(super) identity: Identity,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    /// A file that is reached through a link.
    LinkedFile,
    /// A link with its target.
    Link(Box<str>),
}

/// The children of a directory in the order in which they are visited.
type Children = BTreeMap<String, Child>;

#[derive(Debug)]
struct Level {
    path: Vec<u8>,
    children: Children,
}

#[derive(Debug)]
struct Child {
    /// The name on disk, where it had to be escaped.
    raw: Option<Box<[u8]>>,
    found: Found,
}

#[derive(Debug)]
struct Reading {
    path: Vec<u8>,
    names: Dir,
    children: Children,
    /// Those of the children whose name had to be escaped.
    escaped: Vec<String>,
}

impl Walk {
    pub(super) fn new(top: Arc<Top>, purpose: Purpose) -> Walk {
        Walk { top, purpose, begun: false, levels: Vec::new(), reading: None }
    }

    /// Looks at one entry at most.
    ///
    /// # Errors
    /// A directory that cannot be read or has become another; for an archive a file that cannot be read, or two
    /// entries that would have the same name. The walk is over then.
    pub(super) fn step(&mut self) -> Result<Step, StorageError> {
        if !self.begun {
            self.begun = true;
            return self.enter(0, Vec::new(), None).map(Step::Entry);
        }
        match self.reading.take() {
            Some(reading) => self.read_one(reading),
            None => self.visit_one(),
        }
    }

    /// Visits the next of what was read.
    fn visit_one(&mut self) -> Result<Step, StorageError> {
        while let Some(level) = self.levels.last_mut() {
            let Some((name, child)) = level.children.pop_first() else {
                self.levels.pop();
                continue;
            };
            let raw = child.raw.as_deref().unwrap_or(name.trim_end_matches('/').as_bytes());
            let path = join(&level.path, raw);
            let (depth, found) = (self.levels.len(), child.found);
            if found.kind == Kind::Directory {
                return self.enter(depth, path, Some(found.identity)).map(Step::Entry);
            }
            return Ok(Step::Entry(Visited { depth, path, found }));
        }
        Ok(Step::End)
    }

    /// Visits a directory and begins to read it.
    fn enter(
        &mut self,
        depth: usize,
        path: Vec<u8>,
        seen: Option<Identity>,
    ) -> Result<Visited, StorageError> {
        let opened = self.top.open_directory(&path);
        let opened = opened.and_then(|handle| Ok((rustix::fs::fstat(&handle)?, handle)));
        let (stat, handle): (Stat, OwnedFd) = opened.map_err(|error| self.top.vanished(&path, error))?;
        // Its entries are newer than what was seen of it from outside.
        let found = directory(&stat);
        if seen.is_some_and(|seen| seen != found.identity) {
            return Err(StorageError::Changed { path: self.top.shown(&path) });
        }
        let names = Dir::new(handle).map_err(|error| self.top.unreadable(&path, error.into()))?;
        let (children, escaped) = (Children::new(), Vec::new());
        self.reading = Some(Reading { path: path.clone(), names, children, escaped });
        Ok(Visited { depth, path, found })
    }

    /// Reads the next name of the directory that is being read, or ends it.
    fn read_one(&mut self, mut reading: Reading) -> Result<Step, StorageError> {
        let step = match reading.names.read() {
            Some(Ok(entry)) => {
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") || !self.top.folder.serves(name) {
                    Step::On
                } else {
                    self.look_at(&mut reading, entry.file_name())?
                }
            }
            Some(Err(Errno::INTR)) => Step::On,
            Some(Err(error)) => return Err(self.top.unreadable(&reading.path, error.into())),
            None => {
                self.refuse_twins(&reading)?;
                self.levels.push(Level { path: reading.path, children: reading.children });
                return Ok(Step::On);
            }
        };
        self.reading = Some(reading);
        Ok(step)
    }

    /// Takes one name of a directory in.
    fn look_at(&self, reading: &mut Reading, raw: &CStr) -> Result<Step, StorageError> {
        let path = join(&reading.path, raw.to_bytes());
        let text = name::as_text(raw.to_bytes());
        let is_escaped = matches!(text, Cow::Owned(_));
        if self.purpose == Purpose::Tree && (is_escaped || self.top.path_from_root(&path).len() >= MAX_PATH) {
            return Ok(Step::Omitted);
        }
        let found = match self.examine(reading, raw, &path) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Step::Omitted),
            // Gone since its name was read: the snapshot is without it.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(Step::On),
            Err(error) => return Err(self.top.unreadable(&path, error)),
        };
        let mut name = text.into_owned();
        if self.purpose == Purpose::Archive && found.kind == Kind::Directory {
            name.push('/');
        }
        if is_escaped {
            reading.escaped.push(name.clone());
        }
        let raw = is_escaped.then(|| raw.to_bytes().into());
        match reading.children.insert(name, Child { raw, found }) {
            None => Ok(Step::On),
            Some(_) => Err(self.twin(&path)),
        }
    }

    /// What an entry is; `None` for what is left out.
    fn examine(&self, reading: &Reading, raw: &CStr, path: &[u8]) -> io::Result<Option<Found>> {
        let directory_handle = reading.names.fd()?;
        let stat = match self.top.folder.look_in(directory_handle, raw) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => return Ok(None),
            stat => stat?,
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Some(directory(&stat)),
            FileType::RegularFile => {
                if self.purpose == Purpose::Archive {
                    readable(directory_handle, raw)?;
                }
                Some(file(Kind::File, &stat))
            }
            FileType::Symlink => match self.kept_link(directory_handle, raw, path)? {
                Some(target) => Some(Found { size: 0, ..file(Kind::Link(target), &stat) }),
                None => self.linked_file(path)?,
            },
            _ => None,
        })
    }

    /// The target of a link that stays a link.
    fn kept_link(&self, directory: BorrowedFd<'_>, raw: &CStr, path: &[u8]) -> io::Result<Option<Box<str>>> {
        if self.purpose != Purpose::Tree {
            return Ok(None);
        }
        let target = rustix::fs::readlinkat(directory, raw, Vec::new())?;
        let (Ok(path), Ok(target)) = (str::from_utf8(path), target.to_str()) else { return Ok(None) };
        let is_served =
            |segment: &str| matches!(segment, "." | "..") || self.top.folder.serves(segment.as_bytes());
        if !is_target(path, target) || !target.split('/').all(is_served) {
            return Ok(None);
        }
        match self.top.folder.look_beneath(&self.top.handle, path) {
            Ok(seen) => Ok(Served::of(&seen).map(|_| target.into())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file that a link leads to; `None` where it leads to none inside the root.
    fn linked_file(&self, path: &[u8]) -> io::Result<Option<Found>> {
        let path = self.top.path_from_root(path);
        let look = match self.top.folder.open(&*path, Access::Look) {
            Ok(look) => look,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if Served::of(&rustix::fs::fstat(look)?) != Some(Served::File) {
            return Ok(None);
        }
        let opened = self.top.folder.open_served(&*path)?;
        let opened = opened.filter(|opened| opened.kind == Served::File);
        Ok(opened.map(|opened| file(Kind::LinkedFile, &opened.stat)))
    }

    /// A file whose name had to be escaped may now be called like a directory beside it, or the reverse.
    fn refuse_twins(&self, reading: &Reading) -> Result<(), StorageError> {
        for name in &reading.escaped {
            let twin = match name.strip_suffix('/') {
                Some(file) => reading.children.contains_key(file),
                None => reading.children.contains_key(&format!("{name}/")),
            };
            if twin {
                return Err(self.twin(&join(&reading.path, name.trim_end_matches('/').as_bytes())));
            }
        }
        Ok(())
    }

    fn twin(&self, path: &[u8]) -> StorageError {
        let text = name::as_text(path);
        let error = format!("another entry is called {text:?} too in an archive, where names are UTF-8");
        self.top.unreadable(path, io::Error::other(error))
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, name].join(&b'/') }
}

fn directory(stat: &Stat) -> Found {
    Found { identity: Identity::of_directory(stat), size: 0, ..file(Kind::Directory, stat) }
}

fn file(kind: Kind, stat: &Stat) -> Found {
    Found {
        kind,
        mode: permissions(stat),
        modified: modified(stat),
        size: size(stat),
        identity: Identity::of_file(stat),
    }
}

/// Asks beforehand, so that an archive fails before its first byte and not in its middle.
fn readable(directory: impl AsFd, name: &CStr) -> io::Result<()> {
    match rustix::fs::accessat(directory, name, rustix::fs::Access::READ_OK, AtFlags::EACCESS) {
        // A system that cannot tell lets the reading tell.
        Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
