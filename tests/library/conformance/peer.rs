//! A small synchronous client of the protocol's state machine.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
};

use fdsp::protocol::{
    client::{Block, Client, Event, Request},
    digest::Hash,
    error::{Code, Violation},
    message::{
        Content, End, Entries, Failure, FileHead, Files, Get, List, Meta, NameForm, Stat, Totals, Tree,
        TreeEntry, TreePage, WantedFile,
    },
};

use socket2::{Domain, Socket, Type};

use crate::conformance::line::Line;

/// One connection of a client.
pub struct Peer {
    pub line: Line,
    pub machine: Client,
    /// The local bytes of the first block of each content that it requests with a `skip`, in order.
    pub kept: VecDeque<Vec<u8>>,
    /// The present answer.
    announced: Option<Content>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// A received event, owned.
#[derive(Debug)]
pub enum Incoming {
    Welcome,
    Meta(Meta),
    Entries(Entries),
    Content(Content),
    /// Passed to the sink.
    Data,
    Block(Block),
    Hashes(Vec<Hash>),
    End(End, Option<Hash>),
    Tree(TreePage),
    File(FileHead),
    Done(Option<Hash>),
    Same,
    Differs,
    Missed(Failure),
    FilesEnd,
    Failed(u32, Failure),
    Goodbye,
    /// The server closed.
    Closed(Result<(), Violation>),
}

/// Content that was received in full.
#[derive(Debug)]
pub struct Received {
    pub content: Content,
    pub bytes: Vec<u8>,
    pub blocks: Vec<Block>,
    pub end: End,
    pub root: Option<Hash>,
}

/// The result of one of many files.
#[derive(Debug)]
pub enum Answer {
    Whole(FileHead, Vec<u8>),
    Same,
    Differs,
    Missed(Failure),
}

/// A `files` for these, without digests.
pub fn files(path: &str, files: &[&str]) -> Files {
    let files = files.iter().map(|path| WantedFile { path: (*path).into(), digest: None, skip: 0 }).collect();
    Files { path: path.into(), files, content: true, largest: None }
}

/// A `get` of everything.
pub fn get(path: &str) -> Get {
    Get { path: path.into(), ..Get::default() }
}

/// A `stat`.
pub fn stat(path: &str) -> Request {
    Request::Stat(Stat { path: path.into() })
}

impl Peer {
    /// Connects; nothing is sent yet.
    pub fn connect(address: SocketAddr) -> Peer {
        Peer::over(Line::connect(address))
    }

    /// Connects from a certain address.
    pub fn connect_from(source: [u8; 4], address: SocketAddr) -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Peer::over(Line::over(socket.into(), address))
    }

    fn over(line: Line) -> Peer {
        let machine = Client::new("conformance");
        Peer {
            line,
            machine,
            kept: VecDeque::new(),
            announced: None,
            buffer: vec![0; 256 * 1024],
            start: 0,
            end: 0,
        }
    }

    /// Sends the outgoing bytes of the machine.
    pub fn flush(&mut self) {
        self.try_flush().unwrap();
    }

    /// Sends the outgoing bytes of the machine to a server that may have closed.
    pub fn try_flush(&mut self) -> std::io::Result<()> {
        while !self.machine.outgoing().is_empty() {
            let count = self.line.write(self.machine.outgoing())?;
            self.machine.sent(count);
        }
        Ok(())
    }

    /// Sends a request.
    pub fn request(&mut self, request: &Request) -> u32 {
        let id = self.machine.request(request);
        self.flush();
        id
    }

