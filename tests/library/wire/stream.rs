//! Streams built byte by byte from the tables of the specification, without the program's own encoders.

use fdsp::protocol::{
    client::{Client, Event},
    error::Violation,
    server::{self, Server},
};
use serde_json::Value;

pub const MIB: usize = 1 << 20;
pub const PREAMBLE: [u8; 8] = [0, b'F', b'D', b'S', b'P', 1, 1, 0];

pub const HELLO: u8 = 0x01;
pub const STAT: u8 = 0x02;
pub const LIST: u8 = 0x03;
pub const GET: u8 = 0x04;
pub const HASHES: u8 = 0x05;
pub const TREE: u8 = 0x06;
pub const FILES: u8 = 0x07;
pub const RESERVED: u8 = 0x08;
pub const GOODBYE: u8 = 0x0f;
pub const WELCOME: u8 = 0x81;
pub const META: u8 = 0x82;
pub const ENTRIES: u8 = 0x83;
pub const CONTENT: u8 = 0x84;
pub const VALUES: u8 = 0x85;
pub const TREE_PAGE: u8 = 0x86;
pub const FILE: u8 = 0x87;
pub const DONE: u8 = 0x88;
pub const SAME: u8 = 0x89;
pub const DIFFERS: u8 = 0x8a;
pub const MISSED: u8 = 0x8b;
pub const WORKING: u8 = 0x8c;
pub const DATA: u8 = 0x90;
pub const BLOCK: u8 = 0x91;
pub const END: u8 = 0x92;
pub const HOLE: u8 = 0x93;
pub const ERROR: u8 = 0x9f;

/// Content that differs from block to block.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8 ^ (i >> 20) as u8).collect()
}

/// A stream under construction.
#[derive(Clone, Default)]
pub struct Stream(pub Vec<u8>);

impl Stream {
    /// Begins with a preamble.
    pub fn new() -> Stream {
        Stream(PREAMBLE.to_vec())
    }

    /// The first frames of every server.
    pub fn welcomed() -> Stream {
        Stream::new().json(WELCOME, 0, &serde_json::json!({"agent": "test", "pipeline": 8, "parallel": 4}))
    }

    /// The first frames of every client.
    pub fn greeted() -> Stream {
        Stream::new().json(HELLO, 0, &serde_json::json!({"agent": "test"}))
    }

    pub fn raw(mut self, bytes: &[u8]) -> Stream {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn header(self, kind: u8, length: u32, request: u32) -> Stream {
        self.raw(&[kind, 0, 0, 0]).raw(&length.to_le_bytes()).raw(&request.to_le_bytes())
    }

    pub fn frame(self, kind: u8, request: u32, payload: &[u8]) -> Stream {
        self.header(kind, u32::try_from(payload.len()).expect("a short payload"), request).raw(payload)
    }

    pub fn json(self, kind: u8, request: u32, message: &Value) -> Stream {
        self.frame(kind, request, message.to_string().as_bytes())
    }

    /// The `data` frames of one block, and its mark.
    pub fn block(self, request: u32, index: u64, position: u64, content: &[u8]) -> Stream {
        self.data(request, content).mark(request, index, position, &chaining(index, content))
    }

    pub fn data(mut self, request: u32, content: &[u8]) -> Stream {
        for bytes in content.chunks(256 * 1024) {
            self = self.frame(DATA, request, bytes);
        }
        self
    }

    /// Block hashes.
    pub fn values(self, request: u32, first: u64, hashes: &[[u8; 32]]) -> Stream {
        let payload = [&first.to_le_bytes()[..], hashes.as_flattened()].concat();
        self.frame(VALUES, request, &payload)
    }

    pub fn mark(self, request: u32, index: u64, position: u64, hash: &[u8]) -> Stream {
        let payload = [&index.to_le_bytes(), &position.to_le_bytes(), hash].concat();
        self.frame(BLOCK, request, &payload)
    }
}

/// The chaining value of a block.
pub fn chaining(index: u64, content: &[u8]) -> [u8; 32] {
    use blake3::hazmat::HasherExt;
    blake3::Hasher::new().set_input_offset(index << 20).update(content).finalize_non_root()
}

pub fn blake3_hex(content: &[u8]) -> String {
    blake3::hash(content).to_string()
}

/// The events of a machine, with content joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Data(u32, Vec<u8>),
    Event(String),
    Violation(Violation),
}

/// Adds an event of the client; pieces of content are joined.
pub fn note(seen: &mut Vec<Seen>, event: &Event<'_>) {
    match (event, seen.last_mut()) {
        (Event::Data { request, bytes }, Some(Seen::Data(last, content))) if last == request => {
            content.extend_from_slice(bytes);
        }
        (Event::Data { request, bytes }, _) => seen.push(Seen::Data(*request, bytes.to_vec())),
        (event, _) => seen.push(Seen::Event(format!("{event:?}"))),
    }
}

/// Passes a client these pieces, one after the other.
pub fn feed_client<'a>(client: &mut Client, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for mut piece in pieces {
        loop {
            match client.receive(piece) {
                Ok((0, None)) => break,
                Ok((used, event)) => {
                    piece = &piece[used..];
                    event.iter().for_each(|event| note(&mut seen, event));
                }
                Err(violation) => {
                    assert_eq!(client.receive(b"more"), Err(violation.clone()), "a violation is final");
                    seen.push(Seen::Violation(violation));
                    return seen;
                }
            }
        }
        assert!(piece.is_empty(), "what is not used waits for nothing");
    }
    seen
}

/// Passes a server these pieces, one after the other.
pub fn feed_server<'a>(
    server: &mut Server,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<server::Event>, Option<Violation>) {
    let mut events = Vec::new();
    for mut piece in pieces {
        loop {
            match server.receive(piece) {
                Ok((0, None)) => break,
                Ok((used, event)) => {
                    piece = &piece[used..];
                    events.extend(event);
                }
                Err(violation) => {
                    assert_eq!(server.receive(b"more"), Err(violation.clone()), "a violation is final");
                    return (events, Some(violation));
                }
            }
        }
        assert!(piece.is_empty(), "what is not used waits for nothing");
    }
    (events, None)
}
