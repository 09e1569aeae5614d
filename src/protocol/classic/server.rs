//! The serving side of a classic exchange: one path, then the content, then the end.

use super::{Dialect, Header};
use crate::protocol::error::Violation;

/// What came from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The requested path, as sent (1 to 1024 bytes of UTF-8). Answer with [`Server::found`] or [`Server::not_found`].
    Path(String),
    /// The client's go-ahead for the content: `file_size` bytes follow, raw.
    Start,
}

/// The serving side.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A connection from which nothing was received yet.
    pub fn new(dialect: Dialect) -> Server {
        let _ = dialect;
        todo!()
    }
    /// Takes what one read returned.
    ///
    /// # Errors
    /// Not what this step of the dialect needs. Final.
    pub fn receive(&mut self, input: &[u8]) -> Result<Option<Event>, Violation> {
        let _ = input;
        todo!()
    }
    /// The path names this content.
    pub fn found(&mut self, header: Header) {
        let _ = header;
        todo!()
    }
    /// The path names nothing that is served; the exchange is over once [`Server::outgoing`] is written.
    pub fn not_found(&mut self) {
        todo!()
    }
    /// Bytes to write (handshake only; the content is the caller's).
    pub fn outgoing(&self) -> &[u8] {
        todo!()
    }
    /// Tells that the first `count` of them were written.
    pub fn sent(&mut self, count: usize) {
        let _ = count;
        todo!()
    }
}
