//! What one pass over an archive leaves behind for the next one.

use super::format::{Method, Written};

/// What an entry became.
#[derive(Clone, Copy, Debug)]
pub(super) struct Learned {
    pub(super) written: Written,
    pub(super) method: Method,
    /// Where it ends in the archive.
    pub(super) end: u64,
}

/// What a pass over a plan has learned of its entries, from the first one on.
#[derive(Debug, Default)]
pub struct Index(pub(super) Vec<Learned>);

impl Index {
    /// How many entries it knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that it takes.
    pub fn cost(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// Forgets the last entries, so that it takes at most `cost` bytes.
    pub fn shorten(&mut self, cost: usize) {
        self.0.truncate(cost / size_of::<Learned>());
        self.0.shrink_to_fit();
    }
}
