//! A handshake that fails, however its bytes are cut.

use std::sync::Arc;

use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
};

use super::*;
use crate::net::tls;

type Client = Session<UnbufferedClientConnection>;
type Server = Session<UnbufferedServerConnection>;

/// A client that rejects every certificate, and a server.
fn pair() -> (Client, Server) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], key)
        .unwrap();
    let mut client = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::VERSIONS)
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    let name = ServerName::try_from("localhost").unwrap();
    (
        Session::new(UnbufferedClientConnection::new(Arc::new(client), name).unwrap()),
        Session::new(UnbufferedServerConnection::new(Arc::new(server)).unwrap()),
    )
}

/// Transfers the outgoing bytes of `from`, in pieces.
fn transfer<R: Records, S: Records>(
    from: &mut Session<R>,
    to: &mut Session<S>,
    piece: usize,
) -> Result<(), Error> {
    let bytes = from.outgoing().to_vec();
    from.sent(bytes.len());
    bytes.chunks(piece).try_for_each(|bytes| {
        to.receive(bytes);
        to.open(&mut Vec::new())
    })
}

#[test]
fn an_untrusted_certificate_ends_both_sides_however_the_bytes_are_cut() {
    for piece in [usize::MAX, 1000, 100, 7, 1] {
        let (mut client, mut server) = pair();
        client.open(&mut Vec::new()).unwrap();
        transfer(&mut client, &mut server, piece).unwrap();
        let refused = transfer(&mut server, &mut client, piece).unwrap_err();
        assert!(matches!(refused, Error::InvalidCertificate(_)), "{refused}");
        assert!(!client.outgoing().is_empty(), "the server gets an alert");
        assert!(client.unread().is_empty(), "nothing is kept");
        // Further bytes are ignored.
        client.receive(&[0x17, 3, 3, 0, 1, 0]);
        assert_eq!(client.open(&mut Vec::new()), Err(refused.clone()));
        client.seal(b"content").unwrap_err();
        client.close();
        let error = transfer(&mut client, &mut server, piece).unwrap_err();
        assert!(matches!(error, Error::AlertReceived(_)), "{error}");
        assert!(server.outgoing().is_empty(), "an alert is not answered");
    }
}

#[test]
fn invalid_records_are_answered_with_one_alert() {
    for piece in [usize::MAX, 3, 1] {
        let (_, mut server) = pair();
        let mut garbage = b"\x16\x03\x01\xff\xffgarbage that is no handshake".chunks(piece);
        let mut outcome = Ok(());
        while let (Ok(()), Some(bytes)) = (&outcome, garbage.next()) {
            server.receive(bytes);
            outcome = server.open(&mut Vec::new());
        }
        outcome.unwrap_err();
        let alert = server.outgoing();
        assert_eq!((alert.first(), alert.len()), (Some(&0x15), 7));
    }
}
