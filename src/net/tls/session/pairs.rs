//! Both sides against each other, and against invalid input.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::{ServerConfig, pki_types::ServerName};

use super::*;
use crate::net::tls;

type Client = Session<UnbufferedClientConnection>;
type Server = Session<UnbufferedServerConnection>;

fn client() -> Client {
    let config = tls::any_certificate::client_config(tls::provider());
    let name = ServerName::try_from("localhost").unwrap();
    Session::new(UnbufferedClientConnection::new(Arc::new(config), name).unwrap())
}

fn server() -> Server {
    static CONFIG: std::sync::LazyLock<Arc<ServerConfig>> = std::sync::LazyLock::new(|| {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let config = ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(tls::VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.into())
            .unwrap();
        Arc::new(config)
    });
    Session::new(UnbufferedServerConnection::new(Arc::clone(&CONFIG)).unwrap())
}

/// Transfers the outgoing bytes of one side to the other in pieces of `piece` bytes. Returns the content.
fn carry<A: Records, B: Records>(from: &mut Session<A>, to: &mut Session<B>, piece: usize) -> Vec<u8> {
    let mut content = Vec::new();
    while !from.outgoing().is_empty() {
        let count = from.outgoing().len().min(piece);
        to.receive(&from.outgoing()[..count]);
        from.sent(count);
        to.open(&mut content).unwrap();
    }
    content
}

/// Two sides after the handshake.
fn pair(piece: usize) -> (Client, Server) {
    let (mut client, mut server) = (client(), server());
    client.open(&mut Vec::new()).unwrap();
    for _ in 0..3 {
        assert!(carry(&mut client, &mut server, piece).is_empty());
        assert!(carry(&mut server, &mut client, piece).is_empty());
    }
    assert!(client.is_established() && server.is_established());
    (client, server)
}

#[test]
fn content_is_received_however_it_is_cut() {
    for piece in [1, 7, 1000, usize::MAX] {
        let (mut client, mut server) = pair(piece);
        for length in [0, 1, 100, RECORD_LEN - 1, RECORD_LEN, RECORD_LEN + 1, 5 * RECORD_LEN + 3] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            client.seal(&bytes).unwrap();
            assert!(carry(&mut client, &mut server, piece) == bytes, "{length} in {piece}");
            server.seal(&bytes).unwrap();
            assert!(carry(&mut server, &mut client, piece) == bytes, "{length} in {piece}");
        }
        client.release();
        server.release();
        assert_eq!((client.incoming.capacity(), server.incoming.capacity()), (0, 0));
        server.close();
        assert!(!client.has_ended());
        carry(&mut server, &mut client, piece);
        assert!(client.has_ended());
        assert!(server.seal(b"more").is_err());
    }
}

#[test]
fn nothing_is_encrypted_before_the_handshake() {
    assert!(client().seal(b"secret").is_err());
    assert!(server().seal(b"secret").is_err());
}

/// Passes bytes to a side that has not failed yet. Returns whether it fails now.
fn fails<R: Records>(session: &mut Session<R>, bytes: &[u8]) -> bool {
    session.receive(bytes);
    let failed = session.open(&mut Vec::new()).is_err();
    if failed {
        // It fails again without another alert.
        session.receive(bytes);
        assert!(session.open(&mut Vec::new()).is_err() && session.seal(b"x").is_err());
        session.close();
    }
    failed
}

#[test]
fn a_failure_sends_one_alert() {
    let mut server = server();
    assert!(fails(&mut server, b"GET / HTTP/1.1\r\n\r\n"));
    assert!(server.outgoing().len() <= 7, "an alert, or nothing");
    let (mut client, mut server) = pair(usize::MAX);
    client.seal(b"something").unwrap();
    let mut damaged = client.outgoing().to_vec();
    damaged[10] ^= 1;
    assert!(fails(&mut server, &damaged));
    let said = server.outgoing().to_vec();
    assert!(!said.is_empty());
    client.receive(&said);
    assert!(client.open(&mut Vec::new()).is_err(), "an alert");
}

#[test]
fn an_endless_handshake_is_rejected() {
    let mut server = server();
    // A handshake message of the maximum announced length, in many records.
    let mut sent = 0;
    let mut record = vec![0x16, 3, 1, 0x10, 0];
    record.extend([1, 0, 0xff, 0xff]);
    record.resize(5 + 0x1000, 0);
    while !fails(&mut server, &record) {
        sent += record.len();
        assert!(sent < 3 * MAX_HANDSHAKE_LEN);
        record[5..9].fill(0);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_a_session(
        noise in prop::collection::vec(any::<u8>(), 0..600),
        kind in 0x14u8..0x19,
        at in 0usize..2000,
        flip in 1u8..,
        piece in 1usize..400,
    ) {
        let mut hello = client();
        hello.open(&mut Vec::new()).unwrap();
        let mut tricks = vec![noise.clone(), [&[kind, 3, 3, 0, noise.len().min(255) as u8][..], &noise].concat()];
        tricks.push([hello.outgoing(), &noise].concat());
        tricks.push([hello.outgoing(), hello.outgoing()].concat());
        let mut flipped = hello.outgoing().to_vec();
        let place = at % flipped.len();
        flipped[place] ^= flip;
        tricks.push(flipped);
        for trick in tricks {
            let mut server = server();
            for piece in trick.chunks(piece) {
                if fails(&mut server, piece) {
                    break;
                }
            }
            // The damaged answer of a server to a client.
            let mut answer = server.outgoing().to_vec();
            if !answer.is_empty() {
                let place = at % answer.len();
                answer[place] ^= flip;
                let mut client = client();
                client.open(&mut Vec::new()).unwrap();
                for piece in answer.chunks(piece) {
                    if fails(&mut client, piece) {
                        break;
                    }
                }
            }
        }
        let (mut client, mut server) = pair(usize::MAX);
        client.seal(&noise).unwrap();
        let mut sealed = client.outgoing().to_vec();
        if !sealed.is_empty() {
            let place = at % sealed.len();
            sealed[place] ^= flip;
            let mut content = Vec::new();
            for piece in sealed.chunks(piece) {
                server.receive(piece);
                if server.open(&mut content).is_err() {
                    break;
                }
            }
            // Only the length in a record's header matters: flipping the rest changes nothing.
            prop_assert!(content.is_empty() || content == noise, "what was damaged came through");
        }
    }
}
