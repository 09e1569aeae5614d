//! One attempt of one job: what is resumed, what is received, and how it gets into place.

pub(crate) mod attempt;
pub(crate) mod claims;
pub(crate) mod classic;
pub(crate) mod compare;
pub(crate) mod deletions;
pub(crate) mod destination;
pub(crate) mod events;
pub(crate) mod extract;
pub(crate) mod fetch;
pub(crate) mod finish;
pub(crate) mod leftover;
pub(crate) mod local_hashes;
pub(crate) mod memory;
pub(crate) mod placement;
pub(crate) mod recall;
pub(crate) mod tree;
pub(crate) mod worker;
