//! A command of an operator.

use serde::{Deserialize, Serialize};

use super::event::ConnectionId;

/// A command of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Close one connection now.
    Disconnect(ConnectionId),
    /// Stop accepting, finish running transfers within the drain deadline, stop.
    Drain,
    /// Stop now.
    Stop,
}
