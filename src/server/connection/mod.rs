//! One connection, without its socket: bytes in, bytes out, deadlines. All four loops share it.
//!
//! A loop asks [`Connection::next`] what the connection wants, does that in its own way (blocking, when ready, or awaiting),
//! and reports the result. The connection touches neither the socket nor the disk: reading and writing are
//! its requests to the loop, and work that may wait for the disk or take processor time is a [`Task`], which the loop runs on any thread.
//! Time is an argument everywhere.
//!
//! ```text
//!            first byte          ┌── Running ◀─┐       last answer written
//! Fresh ──────────────────▶ Open ┘  (a task)   │  ─────────────────────────▶ Lingering ──▶ Closed
//!   │                        └─────────────────┘                                 ▲
//!   └──────── anything else: one sentence ──────────────────────────────────────┘
//! ```
//!
//! With TLS the bytes pass through [`Transport`](transport::Transport) on their way in and out, and the first byte is the first one inside of it.
//!
//! The connection is half-duplex: while an answer is being written nothing is read. Requests that were sent ahead
//! wait in the kernel's buffer (and at most one read of them here), which holds a client back that
//! sends more of them than it takes answers.
//!
//! *Lingering* is the orderly end: the last bytes are written, our side is shut down, and the peer's bytes
//! are read and dropped until it closes too. Closing with unread bytes would send a reset, and a
//! reset may destroy the answer before the peer has read it.

mod answer;
mod deadlines;
mod dialect;
#[cfg(test)]
mod fuzzing;
mod http;
mod machine;
mod output;
mod pacing;
mod task;
#[cfg(test)]
pub(super) mod tests;
mod transport;
mod v1;

use self::http::response::Status;
pub(crate) use self::{
    http::monitor::{MAX_HEAD_LEN, MonitorRequest, parse_monitor_request},
    machine::state::{Connection, Want},
    task::{Outcome, Task},
};

/// The status that HTTP has for a request that failed with this code, for the access log.
fn status_of(code: crate::protocol::error::Code) -> u16 {
    Status::of(code) as u16
}
