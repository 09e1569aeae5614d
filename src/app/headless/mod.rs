//! The face without a terminal: the same engines, with plain lines or one JSON object a line, and exit codes
//! for scripts.

mod bars;
pub mod client;
mod json;
mod lines;
mod output;
pub mod server;
pub(crate) mod signals;
mod style;
mod terminal;
pub(crate) mod verify;

pub use crate::platform::lost_output;
pub use output::{print, say};
pub use server::{PrintedToken, TokenSource};
pub use style::{Output, Style};
