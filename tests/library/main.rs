//! The library in this process: engines, servers, storage and the protocol's state machines. A suite for each subject.
//!
//! Tests that start programs belong to `tests/processes`: a process that is being started holds for a moment the files that this one
//! has open, and with it the lock of a `.part` file that was closed.

mod classic_wire;
mod conformance;
mod engine;
mod examples;
mod http;
mod resume;
mod served_folder;
#[path = "../shared/mod.rs"]
mod shared;
mod tree;
mod wire;
