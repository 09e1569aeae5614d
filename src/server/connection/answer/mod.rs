//! Answers: looked up in the store, computed and put into the output, a task at a time.

pub(super) mod body;
pub(super) mod failures;
pub(super) mod files;
pub(super) mod hashing;
pub(super) mod reply;
pub(super) mod sending;
pub(super) mod stage;
pub(super) mod tree;
