//! File Download Service Protocol: both ends of a file download service.
//!
//! Dependencies point down only:
//!
//! ```text
//! cli, config, logging
//! ui | headless          two faces of the same two engines
//! client | server        the engines: commands in, snapshots and events out
//! storage                the served root, its archives and trees
//! tls                    what both engines have in common of TLS: no socket either
//! protocol               sans-I/O: no socket, no file, no clock
//! state, platform        small files that outlive a run; what only this system has
//! text, units, bucket    words and numbers that people read; rates
//! ```
//!
//! [`protocol`] is the wire specification; start there.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bucket;
pub mod cli;
pub mod client;
pub mod config;
#[cfg(test)]
mod fuzzing;
pub mod headless;
pub mod logging;
mod platform;
pub mod protocol;
pub mod server;
mod state;
pub mod storage;
pub mod text;
mod tls;
pub mod ui;
pub mod units;

pub use platform::{catch_file_size_signal, protect_memory};

/// How both ends introduce themselves to each other.
const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
