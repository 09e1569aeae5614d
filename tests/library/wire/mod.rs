//! The wire protocol, held against its specification (the documentation of `fdsp::protocol`): both machines in
//! one thread, and each of them against streams that are built here byte by byte.

mod client_rejects;
mod cutting;
mod exchange;
mod other_protocols;
mod pair;
mod server_rejects;
mod stream;
mod tables;
mod trees;

use crate::shared::memory;
