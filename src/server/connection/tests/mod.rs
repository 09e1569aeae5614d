//! Connections without sockets, on virtual time.

mod bandwidth;
pub(crate) mod bench;
mod ending;
mod outputs;
mod permits;
mod streams;
mod tasks;
