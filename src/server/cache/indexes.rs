//! What was learned of archives while they were made, so that one that broke off need not be made again from its
//! beginning.

use std::sync::{Arc, Mutex};

use super::lru::Lru;
use crate::{server::sync::lock, storage::archive::Index};

/// What an index costs beside its entries, with its places in the map.
const OVERHEAD: usize = 256;
/// Bytes that all of them may cost: some 260,000 entries.
const BUDGET: usize = 8 * 1024 * 1024;

/// What is known of archives, by their plans' identities.
#[derive(Debug)]
pub(crate) struct ArchiveIndexes {
    indexes: Mutex<Lru<String, Arc<Index>>>,
}

impl ArchiveIndexes {
    pub fn new() -> ArchiveIndexes {
        ArchiveIndexes { indexes: Mutex::new(Lru::new(BUDGET)) }
    }

    /// What is known of an archive.
    pub fn get(&self, identity: &str) -> Option<Arc<Index>> {
        lock(&self.indexes).get(identity).map(|index| Arc::clone(index))
    }

    /// Forgets what is known of an archive.
    pub fn forget(&self, identity: &str) {
        lock(&self.indexes).remove(identity);
    }

    /// Keeps what was learned, or its beginning if that is too much; unless as much was known already.
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
