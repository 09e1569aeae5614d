//! The dialects of the original programs, byte by byte: `classic` (with a handshake) and `classic-select`
//! (short). All text is UTF-8 without terminator or length: every message is the result of one read, and each
//! side waits for the other's before it sends again. A connection carries one file.
//!
//! `classic`:
//!
//! | step | from | bytes |
//! |---|---|---|
//! | 1 | client | the requested path, 1 to 1024 bytes |
//! | 2 | server | `file_exist`, or `FILE NOT FOUND` and the exchange is over |
//! | 3 | client | `start_send_file` |
//! | 4 | server | the length of the header: 4 bytes, signed, little-endian |
//! | 5 | client | `header_size_ok` |
//! | 6 | server | the [`Header`] as JSON |
//! | 7 | client | `header_ok` |
//! | 8 | server | the content |
//!
//! `classic-select`:
//!
//! | step | from | bytes |
//! |---|---|---|
//! | 1 | client | the requested path |
//! | 2 | server | the size in ASCII decimal, or `FILE NOT FOUND` |
//! | 3 | client | `start_send_file` (`file_size_ok` is accepted, too) |
//! | 4 | server | the content |
//!
//! Step 1 does not show a server which of the two a client uses. The weaknesses of these dialects are not
//! fixed here: nothing marks the end of the path, nor of the size in `classic-select`, and nothing but the length
//! shows whether the content is right.

pub mod client;
mod json;
pub mod server;

use serde::{Deserialize, Serialize};

/// The maximum length of a path.
pub const MAX_PATH: usize = 1024;
/// The maximum length of an accepted header; the original programs set no limit.
pub const MAX_HEADER: usize = 64 * 1024;

const NOT_FOUND: &str = "FILE NOT FOUND";
const FILE_EXIST: &str = "file_exist";
const START: &str = "start_send_file";
const HEADER_SIZE_OK: &str = "header_size_ok";
const HEADER_OK: &str = "header_ok";
const FILE_SIZE_OK: &str = "file_size_ok";

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Name of the file, with `.zip` after it for a directory.
    pub file_name: String,
    /// Bytes that follow.
    pub file_size: u64,
    /// The extension with its dot, or empty.
    pub file_type: String,
}

impl Header {
    /// The header of a content, its type taken from its name as Python's `os.path.splitext` does: dots at
    /// the beginning begin no extension.
    pub fn new(file_name: &str, file_size: u64) -> Header {
        let stem = file_name.trim_start_matches('.');
        let file_type = stem.rfind('.').map_or("", |dot| &stem[dot..]);
        Header { file_name: file_name.to_owned(), file_size, file_type: file_type.to_owned() }
    }
}
