//! The state of a server at one moment: plain data for a dashboard.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::event::ConnectionId;
use crate::text::SafeText;

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
    /// Blocks of a file are being hashed.
    Hashing,
    /// Content is being sent.
    Sending,
    /// Receiving "busy", or blocked.
    Refused,
}

impl ConnectionState {
    /// Whether an answer is being made.
    pub fn is_working(self) -> bool {
        matches!(self, ConnectionState::Planning | ConnectionState::Hashing | ConnectionState::Sending)
    }
}

/// A row of the dashboard.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionView {
    /// Its number; `None` for one that waits in the kernel.
    pub id: Option<ConnectionId>,
    /// The peer.
    pub peer: SocketAddr,
    /// `v1`, `classic`, `classic-select`, `http`, or nothing yet.
    pub dialect: Option<&'static str>,
    /// The path being, or last, sent; `(zip)` after an archive.
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

/// A blocked address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockView {
    /// The address; of an IPv6 network its first one.
    pub address: IpAddr,
    /// The address, or the network.
    pub network: SafeText,
    /// How long the block still lasts.
    pub left: Duration,
    /// Connections refused since the block began.
    pub refused: u64,
}

/// The last request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// When.
    pub at: SystemTime,
    /// The peer, and why.
    pub message: SafeText,
}

/// The data of one frame of a dashboard; its cost depends on the number of requested rows.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The requested rows, oldest first.
    pub rows: Vec<ConnectionView>,
    /// Live connections.
    pub live: usize,
    /// Clients that wait to be accepted (single-threaded).
    pub waiting: usize,
    /// The blocked addresses.
    pub blocks: Vec<BlockView>,
    /// Addresses whose clients were served since the start, counted up to 65,536.
    pub clients: u64,
    /// Requests since the start.
    pub requests: u64,
    /// Requests that failed since the start, without those that the client or the operator ended.
    pub errors: u64,
    /// The last of them.
    pub last_error: Option<LastError>,
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
