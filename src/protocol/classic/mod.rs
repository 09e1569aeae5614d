//! The dialects of the original programs, byte by byte: `classic` (with a handshake) and `classic-select`
//! (short). All text is UTF-8 without terminator or length: every message is what one read returns.

pub mod client;
pub mod server;

use serde::{Deserialize, Serialize};

/// One of the two classic dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// With a JSON header and three acknowledgements.
    Classic,
    /// With the size only.
    ClassicSelect,
}

/// The JSON header of the `classic` dialect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Name of the file, `.zip` behind it for a directory.
    pub file_name: String,
    /// Bytes that follow.
    pub file_size: u64,
    /// The extension with its dot, or empty.
    pub file_type: String,
}
