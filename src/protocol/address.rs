//! Addresses: `fdsp+plain://HOST[:PORT]/PATH`, and where they will be spoken over TLS, `fdsp://`.

use super::path::RemotePath;

/// The port where none is named.
pub const DEFAULT_PORT: u16 = 7878;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A server and a path on it. `Display` gives the form that `parse` reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The server.
    pub authority: Authority,
    /// The path, percent-encoded where needed when shown.
    pub path: RemotePath,
}
