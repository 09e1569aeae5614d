//! A minimal server of contents in memory.

use std::{collections::BTreeMap, convert::Infallible};

use fdsp::protocol::{
    client::Request,
    digest::{BLOCK_SIZE, BlockDigest, BlockHasher},
    error::{Code, Violation},
    frame::outgoing::Outgoing,
    message::{
        Content, Entries, Failure, FileHead, Files, Form, Kind, Meta, Sources, Timestamp, Totals, TreeEntry,
        TreeNode, Welcome,
    },
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
    /// Fails with `changed` after this number of bytes.
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
    /// Nothing more is to be sent.
    pub said_goodbye: bool,
}

impl Memory {
    pub fn new(stored: BTreeMap<String, Stored>, listing: Option<Entries>) -> Memory {
        Memory { stored, listing, ..Memory::default() }
    }

    /// Receives bytes and answers their requests.
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
        let working = match request {
            Request::List(list) => list.working,
            Request::Get(get) => get.working,
            Request::Tree(tree) => tree.working,
            _ => false,
        };
        if working {
            self.server.working(id, out);
            self.server.working(id, out);
        }
        let path = match request {
            Request::Stat(stat) => &stat.path,
            Request::List(list) => match &self.listing {
                Some(entries) => return self.server.entries(id, entries, out),
                None => &list.path,
            },
            Request::Get(get) | Request::Hashes(get) => &get.path,
            Request::Tree(tree) => &tree.path,
            Request::Files(files) => &files.path,
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
            Request::Tree(_) => self.tree(id, &stored, out),
            Request::Files(files) => self.files(id, files, &stored, out),
            Request::List(_) => self.server.failure(id, &failure(Code::WrongKind, path), out),
            Request::Hashes(get) if stored.archive || get.form == Form::Zip => {
                self.server.failure(id, &failure(Code::WrongKind, path), out);
            }
            Request::Get(get) | Request::Hashes(get) => {
                if get.identity.as_ref().is_some_and(|identity| *identity != stored.identity) {
                    return self.server.failure(id, &failure(Code::Changed, path), out);
                }
                if get.first_block * BLOCK_SIZE > size {
                    return self.server.failure(id, &failure(Code::Range, path), out);
                }
                let first = get.first_block;
                let end = get.blocks.map_or(size, |blocks| ((first + blocks) * BLOCK_SIZE).min(size));
                let range = first * BLOCK_SIZE..end;
                match request {
                    Request::Hashes(_) => self.hash(id, range, path, &stored, out),
                    _ => self.send(id, range, get.skip, path, &stored, out),
                }
            }
        }
    }

    /// A directory in which the content is `a`, and a link to it.
    fn tree(&mut self, id: u32, stored: &Stored, out: &mut Outgoing) {
        let size = stored.bytes.len() as u64;
        let mut writer = self.server.tree(id, out);
        for (path, node) in [
            ("", TreeNode::Directory),
            ("a", TreeNode::File { size, identity: stored.identity.clone() }),
            ("l", TreeNode::Link { target: "a".to_owned() }),
        ] {
            writer.push(&TreeEntry { path: path.to_owned(), modified: MODIFIED, mode: 0o644, node }, out);
            // In pages, as a server that sends while it walks.
            if path == "a" {
                writer.flush(out);
            }
        }
        let totals = writer.end(2, None, out);
        assert_eq!(
            totals,
            Totals { bytes: size, files: 1, directories: 1, links: 1, omitted: 2, ..Totals::default() }
        );
    }

    /// Files of that directory.
    fn files(&mut self, id: u32, files: &Files, stored: &Stored, out: &mut Outgoing) {
        let mut writer = self.server.files(id, out);
        let (size, identity) = (stored.bytes.len() as u64, stored.identity.clone());
        let head = FileHead { size, modified: MODIFIED, mode: 0o644, identity, skip: 0 };
        let digest = blake3::hash(&stored.bytes).to_string();
        for file in &files.files {
            let is_same = file.digest.as_ref() == Some(&digest);
            match file.path.as_str() {
                "a" if is_same => writer.same(out),
                "a" if !files.content => writer.differs(out),
                "a" if stored.breaks_at.is_some() => {
                    let mut content = writer.begin(&head, out);
                    let Ok(_) = content.data(out, |_| Ok::<_, Infallible>(Filled { bytes: 1, position: 1 }));
                    writer.missed(&failure(Code::Changed, "a"), out);
                }
                "a" => writer.whole(&head, &stored.bytes, out),
                other => writer.missed(&failure(Code::NotFound, other), out),
            }
        }
        writer.end(out);
    }

    fn hash(
        &mut self,
        id: u32,
        range: std::ops::Range<u64>,
        path: &str,
        stored: &Stored,
        out: &mut Outgoing,
    ) {
        let first = range.start / BLOCK_SIZE;
        let range = range.start as usize..range.end as usize;
        let blocks: Vec<BlockDigest> = (first..)
            .zip(stored.bytes[range.clone()].chunks(BLOCK_SIZE as usize))
            .map(|(index, block)| {
                let mut hasher = BlockHasher::new(index);
                hasher.update(block);
                hasher.finish()
            })
            .collect();
        let mut writer = self.server.hashes(id, &announcement(path, stored, first), out);
        // In two frames, as a server that sends while it hashes.
        let (some, rest) = blocks.split_at(blocks.len() / 2);
        writer.push(some, out);
        assert_eq!(writer.next_block(), first + some.len() as u64);
        if stored.breaks_at.is_some() {
            return self.server.failure(id, &failure(Code::Changed, path), out);
        }
        writer.push(rest, out);
        let root = writer.end(&stored.identity, out);
        let whole = (range == (0..stored.bytes.len())).then(|| blake3::hash(&stored.bytes).to_string());
        assert_eq!(root.map(|root| root.to_string()), whole);
    }

    fn send(
        &mut self,
        id: u32,
        range: std::ops::Range<u64>,
        skip: u64,
        path: &str,
        stored: &Stored,
        out: &mut Outgoing,
    ) {
        let size = stored.bytes.len() as u64;
        if skip > 0 && skip >= (range.end - range.start).min(BLOCK_SIZE) {
            return self.server.failure(id, &failure(Code::Range, path), out);
        }
        let content = Content { skip, ..announcement(path, stored, range.start / BLOCK_SIZE) };
        let mut writer = self.server.content(id, &content, out);
        let mut offset = range.start + skip;
        writer.skipped(&stored.bytes[range.start as usize..offset as usize]);
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

/// The frame before a range of a content.
fn announcement(path: &str, stored: &Stored, first_block: u64) -> Content {
    let size = stored.bytes.len() as u64;
    Content {
        form: if stored.archive { Form::Zip } else { Form::File },
        name: path.to_owned(),
        size: (!stored.archive).then_some(size),
        sources: stored.archive.then_some(Sources { bytes: size, files: 1, ..Sources::default() }),
        modified: MODIFIED,
        mode: 0o644,
        identity: stored.identity.clone(),
        first_block,
        skip: 0,
        data_bytes: None,
    }
}

pub fn failure(code: Code, message: &str) -> Failure {
    Failure { code, message: message.to_owned(), path: None, retry_after: None }
}
