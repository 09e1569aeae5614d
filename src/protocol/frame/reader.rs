//! Cuts a stream of bytes into frames: the half that both machines share.

use super::{HASH_LEN, HASHES_HEADER_LEN, HEADER, Header, Kind};
use crate::protocol::{
    error::{UnknownProtocol, Violation},
    preamble::{self, Versions},
};

/// The maximum memory that is kept between control messages.
const MAX_RETAINED_LEN: usize = 1024;

/// Reads the preamble, then frames. Incomplete frames are kept inside, except content, which is passed on
/// as it is received; nothing is allocated for bytes that are only announced.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    /// The beginning of a preamble or header.
    head: Vec<u8>,
    /// The beginning of a payload of any frame but `data`.
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Preamble,
    Header,
    /// In the payload of any frame but `data`.
    Message(Header),
    /// In the payload of a `data` frame, of which this many bytes are missing.
    Data(u32),
}

/// The next piece of the stream.
#[derive(Debug)]
pub(crate) enum Piece<'input, 'payload> {
    /// The preamble.
    Preamble(Versions),
    /// A frame begins; the caller checks now whether it is allowed, before its payload is received.
    Header(Header),
    /// A complete payload, of any frame but `data`.
    Message(Header, &'payload [u8]),
    /// Some of the payload of a `data` frame.
    Data(&'input [u8]),
}

impl Reader {
    pub(crate) fn new() -> Reader {
        Reader { state: State::Preamble, head: Vec::with_capacity(HEADER), payload: Vec::new() }
    }

    /// Whether the stream may end here: between two frames.
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header) && self.head.is_empty()
    }

    /// The violation of a stream that ends before its preamble is complete; `None` if it is complete.
    pub(crate) fn ended_early(&self) -> Option<Violation> {
        match self.state {
            State::Preamble if self.head.is_empty() => Some(Violation::NotOurs(UnknownProtocol::Silent)),
            State::Preamble if preamble::may_begin(&self.head) => Some(Violation::Truncated),
            State::Preamble => Some(Violation::NotOurs(UnknownProtocol::Unknown)),
            _ => None,
        }
    }

    /// Takes the next piece off the front of `input`; `None` when all of it is used and more is needed.
    pub(crate) fn next<'input, 'payload>(
        &'payload mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<Piece<'input, 'payload>>, Violation>
    where
        'input: 'payload,
    {
        match self.state {
            State::Preamble => self.preamble(input),
            State::Header => self.header(input),
            State::Message(header) => Ok(self.message(header, input)),
            State::Data(left) => Ok(self.data(left, input).map(Piece::Data)),
        }
    }

    /// Byte by byte, so that the guess of an unknown protocol does not depend on how its bytes are cut.
    fn preamble<'input>(
        &mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<Piece<'input, 'static>>, Violation> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.head.push(byte);
            if let Some(protocol) = unknown_protocol(&self.head) {
                return Err(Violation::NotOurs(protocol));
            }
            if let Some(bytes) = self.head.first_chunk() {
                let versions = Versions::decode(bytes).ok_or(Violation::Preamble)?;
                self.head.clear();
                self.state = State::Header;
                return Ok(Some(Piece::Preamble(versions)));
            }
        }
        Ok(None)
    }

    fn header<'input>(
        &mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<Piece<'input, 'static>>, Violation> {
        self.payload.clear();
        if self.payload.capacity() > MAX_RETAINED_LEN {
            self.payload = Vec::new();
        }
        gather(&mut self.head, input, HEADER);
        let Some(bytes) = self.head.first_chunk() else { return Ok(None) };
        let header = Header::decode(bytes)?;
        self.head.clear();
        self.state = match header.kind {
            Kind::Data if header.length == 0 => return Err(Violation::Header("a data frame without data")),
            Kind::Data => State::Data(header.length),
            Kind::Block if header.length < Kind::Block.max_length() => {
                return Err(Violation::Header("a block frame that is too short"));
            }
            Kind::Done if header.length < Kind::Done.max_length() => {
                return Err(Violation::Header("a done frame that is too short"));
            }
            Kind::HashesAnswer if !holds_hashes(header.length as usize) => {
                return Err(Violation::Header("a hashes frame that does not hold whole values"));
            }
            _ => State::Message(header),
        };
        Ok(Some(Piece::Header(header)))
    }

    fn message<'input, 'payload>(
        &'payload mut self,
        header: Header,
        input: &mut &'input [u8],
    ) -> Option<Piece<'input, 'payload>>
    where
        'input: 'payload,
    {
        let length = header.length as usize;
        if self.payload.is_empty() && input.len() >= length {
            let (payload, rest) = input.split_at(length);
            *input = rest;
            self.state = State::Header;
            return Some(Piece::Message(header, payload));
        }
        if gather(&mut self.payload, input, length) < length {
            return None;
        }
        self.state = State::Header;
        Some(Piece::Message(header, &self.payload))
    }

    fn data<'input>(&mut self, left: u32, input: &mut &'input [u8]) -> Option<&'input [u8]> {
        let count = u32::try_from(input.len()).map_or(left, |available| available.min(left));
        if count == 0 {
            return None;
        }
        let (bytes, rest) = input.split_at(count as usize);
        *input = rest;
        self.state = if count == left { State::Header } else { State::Data(left - count) };
        Some(bytes)
    }
}

