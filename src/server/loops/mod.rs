//! Four network architectures around one connection type: they move bytes and decide where tasks run, and nothing else.
//!
//! ```text
//!            sockets                        tasks
//! single     one at a time, blocking        in place
//! threads    a blocking thread for each     in place; at most one a processor beside sending files
//! select     readiness from the kernel      in place what is in memory, the rest on a pool of workers of low priority
//! async      tasks on tokio                 in place what is in memory, the rest on a pool of workers
//! ```

pub(super) mod r#async;
mod blocking;
mod fair_queue;
mod gate;
mod places;
pub(super) mod select;
pub(super) mod single;
pub(super) mod threads;
mod workers;
