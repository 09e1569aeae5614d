//! Indexes of archives that were sent, so that an interrupted one resumes without a second pass from its
//! beginning.

use std::sync::{Arc, Mutex};

use super::lru::Lru;
use crate::{server::sync::lock, storage::archive::Index};

/// What an index costs beside its entries, with its places in the map.
const OVERHEAD: usize = 256;
/// Bytes that all of them may cost: some 260,000 entries.
const BUDGET: usize = 8 * 1024 * 1024;

/// Indexes by the identities of the archives' plans.
#[derive(Debug)]
pub(crate) struct ArchiveIndexes {
    indexes: Mutex<Lru<String, Arc<Index>>>,
}

impl ArchiveIndexes {
    pub fn new() -> ArchiveIndexes {
        ArchiveIndexes { indexes: Mutex::new(Lru::new(BUDGET)) }
    }

    /// The index of an archive.
    pub fn get(&self, identity: &str) -> Option<Arc<Index>> {
        lock(&self.indexes).get(identity).map(|index| Arc::clone(index))
    }

    /// Removes the index of an archive.
    pub fn forget(&self, identity: &str) {
        lock(&self.indexes).remove(identity);
    }

    /// Stores an index, or its beginning if it is too long; unless one of the same length is stored already.
    pub fn put(&self, identity: &str, mut index: Index) {
        index.shorten(BUDGET - OVERHEAD);
        let mut indexes = lock(&self.indexes);
        let known = indexes.get(identity).map_or((0, 0), |known| known.reach());
        if index.reach() > known {
            let cost = OVERHEAD + index.cost();
            indexes.insert(identity.to_owned(), Arc::new(index), cost);
        }
    }
}
