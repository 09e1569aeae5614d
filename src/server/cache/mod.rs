//! Caches of hashes and indexes, within byte budgets.

pub(super) mod digests;
pub(super) mod hashes;
pub(super) mod indexes;
mod lru;
