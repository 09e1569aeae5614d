//! A client's end of a connection, byte by byte, with TLS if the server uses it. The bytes sent and received are the same
//! with and without TLS.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
};

use rustls::ClientConnection;

use crate::conformance::{
    harness::{MAX_WAIT, is_secure},
    secure,
};

/// A connection, and after [`Line::try_clone`] one direction of it.
pub struct Line {
    stream: TcpStream,
    secure: Option<Arc<Mutex<ClientConnection>>>,
    /// Bytes from TLS that were not read yet.
    received: VecDeque<u8>,
    /// The peer has closed its sending side.
    ended: bool,
}

impl Line {
    /// Connects. A handshake is made by the first read or write.
    pub fn connect(address: SocketAddr) -> Line {
        Line::over(TcpStream::connect(address).unwrap(), address)
    }

    pub fn over(stream: TcpStream, address: SocketAddr) -> Line {
        stream.set_read_timeout(Some(MAX_WAIT)).unwrap();
        stream.set_write_timeout(Some(MAX_WAIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        let secure = is_secure(address).then(|| Arc::new(Mutex::new(secure::client(&[b"fdsp/1"]))));
        Line { stream, secure, received: VecDeque::new(), ended: false }
    }

    /// The same connection, for reading beside writing.
    pub fn try_clone(&self) -> io::Result<Line> {
        Ok(Line {
            stream: self.stream.try_clone()?,
            secure: self.secure.clone(),
            received: VecDeque::new(),
            ended: false,
        })
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Closes the sending side properly.
    pub fn end(&mut self) -> io::Result<()> {
        if let Some(secure) = &self.secure {
            self.shaken(secure)?.send_close_notify();
            self.flush()?;
        }
        self.stream.shutdown(Shutdown::Write)
    }

    /// TLS after its handshake.
    fn shaken<'a>(
        &self,
        secure: &'a Mutex<ClientConnection>,
    ) -> io::Result<MutexGuard<'a, ClientConnection>> {
        let mut connection = secure.lock().unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut &self.stream)?;
        }
        Ok(connection)
    }

    /// Takes the bytes that TLS decrypts.
    fn open(&mut self, secure: &Mutex<ClientConnection>, mut bytes: &[u8]) -> io::Result<()> {
        let mut connection = secure.lock().unwrap();
        while !bytes.is_empty() {
            connection.read_tls(&mut bytes)?;
            let state = connection.process_new_packets().map_err(io::Error::other)?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            connection.reader().read_exact(&mut plain)?;
            self.received.extend(plain);
            self.ended = state.peer_has_closed();
            if self.ended {
                break;
            }
        }
        Ok(())
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(secure) = self.secure.clone() else { return self.stream.read(buffer) };
        drop(self.shaken(&secure)?);
        while self.received.is_empty() && !self.ended {
            let mut sealed = vec![0; 1 << 16];
            // Not under the lock: a thread that writes must not wait for bytes to read.
            match self.stream.read(&mut sealed)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.open(&secure, &sealed[..count])?,
            }
        }
        self.received.read(buffer)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(secure) = &self.secure else { return self.stream.write(bytes) };
        let count = self.shaken(secure)?.writer().write(bytes)?;
        self.flush()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(secure) = &self.secure else { return Ok(()) };
        let mut sealed = Vec::new();
        let mut connection = secure.lock().unwrap();
        while connection.wants_write() {
            connection.write_tls(&mut sealed)?;
        }
        drop(connection);
        self.stream.write_all(&sealed)
    }
}
