//! The walk that makes a plan, a slice at a time, holding at most three handles whatever the tree is like.

use std::{
    collections::BTreeMap,
    ffi::CStr,
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Stat},
    io::Errno,
};

use super::{
    plan::{Entries, Kind, Plan, Source, Summary},
    source,
};
use crate::{
    platform::Access,
    storage::{
        StorageError,
        file::{ReadError, reading},
        identity::Identity,
        is_absent,
        listing::Directory,
        name,
        root::{Served, permissions, size},
    },
};

/// How many entries one step looks at.
const STEP: usize = 1024;

/// Walks the directory and makes the plan, a slice at a time.
#[derive(Debug)]
pub struct Planner {
    entries: Entries,
    summary: Summary,
    /// What is still to be added, of each directory from the top to the present one.
    levels: Vec<Level>,
    /// The directory whose entries are being read.
    reading: Option<Reading>,
}

/// After a step of the planner.
#[derive(Debug)]
pub enum Planning {
    /// There is more to walk.
    More(Planner),
    /// The plan is complete.
    Done(Plan),
}

/// The children of a directory by their names in the archive, a directory's with `/` behind it: in this
/// order the walk meets all paths sorted by their bytes.
type Children = BTreeMap<String, Child>;

#[derive(Debug)]
struct Level {
    directory: u32,
    children: Children,
}

#[derive(Debug)]
struct Child {
    /// The name on disk, where it is not the one in the archive.
    raw: Option<Box<[u8]>>,
    source: Source,
}

#[derive(Debug)]
struct Reading {
    directory: u32,
    /// From the archived directory.
    path: Vec<u8>,
    names: Dir,
    children: Children,
    /// Those of the children whose name had to be escaped.
    escaped: Vec<String>,
}

impl Planner {
    pub(in crate::storage) fn new(directory: Directory, prefix: &str) -> Planner {
        let prefix = match prefix.trim_matches('/') {
            "" => &directory.meta().name,
            prefix => prefix,
        };
        let prefix = prefix.to_owned();
        let entries = Entries::new(directory.folder, directory.handle, directory.path, prefix);
        Planner { entries, summary: Summary::new(), levels: Vec::new(), reading: None }
    }

    /// Looks at a bounded number of entries (some milliseconds of work).
    ///
    /// # Errors
    /// A directory or file that cannot be read; two entries that would have the same name in the archive.
    pub fn step(mut self) -> Result<Planning, StorageError> {
        if self.entries.len() == 0 {
            self.begin()?;
        }
        for _ in 0..STEP {
            if self.reading.is_some() {
                self.read_one()?;
            } else if !self.add_one()? {
                return Ok(Planning::Done(self.summary.finish(self.entries)));
            }
        }
        Ok(Planning::More(self))
    }

    /// Adds the archived directory itself.
    fn begin(&mut self) -> Result<(), StorageError> {
        let stat =
            rustix::fs::fstat(&self.entries.top).map_err(|error| self.unreadable(b"", error.into()))?;
        self.add(0, b"", directory(&stat))?;
        let handle = self
            .entries
            .folder
            .open_in(&self.entries.top, ".", Access::Directory)
            .map_err(|error| self.unreadable(b"", error))?;
        self.read_from(0, Vec::new(), handle)
    }

