//! The server's state machine.

mod content;
mod files;
mod hashes;
mod tree;

use super::{
    digest::Hash,
    error::Violation,
    frame::{
        Header, Kind, control,
        outgoing::Outgoing,
        reader::{Piece, Reader},
    },
    message::{self, request::Request},
    preamble::Versions,
};

pub use self::{
    content::{ContentWriter, Ending, Filled},
    files::FilesWriter,
    hashes::HashesWriter,
    tree::TreeWriter,
};

/// An event of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client's greeting; answer with [`Server::welcome`].
    Hello(message::Hello),
    /// A request to answer, in order.
    Request {
        /// Its number.
        id: u32,
        /// The request.
        request: Request,
    },
    /// A request of a reserved kind; answer with `unsupported`.
    Unsupported {
        /// Its number.
        id: u32,
    },
    /// The client sends a goodbye and will close.
    Goodbye(message::Goodbye),
}

/// The server's side of a connection. Its frames are appended to a buffer of the caller, so that
/// content is read from its source directly into the send buffer.
///
/// It returns requests as they are received, and the caller answers them in order: pass it no more bytes
/// while as many requests wait as `welcome` allowed.
#[derive(Debug)]
pub struct Server {
    reader: Reader,
    phase: Phase,
    last_request: u32,
    /// The version of both sides; a range if they have none in common.
    versions: Versions,
    preamble_written: bool,
    /// The violation that ended it.
    broken: Option<Violation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before `hello`.
    Greeting,
    Open,
    /// After `goodbye`.
    Closed,
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl Server {
    /// A connection from which nothing was received yet. The server's preamble is written by the first
    /// call that writes anything.
    pub fn new() -> Server {
        Server {
            reader: Reader::new(),
            phase: Phase::Greeting,
            last_request: 0,
            versions: Versions::OURS,
            preamble_written: false,
            broken: None,
        }
    }

    /// Takes received bytes, see [`super::client::Client::receive`].
    ///
    /// # Errors
    /// The client broke the protocol: answer with [`Server::abort`] and close. Final.
    pub fn receive(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Violation> {
        if let Some(violation) = &self.broken {
            return Err(violation.clone());
        }
        let mut rest = input;
        let event = self.event(&mut rest).inspect_err(|violation| self.broken = Some(violation.clone()))?;
        Ok((input.len() - rest.len(), event))
    }

    fn event(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        while let Some(piece) = self.reader.next(input)? {
            match piece {
                Piece::Preamble(theirs) => {
                    let Versions { lowest, highest } = theirs;
                    let version =
                        Versions::OURS.common(theirs).ok_or(Violation::Version { lowest, highest })?;
                    self.versions = Versions { lowest: version, highest: version };
                }
                Piece::Header(header) => check_order(header, &mut self.phase, &mut self.last_request)?,
                Piece::Message(header, payload) => return message(header, payload).map(Some),
                Piece::Data(_) => return Err(Violation::Unexpected(Kind::Data.name())),
            }
        }
        Ok(None)
    }

    /// The client closed its side.
    ///
    /// # Errors
    /// [`Violation::Truncated`] in the middle of a frame; [`Violation::NotOurs`] before a byte was received.
    pub fn end_of_stream(&self) -> Result<(), Violation> {
        match self.broken.clone().or_else(|| self.reader.ended_early()) {
            Some(violation) => Err(violation),
            None if self.reader.is_between_frames() => Ok(()),
            None => Err(Violation::Truncated),
        }
    }

    /// Writes `welcome`.
    pub fn welcome(&mut self, welcome: &message::Welcome, out: &mut Outgoing) {
        self.preamble(out);
        let welcome = message::Welcome { agent: control::agent(&welcome.agent), ..welcome.clone() };
        control::write(Kind::Welcome, 0, &welcome, out);
    }

    /// Writes `meta`.
    pub fn meta(&mut self, id: u32, meta: &message::Meta, out: &mut Outgoing) {
        self.preamble(out);
        control::write(Kind::Meta, id, meta, out);
    }

    /// Writes `entries`, with as many of them as a frame holds.
    pub fn entries(&mut self, id: u32, entries: &message::Entries, out: &mut Outgoing) {
        self.preamble(out);
        control::write_entries(id, entries, out);
    }

    /// Writes `working` for a request that asks for it, before `entries`, `content` or a `tree`.
    pub fn working(&mut self, id: u32, out: &mut Outgoing) {
        self.preamble(out);
        out.push(&Header { kind: Kind::Working, length: 0, request: id }.encode());
    }

    /// Writes `error` for a request, also in the middle of its content.
    pub fn failure(&mut self, id: u32, failure: &message::Failure, out: &mut Outgoing) {
        self.preamble(out);
        control::write_failure(Kind::Error, id, failure, out);
    }

    /// Writes `error` for the connection; nothing may be written after it. A client of another protocol gets nothing,
    /// and one without a version in common the preamble only, as the specification says.
    pub fn abort(&mut self, failure: &message::Failure, out: &mut Outgoing) {
        match self.broken {
            Some(Violation::NotOurs(_) | Violation::Preamble) => {}
            Some(Violation::Version { .. }) => self.preamble(out),
            _ => {
                self.preamble(out);
                control::write_failure(Kind::Error, 0, failure, out);
            }
        }
    }

    /// Writes `goodbye`; nothing may be written after it.
    pub fn goodbye(&mut self, reason: &str, out: &mut Outgoing) {
        self.preamble(out);
        control::write(Kind::Goodbye, 0, &message::Goodbye { reason: control::sentence(reason) }, out);
    }

    /// Writes `content` and returns what writes the rest of the answer.
    pub fn content(&mut self, id: u32, content: &message::Content, out: &mut Outgoing) -> ContentWriter {
        self.preamble(out);
        control::write(Kind::Content, id, content, out);
        ContentWriter::new(id, content.first_block)
    }

    /// Writes `content` in answer to a `hashes` and returns what writes the rest of the answer.
    pub fn hashes(&mut self, id: u32, content: &message::Content, out: &mut Outgoing) -> HashesWriter {
        self.preamble(out);
        control::write(Kind::Content, id, content, out);
        HashesWriter::new(id, content)
    }

    /// Returns what writes the answer to a `tree`.
    pub fn tree(&mut self, id: u32, out: &mut Outgoing) -> TreeWriter {
        self.preamble(out);
        TreeWriter::new(id)
    }

    /// Returns what writes the answer to a `files`.
    pub fn files(&mut self, id: u32, out: &mut Outgoing) -> FilesWriter {
        self.preamble(out);
        FilesWriter::new(id)
    }

    fn preamble(&mut self, out: &mut Outgoing) {
        if !self.preamble_written {
            out.push(&self.versions.encode());
            self.preamble_written = true;
        }
    }
}

/// A frame begins: it must be one that a client may send now.
fn check_order(header: Header, phase: &mut Phase, last_request: &mut u32) -> Result<(), Violation> {
    let unexpected = Err(Violation::Unexpected(header.kind.name()));
    match (*phase, header.kind) {
        (Phase::Greeting, Kind::Hello) if header.request == 0 => *phase = Phase::Open,
        (Phase::Open, Kind::Goodbye) if header.request == 0 => *phase = Phase::Closed,
        (
            Phase::Open,
            Kind::Stat
            | Kind::List
            | Kind::Get
            | Kind::HashesRequest
            | Kind::TreeRequest
            | Kind::FilesRequest
            | Kind::Reserved,
        ) => {
            if header.request <= *last_request {
                return Err(Violation::Header("a request number that does not rise"));
            }
            *last_request = header.request;
        }
        _ => return unexpected,
    }
    Ok(())
}

fn message(header: Header, payload: &[u8]) -> Result<Event, Violation> {
    let Header { kind, request: id, .. } = header;
    let request = match kind {
        Kind::Hello => return control::read(kind, payload).map(Event::Hello),
        Kind::Goodbye => return control::read(kind, payload).map(Event::Goodbye),
        Kind::Reserved => return Ok(Event::Unsupported { id }),
        Kind::Stat => Request::Stat(control::read(kind, payload)?),
        Kind::List => Request::List(control::read(kind, payload)?),
        Kind::Get => Request::Get(control::read(kind, payload)?),
        Kind::HashesRequest => Request::Hashes(control::read(kind, payload)?),
        Kind::TreeRequest => Request::Tree(control::read(kind, payload)?),
        Kind::FilesRequest => {
            let files: message::Files = control::read(kind, payload)?;
            if files.files.iter().any(|file| file.digest.as_deref().is_some_and(|hex| !is_digest(hex))) {
                return Err(Violation::Content("an invalid digest"));
            }
            Request::Files(files)
        }
        _ => return Err(Violation::Unexpected(kind.name())),
    };
    Ok(Event::Request { id, request })
}

fn is_digest(hex: &str) -> bool {
    Hash::from_hex(hex).is_some()
}
