//! A TLS server with its own certificate before a server without TLS. It forwards everything, except that it replaces texts in
//! control frames, and records what clients send.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use fdsp::protocol::trust::pin::Pin;
use rustls::{ServerConfig, ServerConnection, crypto::ring::default_provider, pki_types::PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::frames::{HEADER, PREAMBLE};

/// Bytes that are forwarded at a time.
const PIECE: usize = 64 * 1024;
/// The frame of the server whose payload is content.
const DATA: u8 = 0x90;

/// Texts that are replaced, each by one of the same length.
pub type Swap = Vec<(String, String)>;

/// See the module.
pub struct Impostor {
    pub at: SocketAddr,
    pub pin: Pin,
    config: Arc<Mutex<ServerConfig>>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Impostor {
    /// Listens before a server, and selects one of these protocols by ALPN; with none, it selects none.
    pub fn start(server: SocketAddr, protocols: &[&[u8]], swap: Swap) -> Impostor {
        assert!(swap.iter().all(|(from, to)| from.len() == to.len()));
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = certificate.self_signed(&key).expect("a certificate").der().clone();
        let pin = Pin(Sha256::digest(&certificate).into());
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let (config, swap) = (Arc::new(Mutex::new(config)), Arc::new(swap));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (record, current) = (Arc::clone(&heard), Arc::clone(&config));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let config = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (swap, record) = (Arc::clone(&swap), Arc::clone(&record));
                thread::spawn(move || {
                    let connection = ServerConnection::new(Arc::new(config)).expect("a connection");
                    // A client may close at any time.
                    let _ = serve(connection, &client, server, &swap, &record);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Impostor { at, pin, config, heard }
    }

    /// Selects one of these by ALPN from now on.
    pub fn select(&self, protocols: &[&[u8]]) {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    }

    /// All that clients have sent.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(
    mut connection: ServerConnection,
    mut client: &TcpStream,
    server: SocketAddr,
    swap: &Swap,
    record: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    while connection.is_handshaking() {
        connection.complete_io(&mut client)?;
    }
    let upstream = TcpStream::connect(server)?;
    let connection = Mutex::new(connection);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = answer(&connection, client, &upstream, swap);
            let _ = client.shutdown(Shutdown::Both);
        });
        let mut bytes = vec![0; PIECE];
        // The first request may have arrived with the end of the handshake.
        let mut wire = Some(0);
        while let Some(count) = wire {
            let mut plain = decrypt(&connection, &bytes[..count])?;
            record.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&plain);
            // A client requests the identities that it received.
            swap.iter().for_each(|(own, sent)| replace(&mut plain, sent, own));
            (&upstream).write_all(&plain)?;
            wire = Some(client.read(&mut bytes)?).filter(|count| *count > 0);
        }
        upstream.shutdown(Shutdown::Both)
    })
}

/// The content of these bytes.
fn decrypt(connection: &Mutex<ServerConnection>, mut wire: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
    let mut plain = Vec::new();
    loop {
        let state = connection.process_new_packets().map_err(std::io::Error::other)?;
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        connection.reader().read_exact(&mut plain[start..])?;
        if wire.is_empty() {
            return Ok(plain);
        }
        connection.read_tls(&mut wire)?;
    }
}

/// Forwards the frames of the server, one complete frame at a time.
fn answer(
    connection: &Mutex<ServerConnection>,
    mut client: &TcpStream,
    mut upstream: &TcpStream,
    swap: &Swap,
) -> std::io::Result<()> {
    let (mut bytes, mut waiting, mut started) = (vec![0; PIECE], Vec::new(), false);
    loop {
        let count = upstream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        waiting.extend_from_slice(&bytes[..count]);
        let mut whole = 0;
        if !started && waiting.len() >= PREAMBLE.len() {
            (started, whole) = (true, PREAMBLE.len());
        }
        while let Some(header) = waiting.get(whole..whole + HEADER).filter(|_| started) {
            let (kind, start) = (header[0], whole + HEADER);
            let end = start + u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            let Some(payload) = waiting.get_mut(start..end) else { break };
            if kind != DATA {
                swap.iter().for_each(|(own, sent)| replace(payload, own, sent));
            }
            whole = end;
        }
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in waiting[..whole].chunks(PIECE / 4) {
            connection.writer().write_all(piece)?;
            while connection.wants_write() {
                connection.write_tls(&mut client)?;
            }
        }
        waiting.drain(..whole);
    }
}

fn replace(bytes: &mut [u8], from: &str, to: &str) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|part| part == from.as_bytes()) {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        at += to.len();
    }
}
