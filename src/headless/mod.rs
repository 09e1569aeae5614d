//! The face without a terminal: the same engines, with plain lines or one JSON object a line, and exit codes
//! for scripts.

mod bars;
pub mod client;
pub mod demo;
mod exit;
mod lines;
mod output;
pub mod server;
mod signals;
mod terminal;
mod verify;

pub use crate::platform::lost_output;
pub use exit::{Exit, Problem};
pub use output::{print, say};