/// Whether a payload of this many bytes is an index and at least one value.
fn holds_hashes(length: usize) -> bool {
    length > HASHES_HEADER_LEN && (length - HASHES_HEADER_LEN).is_multiple_of(HASH_LEN)
}

/// Moves bytes from the front of `input` until `kept` has `length` of them; returns how many it has.
fn gather(kept: &mut Vec<u8>, input: &mut &[u8], length: usize) -> usize {
    let missing = length.saturating_sub(kept.len());
    let (bytes, rest) = input.split_at(missing.min(input.len()));
    kept.extend_from_slice(bytes);
    *input = rest;
    kept.len()
}

/// The protocol of a peer that begins like this, if it is certainly another one.
fn unknown_protocol(begin: &[u8]) -> Option<UnknownProtocol> {
    let undecided = preamble::may_begin(begin) || UnknownProtocol::may_begin(begin);
    UnknownProtocol::of(begin).or((!undecided).then_some(UnknownProtocol::Unknown))
}

#[cfg(test)]
mod tests {
    use crate::protocol::frame::MAX_CONTROL;
    use crate::protocol::frame::reader::*;

    fn begun() -> Reader {
        let mut reader = Reader::new();
        let preamble = Versions::OURS.encode();
        assert!(matches!(reader.next(&mut &preamble[..]), Ok(Some(Piece::Preamble(_)))));
        reader
    }

    fn header(kind: Kind, length: u32) -> [u8; HEADER] {
        Header { kind, length, request: 1 }.encode()
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut reader = begun();
        let header = header(Kind::Meta, MAX_CONTROL);
        assert!(matches!(reader.next(&mut &header[..]), Ok(Some(Piece::Header(_)))));
        assert!(matches!(reader.next(&mut &b"{"[..]), Ok(None)));
        assert!(reader.payload.capacity() < 100, "{}", reader.payload.capacity());
        let rest = vec![b' '; MAX_CONTROL as usize];
        for byte in rest.chunks(1000) {
            let _ = reader.next(&mut &byte[..]);
        }
        assert!(reader.payload.capacity() <= 2 * MAX_CONTROL as usize);
    }

    #[test]
    fn an_idle_reader_holds_little_memory() {
        let mut reader = begun();
        let frame = [&header(Kind::Meta, 50_000)[..], &[b'x'; 50_000]].concat();
        for piece in frame.chunks(49_000) {
            let mut piece = piece;
            while let Ok(Some(_)) = reader.next(&mut piece) {}
        }
        assert!(reader.is_between_frames());
        assert!(matches!(reader.next(&mut &b""[..]), Ok(None)));
        assert!(reader.payload.capacity() <= MAX_RETAINED_LEN);
    }

    #[test]
    fn content_is_not_buffered() {
        let mut reader = begun();
        let header = header(Kind::Data, 100_000);
        assert!(matches!(reader.next(&mut &header[..]), Ok(Some(Piece::Header(_)))));
        let bytes = [7; 60_000];
        assert!(matches!(reader.next(&mut &bytes[..]), Ok(Some(Piece::Data(data))) if data.len() == 60_000));
        let mut rest = &bytes[..];
        assert!(matches!(reader.next(&mut rest), Ok(Some(Piece::Data(data))) if data.len() == 40_000));
        assert_eq!((rest.len(), reader.payload.capacity()), (20_000, 0));
    }
}
