//! What the server remembers of what it has read, within byte budgets.

pub(super) mod hashes;
pub(super) mod indexes;
mod lru;
