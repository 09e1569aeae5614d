//! A blocking TLS client for tests: it believes every server, and reads nothing ahead of what is asked for.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring::default_provider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// A connection with TLS; the handshake is made by the first write.
pub struct Secure {
    connection: ClientConnection,
    stream: TcpStream,
}

/// A client, and what it offers by ALPN, if anything.
pub fn client(protocols: &[&[u8]]) -> ClientConnection {
    static CONFIG: LazyLock<ClientConfig> = LazyLock::new(|| {
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(default_provider())))
            .with_no_client_auth()
    });
    let mut config = CONFIG.clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

impl Secure {
    /// What is offered by ALPN, if anything.
    pub fn new(stream: TcpStream, protocols: &[&[u8]]) -> Secure {
        Secure { connection: client(protocols), stream }
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether the server has ended its side in order.
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

    /// What the server has selected by ALPN.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Ends our side in order.
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

#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
