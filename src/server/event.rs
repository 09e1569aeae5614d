//! What a server tells as it happens.

use std::{net::SocketAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Arch;
use crate::text::SafeText;

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
