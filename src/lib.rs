//! File Download Service Protocol: both ends of a file download service.
//!
//! Dependencies point down only:
//!
//! ```text
//! app                    start-up, the same for both faces
//! cli, config, logging   options and settings
//! ui | headless          two faces of the same two engines
//! exit                   exit codes
//! client | server        the engines: commands in, snapshots and events out
//! storage                the served root, its archives and trees
//! tls                    what both engines have in common of TLS: no socket either
//! protocol               sans-I/O: no socket, no file, no clock
//! state, platform        small files that outlive a run; what only this system has
//! text, units, bucket    words and numbers that people read; rates
//! ```
//!
//! [`protocol`] is the wire specification; start there. `docs/examples` serves a folder, fetches a file, and drives the
//! protocol by hand. Without the features `cli` and `tui` there are only the engines.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "cli")]
pub mod app;
mod bucket;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod exit;
#[cfg(test)]
mod fuzzing;
#[cfg(feature = "cli")]
pub mod headless;
#[cfg(feature = "cli")]
pub mod logging;
mod platform;
pub mod protocol;
pub mod server;
mod state;
pub mod storage;
pub mod text;
mod tls;
#[cfg(feature = "tui")]
pub mod ui;
pub mod units;

pub use platform::{catch_file_size_signal, protect_memory};

/// How both ends introduce themselves to each other.
const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
