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

/// Why connections end when the server stops.
pub(crate) const SERVER_STOPPED: &str = "the server was stopped";
/// Why connections end that the operator disconnects.
pub(crate) const BY_OPERATOR: &str = "disconnected by the operator";
/// The beginning of why an answer ends that the client no longer wants: it was paused, or has received the rest over another connection.
pub(crate) const BY_CLIENT: &str = "closed by the client";

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
        /// The address for metrics, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        metrics: Option<SocketAddr>,
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
        /// How long it lasted.
        seconds: f64,
        /// Content bytes sent.
        bytes: u64,
        /// Whether [`Failed`](Event::Failed) has reported this reason, with the path of what was being sent.
        #[serde(skip)]
        reported: bool,
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
            // The log has one line for each event: that a connection ended says how long it lasted, and that the server stopped is
            // logged once.
            Event::Connected { .. } | Event::Disconnected { reported: true, .. } => Level::DEBUG,
            Event::Failed { reason, .. } | Event::Disconnected { reason, .. }
                if reason.as_str() == SERVER_STOPPED =>
            {
                Level::DEBUG
            }
            Event::Request { .. } | Event::Sent { part: true, .. } => Level::DEBUG,
            Event::Failed { .. } if !self.is_error() => Level::INFO,
            Event::Failed { .. }
            | Event::Incomplete { .. }
            | Event::Refused { .. }
            | Event::Warning { .. } => Level::WARN,
            _ => Level::INFO,
        }
    }

    /// Whether a request failed that neither the operator nor the client ended.
    pub(crate) fn is_error(&self) -> bool {
        match self {
            Event::Failed { reason, .. } => {
                let reason = reason.as_str();
                reason != SERVER_STOPPED && reason != BY_OPERATOR && !reason.starts_with(BY_CLIENT)
            }
            _ => false,
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
            Event::Disconnected { peer, reason, seconds, bytes, .. } => {
                let (by, reason) = match reason.as_str().strip_prefix("disconnected") {
                    Some(by) => (by, String::new()),
                    None => ("", format!(", {reason}")),
                };
                write!(f, "{peer}: disconnected{by} after {}", units::took(*seconds))?;
                if *bytes > 0 {
                    write!(f, ", {} sent", units::bytes(*bytes))?;
                }
                f.write_str(&reason)
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_could_not_answer_is_an_error() {
        let failed = |reason: &str| Event::Failed {
            id: ConnectionId(1),
            peer: ([192, 0, 2, 1], 50_000).into(),
            path: "a.iso".into(),
            reason: reason.into(),
        };
        for reason in [SERVER_STOPPED, BY_OPERATOR, "closed by the client after 3 of 9 bytes"] {
            assert!(!failed(reason).is_error() && failed(reason).level() >= Level::INFO, "{reason}");
        }
        for reason in ["not found", "connection lost: timed out", "too slow: 12 B/s over the last 30 s"] {
            assert!(failed(reason).is_error() && failed(reason).level() == Level::WARN, "{reason}");
        }
    }

    #[test]
    fn the_end_of_a_connection_is_one_line() {
        let ended = |reason: &str, bytes| Event::Disconnected {
            id: ConnectionId(1),
            peer: ([192, 0, 2, 1], 50_000).into(),
            reason: reason.into(),
            seconds: 12.34,
            bytes,
            reported: false,
        };
        let line = |reason: &str, bytes| ended(reason, bytes).to_string();
        assert_eq!(
            line("closed by the client", 0),
            "192.0.2.1:50000: disconnected after 12.3 s, closed by the client"
        );
        assert_eq!(line("done", 4_200_000), "192.0.2.1:50000: disconnected after 12.3 s, 4.2 MB sent, done");
        assert_eq!(
            line("disconnected by the operator", 1000),
            "192.0.2.1:50000: disconnected by the operator after 12.3 s, 1.0 kB sent"
        );
        assert_eq!(ended("done", 0).level(), Level::INFO);
        assert_eq!(ended(SERVER_STOPPED, 0).level(), Level::DEBUG);
    }
}
