//! What a client can ask a server.

use crate::protocol::message;

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `stat`
    Stat(message::Stat),
    /// `list`
    List(message::List),
    /// `get`
    Get(message::Get),
    /// `hashes`
    Hashes(message::Get),
    /// `tree`
    Tree(message::Tree),
    /// `files`
    Files(message::Files),
}
