//! The walk over a directory, entry by entry, holding at most three handles whatever the tree is like.

use std::{borrow::Cow, collections::BTreeMap, ffi::CStr, io, os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{Dir, Stat},
    io::Errno,
};

use super::{
    StorageError,
    found::{self, Found, Kind, Purpose},
    identity::Identity,
    name,
    top::Top,
};
use crate::protocol::path::MAX_PATH;

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
        let found = Found::directory(&stat);
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
        let directory =
            reading.names.fd().map_err(|error| self.top.unreadable(&reading.path, error.into()))?;
        let found = match found::examine(&self.top, self.purpose, directory, raw, &path) {
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
