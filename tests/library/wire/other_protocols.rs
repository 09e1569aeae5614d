//! Peers of other protocols, and unusual preambles.

use fdsp::protocol::{
    client::Client,
    error::{Code, UnknownProtocol, Violation},
    frame::outgoing::Outgoing,
    server::{Event, Server},
};

use crate::wire::{
    memory::failure,
    stream::{HELLO, PREAMBLE, Seen, Stream, feed_client, feed_server},
};

fn violation_of(bytes: &[u8]) -> Violation {
    let mut client = Client::new("test");
    match feed_client(&mut client, [bytes]).pop() {
        Some(Seen::Violation(violation)) => violation,
        None => client.end_of_stream().expect_err("the stream ended early"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_protocols_are_recognised_however_their_bytes_are_cut() {
    for (answer, protocol) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], UnknownProtocol::Http),
        (b"HTTP/", UnknownProtocol::Http),
        (b"SSH-2.0-OpenSSH_9.2\r\n", UnknownProtocol::Ssh),
        (b"\x15\x03\x01\x00\x02\x02\x16", UnknownProtocol::Tls),
        (b"\x16\x03\x03\x00\x7a", UnknownProtocol::Tls),
        (b"220 ftp.example ESMTP\r\n", UnknownProtocol::Unknown),
        (b"<html>", UnknownProtocol::Unknown),
        (b"HTTQ", UnknownProtocol::Unknown),
        (b"HT", UnknownProtocol::Unknown),
        (b"\x15", UnknownProtocol::Unknown),
        (b"\x00FDSX\x01\x01\x00", UnknownProtocol::Unknown),
        (b"\xff\xfe\xfd", UnknownProtocol::Unknown),
        (b"", UnknownProtocol::Silent),
    ] {
        assert_eq!(violation_of(answer), Violation::NotOurs(protocol), "{answer:?}");
        let mut client = Client::new("test");
        let seen = feed_client(&mut client, answer.chunks(1));
        let violation = match seen.as_slice() {
            [Seen::Violation(violation)] => violation.clone(),
            [] => client.end_of_stream().expect_err("the stream ended early"),
            other => panic!("{other:?}"),
        };
        assert_eq!(violation, Violation::NotOurs(protocol), "{answer:?} byte by byte");
    }
}

#[test]
fn another_protocol_is_recognised_by_its_first_bytes() {
    let mut client = Client::new("test");
    let violation = Violation::NotOurs(UnknownProtocol::Ssh);
    assert_eq!(feed_client(&mut client, [&b"SSH-"[..]]), [Seen::Violation(violation)]);
}

#[test]
fn the_message_names_the_other_protocol() {
    assert_eq!(
        Violation::NotOurs(UnknownProtocol::Http).to_string(),
        "the other side is not an fdsp server: it answers like a web server (HTTP)"
    );
}

#[test]
fn the_client_selects_the_common_version() {
    for (preamble, violation) in [
        ([0, b'F', b'D', b'S', b'P', 2, 3, 0], Violation::Version { lowest: 2, highest: 3 }),
        ([0, b'F', b'D', b'S', b'P', 0, 0, 0], Violation::Version { lowest: 0, highest: 0 }),
        ([0, b'F', b'D', b'S', b'P', 1, 2, 0], Violation::Preamble),
        ([0, b'F', b'D', b'S', b'P', 2, 1, 0], Violation::Preamble),
        ([0, b'F', b'D', b'S', b'P', 1, 1, 1], Violation::Preamble),
    ] {
        assert_eq!(violation_of(&preamble), violation);
    }
    assert_eq!(violation_of(&PREAMBLE), Violation::Truncated);
    assert_eq!(violation_of(&PREAMBLE[..4]), Violation::Truncated);
}

/// Passes a server these bytes, aborts it after a violation, and returns its output.
fn server_writes(bytes: &[u8]) -> (Option<Violation>, Vec<u8>) {
    let (mut server, mut out) = (Server::new(), Outgoing::new());
    let (_, violation) = feed_server(&mut server, [bytes]);
    server.abort(&failure(Code::Violation, "no"), &mut out);
    (violation, out.as_slice().to_vec())
}

#[test]
fn the_server_closes_connections_of_other_protocols_without_an_answer() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00\x01", b"a/path", b"\x00\x00\x00\x00"] {
        let (violation, written) = server_writes(bytes);
        assert!(matches!(violation, Some(Violation::NotOurs(_))), "{violation:?}");
        assert_eq!(written, b"");
    }
}

#[test]
fn the_server_names_its_versions_when_none_is_common() {
    let (violation, written) = server_writes(&[0, b'F', b'D', b'S', b'P', 7, 9, 0]);
    assert_eq!(violation, Some(Violation::Version { lowest: 7, highest: 9 }));
    assert_eq!(written, PREAMBLE);
}

#[test]
fn the_server_names_the_common_version_to_newer_clients() {
    let newer = Stream(vec![0, b'F', b'D', b'S', b'P', 0, 200, 0]);
    let newer = newer.json(HELLO, 0, &serde_json::json!({"agent": "from the future", "colour": "blue"}));
    let (mut server, mut out) = (Server::new(), Outgoing::new());
    let (events, violation) = feed_server(&mut server, newer.0.chunks(1));
    assert!(matches!(events.as_slice(), [Event::Hello(hello)] if hello.agent == "from the future"));
    assert_eq!(violation, None);
    server.failure(1, &failure(Code::NotFound, "x"), &mut out);
    assert_eq!(out.as_slice()[..8], PREAMBLE);
}

#[test]
fn the_server_distinguishes_a_clean_end_from_a_truncated_stream() {
    let greeted = Stream::greeted().0;
    for end in 0..=greeted.len() {
        let mut server = Server::new();
        feed_server(&mut server, [&greeted[..end]]);
        let expected = match end {
            0 => Err(Violation::NotOurs(UnknownProtocol::Silent)),
            // Between preamble and hello, and after hello.
            8 => Ok(()),
            end if end == greeted.len() => Ok(()),
            _ => Err(Violation::Truncated),
        };
        assert_eq!(server.end_of_stream(), expected, "after {end} bytes");
    }
}
