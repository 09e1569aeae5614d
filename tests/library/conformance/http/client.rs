//! A small client of HTTP/1.1: it sends what it is given, and reads responses by the rules of RFC 9112.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::conformance::{
    harness::{MAX_WAIT, is_secure},
    secure::Secure,
};

/// The bytes that the system receives ahead.
const RECEIVE_BUFFER: usize = 256 << 10;

/// A connection.
pub struct Browser {
    line: Either,
    /// Received and not read yet.
    rest: Vec<u8>,
}

enum Either {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The only value of a field.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {:?}", self.fields);
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Browser {
    /// Connects as browsers do, with TLS if the server has it.
    pub fn connect(address: SocketAddr) -> Browser {
        let stream = TcpStream::connect(address).unwrap();
        // Otherwise it grows to many megabytes, and a test of an answer that is under way needs a content that is larger still.
        socket2::SockRef::from(&stream).set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        stream.set_read_timeout(Some(MAX_WAIT)).unwrap();
        let line = match is_secure(address) {
            true => Either::Secure(Box::new(Secure::new(stream, &[b"h2", b"http/1.1"]))),
            false => Either::Plain(stream),
        };
        Browser { line, rest: Vec::new() }
    }

    /// Connects without TLS.
    pub fn connect_plainly(address: SocketAddr) -> Browser {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(MAX_WAIT)).unwrap();
        Browser { line: Either::Plain(stream), rest: Vec::new() }
    }

    pub fn socket(&self) -> &TcpStream {
        match &self.line {
            Either::Plain(stream) => stream,
            Either::Secure(secure) => secure.socket(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have closed already.
        let _ = match &mut self.line {
            Either::Plain(stream) => stream.write_all(bytes.as_ref()),
            Either::Secure(secure) => secure.write_all(bytes.as_ref()),
        };
    }

    /// Sends a request with these fields, each with its line end.
    pub fn ask(&mut self, method: &str, target: &str, fields: &str) {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
    }

    pub fn get(&mut self, target: &str) -> Response {
        self.get_with(target, "")
    }

    pub fn get_with(&mut self, target: &str, fields: &str) -> Response {
        self.ask("GET", target, fields);
        self.receive().unwrap()
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 1 << 16];
        let count = match &mut self.line {
            Either::Plain(stream) => stream.read(&mut buffer)?,
            Either::Secure(secure) => secure.read(&mut buffer)?,
        };
        self.rest.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < count {
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.rest.drain(..count).collect())
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.rest.drain(..end + 2).collect();
                return Ok(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads a head.
    pub fn head(&mut self) -> io::Result<Response> {
        let line = self.line()?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect("a status line");
        let (status, mut fields) = (status.parse().unwrap(), Vec::new());
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Response { status, fields, body: Vec::new() });
            }
            let (name, value) = line.split_once(": ").expect("a field");
            fields.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Reads a response to a GET.
    ///
    /// # Errors
    /// The content is cut.
    pub fn receive(&mut self) -> io::Result<Response> {
        let head = self.head()?;
        self.body(head)
    }

    /// Reads the content after a head.
    pub fn body(&mut self, mut response: Response) -> io::Result<Response> {
        if response.field("Transfer-Encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).expect("the size of a chunk");
                response.body.extend(self.take(size)?);
                assert_eq!(self.line()?, "");
                if size == 0 {
                    return Ok(response);
                }
            }
        }
        if let Some(length) = response.field("Content-Length") {
            response.body = self.take(length.parse().unwrap())?;
        } else if response.status != 304 {
            while self.more()? > 0 {}
            response.body = std::mem::take(&mut self.rest);
        }
        Ok(response)
    }

    /// Everything up to the end of the connection.
    pub fn read_to_the_end(&mut self) -> Vec<u8> {
        while self.more().is_ok_and(|count| count > 0) {}
        std::mem::take(&mut self.rest)
    }
}
