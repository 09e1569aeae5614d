//! A blocking TLS client for tests: it accepts any certificate, and does not read ahead.

#[path = "../../src/net/tls/any_certificate.rs"]
mod any_certificate;

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Arc, LazyLock},
};

use rustls::{ClientConfig, ClientConnection, crypto::ring::default_provider, pki_types::ServerName};

/// A connection with TLS; the handshake is made by the first write.
pub struct Secure {
    connection: ClientConnection,
    stream: TcpStream,
}

/// A client, and the protocols that it offers by ALPN, if any.
pub fn client(protocols: &[&[u8]]) -> ClientConnection {
    static CONFIG: LazyLock<ClientConfig> =
        LazyLock::new(|| any_certificate::client_config(Arc::new(default_provider())));
    let mut config = CONFIG.clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

impl Secure {
    /// The protocols that are offered by ALPN, if any.
    pub fn new(stream: TcpStream, protocols: &[&[u8]]) -> Secure {
        Secure { connection: client(protocols), stream }
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether the server has closed its side properly.
    pub fn has_ended(&mut self) -> bool {
        self.connection.process_new_packets().is_ok_and(|state| state.peer_has_closed())
    }

    /// Makes the handshake.
    pub fn handshake(&mut self) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.connection.complete_io(&mut self.stream)?;
        }
        Ok(())
    }

    /// The protocol that the server has selected by ALPN.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Closes this side properly.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
        let _ = self.connection.complete_io(&mut self.stream);
    }
}

impl Read for Secure {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        rustls::Stream::new(&mut self.connection, &mut self.stream).read(buffer)
    }
}

impl Write for Secure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        rustls::Stream::new(&mut self.connection, &mut self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        rustls::Stream::new(&mut self.connection, &mut self.stream).flush()
    }
}
