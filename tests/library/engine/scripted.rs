//! Small scripted servers: they send valid answers or raw bytes.

use std::{
    convert::Infallible,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use fdsp::protocol::{
    client::Request,
    digest::BLOCK_SIZE,
    error::Code,
    frame::outgoing::Outgoing,
    message::{Content, Failure, Form, Get, Timestamp, Welcome},
    server::{Event, Filled, Server},
};

/// Listens; each connection is handled, with its number from 0, on a thread of its own.
pub fn listen(handle: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let handle = std::sync::Arc::new(handle);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (Ok(stream), handle) = (stream, std::sync::Arc::clone(&handle)) else { return };
            thread::spawn(move || handle(number, stream));
        }
    });
    at
}

/// Listens, and answers each request for content by `answer`.
pub fn answer(answer: impl Fn(&mut Session, u32, Get) + Send + Sync + 'static) -> SocketAddr {
    listen(move |_, stream| {
        let mut session = Session::new(stream);
        while let Some((id, request)) = session.request() {
            match request {
                Request::Get(get) => answer(&mut session, id, get),
                _ => session.refuse(
                    id,
                    &Failure {
                        code: Code::Unsupported,
                        message: "scripted".into(),
                        path: None,
                        retry_after: None,
                    },
                ),
            }
            session.flush();
        }
    })
}

/// One connection of a server that speaks correctly.
pub struct Session {
    stream: TcpStream,
    pub machine: Server,
    /// The bytes after the last request.
    input: Vec<u8>,
    pub out: Outgoing,
}

impl Session {
    pub fn new(stream: TcpStream) -> Session {
        Session { stream, machine: Server::new(), input: Vec::new(), out: Outgoing::new() }
    }

    /// The next request; `None` at the end.
    pub fn request(&mut self) -> Option<(u32, Request)> {
        let mut buffer = [0; 4096];
        loop {
            let (used, event) = self.machine.receive(&self.input).ok()?;
            self.input.drain(..used);
            match event {
                Some(Event::Hello(_)) => {
                    let welcome = Welcome { agent: "scripted".into(), pipeline: 1, parallel: 4 };
                    self.machine.welcome(&welcome, &mut self.out);
                    self.flush();
                }
                Some(Event::Request { id, request }) => return Some((id, request)),
                Some(Event::Unsupported { .. } | Event::Goodbye(_)) => return None,
                None if used > 0 => {}
                None => match self.stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                },
            }
        }
    }

    /// Sends a failure.
    pub fn refuse(&mut self, id: u32, failure: &Failure) {
        self.machine.failure(id, failure, &mut self.out);
    }

    /// Announces `announced` and sends the requested part of `bytes` from the first block on.
    pub fn send(&mut self, id: u32, get: &Get, announced: &Content, bytes: &[u8]) {
        let announced = Content { first_block: get.first_block, ..announced.clone() };
        let mut writer = self.machine.content(id, &announced, &mut self.out);
        let start = (get.first_block * BLOCK_SIZE) as usize;
        let end = get.blocks.map_or(bytes.len(), |blocks| start + (blocks * BLOCK_SIZE) as usize);
        let (mut offset, end) = (start.min(bytes.len()), end.min(bytes.len()));
        while offset < end {
            let fill = |place: &mut [u8]| -> Result<Filled, Infallible> {
                let count = place.len().min(end - offset);
                place[..count].copy_from_slice(&bytes[offset..offset + count]);
                offset += count;
                Ok(Filled { bytes: count, position: offset as u64 })
            };
            writer.data(&mut self.out, fill).unwrap();
        }
        writer.end(&announced.identity, end as u64, end == bytes.len(), &mut self.out);
    }

    /// Writes the outgoing bytes.
    pub fn flush(&mut self) {
        let bytes = self.out.as_slice().to_vec();
        self.out.sent(bytes.len());
        self.raw(&bytes);
    }

    /// Writes the first outgoing bytes. Returns whether the client closes within half a second.
    pub fn is_enough(&mut self, count: usize) -> bool {
        let bytes = self.out.as_slice()[..count].to_vec();
        self.out.sent(count);
        self.raw(&bytes);
        self.stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let read = self.stream.read(&mut [0; 4096]);
        self.stream.set_read_timeout(None).unwrap();
        !read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        // The client may have closed.
        let _ = self.stream.write_all(bytes);
    }
}

/// The announcement of a file.
pub fn file(name: &str, size: u64) -> Content {
    Content {
        form: Form::File,
        name: name.into(),
        size: Some(size),
        sources: None,
        modified: Timestamp { seconds: 1_000_000_000, nanoseconds: 0 },
        mode: 0o644,
        identity: "one".into(),
        first_block: 0,
        skip: 0,
        data_bytes: None,
    }
}
