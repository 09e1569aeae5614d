//! The program without a screen: plain lines or one JSON object a line, and exit codes
//! for scripts.

mod bars;
pub mod client;
mod json;
mod lines;
mod output;
pub mod server;
mod service_manager;
pub(crate) mod signals;
mod style;
mod terminal;
pub(crate) mod verify;

pub use crate::platform::lost_output;
pub use output::{eprint_line, print};
pub use server::{PrintedToken, TokenSource};
pub use style::{Output, Style};
