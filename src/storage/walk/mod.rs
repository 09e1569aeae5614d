//! The walk over a directory, entry by entry, with at most three open handles.

pub(super) mod found;
pub(super) mod root;

use std::{borrow::Cow, collections::BTreeMap, ffi::CStr, os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{Dir, Stat},
    io::Errno,
};

use self::{
    found::{Found, Kind, Purpose},
    root::WalkRoot,
};
use super::{
    error::{StorageError, is_shortage},
    folder::is_deleted,
    identity::Identity,
    name::join,
};
use crate::{
    platform::reason,
    protocol::{message::NameForm, path::MAX_PATH},
};

/// Walks a directory.
#[derive(Debug)]
pub(crate) struct Walk {
    root: Arc<WalkRoot>,
    purpose: Purpose,
    begun: bool,
    /// The entries still to be visited, of each directory from the top to the current one.
    levels: Vec<Level>,
    /// The directory whose entries are being read.
    reading: Option<Reading>,
    /// Bytes of memory of the entries still to be visited.
    cost: usize,
}

/// The result of a step.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing to report.
    On,
    /// An entry. Each directory precedes its entries.
    Entry(Visited),
    /// An entry omitted by policy.
    Omitted,
    /// An entry that cannot be read or sent.
    Missing(MissingEntry),
    /// The walk is complete.
    End,
}

/// A visited entry.
#[derive(Debug)]
pub(crate) struct Visited {
    /// Its depth: 0 for the top.
    pub(crate) depth: usize,
    /// The raw path from the top.
    pub(crate) path: Vec<u8>,
    pub(crate) found: Found,
}

/// An entry that cannot be read or sent.
#[derive(Debug)]
pub(crate) struct MissingEntry {
    /// The raw path from the top.
    pub(crate) path: Vec<u8>,
    pub(crate) reason: Cow<'static, str>,
}

/// Why a path and everything beneath it cannot be sent.
#[derive(Clone, Copy, Debug)]
enum Unsupported {
    TooLong,
    NotText,
}

impl Unsupported {
    fn reason(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Unsupported::TooLong => "its path is longer than 4096 bytes",
            Unsupported::NotText => "its name is not UTF-8, which the client does not support",
        })
    }
}

/// The entries of a directory in the order of the visit.
type Children = BTreeMap<Box<[u8]>, Child>;

#[derive(Debug)]
struct Level {
    path: Vec<u8>,
    children: Children,
}

#[derive(Debug)]
struct Child {
    found: Found,
    unsupported: Option<Unsupported>,
}

impl Child {
    /// Bytes of memory of its place in [`Children`], which can be half empty.
    fn cost(name: &[u8]) -> usize {
        2 * size_of::<(Box<[u8]>, Child)>() + name.len()
    }
}

#[derive(Debug)]
struct Reading {
    path: Vec<u8>,
    names: Dir,
    children: Children,
    unsupported: Option<Unsupported>,
    /// Whether no entry was read so far.
    empty: bool,
}

impl Walk {
    pub(crate) fn new(root: Arc<WalkRoot>, purpose: Purpose) -> Walk {
        Walk { root, purpose, begun: false, levels: Vec::new(), reading: None, cost: 0 }
    }

    /// Approximate bytes of memory.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Visits at most one entry.
    ///
    /// # Errors
    /// The top cannot be read, a directory was replaced, or the system is out of resources. The walk ends
    /// then.
    pub(crate) fn step(&mut self) -> Result<Step, StorageError> {
        if !self.begun {
            self.begun = true;
            return self.enter(0, Vec::new(), None, None);
        }
        match self.reading.take() {
            Some(reading) => self.read_one(reading),
            None => self.visit_one(),
        }
    }

    /// Visits the next entry that was read.
    fn visit_one(&mut self) -> Result<Step, StorageError> {
        while let Some(level) = self.levels.last_mut() {
            let Some((name, child)) = level.children.pop_first() else {
                self.levels.pop();
                continue;
            };
            self.cost = self.cost.saturating_sub(Child::cost(&name));
            let path = join(&level.path, file_name(&name));
            let (depth, found) = (self.levels.len(), child.found);
            if found.kind == Kind::Directory {
                return self.enter(depth, path, Some(found.identity), child.unsupported);
            }
            return Ok(Step::Entry(Visited { depth, path, found }));
        }
        Ok(Step::End)
    }

