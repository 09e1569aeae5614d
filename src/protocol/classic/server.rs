//! The serving side of a classic exchange: one path, then the content, then the end.

use super::{
    Dialect, FILE_EXIST, FILE_SIZE_OK, HEADER_OK, HEADER_SIZE_OK, Header, MAX_PATH, NOT_FOUND, START, json,
};
use crate::protocol::{error::Violation, frame::outgoing::Outgoing};

/// An event of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The requested path, as sent (1 to 1024 bytes of UTF-8). Answer with [`Server::found`] or [`Server::not_found`].
    Path(String),
    /// The client's go-ahead for the content: `file_size` bytes follow, raw.
    Start,
}

/// The serving side.
#[derive(Debug)]
pub struct Server {
    dialect: Dialect,
    step: Step,
    header: Header,
    /// The received part of an incomplete acknowledgement.
    partial: Vec<u8>,
    outgoing: Outgoing,
    broken: Option<Violation>,
}

/// The next step of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Path,
    /// The caller's decision on the path.
    Decision,
    StartSendFile,
    HeaderSizeOk,
    HeaderOk,
    /// The exchange is decided.
    Over,
}

impl Step {
    /// The messages that are allowed here.
    fn words(self, dialect: Dialect) -> &'static [&'static str] {
        match (self, dialect) {
            (Step::StartSendFile, Dialect::Classic) => &[START],
            (Step::StartSendFile, Dialect::ClassicSelect) => &[START, FILE_SIZE_OK],
            (Step::HeaderSizeOk, _) => &[HEADER_SIZE_OK],
            (Step::HeaderOk, _) => &[HEADER_OK],
            _ => &[],
        }
    }
}

impl Server {
    /// A connection from which nothing was received yet.
    pub fn new(dialect: Dialect) -> Server {
        Server {
            dialect,
            step: Step::Path,
            header: Header::default(),
            partial: Vec::new(),
            outgoing: Outgoing::new(),
            broken: None,
        }
    }

    /// Takes the result of one read. The path must be received in one read, because nothing marks its end; the rest may
    /// be cut in any way.
    ///
    /// # Errors
    /// Not what this step of the dialect needs. Final.
    pub fn receive(&mut self, input: &[u8]) -> Result<Option<Event>, Violation> {
        if let Some(violation) = &self.broken {
            return Err(violation.clone());
        }
        self.step(input).inspect_err(|violation| self.broken = Some(violation.clone()))
    }

    fn step(&mut self, input: &[u8]) -> Result<Option<Event>, Violation> {
        if input.is_empty() {
            return Ok(None);
        }
        match self.step {
            Step::Path => self.path(input).map(Some),
            Step::Decision => Err(Violation::Classic("a message before the answer to the path")),
            // The exchange is decided: further messages are ignored.
            Step::Over => Ok(None),
            _ => self.acknowledged(input),
        }
    }

    fn path(&mut self, input: &[u8]) -> Result<Event, Violation> {
        if input.len() > MAX_PATH {
            return Err(Violation::TooLong {
                kind: "classic path",
                length: input.len() as u64,
                limit: MAX_PATH as u64,
            });
        }
        let path = str::from_utf8(input).map_err(|_| Violation::Classic("a path that is not UTF-8"))?;
        self.step = Step::Decision;
        Ok(Event::Path(path.to_owned()))
    }

    fn acknowledged(&mut self, input: &[u8]) -> Result<Option<Event>, Violation> {
        self.partial.extend_from_slice(input);
        loop {
            let words = self.step.words(self.dialect);
            if let Some(word) = words.iter().find(|word| self.partial.starts_with(word.as_bytes())) {
                self.partial.drain(..word.len());
            } else if words.iter().any(|word| word.as_bytes().starts_with(&self.partial)) {
                return Ok(None);
            } else {
                return Err(Violation::Classic("not the acknowledgement of this step"));
            }
            match (self.step, self.dialect) {
                (Step::StartSendFile, Dialect::Classic) => {
                    let length = i32::try_from(json::dumps(&self.header).len()).unwrap_or(i32::MAX);
                    self.outgoing.push(&length.to_le_bytes());
                    self.step = Step::HeaderSizeOk;
                }
                (Step::HeaderSizeOk, _) => {
                    self.outgoing.push(json::dumps(&self.header).as_bytes());
                    self.step = Step::HeaderOk;
                }
                _ => {
                    self.step = Step::Over;
                    self.partial = Vec::new();
                    return Ok(Some(Event::Start));
                }
            }
        }
    }

    /// The path names this content.
    pub fn found(&mut self, header: Header) {
        match self.dialect {
            Dialect::Classic => self.outgoing.push(FILE_EXIST.as_bytes()),
            Dialect::ClassicSelect => self.outgoing.push(header.file_size.to_string().as_bytes()),
        }
        self.header = header;
        self.step = Step::StartSendFile;
    }

    /// The path is not served; the exchange is over once [`Server::outgoing`] is written.
    pub fn not_found(&mut self) {
        self.outgoing.push(NOT_FOUND.as_bytes());
        self.step = Step::Over;
    }

    /// Bytes to write (handshake only; the content is the caller's).
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.as_slice()
    }

    /// The first `count` of them were written.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
    }
}
