//! A server of contents in memory: the machine, and the least that one needs around it.

use std::{collections::BTreeMap, convert::Infallible};

use fdsp::protocol::{
    client::Request,
    digest::BLOCK_SIZE,
    error::{Code, Violation},
    message::{Content, Entries, Failure, Form, Kind, Meta, Sources, Timestamp, Welcome},
    outgoing::Outgoing,
    server::{Event, Filled, Server},
};

pub const MODIFIED: Timestamp = Timestamp { seconds: 1_700_000_000, nanoseconds: 5 };

/// A content that the server has.
#[derive(Clone, Debug)]
pub struct Stored {
    pub bytes: Vec<u8>,
    pub identity: String,
    /// As an archive: its size is not known beforehand.
    pub archive: bool,
    /// Fails with `changed` when so many bytes were sent.
    pub breaks_at: Option<u64>,
}

impl Stored {
    pub fn file(bytes: Vec<u8>) -> Stored {
        Stored { bytes, identity: "v1".to_owned(), archive: false, breaks_at: None }
    }

    pub fn archive(bytes: Vec<u8>) -> Stored {
        Stored { archive: true, ..Stored::file(bytes) }
    }
}

/// The server's side of one connection.
#[derive(Debug, Default)]
pub struct Memory {
    server: Server,
    pub stored: BTreeMap<String, Stored>,
    /// The answer to every `list`.
    pub listing: Option<Entries>,
    /// Nothing more is to be said.
    pub said_goodbye: bool,
}

impl Memory {
    pub fn new(stored: BTreeMap<String, Stored>, listing: Option<Entries>) -> Memory {
        Memory { stored, listing, ..Memory::default() }
    }

    /// Takes received bytes and answers all that they ask for.
    pub fn serve(&mut self, mut bytes: &[u8], out: &mut Outgoing) -> Result<(), Violation> {
        loop {
            let (used, event) = match self.server.receive(bytes) {
                Ok(received) => received,
                Err(violation) => {
                    self.server.abort(&failure(Code::Violation, &violation.to_string()), out);
                    return Err(violation);
                }
            };
            match event {
                None if used == 0 => return Ok(()),
                None => {}
                Some(Event::Hello(_)) => {
                    let welcome = Welcome { agent: "test server".to_owned(), pipeline: 8, parallel: 4 };
                    self.server.welcome(&welcome, out);
                }
                Some(Event::Request { id, request }) => self.answer(id, &request, out),
                Some(Event::Unsupported { id }) => {
                    self.server.failure(id, &failure(Code::Unsupported, "no"), out);
                }
                Some(Event::Goodbye(_)) => {
                    self.server.goodbye("bye", out);
                    self.said_goodbye = true;
                }
            }
            bytes = &bytes[used..];
        }
    }

    fn answer(&mut self, id: u32, request: &Request, out: &mut Outgoing) {
        let path = match request {
            Request::Stat(stat) => &stat.path,
            Request::List(list) => match &self.listing {
                Some(entries) => return self.server.entries(id, entries, out),
                None => &list.path,
            },
            Request::Get(get) => &get.path,
        };
        let Some(stored) = self.stored.get(path).cloned() else {
            return self.server.failure(id, &failure(Code::NotFound, path), out);
        };
        let size = stored.bytes.len() as u64;
        match request {
            Request::Stat(_) => {
                let meta = Meta {
                    kind: Kind::File,
                    name: path.clone(),
                    size: Some(size),
                    modified: MODIFIED,
                    mode: 0o644,
                    identity: Some(stored.identity),
                };
                self.server.meta(id, &meta, out);
            }
            Request::List(_) => self.server.failure(id, &failure(Code::WrongKind, path), out),
            Request::Get(get) => {
                if get.identity.as_ref().is_some_and(|identity| *identity != stored.identity) {
                    return self.server.failure(id, &failure(Code::Changed, path), out);
                }
                if get.first_block * BLOCK_SIZE > size {
                    return self.server.failure(id, &failure(Code::Range, path), out);
                }
                let first = get.first_block;
                let end = get.blocks.map_or(size, |blocks| ((first + blocks) * BLOCK_SIZE).min(size));
                self.send(id, first * BLOCK_SIZE..end, path, &stored, out);
            }
        }
    }

    fn send(
        &mut self,
        id: u32,
        range: std::ops::Range<u64>,
        path: &str,
        stored: &Stored,
        out: &mut Outgoing,
    ) {
        let size = stored.bytes.len() as u64;
        let content = Content {
            form: if stored.archive { Form::Zip } else { Form::File },
            name: path.to_owned(),
            size: (!stored.archive).then_some(size),
            sources: stored.archive.then_some(Sources { bytes: size, files: 1, ..Sources::default() }),
            modified: MODIFIED,
            mode: 0o644,
            identity: stored.identity.clone(),
            first_block: range.start / BLOCK_SIZE,
        };
        let mut writer = self.server.content(id, &content, out);
        let mut offset = range.start;
        while offset < range.end {
            assert_eq!((writer.offset(), writer.next_block()), (offset, offset / BLOCK_SIZE));
            if stored.breaks_at.is_some_and(|at| offset >= at) {
                return self.server.failure(id, &failure(Code::Changed, path), out);
            }
            let left = usize::try_from(range.end - offset).expect("memory is smaller");
            let from = usize::try_from(offset).expect("memory is smaller");
            let written = writer.data(out, |place| {
                let bytes = left.min(place.len());
                place[..bytes].copy_from_slice(&stored.bytes[from..from + bytes]);
                Ok::<_, Infallible>(Filled { bytes, position: offset + bytes as u64 })
            });
            let Ok(written) = written;
            offset += written as u64;
        }
        let root = writer.end(&stored.identity, offset, offset == size, out);
        if range == (0..size) {
            assert_eq!(root.map(|root| root.to_string()), Some(blake3::hash(&stored.bytes).to_string()));
        } else {
            assert_eq!(root, None);
        }
    }
}

pub fn failure(code: Code, message: &str) -> Failure {
    Failure { code, message: message.to_owned(), path: None, retry_after: None }
}
