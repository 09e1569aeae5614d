//! The fetching side of a classic exchange.

use super::{Dialect, FILE_EXIST, HEADER_OK, HEADER_SIZE_OK, Header, MAX_HEADER, MAX_PATH, NOT_FOUND, START};
use crate::protocol::{error::Violation, frame::outgoing::Outgoing};

/// An event of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `FILE NOT FOUND`; the exchange is over.
    NotFound,
    /// The content's header (name and type are empty in `classic-select`).
    Header(Header),
    /// Bytes of the content.
    Data(&'a [u8]),
    /// All announced bytes were received.
    End,
}

/// The fetching side.
#[derive(Debug)]
pub struct Client {
    dialect: Dialect,
    step: Step,
    /// The received part of an incomplete message.
    partial: Vec<u8>,
    outgoing: Outgoing,
    broken: Option<Violation>,
}

/// The expected message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `file_exist`, the size, or `FILE NOT FOUND`.
    Answer,
    HeaderLength,
    Header(usize),
    Content {
        received: u64,
        size: u64,
    },
    Complete,
    NotFound,
}

impl Client {
    /// Requests `path` (1 to 1024 bytes); the request is in [`Client::outgoing`] at once.
    ///
    /// # Errors
    /// The dialects cannot carry this path.
    pub fn new(dialect: Dialect, path: &str) -> Result<Client, Unaskable> {
        if !(1..=MAX_PATH).contains(&path.len()) {
            return Err(Unaskable);
        }
        let mut outgoing = Outgoing::new();
        outgoing.push(path.as_bytes());
        Ok(Client { dialect, step: Step::Answer, partial: Vec::new(), outgoing, broken: None })
    }

    /// Bytes to write.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.as_slice()
    }

    /// The first `count` of them were written.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
    }

    /// Takes received bytes: how many were used and at most one event, until both are nothing. The size in
    /// `classic-select` must be received in one read, because nothing marks its end; everything else may be cut in any
    /// way.
    ///
    /// # Errors
    /// Not what this step of the dialect needs, or more content than announced. Final.
    pub fn receive<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        if let Some(violation) = &self.broken {
            return Err(violation.clone());
        }
        let mut rest = input;
        let event = self.event(&mut rest).inspect_err(|violation| self.broken = Some(violation.clone()))?;
        Ok((input.len() - rest.len(), event))
    }

    fn event<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Violation> {
        loop {
            match self.step {
                Step::Answer => return self.answer(input),
                Step::HeaderLength => {
                    self.gather(input, 4);
                    let Some(&bytes) = self.partial.first_chunk() else { return Ok(None) };
                    let length = usize::try_from(i32::from_le_bytes(bytes)).unwrap_or(0);
                    if !(1..=MAX_HEADER).contains(&length) {
                        return Err(Violation::Classic("a header of an impossible length"));
                    }
                    self.step = Step::Header(length);
                    self.partial.clear();
                    self.outgoing.push(HEADER_SIZE_OK.as_bytes());
                }
                Step::Header(length) => {
                    self.gather(input, length);
                    if self.partial.len() < length {
                        return Ok(None);
                    }
                    let json = std::mem::take(&mut self.partial);
                    let header: Header = serde_json::from_slice(&json).map_err(|error| Violation::Json {
                        kind: "classic header",
                        reason: error.to_string(),
                    })?;
                    self.step = Step::Content { received: 0, size: header.file_size };
                    self.outgoing.push(HEADER_OK.as_bytes());
                    return Ok(Some(Event::Header(header)));
                }
                Step::Content { received, size } if received == size => {
                    self.step = Step::Complete;
                    return Ok(Some(Event::End));
                }
                Step::Content { received, size } => {
                    let left = usize::try_from(size - received).unwrap_or(usize::MAX);
                    let (bytes, rest) = input.split_at(input.len().min(left));
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    *input = rest;
                    self.step = Step::Content { received: received + bytes.len() as u64, size };
                    return Ok(Some(Event::Data(bytes)));
                }
                Step::Complete | Step::NotFound if input.is_empty() => return Ok(None),
                Step::Complete => return Err(Violation::Content("more content than announced")),
                Step::NotFound => return Err(Violation::Classic("more after FILE NOT FOUND")),
            }
        }
    }

    fn answer<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Violation> {
        let digits = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if self.dialect == Dialect::ClassicSelect && self.partial.is_empty() && digits > 0 {
            return self.size(digits, input).map(Some);
        }
        let found = match self.dialect {
            Dialect::Classic => FILE_EXIST,
            // The size, which is not a fixed message.
            Dialect::ClassicSelect => NOT_FOUND,
        };
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.partial.push(byte);
            if self.partial == NOT_FOUND.as_bytes() {
                self.partial.clear();
                self.step = Step::NotFound;
                return Ok(Some(Event::NotFound));
            }
            if self.partial == found.as_bytes() {
                self.partial.clear();
                self.step = Step::HeaderLength;
                self.outgoing.push(START.as_bytes());
                // The header that follows is an event; this answer is not an event.
                return self.event(input);
            }
            if ![found, NOT_FOUND].iter().any(|word| word.as_bytes().starts_with(&self.partial)) {
                return Err(Violation::Classic("an answer that is not of this dialect"));
            }
        }
        Ok(None)
    }

    /// The size in decimal. The original server may send content before the acknowledgement, right after it.
    fn size<'a>(&mut self, digits: usize, input: &mut &'a [u8]) -> Result<Event<'a>, Violation> {
        let (text, rest) = input.split_at(digits);
        let size = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        let Some(size) = size else { return Err(Violation::Classic("a size that no file has")) };
        *input = rest;
        self.step = Step::Content { received: 0, size };
        self.outgoing.push(START.as_bytes());
        Ok(Event::Header(Header { file_size: size, ..Header::default() }))
    }

    /// Moves bytes from the front of `input` until `partial` has `length`.
    fn gather(&mut self, input: &mut &[u8], length: usize) {
        let missing = length.saturating_sub(self.partial.len());
        let (bytes, rest) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(bytes);
        *input = rest;
    }

    /// The server closed: `Ok` if the exchange was complete.
    ///
    /// # Errors
    /// See [`Ended`].
    pub fn end_of_stream(&self) -> Result<(), Ended> {
        match self.step {
            Step::Answer if self.partial.is_empty() => Err(Ended::WithoutAnswer),
            Step::Answer | Step::HeaderLength | Step::Header(_) => Err(Ended::Handshake),
            Step::Content { received, size } if received < size => Err(Ended::Short { received, size }),
            Step::Content { .. } | Step::Complete | Step::NotFound => Ok(()),
        }
    }
}

/// The path is empty or too long for these dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the classic dialects carry paths of 1 to {MAX_PATH} bytes only")]
pub struct Unaskable;

/// How an exchange ended early; also used when nothing is received within the timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Closed before any answer.
    #[error("closed the connection without an answer; a classic asyncio server does this for a missing file")]
    WithoutAnswer,
    /// Closed in the middle of the handshake.
    #[error("closed the connection in the middle of the handshake")]
    Handshake,
    /// The last bytes were not received.
    #[error("never sent the last {missing} of {size} bytes{}", whole_kib_only(*received, *size), missing = size - received)]
    Short {
        /// Received bytes.
        received: u64,
        /// Bytes that were announced.
        size: u64,
    },
}

/// The originals count short reads as whole KiB: the likely reason.
fn whole_kib_only(received: u64, size: u64) -> &'static str {
    if received == size / 1024 * 1024 { " (the original servers send whole KiB only)" } else { "" }
}
