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
    /// What it has of the first block of each content that it asks for with a `skip`, in order.
    pub kept: VecDeque<Vec<u8>>,
    /// Of the answer that is coming in.
    announced: Option<Content>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// What came, owned.
#[derive(Debug)]
pub enum Came {
    Welcome,
    Meta(Meta),
    Entries(Entries),
    Content(Content),
    /// Handed to the sink.
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

/// What became of one of many files.
#[derive(Debug)]
pub enum Answer {
    Whole(FileHead, Vec<u8>),
    Same,
    Differs,
    Missed(Failure),
}

/// A `files` for all of these, of which the client has nothing.
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

    /// Sends what the machine has to say.
    pub fn flush(&mut self) {
        self.try_flush().unwrap();
    }

    /// Sends what the machine has to say to a server that may be gone.
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

    /// The next thing that comes; content goes to `sink`.
    pub fn next_into(&mut self, sink: &mut dyn FnMut(&[u8])) -> Came {
        loop {
            let (used, event) = self.machine.receive(&self.buffer[self.start..self.end]).unwrap();
            self.start += used;
            match event {
                Some(Event::Data { bytes, .. }) => {
                    sink(bytes);
                    return Came::Data;
                }
                Some(Event::Hole { length, .. }) => {
                    sink(&vec![0; length as usize]);
                    return Came::Data;
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
                return Came::Closed(self.machine.end_of_stream());
            }
        }
    }

    /// Gives the machine what it has of a content that is announced with this `skip`, and returns it.
    fn skipped(&mut self, skip: u64) -> Vec<u8> {
        if skip == 0 {
            return Vec::new();
        }
        let kept = self.kept.pop_front().expect("nothing else is skipped");
        assert_eq!(kept.len() as u64, skip);
        self.machine.skipped(&kept);
        kept
    }

    /// The next thing that comes, and the greeting is none.
    pub fn next(&mut self) -> Came {
        loop {
            match self.next_into(&mut |_| {}) {
                Came::Welcome => {}
                came => return came,
            }
        }
    }

    /// The rest of an answer to a `get`.
    pub fn receive_into(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<Received, Failure> {
        let mut blocks = Vec::new();
        loop {
            match self.next_into(sink) {
                Came::Welcome | Came::Data => {}
                Came::Content(content) => {
                    self.skipped(content.skip);
                    self.announced = Some(content);
                }
                Came::Block(block) => {
                    assert!(block.is_intact(), "{block:?}");
                    blocks.push(block);
                }
                Came::End(end, root) => {
                    let content = self.announced.take().expect("content before its end");
                    return Ok(Received { content, bytes: Vec::new(), blocks, end, root });
                }
                Came::Failed(_, failure) => return Err(failure),
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

    /// Asks for the hashes of blocks.
    pub fn hashes(&mut self, get: Get) -> Result<(Content, Vec<Hash>, End), Failure> {
        self.request(&Request::Hashes(get));
        self.receive_hashes()
    }

    /// The rest of an answer to a `hashes`.
    pub fn receive_hashes(&mut self) -> Result<(Content, Vec<Hash>, End), Failure> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                Came::Content(content) => self.announced = Some(content),
                Came::Hashes(hashes) => all.extend(hashes),
                Came::End(end, _) => return Ok((self.announced.take().expect("content"), all, end)),
                Came::Failed(_, failure) => return Err(failure),
                other => panic!("{other:?} among hashes"),
            }
        }
    }

    /// Asks for a page.
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
            Came::Entries(entries) => Ok(entries),
            Came::Failed(_, failure) => Err(failure),
            other => panic!("{other:?} for a listing"),
        }
    }

    /// Asks what a directory holds.
    pub fn tree(&mut self, path: &str) -> Result<(Vec<TreeEntry>, Totals), Failure> {
        self.request(&Request::Tree(Tree { path: path.into(), ..Default::default() }));
        self.receive_tree()
    }

