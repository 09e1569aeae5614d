//! The limits and deadlines of a server.

pub(crate) mod blocks;
pub(crate) mod budget;
pub(crate) mod origin;
pub(crate) mod permits;

use std::time::Duration;

/// Limits and deadlines.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections served at the same time; further ones get "busy".
    pub max_connections: usize,
    /// Of these, at most this many from one IPv4 address or IPv6 network of 64 bits, twice as many from a network of 56 bits, and three
    /// times as many from one of 48 bits. Connections that have not authenticated have the same limits, and are counted separately: a
    /// further one replaces one of them.
    pub max_per_address: usize,
    /// The maximum number of requests of one connection; then the client must connect again.
    pub max_requests: u64,
    /// Requests that a client may send before the current one is answered. Further ones wait in the kernel's buffer.
    pub pipeline: u32,
    /// Entries of one page of a listing.
    pub page: usize,
    /// Answers for which a block is being hashed at the same time, half of them for one address; further ones get "busy".
    /// An answer whose client receives what was hashed does not count.
    pub max_hashing: usize,
    /// Archives that are being planned, and trees that are being read, at the same time, half of them for one address; further ones get "busy".
    /// An answer whose client receives the archive, or a part of the tree, does not count.
    pub max_archives: usize,
    /// Bytes a second for all connections together, after their first requests; `None` is unlimited.
    pub rate: Option<u64>,
    /// Bytes a second for each connection; `None` is unlimited.
    pub rate_each: Option<u64>,
    /// From the connection's start to its first complete request.
    pub handshake: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Bytes a second that a peer must take, averaged over `rate_window`; 0 for no such limit.
    pub min_rate: u64,
    /// See `min_rate`. At least twice as long as a peer at that rate takes for what the kernel buffers for it.
    pub rate_window: Duration,
    /// How long a drain may take: transfers that run then continue for at most this long.
    pub drain: Duration,
}

impl Limits {
    /// The same limits, with no duration longer than [`MAX_TIMEOUT`], so that adding one to the present moment cannot overflow.
    pub(super) fn bounded(self) -> Limits {
        Limits {
            handshake: self.handshake.min(MAX_TIMEOUT),
            idle: self.idle.min(MAX_TIMEOUT),
            rate_window: self.rate_window.min(MAX_TIMEOUT),
            drain: self.drain.min(MAX_TIMEOUT),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 256,
            max_per_address: 64,
            max_requests: 100_000,
            pipeline: 64,
            page: 1000,
            max_hashing: 4,
            max_archives: 16,
            rate: None,
            rate_each: None,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            min_rate: 1_000,
            rate_window: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// The number of connections of one client that is announced to it.
pub(super) const MAX_PARALLEL: u32 = 8;

/// The maximum number of bytes of one output: a loop writes about one output of a connection before it serves the next one.
pub(super) const MAX_OUTPUT: usize = 256 * 1024;

/// The maximum number of answers in one output, so that a pipeline of small requests takes no longer than an output of a large file.
/// An answer that does more than open one file ends the output.
pub(super) const MAX_ANSWERS: usize = 16;

/// Bytes that the plans of archives and the walks of trees may take together: some four million entries.
pub(super) const MAX_PLANS: usize = 512 * 1024 * 1024;

/// Bytes that large outputs may take together, beside an eighth of [`MAX_OUTPUT`] for each connection.
pub(super) const MAX_OUTPUTS: usize = 64 * 1024 * 1024;

/// How often an answer that waits for a permit checks for one.
pub(super) const PERMIT_INTERVAL: Duration = Duration::from_millis(5);

/// How long an output is filled from a slow disk before it is sent, so that the client does not time out.
pub(super) const OUTPUT_TIMEOUT: Duration = Duration::from_millis(100);

/// Interval of `working` frames while the server reads the requested folder and sends nothing else.
pub(super) const WORKING_INTERVAL: Duration = Duration::from_millis(250);

/// Bytes of an archive's sources that are read and compressed in one task: some milliseconds of work.
pub(super) const MAX_WORK: u64 = 1024 * 1024;

/// The length of one read from a socket; requests are small.
pub(super) const READ_LEN: usize = 16 * 1024;

/// How long a connection that has ended waits for the client to close, so that a reset does not destroy the last answer.
pub(super) const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that are read and discarded after the last answer: a full pipeline of the largest requests.
pub(super) const MAX_DISCARDED: usize = 64 * 64 * 1024;

/// How often a drain looks for connections that wait for a request.
pub(super) const DRAIN_INTERVAL: Duration = Duration::from_millis(50);

/// How often the server checks whether the client of a long task is still connected.
pub(super) const PEER_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How long an answer is prepared for a client that has shut its sending side down without a goodbye, while nothing is sent to it.
pub(super) const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections beyond `max_connections`, reserved for clients that have not authenticated yet. Also the maximum number of connections
/// that are being replaced at the same time.
pub(super) const MAX_UNAUTHENTICATED: usize = 64;

/// Addresses of clients that are counted: a limit for the memory that it takes.
pub(super) const MAX_COUNTED_CLIENTS: usize = 65_536;

/// Seconds after which a client that received "busy" may connect again.
pub(super) const RETRY_AFTER: u32 = 5;

/// The longest sleep of a connection that waits for bandwidth. After it, the connection checks whether it is to be closed.
pub(super) const MAX_PAUSE: Duration = Duration::from_millis(100);

/// The maximum of all timeouts: longer than any server runs.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How long a client without the token waits for the error.
pub(super) const DENIAL_DELAY: Duration = Duration::from_secs(1);

/// The minimum time between two warnings of one kind.
pub(super) const WARNING_INTERVAL: Duration = Duration::from_secs(10);
