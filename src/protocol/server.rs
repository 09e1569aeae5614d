//! The server's state machine.

use super::{client::Request, digest::Hash, error::Violation, message, outgoing::Outgoing};

/// What came from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client's greeting; answer with [`Server::welcome`].
    Hello(message::Hello),
    /// A request to answer, in order.
    Request {
        /// Its number.
        id: u32,
        /// What is asked.
        request: Request,
    },
    /// A request of a reserved kind; answer with `unsupported`.
    Unsupported {
        /// Its number.
        id: u32,
    },
    /// The client says goodbye and will close.
    Goodbye(message::Goodbye),
}

/// The server's side of a connection. What it has to say is appended to a buffer of the caller, so that
/// content is read from its source straight to where it is sent from.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A connection from which nothing was received yet. The server's preamble is written by the first
    /// call that writes anything.
    pub fn new() -> Server {
        todo!()
    }
    /// Takes received bytes, see [`super::client::Client::receive`].
    ///
    /// # Errors
    /// The client broke the protocol: answer with [`Server::abort`] and close. Final.
    pub fn receive(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Violation> {
        let _ = input;
        todo!()
    }
    /// Writes `welcome`.
    pub fn welcome(&mut self, welcome: &message::Welcome, out: &mut Outgoing) {
        let _ = (welcome, out);
        todo!()
    }
    /// Writes `meta`.
    pub fn meta(&mut self, id: u32, meta: &message::Meta, out: &mut Outgoing) {
        let _ = (id, meta, out);
        todo!()
    }
    /// Writes `entries`, with as many of them as a frame holds.
    pub fn entries(&mut self, id: u32, entries: message::Entries, out: &mut Outgoing) {
        let _ = (id, entries, out);
        todo!()
    }
    /// Writes `error` for a request.
    pub fn failure(&mut self, id: u32, failure: &message::Failure, out: &mut Outgoing) {
        let _ = (id, failure, out);
        todo!()
    }
    /// Writes `error` for the connection; nothing may be written after it.
    pub fn abort(&mut self, failure: &message::Failure, out: &mut Outgoing) {
        let _ = (failure, out);
        todo!()
    }
    /// Writes `goodbye`; nothing may be written after it.
    pub fn goodbye(&mut self, reason: &str, out: &mut Outgoing) {
        let _ = (reason, out);
        todo!()
    }
    /// Writes `content` and returns what writes the rest of the answer.
    pub fn content(&mut self, id: u32, content: &message::Content, out: &mut Outgoing) -> ContentWriter {
        let _ = (id, content, out);
        todo!()
    }
}

/// Writes the content of one answer: `data` and `block` frames and the `end`.
#[derive(Debug)]
pub struct ContentWriter;

impl ContentWriter {
    /// Most content bytes that the next [`ContentWriter::data`] takes: up to the end of a frame or block.
    pub fn room(&self) -> usize {
        todo!()
    }
    /// Index of the block that the next byte belongs to.
    pub fn next_block(&self) -> u64 {
        todo!()
    }
    /// Writes one `data` frame: grows `out` by a header and `room` bytes, lets `fill` put content there,
    /// and cuts to what it put (0 writes nothing). When that completes a block its mark is written with
    /// `position()` evaluated after the fill.
    ///
    /// # Errors
    /// What `fill` returns; nothing was written then.
    pub fn data<E>(
        &mut self,
        out: &mut Outgoing,
        fill: impl FnOnce(&mut [u8]) -> Result<Filled, E>,
    ) -> Result<usize, E> {
        let _ = (out, fill);
        todo!()
    }
    /// Writes the mark of a last short block, if there is one, and `end`. `complete`: the content's end was
    /// reached; its size is what was sent plus what lies before the first block. Returns the root if this answer was the whole
    /// content.
    pub fn end(self, identity: &str, position: u64, complete: bool, out: &mut Outgoing) -> Option<Hash> {
        let _ = (identity, position, complete, out);
        todo!()
    }
}

/// What a fill did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Bytes of content put.
    pub bytes: usize,
    /// Bytes of the sources read so far (see the `block` frame).
    pub position: u64,
}
