//! Events of a server, decoded and verified.

use crate::protocol::{
    digest::{BlockDigest, Hash, VerifiedBlock},
    message,
};

/// An event of the server. The bytes of a `Data` are not verified before its
/// `Block` is `verified`.
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
    /// A page of the answer to a `tree`; the last one has `totals`.
    Tree {
        /// The request.
        request: u32,
        /// The page.
        page: message::TreePage,
    },
    /// Begins the answer to a `get` or `hashes`. If it has a `skip`, the skipped bytes are to be given by
    /// [`Client::skipped`](crate::protocol::client::Client::skipped) before anything else is received.
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
    /// A whole block of zeros, which were not sent; its `Block` follows.
    Hole {
        /// The request.
        request: u32,
        /// Its length in bytes.
        length: u64,
    },
    /// Closes a block.
    Block {
        /// The request.
        request: u32,
        /// The block.
        block: Block,
    },
    /// Hashes of blocks, in order, in the answer to a `hashes`. They are what the server says, which no content
    /// has proven yet.
    Hashes {
        /// The request.
        request: u32,
        /// Index of the block that the first of them belongs to.
        first_block: u64,
        /// Their chaining values, at least one.
        hashes: Vec<Hash>,
    },
    /// Ends the answer to a `get` or `hashes`. `root` is what was computed here, present when the answer was the
    /// whole content (and then proven equal to what the server says).
    End {
        /// The request.
        request: u32,
        /// The end.
        end: message::End,
        /// The digest computed from the blocks; absent, too, if one of them was not intact, and where only the
        /// hash of a single block was received.
        root: Option<Hash>,
    },
    /// Begins one of the files that answer a `files`; its `Data` and `Block`s follow, and then its `Done` or `Missed`. A
    /// `skip` as in `Content`.
    File {
        /// The request.
        request: u32,
        /// Which of the files that were asked for.
        index: usize,
        /// What the server says of it.
        head: message::FileHead,
    },
    /// Ends one of the files.
    Done {
        /// The request.
        request: u32,
        /// Which of the files that were asked for.
        index: usize,
        /// Its digest, computed from the blocks and proven equal to what the server says; absent if one of them was
        /// not intact.
        root: Option<Hash>,
    },
    /// One of the files is what the client has of it.
    Same {
        /// The request.
        request: u32,
        /// Which of the files that were asked for.
        index: usize,
    },
    /// One of the files is not what the client has of it, and no content was wanted.
    Differs {
        /// The request.
        request: u32,
        /// Which of the files that were asked for.
        index: usize,
    },
    /// One of the files is not sent, or only in part; its bytes must not be kept.
    Missed {
        /// The request.
        request: u32,
        /// Which of the files that were asked for.
        index: usize,
        /// Why.
        failure: message::Failure,
    },
    /// The server works on what it sends next: it reads a file to compare it, or a folder.
    Working {
        /// The request.
        request: u32,
    },
    /// Ends the answer to a `files`.
    FilesEnd {
        /// The request.
        request: u32,
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
    /// Its length in bytes, skipped ones included.
    pub length: u32,
    /// How many of them, from its first on, were skipped: the client had them before.
    pub skipped: u32,
    /// Bytes of the sources read so far, as the server says.
    pub position: u64,
    /// What the bytes received hash to.
    pub digest: BlockDigest,
    /// The block, if that is what the server announced. If not, its bytes must not be kept.
    pub verified: Option<VerifiedBlock>,
}

impl Block {
    /// Whether it is what the server announced.
    pub fn is_intact(&self) -> bool {
        self.verified.is_some()
    }
}
