//! The server: one connection type, four loops around it, and the registry of what is live.

use std::{net::SocketAddr, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    protocol::{address::Address, classic::Dialect},
    text::SafeText,
};

/// The architecture of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// One connection at a time.
    Single,
    /// A thread for each connection.
    Threads,
    /// One thread, readiness from the kernel.
    Select,
    /// Tasks on tokio.
    #[default]
    Async,
}

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder to serve.
    pub root: PathBuf,
    /// Name or address to listen on.
    pub host: String,
    /// Port; 0 picks a free one.
    pub port: u16,
    /// The architecture.
    pub arch: Arch,
    /// The classic dialect to answer, if any.
    pub classic: Option<Dialect>,
    /// Its limits.
    pub limits: Limits,
}

/// Limits and deadlines.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections served at the same time; further ones are told "busy".
    pub max_connections: usize,
    /// From the connection's start to its first complete request.
    pub handshake: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Bytes a second that a peer must take, averaged over `rate_window`.
    pub min_rate: u64,
    /// See `min_rate`.
    pub rate_window: Duration,
    /// How long a drain may take.
    pub drain: Duration,
}

/// A number for a connection, never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// What happens; serialised, this is a line of `--json`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event: where the server listens.
    Listening {
        /// To paste.
        address: String,
        /// The port.
        port: u16,
        /// The architecture.
        arch: Arch,
    },
    /// A client came.
    Connected {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
    },
    /// A client asked for something.
    Request {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
        /// `stat`, `list`, `get` or `classic`.
        what: &'static str,
        /// The path.
        path: SafeText,
    },
    /// An answer to a `get` ended well.
    Sent {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
        /// The path.
        path: SafeText,
        /// Content bytes sent in this answer.
        bytes: u64,
        /// How long it took.
        seconds: f64,
    },
    /// A request failed.
    Failed {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
        /// The path.
        path: SafeText,
        /// Why.
        reason: SafeText,
    },
    /// A connection ended.
    Disconnected {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
        /// Why: `done`, `closed by the client`, `too slow`, …
        reason: SafeText,
    },
    /// A client was told "busy" or turned away.
    Refused {
        /// Its peer.
        peer: SocketAddr,
    },
    /// The server stopped accepting and finishes what runs.
    Draining,
    /// Something that people should know of (descriptors ran out, a thread could not be started).
    Warning {
        /// A sentence.
        message: SafeText,
    },
}

/// Takes the events, on whichever thread they happen; must be quick.
pub type Sink = Arc<dyn Fn(&Event) + Send + Sync>;

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Not accepted yet (single-threaded: it waits its turn).
    Waiting,
    /// Before the first request.
    Handshake,
    /// Between requests.
    Idle,
    /// An archive is being planned.
    Planning,
    /// Content is being sent.
    Sending,
    /// Being told "busy".
    Refused,
}

/// A row of the dashboard.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionView {
    /// Its number; `None` for one that waits in the kernel.
    pub id: Option<ConnectionId>,
    /// The peer.
    pub peer: SocketAddr,
    /// `v1`, `classic`, `classic-select`, or nothing yet.
    pub dialect: Option<&'static str>,
    /// The path being, or last, sent; `(zip)` behind an archive.
    pub path: SafeText,
    /// What it does.
    pub state: ConnectionState,
    /// Content bytes sent in all requests of this connection.
    pub sent: u64,
    /// Of the running answer: position and total (sources for archives), where known.
    pub progress: Option<(u64, u64)>,
    /// Since it was accepted.
    pub age: Duration,
}

/// What a dashboard needs for one frame; costs what the rows asked for cost.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The rows asked for, oldest first.
    pub rows: Vec<ConnectionView>,
    /// Live connections.
    pub live: usize,
    /// Clients that wait to be accepted (single-threaded).
    pub waiting: usize,
    /// Requests for content answered in full since the start.
    pub served: u64,
    /// Connections refused since the start.
    pub refused: u64,
    /// Content bytes sent since the start.
    pub sent: u64,
    /// Since the start.
    pub uptime: Duration,
    /// Whether it still accepts.
    pub draining: bool,
    /// Whether it has stopped.
    pub stopped: bool,
}

/// What an operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Close one connection now.
    Disconnect(ConnectionId),
    /// Stop accepting, finish what runs within the drain deadline, stop.
    Drain,
    /// Stop now.
    Stop,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be served.
    #[error("cannot serve {path}: {error}")]
    Root {
        /// The folder.
        path: SafeText,
        /// Why.
        error: std::io::Error,
    },
    /// The host name has no address here.
    #[error("cannot listen on {host}: {error}")]
    Host {
        /// The name.
        host: SafeText,
        /// Why.
        error: std::io::Error,
    },
    /// The port is taken, or needs privileges.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The system gives no thread or poller.
    #[error("cannot start the server: {0}")]
    System(std::io::Error),
}

/// A running server. Dropping it stops it at once.
#[derive(Debug)]
pub struct Server;

/// Starts a server; it listens when this returns, on a thread of its own.
///
/// # Errors
/// See [`StartError`].
pub fn start(config: Config, sink: Sink) -> Result<Server, StartError> {
    let _ = (config, sink);
    todo!()
}

impl Server {
    /// The address to paste.
    pub fn address(&self) -> &Address {
        todo!()
    }
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        todo!()
    }
    /// Does what the operator says.
    pub fn command(&self, command: Command) {
        let _ = command;
        todo!()
    }
    /// The present state, with the rows in `rows`.
    pub fn snapshot(&self, rows: Range<usize>) -> Snapshot {
        let _ = rows;
        todo!()
    }
    /// Blocks until it has stopped.
    ///
    /// # Errors
    /// The loop itself failed.
    pub fn join(self) -> std::io::Result<()> {
        todo!()
    }
}
