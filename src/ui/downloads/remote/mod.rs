//! The server's files: reading addresses, completing paths, and the listing of a directory.

pub mod browser;
pub mod complete;
pub mod target;