    /// Adds the next of what was read. Says whether there was one.
    fn add_one(&mut self) -> Result<bool, StorageError> {
        while let Some(level) = self.levels.last_mut() {
            let Some((name, child)) = level.children.pop_first() else {
                self.levels.pop();
                continue;
            };
            let parent = level.directory;
            let raw = child.raw.as_deref().unwrap_or(name.trim_end_matches('/').as_bytes());
            if child.source.kind == Kind::Directory {
                self.enter(parent, raw, child.source)?;
            } else {
                self.add(parent, raw, child.source)?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn add(&mut self, parent: u32, raw: &[u8], source: Source) -> Result<u32, StorageError> {
        let index = self.entries.push(parent, raw, source).ok_or_else(|| {
            let error = io::Error::other("has too many entries for an archive");
            self.unreadable(b"", error)
        })?;
        let name = self.entries.archive_name(index as usize).ok_or_else(|| {
            let error = io::Error::other("the path is too long for an archive");
            self.unreadable(&self.entries.raw_path(index as usize), error)
        })?;
        self.summary.add(&self.entries, index as usize, &name);
        Ok(index)
    }

    /// Adds a directory and begins to read it.
    fn enter(&mut self, parent: u32, raw: &[u8], seen: Source) -> Result<(), StorageError> {
        let mut path = self.entries.raw_path(parent as usize);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(raw);
        let opened = source::open_directory(&self.entries, &path)
            .and_then(|handle| Ok((rustix::fs::fstat(&handle)?, handle)));
        let (stat, handle) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(source::vanished(self.entries.shown(&path), error)),
        };
        // Its entries are newer than what was seen of it from outside.
        let now = directory(&stat);
        if now.identity != seen.identity {
            return Err(StorageError::Changed { path: self.entries.shown(&path) });
        }
        let index = self.add(parent, raw, now)?;
        self.read_from(index, path, handle)
    }

    fn read_from(&mut self, directory: u32, path: Vec<u8>, handle: OwnedFd) -> Result<(), StorageError> {
        let names = Dir::new(handle).map_err(|error| self.unreadable(&path, error.into()))?;
        self.reading =
            Some(Reading { directory, path, names, children: Children::new(), escaped: Vec::new() });
        Ok(())
    }

    /// Reads the next name of the directory that is being read, or ends it.
    fn read_one(&mut self) -> Result<(), StorageError> {
        let Some(mut reading) = self.reading.take() else { return Ok(()) };
        match reading.names.read() {
            Some(Ok(entry)) => {
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") && self.entries.folder.serves(name) {
                    self.look_at(&mut reading, entry.file_name())?;
                }
                self.reading = Some(reading);
            }
            Some(Err(Errno::INTR)) => self.reading = Some(reading),
            Some(Err(error)) => return Err(self.unreadable(&reading.path, error.into())),
            None => {
                self.refuse_twins(&reading)?;
                self.levels.push(Level { directory: reading.directory, children: reading.children });
            }
        }
        Ok(())
    }

    /// Takes one name of a directory in.
    fn look_at(&mut self, reading: &mut Reading, raw: &CStr) -> Result<(), StorageError> {
        let path = [&*reading.path, raw.to_bytes()].join(&b'/');
        let path = path.strip_prefix(b"/").unwrap_or(&path);
        let source = match self.examine(reading, raw, path) {
            Ok(Some(source)) => source,
            Ok(None) => {
                self.summary.omit();
                return Ok(());
            }
            // Gone since its name was read: the snapshot is without it.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(self.unreadable(path, error)),
        };
        let text = name::as_text(raw.to_bytes());
        let other = matches!(text, std::borrow::Cow::Owned(_)).then(|| raw.to_bytes().into());
        let mut name = text.into_owned();
        if source.kind == Kind::Directory {
            name.push('/');
        }
        if other.is_some() {
            reading.escaped.push(name.clone());
        }
        match reading.children.insert(name, Child { raw: other, source }) {
            None => Ok(()),
            Some(_) => Err(self.twin(path)),
        }
    }

    /// What an entry is; `None` for what is left out.
    fn examine(&self, reading: &Reading, raw: &CStr, path: &[u8]) -> io::Result<Option<Source>> {
        let directory_handle = reading.names.fd()?;
        let stat = match self.entries.folder.look_in(directory_handle, raw) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => return Ok(None),
            stat => stat?,
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Some(directory(&stat)),
            FileType::RegularFile => {
                readable(directory_handle, raw)?;
                Some(file(Kind::File, &stat))
            }
            FileType::Symlink => self.linked_file(path)?,
            _ => None,
        })
    }

    /// The file that a link leads to; `None` where it leads to none inside the root.
    fn linked_file(&self, path: &[u8]) -> io::Result<Option<Source>> {
        let path = self.entries.path_from_root(path);
        let look = match self.entries.folder.open(&*path, Access::Look) {
            Ok(look) => look,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if Served::of(&rustix::fs::fstat(look)?) != Some(Served::File) {
            return Ok(None);
        }
        let opened = self.entries.folder.open_served(&*path)?;
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
                let path = [&*reading.path, name.trim_end_matches('/').as_bytes()].join(&b'/');
                return Err(self.twin(path.strip_prefix(b"/").unwrap_or(&path)));
            }
        }
        Ok(())
    }

    fn twin(&self, path: &[u8]) -> StorageError {
        let text = name::as_text(path);
        let error = format!("another entry is called {text:?} too in an archive, where names are UTF-8");
        self.unreadable(path, io::Error::other(error))
    }

    fn unreadable(&self, path: &[u8], error: io::Error) -> StorageError {
        reading(self.entries.shown(path), ReadError::System(error))
    }
}

fn directory(stat: &Stat) -> Source {
    Source { identity: Identity::of_directory(stat), size: 0, ..file(Kind::Directory, stat) }
}

fn file(kind: Kind, stat: &Stat) -> Source {
    Source {
        kind,
        mode: permissions(stat) as u16,
        modified: stat.st_mtime,
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
