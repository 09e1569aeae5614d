//! Events of a server.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize, Serializer};
use tracing::Level;

use super::{arch::Arch, summary::Summary, web::WebAccess};
use crate::{
    protocol::{address::Address, message::Missing},
    text::{SafeText, units},
};

/// A number for a connection, never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// An event; serialised, this is a line of `--json`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event: where the server listens.
    Listening {
        /// To paste. `Display` and serialisation leave out its token.
        #[serde(serialize_with = "shown")]
        address: Address,
        /// The same server at the other addresses of this machine.
        #[serde(serialize_with = "all_shown")]
        others: Vec<Address>,
        /// The port.
        port: u16,
        /// The architecture.
        arch: Arch,
        /// For browsers and curl.
        web: WebAccess,
    },
    /// A client connected.
    Connected {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
    },
    /// A client sent a request.
    Request {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
        /// `stat`, `list`, `get`, `hashes`, `tree`, `files`, `classic`, or the method of HTTP.
        what: &'static str,
        /// The path.
        path: SafeText,
    },
    /// An answer to a `get` or `files` is complete.
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
        /// Whether it ended before the content's end: of a large file a client fetches many parts.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        part: bool,
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
    /// A folder is sent without some of its entries, which cannot be read or carried.
    Incomplete {
        /// The connection.
        id: ConnectionId,
        /// Its peer.
        peer: SocketAddr,
        /// The path of the folder.
        path: SafeText,
        /// How many there are, and the first ones.
        missing: Missing,
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
    /// A client received "busy" or was refused.
    Refused {
        /// Its peer.
        peer: SocketAddr,
    },
    /// The operator blocked an address.
    Blocked {
        /// The address, or network of IPv6.
        network: SafeText,
        /// For how long.
        seconds: u64,
    },
    /// The operator lifted a block.
    Unblocked {
        /// The address, or network of IPv6.
        network: SafeText,
    },
    /// The server stopped accepting and finishes running transfers.
    Draining,
    /// The last event: the server has stopped.
    Stopped(Summary),
    /// A condition that the operator should know of (no descriptors, no threads).
    Warning {
        /// A sentence.
        message: SafeText,
    },
}

impl Event {
    /// Its level in the log.
    pub fn level(&self) -> Level {
        match self {
            Event::Request { .. } | Event::Sent { part: true, .. } => Level::DEBUG,
            Event::Failed { .. }
            | Event::Incomplete { .. }
            | Event::Refused { .. }
            | Event::Warning { .. } => Level::WARN,
            _ => Level::INFO,
        }
    }

    /// Puts it into the log.
    pub(crate) fn log(&self) {
        match self.level() {
            Level::WARN => match self {
                // The level shows that it is a warning.
                Event::Warning { message } => tracing::warn!("{message}"),
                _ => tracing::warn!("{self}"),
            },
            Level::DEBUG => tracing::debug!("{self}"),
            _ => tracing::info!("{self}"),
        }
    }
}

fn shown<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}

fn all_shown<S: Serializer>(addresses: &[Address], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(addresses.iter().map(Address::to_string))
}

/// A line for people.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Listening { address, others, arch, .. } => {
                write!(f, "listening on {address}")?;
                others.iter().try_for_each(|other| write!(f, ", {other}"))?;
                write!(f, " ({arch})")
            }
            Event::Connected { peer, .. } => write!(f, "{peer}: connected"),
            Event::Request { peer, what, path, .. } => write!(f, "{peer}: {what} {}", named(path)),
            Event::Sent { peer, path, bytes, seconds, .. } => {
                write!(f, "{peer}: sent {}, {}", named(path), units::transfer(*bytes, *seconds))
            }
            Event::Failed { peer, path, reason, .. } if path.as_str().is_empty() => {
                write!(f, "{peer}: {reason}")
            }
            // Most reasons name what they are about.
            Event::Failed { peer, path, reason, .. } if reason.as_str().starts_with(path.as_str()) => {
                write!(f, "{peer}: {reason}")
            }
            Event::Failed { peer, path, reason, .. } => write!(f, "{peer}: {path}: {reason}"),
            Event::Incomplete { peer, path, missing, .. } => {
                write!(f, "{peer}: {}: {}", named(path), missing.sentence())
            }
            Event::Disconnected { peer, reason, .. } if reason.as_str().starts_with("disconnected") => {
                write!(f, "{peer}: {reason}")
            }
            Event::Disconnected { peer, reason, .. } => write!(f, "{peer}: disconnected, {reason}"),
            Event::Refused { peer } => write!(f, "{peer}: refused, there are too many connections"),
            Event::Blocked { network, seconds } => {
                write!(f, "{network}: blocked for {}", units::duration(Duration::from_secs(*seconds)))
            }
            Event::Unblocked { network } => write!(f, "{network}: no longer blocked"),
            Event::Stopped(summary) => summary.fmt(f),
            Event::Draining => f.write_str("draining: no new clients, current transfers finish"),
            Event::Warning { message } => write!(f, "warning: {message}"),
        }
    }
}

/// The served folder itself has no name.
fn named(path: &SafeText) -> &str {
    if path.as_str().is_empty() { "/" } else { path.as_str() }
}

/// Takes the events, on whichever thread they happen; must be quick.
pub type Sink = Arc<dyn Fn(&Event) + Send + Sync>;