    /// The next event; content is passed to `sink`.
    pub fn next_into(&mut self, sink: &mut dyn FnMut(&[u8])) -> Incoming {
        loop {
            let (used, event) = self.machine.receive(&self.buffer[self.start..self.end]).unwrap();
            self.start += used;
            match event {
                Some(Event::Data { bytes, .. }) => {
                    sink(bytes);
                    return Incoming::Data;
                }
                Some(Event::Hole { length, .. }) => {
                    sink(&vec![0; length as usize]);
                    return Incoming::Data;
                }
                Some(Event::Working { .. }) => continue,
                Some(event) => return own(event),
                None if used > 0 => continue,
                None => {}
            }
            self.start = 0;
            self.end = match self.line.read(&mut self.buffer) {
                Ok(count) => count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) =>
                {
                    0
                }
                Err(error) => panic!("{error}"),
            };
            if self.end == 0 {
                return Incoming::Closed(self.machine.end_of_stream());
            }
        }
    }

    /// Passes the machine the local bytes of a content that is announced with this `skip`, and returns them.
    fn skipped(&mut self, skip: u64) -> Vec<u8> {
        if skip == 0 {
            return Vec::new();
        }
        let kept = self.kept.pop_front().expect("nothing else is skipped");
        assert_eq!(kept.len() as u64, skip);
        self.machine.skipped(&kept);
        kept
    }

    /// The next event after the greeting.
    pub fn next(&mut self) -> Incoming {
        loop {
            match self.next_into(&mut |_| {}) {
                Incoming::Welcome => {}
                incoming => return incoming,
            }
        }
    }

    /// The rest of an answer to a `get`.
    pub fn receive_into(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<Received, Failure> {
        let mut blocks = Vec::new();
        loop {
            match self.next_into(sink) {
                Incoming::Welcome | Incoming::Data => {}
                Incoming::Content(content) => {
                    self.skipped(content.skip);
                    self.announced = Some(content);
                }
                Incoming::Block(block) => {
                    assert!(block.is_intact(), "{block:?}");
                    blocks.push(block);
                }
                Incoming::End(end, root) => {
                    let content = self.announced.take().expect("content before its end");
                    return Ok(Received { content, bytes: Vec::new(), blocks, end, root });
                }
                Incoming::Failed(_, failure) => return Err(failure),
                other => panic!("{other:?} in the middle of an answer"),
            }
        }
    }

    /// The rest of an answer to a `get`, with its bytes.
    pub fn receive(&mut self) -> Result<Received, Failure> {
        let mut bytes = Vec::new();
        let received = self.receive_into(&mut |data| bytes.extend_from_slice(data))?;
        Ok(Received { bytes, ..received })
    }

    /// Fetches content.
    pub fn get(&mut self, get: Get) -> Result<Received, Failure> {
        self.request(&Request::Get(get));
        self.receive()
    }

    /// Requests the hashes of blocks.
    pub fn hashes(&mut self, get: Get) -> Result<(Content, Vec<Hash>, End), Failure> {
        self.request(&Request::Hashes(get));
        self.receive_hashes()
    }

    /// The rest of an answer to a `hashes`.
    pub fn receive_hashes(&mut self) -> Result<(Content, Vec<Hash>, End), Failure> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                Incoming::Content(content) => self.announced = Some(content),
                Incoming::Hashes(hashes) => all.extend(hashes),
                Incoming::End(end, _) => return Ok((self.announced.take().expect("content"), all, end)),
                Incoming::Failed(_, failure) => return Err(failure),
                other => panic!("{other:?} among hashes"),
            }
        }
    }

    /// Requests a page.
    pub fn list(&mut self, path: &str, after: Option<&str>, limit: Option<u32>) -> Result<Entries, Failure> {
        let names = NameForm::default();
        self.request(&Request::List(List {
            path: path.into(),
            after: after.map(Into::into),
            limit,
            names,
            ..List::default()
        }));
        match self.next() {
            Incoming::Entries(entries) => Ok(entries),
            Incoming::Failed(_, failure) => Err(failure),
            other => panic!("{other:?} for a listing"),
        }
    }

    /// Requests the entries of a tree.
    pub fn tree(&mut self, path: &str) -> Result<(Vec<TreeEntry>, Totals), Failure> {
        self.request(&Request::Tree(Tree { path: path.into(), ..Default::default() }));
        self.receive_tree()
    }

    /// The rest of an answer to a `tree`.
    pub fn receive_tree(&mut self) -> Result<(Vec<TreeEntry>, Totals), Failure> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                Incoming::Tree(page) => {
                    all.extend(page.entries);
                    if let Some(totals) = page.totals {
                        return Ok((all, totals));
                    }
                }
                Incoming::Failed(_, failure) => return Err(failure),
                other => panic!("{other:?} in a tree"),
            }
        }
    }

    /// Fetches files.
    pub fn files(&mut self, files: Files) -> Result<Vec<Answer>, Failure> {
        self.request(&Request::Files(files));
        self.receive_files()
    }

    /// The rest of an answer to a `files`.
    pub fn receive_files(&mut self) -> Result<Vec<Answer>, Failure> {
        let mut all = Vec::new();
        let (mut announced, mut bytes) = (None, Vec::new());
        loop {
            match self.next_into(&mut |data| bytes.extend_from_slice(data)) {
                Incoming::Welcome | Incoming::Data => {}
                Incoming::File(head) => {
                    bytes.extend(self.skipped(head.skip));
                    announced = Some(head);
                }
                Incoming::Block(block) => assert!(block.is_intact(), "{block:?}"),
                Incoming::Done(root) => {
                    let head = announced.take().expect("a file before its end");
                    assert_eq!((head.size, root), (bytes.len() as u64, Some(Hash::of(&bytes))));
                    all.push(Answer::Whole(head, std::mem::take(&mut bytes)));
                }
                Incoming::Same => all.push(Answer::Same),
                Incoming::Differs => all.push(Answer::Differs),
                Incoming::Missed(failure) => {
                    bytes.clear();
                    all.push(Answer::Missed(failure));
                }
                Incoming::FilesEnd => return Ok(all),
                Incoming::Failed(_, failure) => return Err(failure),
                other => panic!("{other:?} among files"),
            }
        }
    }

    /// Requests the metadata of a path.
    pub fn stat(&mut self, path: &str) -> Result<Meta, Failure> {
        self.request(&stat(path));
        match self.next() {
            Incoming::Meta(meta) => Ok(meta),
            Incoming::Failed(_, failure) => Err(failure),
            other => panic!("{other:?} for a stat"),
        }
    }

    /// Reads until content is received.
    pub fn begin(&mut self, get: Get) {
        self.request(&Request::Get(get));
        loop {
            match self.next() {
                Incoming::Content(content) => self.announced = Some(content),
                Incoming::Data => return,
                other => panic!("{other:?} instead of content"),
            }
        }
    }

    /// Sends a goodbye and reads to the end.
    pub fn leave(mut self) {
        self.machine.goodbye("done");
        self.flush();
        match self.next() {
            Incoming::Closed(Ok(())) => {}
            other => panic!("{other:?} after a goodbye"),
        }
    }

    /// All events until the server closes.
    pub fn rest(&mut self) -> Vec<Incoming> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                closed @ Incoming::Closed(_) => {
                    all.push(closed);
                    return all;
                }
                Incoming::Data => {}
                incoming => all.push(incoming),
            }
        }
    }

    /// Reads until the server closes, and expects an error for the connection.
    pub fn expect_error(&mut self, code: Code) {
        let all = self.rest();
        let is_error = all
            .iter()
            .any(|incoming| matches!(incoming, Incoming::Failed(0, failure) if failure.code == code));
        assert!(is_error, "no {code:?} in {all:?}");
    }
}

fn own(event: Event<'_>) -> Incoming {
    match event {
        Event::Welcome(_) => Incoming::Welcome,
        Event::Meta { meta, .. } => Incoming::Meta(meta),
        Event::Entries { entries, .. } => Incoming::Entries(entries),
        Event::Content { content, .. } => Incoming::Content(content),
        Event::Data { .. } | Event::Hole { .. } => Incoming::Data,
        Event::Block { block, .. } => Incoming::Block(block),
        Event::Hashes { hashes, .. } => Incoming::Hashes(hashes),
        Event::End { end, root, .. } => Incoming::End(end, root),
        Event::Failed { request, failure } => Incoming::Failed(request, failure),
        Event::Goodbye(_) => Incoming::Goodbye,
        Event::Tree { page, .. } => Incoming::Tree(page),
        Event::File { head, .. } => Incoming::File(head),
        Event::Done { root, .. } => Incoming::Done(root),
        Event::Same { .. } => Incoming::Same,
        Event::Differs { .. } => Incoming::Differs,
        Event::Missed { failure, .. } => Incoming::Missed(failure),
        Event::FilesEnd { .. } => Incoming::FilesEnd,
        Event::Working { .. } => unreachable!("taken before"),
    }
}