    /// The rest of an answer to a `tree`.
    pub fn receive_tree(&mut self) -> Result<(Vec<TreeEntry>, Totals), Failure> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                Came::Tree(page) => {
                    all.extend(page.entries);
                    if let Some(totals) = page.totals {
                        return Ok((all, totals));
                    }
                }
                Came::Failed(_, failure) => return Err(failure),
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
                Came::Welcome | Came::Data => {}
                Came::File(head) => {
                    bytes.extend(self.skipped(head.skip));
                    announced = Some(head);
                }
                Came::Block(block) => assert!(block.is_intact(), "{block:?}"),
                Came::Done(root) => {
                    let head = announced.take().expect("a file before its end");
                    assert_eq!((head.size, root), (bytes.len() as u64, Some(Hash::of(&bytes))));
                    all.push(Answer::Whole(head, std::mem::take(&mut bytes)));
                }
                Came::Same => all.push(Answer::Same),
                Came::Differs => all.push(Answer::Differs),
                Came::Missed(failure) => {
                    bytes.clear();
                    all.push(Answer::Missed(failure));
                }
                Came::FilesEnd => return Ok(all),
                Came::Failed(_, failure) => return Err(failure),
                other => panic!("{other:?} among files"),
            }
        }
    }

    /// Asks what a path is.
    pub fn stat(&mut self, path: &str) -> Result<Meta, Failure> {
        self.request(&stat(path));
        match self.next() {
            Came::Meta(meta) => Ok(meta),
            Came::Failed(_, failure) => Err(failure),
            other => panic!("{other:?} for a stat"),
        }
    }

    /// Reads until content has begun to come.
    pub fn begin(&mut self, get: Get) {
        self.request(&Request::Get(get));
        loop {
            match self.next() {
                Came::Content(content) => self.announced = Some(content),
                Came::Data => return,
                other => panic!("{other:?} instead of content"),
            }
        }
    }

    /// Says goodbye and reads to the end.
    pub fn leave(mut self) {
        self.machine.goodbye("done");
        self.flush();
        match self.next() {
            Came::Closed(Ok(())) => {}
            other => panic!("{other:?} after a goodbye"),
        }
    }

    /// Everything that comes until the server closes.
    pub fn rest(&mut self) -> Vec<Came> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                closed @ Came::Closed(_) => {
                    all.push(closed);
                    return all;
                }
                Came::Data => {}
                came => all.push(came),
            }
        }
    }

    /// Reads until the server closes, and expects an error for the connection on the way.
    pub fn expect_error(&mut self, code: Code) {
        let all = self.rest();
        let told = all.iter().any(|came| matches!(came, Came::Failed(0, failure) if failure.code == code));
        assert!(told, "no {code:?} in {all:?}");
    }
}

fn own(event: Event<'_>) -> Came {
    match event {
        Event::Welcome(_) => Came::Welcome,
        Event::Meta { meta, .. } => Came::Meta(meta),
        Event::Entries { entries, .. } => Came::Entries(entries),
        Event::Content { content, .. } => Came::Content(content),
        Event::Data { .. } | Event::Hole { .. } => Came::Data,
        Event::Block { block, .. } => Came::Block(block),
        Event::Hashes { hashes, .. } => Came::Hashes(hashes),
        Event::End { end, root, .. } => Came::End(end, root),
        Event::Failed { request, failure } => Came::Failed(request, failure),
        Event::Goodbye(_) => Came::Goodbye,
        Event::Tree { page, .. } => Came::Tree(page),
        Event::File { head, .. } => Came::File(head),
        Event::Done { root, .. } => Came::Done(root),
        Event::Same { .. } => Came::Same,
        Event::Differs { .. } => Came::Differs,
        Event::Missed { failure, .. } => Came::Missed(failure),
        Event::FilesEnd { .. } => Came::FilesEnd,
        Event::Working { .. } => unreachable!("taken before"),
    }
}
