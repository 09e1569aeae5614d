//! Servers whose certificate is not trusted, and what the user can decide about them.

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{address::locator::Server, serial},
    protocol::trust::pin::Pin,
};

/// Why the certificate of a server is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The server is not known yet. The user may accept it, see `Command::Trust`.
    New(NewServer),
    /// Another server answers than the one that the user or an earlier run named. That cannot be accepted.
    Other(Server),
}

/// A server that is not known yet, and the pin of the certificate that it has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewServer {
    /// The server.
    #[serde(rename = "authority")]
    pub server: Server,
    /// Its pin.
    #[serde(with = "serial::text")]
    pub pin: Pin,
}

impl NewServer {
    /// Whether accepting the other one accepts this one.
    pub fn is(&self, other: &NewServer) -> bool {
        (self.server.host(), self.pin) == (other.server.host(), other.pin)
    }
}
