//! The index that one pass over an archive leaves for the next one.

use super::format::{Method, Written};

/// An archived entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexEntry {
    pub(super) written: Written,
    pub(super) method: Method,
    /// Where it ends in the archive.
    pub(super) end: u64,
}

/// The processed beginning of a large file that is not compressed.
#[derive(Clone, Debug)]
pub(super) struct PartialEntry {
    /// Bytes of it.
    pub(super) bytes: u64,
    /// Of these bytes.
    pub(super) crc: crc32fast::Hasher,
}

/// The index of the first entries of a plan.
#[derive(Debug, Default)]
pub struct Index {
    pub(super) entries: Vec<IndexEntry>,
    /// The processed part of the entry after those.
    pub(super) begun: Option<PartialEntry>,
}

impl Index {
    /// How many entries it knows as a whole, and how many bytes of the next one.
    pub fn reach(&self) -> (usize, u64) {
        (self.entries.len(), self.begun.as_ref().map_or(0, |begun| begun.bytes))
    }

    /// Bytes that it takes.
    pub fn cost(&self) -> usize {
        size_of_val(&*self.entries)
    }

    /// Forgets the last entries, so that it takes at most `cost` bytes.
    pub fn shorten(&mut self, cost: usize) {
        let most = cost / size_of::<IndexEntry>();
        if self.entries.len() > most {
            self.entries.truncate(most);
            self.begun = None;
        }
        self.entries.shrink_to_fit();
    }
}
