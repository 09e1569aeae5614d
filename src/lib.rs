//! File Download Service Protocol: both ends of a file download service.
//!
//! Dependencies point down only:
//!
//! ```text
//! app               the program: command line, settings, output without a screen, exit codes
//! ui                the screens
//! logging           the log
//! client | server   the engines: commands in, snapshots and events out
//! storage           the served folder, its archives and trees
//! net               TLS sessions and rate limits of both engines, without sockets
//! protocol          the wire protocol: no socket, no file, no clock
//! platform          system calls that only Linux has; small private files
//! text              text, names and numbers for people
//! ```
//!
//! [`protocol`] is the wire specification; start there. `docs/examples` serves a folder, fetches a file, and drives the
//! protocol by hand. Without the features `cli` and `tui` there are only the engines.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "cli")]
pub mod app;
pub mod client;
#[cfg(test)]
mod fuzzing;
#[cfg(feature = "cli")]
pub mod logging;
mod net;
mod platform;
pub mod protocol;
pub mod server;
pub mod storage;
pub mod text;
#[cfg(feature = "tui")]
pub mod ui;

pub use platform::{catch_file_size_signal, protect_memory};

/// How both ends introduce themselves to each other.
const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
