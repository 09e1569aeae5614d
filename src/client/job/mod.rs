//! One attempt of one job: resumes what is local, receives what is missing, and puts the file in place.

pub(crate) mod attempt;
pub(crate) mod deletions;
pub(crate) mod events;
pub(crate) mod extract;
pub(crate) mod file;
pub(crate) mod leftover;
mod metalink;
pub(crate) mod placement;
pub(crate) mod resume;
mod sums;
pub(crate) mod totals;
pub(crate) mod tree;
pub(crate) mod worker;
