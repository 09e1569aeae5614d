//! One attempt of one job: what is resumed, what is received, and how it gets into place.

pub(crate) mod attempt;
pub(crate) mod deletions;
pub(crate) mod events;
pub(crate) mod extract;
pub(crate) mod file;
pub(crate) mod leftover;
pub(crate) mod placement;
pub(crate) mod tree;
pub(crate) mod worker;
