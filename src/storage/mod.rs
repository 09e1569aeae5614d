//! The served folder: the one way to its files, listings and archives.
//!
//! Every call here is bounded: it reads at most one buffer, one page or one slice of a plan, so that a
//! single-threaded event loop may make it.

pub mod archive;
mod directory;
mod error;
mod file;
mod folder;
mod identity;
mod name;
pub mod page;
pub mod root;
pub mod slice;
mod stat;
mod store;
pub mod tree;
mod walk;

pub use error::StorageError;
pub use store::Store;
