//! Clients of other protocols, and clients that break the protocol.

use std::io::{Read, Write};

use fdsp::{
    protocol::{
        error::Code,
        frame::{Header, Kind},
        preamble::Versions,
    },
    server::{Arch, Event},
};

use crate::conformance::{
    harness::{Served, noise, serve},
    line::Line,
    peer::{Incoming, Peer, get},
};

/// Sends bytes and returns the whole answer.
fn say(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut line = Line::connect(served.address);
    line.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).unwrap();
    answer
}

/// Another client notices nothing.
fn unharmed(served: &Served) {
    served.file("file", b"x");
    assert_eq!(Peer::connect(served.address).get(get("file")).unwrap().bytes, b"x");
}

pub fn tls(arch: Arch) {
    let served = serve(arch);
    let alert = [0x15, 3, 3, 0, 2, 2, 10];
    assert_eq!(say(&served, &[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]), alert, "unexpected_message");
    served.wait_for_end("a client with TLS; this server was started without");
    unharmed(&served);
}

pub fn garbage(arch: Arch) {
    let served = serve(arch);
    assert!(String::from_utf8(say(&served, b"SSH-2.0-OpenSSH_9.9\r\n")).unwrap().contains("fdsp"));
    served.wait_for_end("an SSH client");
    assert!(String::from_utf8(say(&served, b"hello?")).unwrap().contains("fdsp"));
    served.wait_for_end("not an fdsp client");
    assert_eq!(say(&served, b"\0FTP and so on"), b"");
    for seed in 0..50 {
        let mut line = Line::connect(served.address);
        // It may have been closed already.
        let _ = line.write_all(&noise(100_000, seed));
        let _ = line.end();
        let _ = line.read_to_end(&mut Vec::new());
    }
    unharmed(&served);
}

pub fn another_version(arch: Arch) {
    let served = serve(arch);
    let answer = say(&served, &Versions { lowest: 7, highest: 9 }.encode());
    assert_eq!(answer, Versions::OURS.encode(), "its own range, and the end");
    unharmed(&served);
}

/// Each is answered with an error `violation` for the connection, which is then closed.
pub fn violations(arch: Arch) {
    let served = serve(arch);
    let frame = |kind, request, payload: &[u8]| {
        let header = Header { kind, length: payload.len() as u32, request }.encode();
        [&header[..], payload].concat()
    };
    let mut flags = frame(Kind::Stat, 1, b"{}");
    flags[1] = 1;
    let tricks = [
        ("a kind of the server's", frame(Kind::Welcome, 1, b"{}")),
        ("an unknown kind", vec![0x77; 12]),
        ("flags", flags),
        ("a second hello", frame(Kind::Hello, 0, br#"{"agent":"x"}"#)),
        ("request 0", frame(Kind::Stat, 0, br#"{"path":"x"}"#)),
        ("no JSON", frame(Kind::Stat, 1, b"{path")),
        ("a missing member", frame(Kind::Get, 1, b"{}")),
        ("a length over the maximum", {
            let mut bytes = frame(Kind::Get, 1, b"");
            bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
            bytes
        }),
    ];
    for (trick, bytes) in tricks {
        let mut peer = Peer::connect(served.address);
        peer.flush();
        peer.line.write_all(&bytes).unwrap();
        let rest = peer.rest();
        let is_error = |incoming: &Incoming| matches!(incoming, Incoming::Failed(0, failure) if failure.code == Code::Violation);
        assert!(rest.iter().any(is_error), "{trick}: {rest:?}");
    }
    // The number of a request must rise.
    let mut peer = Peer::connect(served.address);
    peer.flush();
    for _ in 0..2 {
        peer.line.write_all(&frame(Kind::Stat, 5, br#"{"path":"x"}"#)).unwrap();
    }
    let mut answer = Vec::new();
    peer.line.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("violation"));
    served.wait_for_end("broke the protocol");
    unharmed(&served);
}

/// A reserved kind is refused, and the connection stays open.
pub fn reserved_kinds(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    let mut peer = Peer::connect(served.address);
    peer.flush();
    for request in [1, 2] {
        peer.line.write_all(&Header { kind: Kind::Reserved, length: 2, request }.encode()).unwrap();
        peer.line.write_all(b"{}").unwrap();
    }
    let stat = br#"{"path":"file"}"#;
    peer.line
        .write_all(&Header { kind: Kind::Stat, length: stat.len() as u32, request: 3 }.encode())
        .unwrap();
    peer.line.write_all(stat).unwrap();
    peer.line.end().unwrap();
    let mut answer = Vec::new();
    peer.line.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(text.matches("unsupported").count(), 2, "{text}");
    assert!(text.contains("\"name\":\"file\""), "{text}");
    assert_eq!(served.count(|event| matches!(event, Event::Request { .. })), 1);
}
