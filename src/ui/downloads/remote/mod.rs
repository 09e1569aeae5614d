//! The server's files: reading addresses, completing paths, pastes, and the listing of a directory.

pub mod browser;
pub mod complete;
pub mod paste;
pub mod target;
