//! Creates a plan by walking a directory, a slice at a time.

use std::{borrow::Cow, io, sync::Arc, time::Instant};

use super::plan::{self, Entries, Plan, Source, Summary};
use crate::{
    protocol::path::odd_name,
    storage::{
        directory::Directory,
        error::StorageError,
        slice::Slice,
        walk::{
            Step, Visited, Walk,
            found::{Found, Kind, Purpose},
            root::WalkRoot,
        },
    },
};

/// The maximum number of entries in one step.
const MAX_STEP_ENTRIES: usize = 1024;

/// Walks the directory and creates the plan, a slice at a time.
#[derive(Debug)]
pub struct Planner {
    walk: Walk,
    entries: Entries,
    summary: Summary,
    /// The indices of the directories from the top to the present one.
    parents: Vec<u32>,
}

/// After a step of the planner.
#[derive(Debug)]
pub enum Planning {
    /// There is more to walk.
    More(Planner),
    /// The plan is complete.
    Done(Plan),
}

impl Planner {
    /// Begins to plan an archive of a directory, whose entries are named `prefix/…`.
    pub fn new(directory: Directory, prefix: &str) -> Planner {
        let prefix = match prefix.trim_matches('/') {
            "" => &directory.meta().name,
            prefix => prefix,
        };
        // A displayed name is valid UTF-8.
        let prefix = odd_name::to_bytes(prefix).unwrap_or(Cow::Borrowed(prefix.as_bytes())).into_owned();
        let top = Arc::new(WalkRoot::new(directory));
        let walk = Walk::new(Arc::clone(&top), Purpose::Archive);
        let entries = Entries::new(top, prefix);
        Planner { walk, entries, summary: Summary::new(), parents: Vec::new() }
    }

    /// Bytes that it takes, about.
    pub fn cost(&self) -> usize {
        self.walk.cost() + self.entries.cost()
    }

    /// Visits a limited number of entries (some milliseconds of work).
    ///
    /// # Errors
    /// The directory itself cannot be read, or its entries changed during the walk.
    pub fn step(mut self) -> Result<Planning, StorageError> {
        let mut slice = Slice::new(MAX_STEP_ENTRIES, Instant::now());
        while slice.goes_on(Instant::now) {
            match self.walk.step()? {
                Step::On => {}
                Step::Omitted => self.summary.omit(),
                Step::Missing(lost) => self.summary.miss(&lost.path, &lost.reason),
                Step::Entry(visited) => self.add(&visited)?,
                Step::End => return Ok(Planning::Done(self.summary.finish(self.entries))),
            }
        }
        Ok(Planning::More(self))
    }

    fn add(&mut self, visited: &Visited) -> Result<(), StorageError> {
        let Visited { depth, path, found } = visited;
        let Some(source) = source(found) else {
            self.summary.omit();
            return Ok(());
        };
        let is_directory = source.kind == plan::Kind::Directory;
        let Some(name) = self.entries.archive_name_of(path, is_directory) else {
            // All paths beneath it are too long as well.
            self.summary.miss(path, "its path is too long for an archive");
            return Ok(());
        };
        self.parents.truncate(*depth);
        let parent = self.parents.last().copied().unwrap_or_default();
        let raw = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let Some(index) = self.entries.push(parent, raw, source) else {
            let error = io::Error::other("has too many entries for an archive");
            return Err(self.entries.top.unreadable(b"", error));
        };
        if is_directory {
            self.parents.push(index);
        }
        self.summary.add(&self.entries, index as usize, &name);
        Ok(())
    }
}

/// The planned source of an entry; `None` if an archive cannot have it.
fn source(found: &Found) -> Option<Source> {
    let kind = match found.kind {
        Kind::Directory => plan::Kind::Directory,
        Kind::File => plan::Kind::File,
        Kind::LinkedFile => plan::Kind::LinkedFile,
        Kind::Link(_) => return None,
    };
    let (mode, modified) = (found.mode as u16, found.modified.seconds);
    Some(Source { kind, mode, modified, size: found.size, identity: found.identity })
}
