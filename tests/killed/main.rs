//! Whole programs at both ends that are killed, or in each other's way.
//!
//! Apart from the tests that run engines in their own process: a process that is just being started holds for a moment
//! what this one has open, and with it the lock of a `.part` that was closed.

mod in_the_way;
mod kills;
mod processes;
#[path = "../proxy/mod.rs"]
mod proxy;
mod support;
