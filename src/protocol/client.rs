//! The client's state machine.

use super::{
    digest::{BlockDigest, Hash},
    error::Violation,
    message,
};

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `stat`
    Stat(message::Stat),
    /// `list`
    List(message::List),
    /// `get`
    Get(message::Get),
}

/// What came from the server. Verified content only: a `Data` must not be called kept before its
/// `Block` says `intact`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The server's greeting.
    Welcome(message::Welcome),
    /// Answers a `stat`.
    Meta {
        /// The request.
        request: u32,
        /// The answer.
        meta: message::Meta,
    },
    /// Answers a `list`.
    Entries {
        /// The request.
        request: u32,
        /// The answer.
        entries: message::Entries,
    },
    /// Begins the answer to a `get`.
    Content {
        /// The request.
        request: u32,
        /// The announcement.
        content: message::Content,
    },
    /// Bytes of the content, in order, never across a block's end.
    Data {
        /// The request.
        request: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Closes a block.
    Block {
        /// The request.
        request: u32,
        /// The block.
        block: Block,
    },
    /// Ends the answer to a `get`. `root` is what was computed here, present when the answer was the whole
    /// content (and then proven equal to what the server says).
    End {
        /// The request.
        request: u32,
        /// The end.
        end: message::End,
        /// The digest computed from the blocks.
        root: Option<Hash>,
    },
    /// The request failed; for request 0, the connection.
    Failed {
        /// The request.
        request: u32,
        /// Why.
        failure: message::Failure,
    },
    /// The server says goodbye and will close.
    Goodbye(message::Goodbye),
}

/// A received block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its index.
    pub index: u64,
    /// Its length in bytes.
    pub length: u32,
    /// Bytes of the sources read so far, as the server says.
    pub position: u64,
    /// What the bytes received hash to.
    pub digest: BlockDigest,
    /// Whether that is what the server announced. If not, its bytes must not be kept.
    pub intact: bool,
}

/// The client's side of a connection.
#[derive(Debug)]
pub struct Client;

impl Client {
    /// A connection about to be used; preamble and `hello` stand in [`Client::outgoing`] at once.
    pub fn new(agent: &str) -> Client {
        let _ = agent;
        todo!()
    }
    /// Sends a request and returns its number. Answers come in the order of the requests.
    pub fn request(&mut self, request: &Request) -> u32 {
        let _ = request;
        todo!()
    }
    /// Says goodbye; no request may follow.
    pub fn goodbye(&mut self, reason: &str) {
        let _ = reason;
        todo!()
    }
    /// Number of requests without a complete answer.
    pub fn pending(&self) -> usize {
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
    /// Takes received bytes: returns how many of them were used and at most one event. Call again with what
    /// is left until both are nothing (0 and `None`): then more bytes are needed. Control messages that are
    /// incomplete are kept inside; content is borrowed from `input`.
    ///
    /// # Errors
    /// The server broke the protocol. Final.
    pub fn receive<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        let _ = input;
        todo!()
    }
    /// The server closed its side.
    ///
    /// # Errors
    /// [`Violation::Truncated`] in the middle of a frame or with requests pending;
    /// [`Violation::NotOurs`] if not even a preamble came.
    pub fn end_of_stream(&self) -> Result<(), Violation> {
        todo!()
    }
}
