//! Four network architectures around one connection type: they move bytes and decide where tasks run, and nothing else.
//!
//! ```text
//!            sockets                        tasks
//! single     one at a time, blocking        in place
//! threads    a blocking thread for each     in place; all but sending files pass the gate
//! select     readiness from the kernel      in place what is in memory, the rest in the pool of workers
//! async      tasks on tokio                 in place what is in memory, the rest in the pool of workers
//! ```
//!
//! `single` and `threads` share [`blocking`], `select` and `async` share [`nonblocking`]. The gate and the pool give work its turn by [`places`].

pub(super) mod r#async;
mod blocking;
mod fair_queue;
mod gate;
mod nonblocking;
mod places;
pub(super) mod select;
pub(super) mod single;
pub(super) mod threads;
mod workers;
