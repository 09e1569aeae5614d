//! What an operator can do.

use serde::{Deserialize, Serialize};

use super::event::ConnectionId;

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
