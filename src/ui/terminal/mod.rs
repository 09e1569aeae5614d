//! The terminal that a screen runs on: events in, frames out, and the loop between them.

pub mod attention;
pub mod backend;
pub mod events;
mod output;
pub mod runtime;
pub mod schedule;
pub mod screen;
mod signals;
