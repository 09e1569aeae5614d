//! The download screen: an address line, the queue with its gauges, the server's files, the log.
//!
//! [`update`](update::update) changes the [`Model`] and returns what is to be done outside of it, `view` draws
//! it; neither waits nor does anything. The model holds ids and reads the rows that are visible, so that
//! 10,000 jobs cost what the visible ones cost.

mod bell;
mod content;
mod effect;
mod model;
mod queue;
mod remote;
mod screen;
mod status;
#[cfg(test)]
mod testing;
mod update;
mod view;

pub use effect::{Effect, Ticket};
pub use model::{AtQuit, Defaults, Model, Notice};
pub use queue::Queue;
pub use screen::{Left, run};
pub use update::{Message, start, update};
pub use view::view;
