//! The plan of an archive: every entry, in the order of the archive.

use std::sync::Arc;

use super::{
    compress,
    format::{self, Entry, Method, Written},
    index::IndexEntry,
    tar,
};
use crate::{
    protocol::message::{Missing, Sources, Timestamp},
    storage::{identity::Identity, name::join, walk::root::WalkRoot},
    text::SafeText,
};

/// Files up to this size are read before their header is written, which has the final sizes.
pub(super) const MAX_SMALL_FILE: usize = 128 * 1024;
/// The most bytes that a name in an archive can have.
const MAX_NAME: usize = u16::MAX as usize;

/// The plan of an archive.
#[derive(Debug)]
pub struct Plan {
    pub(super) entries: Entries,
    pub(super) identity: String,
    pub(super) sources: Sources,
    pub(super) missing: Missing,
    pub(super) size: Option<u64>,
    pub(super) tar_size: u64,
}

impl Plan {
    /// Changes when the archive's bytes may have changed.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The number of files and directories, including the archived directory itself.
    pub fn sources(&self) -> Sources {
        self.sources
    }

    /// Entries that are missing in the archive.
    pub fn missing(&self) -> &Missing {
        &self.missing
    }

    /// Bytes of the archive, if known beforehand (nothing is compressed).
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Bytes of the same entries as a tar.
    pub fn tar_size(&self) -> u64 {
        self.tar_size
    }

    /// Bytes of memory, with those of the index of a pass.
    pub fn cost(&self) -> usize {
        self.entries.cost()
    }
}

/// The kind of a planned entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    /// A file that is reached through a link.
    LinkedFile,
}

/// A planned source; 40 bytes, since there may be millions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) mode: u16,
    pub(super) modified: i64,
    pub(super) size: u64,
    pub(super) identity: Identity,
}

/// A source in its place.
#[derive(Debug)]
struct Planned {
    /// Index of the directory that it is in.
    parent: u32,
    /// Where its name ends among all names; it begins where the one before ends.
    name_end: usize,
    source: Source,
}

/// The entries: a tree whose first node is the directory itself; each directory is before its entries.
#[derive(Debug)]
pub(super) struct Entries {
    /// The directory that is archived.
    pub(super) top: Arc<WalkRoot>,
    /// The prefix of every name in the archive.
    prefix: Vec<u8>,
    planned: Vec<Planned>,
    names: Vec<u8>,
}

impl Entries {
    pub(super) fn new(top: Arc<WalkRoot>, prefix: Vec<u8>) -> Entries {
        Entries { top, prefix, planned: Vec::new(), names: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.planned.len()
    }

    /// Bytes of memory, with those of the index of a pass.
    pub(super) fn cost(&self) -> usize {
        let planned = self.planned.capacity() * size_of::<Planned>();
        planned + self.names.capacity() + self.planned.len() * size_of::<IndexEntry>()
    }

    /// Adds a source and returns its index; `None` if there are too many.
    pub(super) fn push(&mut self, parent: u32, raw: &[u8], source: Source) -> Option<u32> {
        let index = u32::try_from(self.planned.len()).ok()?;
        self.names.extend_from_slice(raw);
        self.planned.push(Planned { parent, name_end: self.names.len(), source });
        Some(index)
    }

    pub(super) fn source(&self, index: usize) -> &Source {
        &self.planned[index].source
    }

    fn raw_name(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.planned[before].name_end);
        &self.names[begin..self.planned[index].name_end]
    }

    /// The path from the archived directory, as it is on disk; empty for that itself.
    pub(super) fn raw_path(&self, index: usize) -> Vec<u8> {
        let mut segments = Vec::new();
        let mut at = index;
        while at != 0 {
            segments.push(self.raw_name(at));
            at = self.planned[at].parent as usize;
        }
        segments.reverse();
        segments.join(&b'/')
    }

    /// The name in the archive; `None` if it is longer than the format allows.
    pub(super) fn archive_name(&self, index: usize) -> Option<Vec<u8>> {
        self.archive_name_of(&self.raw_path(index), self.source(index).kind == Kind::Directory)
    }

