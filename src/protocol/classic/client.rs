//! The fetching side of a classic exchange.

use super::{Dialect, Header};
use crate::protocol::error::Violation;

/// What came from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `FILE NOT FOUND`; the exchange is over.
    NotFound,
    /// The content's header (name and type are empty in `classic-select`).
    Header(Header),
    /// Bytes of the content.
    Data(&'a [u8]),
    /// All announced bytes came.
    End,
}

/// The fetching side.
#[derive(Debug)]
pub struct Client;

impl Client {
    /// Asks for `path` (1 to 1024 bytes); it stands in [`Client::outgoing`] at once.
    pub fn new(dialect: Dialect, path: &str) -> Client {
        let _ = (dialect, path);
        todo!()
    }
    /// Bytes to write.
    pub fn outgoing(&self) -> &[u8] {
        todo!()
    }
    /// Tells that the first `count` of them were written.
    pub fn sent(&mut self, count: usize) {
        let _ = count;
        todo!()
    }
    /// Takes received bytes: how many were used and at most one event, until both are nothing.
    ///
    /// # Errors
    /// Not what this step of the dialect needs, or more content than announced. Final.
    pub fn receive<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        let _ = input;
        todo!()
    }
    /// The server closed: `Ok` if the exchange was complete.
    ///
    /// # Errors
    /// See [`Ended`].
    pub fn end_of_stream(&self) -> Result<(), Ended> {
        todo!()
    }
}

/// How an exchange ended early; also used when nothing more comes within the timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Closed before any answer.
    #[error("closed the connection without an answer; a classic asyncio server does this for a missing file")]
    WithoutAnswer,
    /// Closed in the middle of the handshake.
    #[error("closed the connection in the middle of the handshake")]
    Handshake,
    /// The last bytes never came.
    #[error("never sent the last {missing} of {size} bytes{hint}", missing = size - received, hint = if size - received == size % 1024 { " (the original servers send whole KiB only)" } else { "" })]
    Short {
        /// Bytes that came.
        received: u64,
        /// Bytes that were announced.
        size: u64,
    },
}
