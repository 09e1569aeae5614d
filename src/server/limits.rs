//! What a server allows its clients.

use std::time::Duration;

/// Limits and deadlines.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections served at the same time; further ones are told "busy".
    pub max_connections: usize,
    /// From the connection's start to its first complete request.
    pub handshake: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Bytes a second that a peer must take, averaged over `rate_window`; 0 for no such limit.
    pub min_rate: u64,
    /// See `min_rate`.
    pub rate_window: Duration,
    /// How long a drain may take.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 256,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            min_rate: 1_000,
            rate_window: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Requests that a client may have sent ahead of the one being answered.
pub(super) const PIPELINE: u32 = 64;

/// Connections that one client is invited to open.
pub(super) const PARALLEL: u32 = 8;

/// Output of one turn in bytes: a loop gives each ready connection about so much before it serves the
/// next one.
pub(super) const TURN: usize = 256 * 1024;

/// Answers begun in one turn, so that a pipeline of tiny requests is no longer a turn than a big file's.
pub(super) const ANSWERS: usize = 16;

/// Bytes of an archive's sources that are read and deflated in one turn: some milliseconds of work.
pub(super) const WORK: u64 = 1024 * 1024;

/// Bytes that a loop reads from a socket at once; requests are small.
pub(super) const READ: usize = 16 * 1024;

/// How long a connection that is over waits for its peer to close, so that the last answer is not
/// destroyed by a reset.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// Places beside `max_connections` in which clients are told "busy".
pub(super) const REFUSALS: usize = 64;

/// Seconds after which a client that was told "busy" may come again.
pub(super) const RETRY_AFTER: u32 = 5;

/// A warning of one kind is given at most once in this time.
pub(super) const WARNING_INTERVAL: Duration = Duration::from_secs(10);