    /// Visits a directory and starts reading it.
    fn enter(
        &mut self,
        depth: usize,
        path: Vec<u8>,
        seen: Option<Identity>,
        unsupported: Option<Unsupported>,
    ) -> Result<Step, StorageError> {
        let opened = self.root.open_directory(&path);
        let opened = opened.and_then(|handle| Ok((rustix::fs::fstat(&handle)?, handle)));
        let (stat, handle): (Stat, OwnedFd) = match opened.map_err(|error| self.root.vanished(&path, error)) {
            Ok(opened) => opened,
            Err(StorageError::Unreadable { error, .. }) if depth > 0 && !is_shortage(&error) => {
                return Ok(Step::Missing(MissingEntry { path, reason: reason(&error).into() }));
            }
            Err(error) => return Err(error),
        };
        // Its entries are read after its metadata.
        let found = Found::directory(&stat);
        if seen.is_some_and(|seen| seen != found.identity) {
            return Err(StorageError::Changed { path: self.root.shown(&path) });
        }
        let names = Dir::new(handle).map_err(|error| self.root.unreadable(&path, error.into()))?;
        let children = Children::new();
        self.reading = Some(Reading { path: path.clone(), names, children, unsupported, empty: true });
        Ok(match unsupported {
            Some(_) => Step::On,
            None => Step::Entry(Visited { depth, path, found }),
        })
    }

    /// Reads the next name of the current directory, or ends it.
    fn read_one(&mut self, mut reading: Reading) -> Result<Step, StorageError> {
        let read = match reading.names.read() {
            Some(Ok(entry)) => {
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") || !self.root.folder.serves(name) {
                    Ok(Step::On)
                } else {
                    reading.empty = false;
                    self.look_at(&mut reading, entry.file_name())
                }
            }
            Some(Err(Errno::INTR)) => Ok(Step::On),
            Some(Err(error)) => {
                let error = std::io::Error::from(error);
                if reading.path.is_empty() || is_shortage(&error) {
                    return Err(self.root.unreadable(&reading.path, error));
                }
                let reason = format!("it could not be read to its end: {}", reason(&error));
                let path = reading.path.clone();
                self.end(reading);
                return Ok(Step::Missing(MissingEntry { path, reason: reason.into() }));
            }
            None => {
                let directory =
                    reading.names.fd().map_err(|error| self.root.unreadable(&reading.path, error.into()))?;
                // A deleted directory reads like an empty one.
                if is_deleted(directory).map_err(|error| self.root.unreadable(&reading.path, error))? {
                    return Err(StorageError::Changed { path: self.root.shown(&reading.path) });
                }
                let missing = reading.unsupported.filter(|_| reading.empty);
                let missing =
                    missing.map(|why| MissingEntry { path: reading.path.clone(), reason: why.reason() });
                self.end(reading);
                return Ok(missing.map_or(Step::On, Step::Missing));
            }
        };
        self.reading = Some(reading);
        read
    }

    /// Ends a directory.
    fn end(&mut self, reading: Reading) {
        let Reading { path, children, .. } = reading;
        self.levels.push(Level { path, children });
    }

    /// Adds one name of a directory.
    fn look_at(&mut self, reading: &mut Reading, raw: &CStr) -> Result<Step, StorageError> {
        let path = join(&reading.path, raw.to_bytes());
        let unsupported = match self.purpose {
            _ if reading.unsupported.is_some() => reading.unsupported,
            Purpose::Tree(NameForm::Utf8) if raw.to_str().is_err() => Some(Unsupported::NotText),
            Purpose::Tree(_) if self.root.path_from_root(&path).len() >= MAX_PATH => {
                Some(Unsupported::TooLong)
            }
            Purpose::Tree(_) | Purpose::Archive => None,
        };
        let directory =
            reading.names.fd().map_err(|error| self.root.unreadable(&reading.path, error.into()))?;
        let found = match found::examine(&self.root, self.purpose, directory, raw, &path) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Step::Omitted),
            // Deleted since its name was read.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(Step::On),
            Err(error) if is_shortage(&error) => return Err(self.root.unreadable(&path, error)),
            Err(error) => return Ok(Step::Missing(MissingEntry { path, reason: reason(&error).into() })),
        };
        let is_directory = found.kind == Kind::Directory;
        if let Some(why) = unsupported.filter(|_| !is_directory) {
            return Ok(Step::Missing(MissingEntry { path, reason: why.reason() }));
        }
        let mut name = raw.to_bytes().to_vec();
        if self.purpose == Purpose::Archive && is_directory {
            name.push(b'/');
        }
        let name: Box<[u8]> = name.into();
        self.cost += Child::cost(&name);
        reading.children.insert(name, Child { found, unsupported });
        Ok(Step::On)
    }
}

/// A name without the mark of a directory.
fn file_name(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"/").unwrap_or(name)
}
