//! The client's state machine.

use super::{
    answers::Answers,
    control,
    digest::{BlockDigest, Hash, VerifiedBlock},
    error::Violation,
    frame::Kind,
    message::{self, Credential},
    outgoing::Outgoing,
    preamble::Versions,
    reader::{Piece, Reader},
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
    /// `hashes`
    Hashes(message::Get),
    /// `tree`
    Tree(message::Tree),
    /// `files`
    Files(message::Files),
}

/// What came from the server. Verified content only: a `Data` must not be called kept before its
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
    /// [`Client::skipped`] before anything else is received.
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
        /// hash of a single block came, which does not tell it.
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
    /// One of the files does not come, or not to its end; what came of it must not be kept.
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

/// The client's side of a connection.
#[derive(Debug)]
pub struct Client {
    reader: Reader,
    answers: Answers,
    outgoing: Outgoing,
    last_request: u32,
    /// The violation that ended it.
    broken: Option<Violation>,
}

impl Client {
    /// A connection about to be used; preamble and `hello` stand in [`Client::outgoing`] at once.
    pub fn new(agent: &str) -> Client {
        Client::with_credential(agent, None)
    }

    /// Like [`Client::new`], with a credential in `hello`.
    pub fn with_credential(agent: &str, credential: Option<Credential>) -> Client {
        let mut outgoing = Outgoing::new();
        outgoing.push(&Versions::OURS.encode());
        let hello = message::Hello { agent: control::agent(agent), credential, token_id: None };
        control::write(Kind::Hello, 0, &hello, &mut outgoing);
        Client { reader: Reader::new(), answers: Answers::default(), outgoing, last_request: 0, broken: None }
    }

    /// Sends a request and returns its number. Answers come in the order of the requests. The path should
    /// have passed [`super::path::RemotePath`]; a longer one is cut off by the server as a violation.
    pub fn request(&mut self, request: &Request) -> u32 {
        // Four thousand million requests on one connection: the server will call it a violation.
        self.last_request = self.last_request.saturating_add(1);
        let (id, out) = (self.last_request, &mut self.outgoing);
        match request {
            Request::Stat(stat) => control::write(Kind::Stat, id, stat, out),
            Request::List(list) => control::write(Kind::List, id, list, out),
            Request::Get(get) => control::write(Kind::Get, id, get, out),
            Request::Hashes(get) => control::write(Kind::HashesRequest, id, get, out),
            Request::Tree(tree) => control::write(Kind::TreeRequest, id, tree, out),
            Request::Files(files) => control::write(Kind::FilesRequest, id, files, out),
        }
        self.answers.expect(id, request.clone());
        id
    }

    /// Says goodbye; no request may follow.
    pub fn goodbye(&mut self, reason: &str) {
        let goodbye = message::Goodbye { reason: control::sentence(reason) };
        control::write(Kind::Goodbye, 0, &goodbye, &mut self.outgoing);
    }

    /// Number of requests without a complete answer.
    pub fn pending(&self) -> usize {
        self.answers.pending()
    }

    /// Bytes to write.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.as_slice()
    }

    /// Tells that the first `count` of them were written.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
        self.outgoing.release();
    }

    /// Takes received bytes: returns how many of them were used and at most one event. Call again with what
    /// is left until both are nothing (0 and `None`): then more bytes are needed. Control messages that are
    /// incomplete are kept inside; content is borrowed from `input`.
    ///
    /// # Errors
    /// The server broke the protocol. Final.
    pub fn receive<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        if let Some(violation) = &self.broken {
            return Err(violation.clone());
        }
        let mut rest = input;
        let event = self.event(&mut rest).inspect_err(|violation| self.broken = Some(violation.clone()))?;
        Ok((input.len() - rest.len(), event))
    }

    fn event<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Violation> {
        while let Some(piece) = self.reader.next(input)? {
            match piece {
                Piece::Preamble(versions) => accept(versions)?,
                Piece::Header(header) => self.answers.header(header)?,
                Piece::Message(header, payload) => return self.answers.message(header, payload).map(Some),
                Piece::Data(bytes) => return self.answers.data(bytes).map(Some),
            }
        }
        Ok(None)
    }

    /// Gives the next of the bytes that the content which was just announced skips. Without all of them its first block cannot be verified,
    /// and counts as not intact.
    pub fn skipped(&mut self, bytes: &[u8]) {
        self.answers.skipped(bytes);
    }

    /// The server closed its side. A goodbye or an error for the connection makes every end a good one: they
    /// say all that there is to say about requests without an answer.
    ///
    /// # Errors
    /// [`Violation::Truncated`] in the middle of a frame or with requests pending;
    /// [`Violation::NotOurs`] if not even a preamble came.
    pub fn end_of_stream(&self) -> Result<(), Violation> {
        if let Some(violation) = self.broken.clone().or_else(|| self.reader.ended_early()) {
            return Err(violation);
        }
        if self.reader.is_between_frames() && self.answers.may_end() {
            Ok(())
        } else {
            Err(Violation::Truncated)
        }
    }
}

/// The server's preamble must name the one version that is used from here on.
fn accept(versions: Versions) -> Result<(), Violation> {
    let Versions { lowest, highest } = versions;
    match Versions::OURS.common(versions) {
        None => Err(Violation::Version { lowest, highest }),
        Some(_) if lowest != highest => Err(Violation::Preamble),
        Some(_) => Ok(()),
    }
}