    /// The name in the archive of a path on disk.
    pub(super) fn archive_name_of(&self, path: &[u8], is_directory: bool) -> Option<Vec<u8>> {
        let mut name = join(&self.prefix, path);
        if is_directory {
            name.push(b'/');
        }
        (name.len() <= MAX_NAME).then_some(name)
    }

    /// The properties of an entry for its records.
    pub(super) fn entry<'a>(&self, index: usize, name: &'a [u8], method: Method) -> Entry<'a> {
        let source = self.source(index);
        Entry {
            name,
            directory: source.kind == Kind::Directory,
            mode: source.mode.into(),
            modified: Timestamp { seconds: source.modified, nanoseconds: 0 },
            size: source.size,
            method,
            descriptor: source.size > MAX_SMALL_FILE as u64,
        }
    }
}

/// What is computed while entries are added: identity, sums, and the size as long as all is stored.
#[derive(Debug)]
pub(super) struct Summary {
    /// In a box: 2 kB would be copied with the planner.
    hasher: Box<blake3::Hasher>,
    sources: Sources,
    missing: Missing,
    /// Bytes of the entries and of the central directory.
    sizes: Option<(u64, u64)>,
    /// Bytes of the entries in a tar.
    tar_size: u64,
}

impl Summary {
    pub(super) fn new() -> Summary {
        let mut hasher = blake3::Hasher::new_derive_key("fdsp 2026 identity of an archive, form 2");
        hasher.update(&compress::fingerprint());
        Summary {
            hasher: Box::new(hasher),
            sources: Sources::default(),
            missing: Missing::default(),
            sizes: Some((0, 0)),
            tar_size: 0,
        }
    }

    /// Counts an omitted entry.
    pub(super) fn omit(&mut self) {
        self.sources.omitted += 1;
    }

    /// Counts and names a missing entry.
    pub(super) fn miss(&mut self, path: &[u8], reason: &str) {
        self.missing.add(SafeText::from_bytes(path).as_str(), reason);
    }

    /// Takes the entry that was added as `index` and is called `name` in the archive.
    pub(super) fn add(&mut self, entries: &Entries, index: usize, name: &[u8]) {
        let source = entries.source(index);
        self.hasher.update(&(name.len() as u64).to_le_bytes());
        self.hasher.update(name);
        self.hasher.update(&source.mode.to_le_bytes());
        self.hasher.update(&source.modified.to_le_bytes());
        self.hasher.update(&source.size.to_le_bytes());
        self.hasher.update(source.identity.as_bytes());
        match source.kind {
            Kind::Directory => self.sources.directories += 1,
            Kind::File | Kind::LinkedFile => self.sources.files += 1,
        }
        self.sources.bytes = self.sources.bytes.saturating_add(source.size);
        self.tar_size = self.tar_size.saturating_add(tar::entry_len(name, source));
        self.sizes = self.sizes.filter(|_| source.size == 0 || compress::is_stored(name));
        self.sizes = self.sizes.and_then(|(content, central)| {
            let (method, compressed) = match source.size > MAX_SMALL_FILE as u64 {
                true => (Method::Blocks, format::Layout::length(source.size)),
                false => (Method::Stored, source.size),
            };
            let entry = entries.entry(index, name, method);
            let written = Written { compressed, crc: 0 };
            let longer = central.checked_add(entry.central_length(written, content))?;
            Some((content.checked_add(entry.length(written))?, longer))
        });
    }

    pub(super) fn finish(self, entries: Entries) -> Plan {
        let count = entries.len() as u64;
        let size = self.sizes.and_then(|(content, central)| {
            content.checked_add(central)?.checked_add(format::end_length(count, content, central))
        });
        let identity = Identity::finish(&self.hasher).to_string();
        Plan {
            entries,
            identity,
            sources: self.sources,
            missing: self.missing,
            size,
            tar_size: tar::archive_len(self.tar_size),
        }
    }
}
