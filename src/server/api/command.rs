//! A command of an operator.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::event::ConnectionId;

/// A command of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Close one connection now.
    Disconnect(ConnectionId),
    /// Close all connections from one address now.
    DisconnectAddress(IpAddr),
    /// Close all connections from one IPv4 address or IPv6 network of 64 bits now, and serve none from there for this time.
    Block(IpAddr, Duration),
    /// Serve clients at this address, or in its network, again.
    Unblock(IpAddr),
    /// Stop accepting, finish running transfers within the drain deadline, stop.
    Drain,
    /// Stop now.
    Stop,
}
