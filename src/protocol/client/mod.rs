//! The client's state machine.

mod answers;
mod batch;
pub mod event;
mod manifest;
mod receiving;

use self::answers::Answers;
use super::{
    error::Violation,
    frame::{
        Kind, control,
        outgoing::Outgoing,
        reader::{Piece, Reader},
    },
    message::{self, Credential},
    preamble::Versions,
};

pub use super::message::request::Request;

pub use self::event::{Block, Event};

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
    /// A connection about to be used; preamble and `hello` are in [`Client::outgoing`] at once.
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

    /// Sends a request and returns its number. Answers are received in the order of the requests. The path should
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

    /// The first `count` of them were written.
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
    /// [`Violation::NotOurs`] if no preamble was received.
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
