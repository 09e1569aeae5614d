//! Limited resources: a client beyond the limit gets "busy" and the time after which to retry.

use std::{
    fs::File,
    io::Write,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use fdsp::{
    protocol::{
        client::{Client, Request},
        error::Code,
        message::{Credential, Failure, Get},
        trust::token::Token,
    },
    server::{Access, Arch, ConnectionState, Event, Limits},
};

use crate::conformance::{
    frames::PREAMBLE,
    harness::{is_secure, noise, serve_to, serve_with},
    line::Line,
    peer::{Incoming, Peer, get, stat},
};

/// Places beside `max_connections` for clients that have not authenticated.
const BESIDE: usize = 64;

fn assert_busy(failure: &Failure) {
    assert_eq!(failure.code, Code::Busy, "{failure:?}");
    assert!(failure.retry_after.is_some_and(|seconds| seconds > 0), "{failure:?}");
}

/// One address gets its maximum, and another one is still served.
pub fn connections_of_an_address(arch: Arch) {
    if arch == Arch::Single {
        // It serves only one connection.
        return;
    }
    let served = serve_with(arch, None, Limits { max_per_address: 2, ..Limits::default() });
    served.file("file", b"x");
    let mut peers = [(); 2].map(|()| Peer::connect(served.address));
    for peer in &mut peers {
        assert_eq!(peer.get(get("file")).unwrap().bytes, b"x");
    }
    let mut third = Peer::connect(served.address);
    third.flush();
    match third.next() {
        Incoming::Failed(0, failure) => assert_busy(&failure),
        other => panic!("{other:?} instead of busy"),
    }
    let mut other = Peer::connect_from([127, 0, 0, 2], served.address);
    assert_eq!(other.get(get("file")).unwrap().bytes, b"x");
    let [first, _second] = peers;
    first.leave();
    served.wait_for_end("done");
    assert_eq!(Peer::connect(served.address).get(get("file")).unwrap().bytes, b"x");
}

/// One address holds all places and sends nothing; another one is served at once.
pub fn silent_connections(arch: Arch) {
    if arch == Arch::Single {
        return;
    }
    let limits = Limits { max_connections: 6, max_per_address: 100, ..Limits::default() };
    let served = serve_with(arch, None, limits);
    served.file("file", b"x");
    let mut idle = Peer::connect(served.address);
    assert_eq!(idle.get(get("file")).unwrap().bytes, b"x");
    let silent = [(); 5 + BESIDE].map(|()| TcpStream::connect(served.address).unwrap());
    served.wait_until("full", |now| now.live == 6 + BESIDE);
    for _ in 0..3 {
        let mut other = Peer::connect_from([127, 0, 0, 2], served.address);
        assert_eq!(other.get(get("file")).unwrap().bytes, b"x");
        other.leave();
    }
    served.wait_for_end("idle while others wait");
    drop((idle, silent));
    assert_eq!(served.count(|event| matches!(event, Event::Refused { .. })), 0);
}

/// Clients that do not authenticate, each from its own address, hold as many connections as the server accepts and never complete a
/// request. Clients that authenticate are served all the same, and keep their connections.
pub fn unauthenticated_connections(arch: Arch) {
    const PLACES: usize = 8;
    let limits = Limits { max_connections: PLACES, handshake: Duration::from_secs(600), ..Limits::default() };
    let token = Token::parse("the-right-one").unwrap();
    for guarded in [true, false] {
        let access = if guarded { Access::Token(token.clone()) } else { Access::Public };
        let served = serve_to(access, arch, limits.clone());
        served.file("file", b"x");
        let arrived = |event: &Event| matches!(event, Event::Connected { .. } | Event::Refused { .. });
        let (mut unauthenticated, mut honest) = (Vec::new(), Vec::new());
        for round in 0..3 {
            for number in 0..48 {
                unauthenticated.push(connect_without_token([127, 1, round, number], served.address));
            }
            let count = unauthenticated.len() + usize::from(round);
            // Connections that were replaced are closed.
            served.wait_until("all", |now| served.count(arrived) == count && now.live <= PLACES + BESIDE);
            let mut peer = Peer::connect_from([127, 2, 0, 1], served.address);
            let credential = guarded.then(|| Credential::Token(token.clone()));
            peer.machine = Client::with_credential("conformance", credential);
            assert_eq!(peer.get(get("file")).unwrap().bytes, b"x");
            if arch == Arch::Single {
                // It serves one at a time.
                peer.leave();
                continue;
            }
            honest.push(peer);
            for peer in &mut honest {
                assert_eq!(peer.get(get("file")).unwrap().bytes, b"x");
            }
        }
        assert_eq!(served.count(|event| matches!(event, Event::Refused { .. })), 0, "guarded: {guarded}");
    }
}

/// A client that begins in one of several ways and sends nothing more.
fn connect_without_token(source: [u8; 4], address: SocketAddr) -> Line {
    let Peer { mut line, machine, .. } = Peer::connect_from(source, address);
    let says = match source[3] % 4 {
        0 => &[],
        // Half of a handshake of TLS, or of a preamble.
        1 if is_secure(address) => {
            line.socket().write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
            &[]
        }
        1 => &PREAMBLE[..4],
        2 => &PREAMBLE[..],
        // It has no token.
        _ => machine.outgoing(),
    };
    if !says.is_empty() {
        line.write_all(says).unwrap();
    }
    line
}

/// Also counts requests that fail and pipelined ones.
pub fn requests_of_a_connection(arch: Arch) {
    let served = serve_with(arch, None, Limits { max_requests: 5, ..Limits::default() });
    served.file("file", b"x");
    let mut peer = Peer::connect(served.address);
    for _ in 0..9 {
        peer.machine.request(&stat("file"));
    }
    peer.flush();
    let all = peer.rest();
    let answers = all.iter().filter(|incoming| matches!(incoming, Incoming::Meta(_))).count();
    assert_eq!(answers, 5, "{all:?}");
    let failure = all.iter().find_map(|incoming| match incoming {
        Incoming::Failed(0, failure) => Some(failure),
        _ => None,
    });
    assert_busy(failure.expect("an error for the connection"));
    served.wait_for_end("as many requests as one connection may have");
    assert_eq!(Peer::connect(served.address).get(get("file")).unwrap().bytes, b"x", "another connection");
}

pub fn hashing(arch: Arch) {
    if arch == Arch::Single {
        // No client hashes while another one is served.
        return;
    }
    let served = serve_with(arch, None, Limits { max_hashing: 0, ..Limits::default() });
    served.file("small", &noise(3 << 20, 1));
    let mut peer = Peer::connect(served.address);
    assert_busy(&peer.hashes(get("small")).unwrap_err());
    // Neither content nor cached hashes are limited.
    assert_eq!(peer.get(get("small")).unwrap().bytes.len(), 3 << 20);
    assert_eq!(peer.hashes(get("small")).unwrap().1.len(), 3);
}

pub fn archives(arch: Arch) {
    if arch == Arch::Single {
        return;
    }
    let served = serve_with(arch, None, Limits { max_archives: 2, ..Limits::default() });
    served.directory("tree");
    // Creating it up to the begin of the range takes longer than this test; it has no data on the disk.
    File::create(served.path("tree/sparse.png")).unwrap().set_len(1 << 40).unwrap();
    served.directory("other");
    served.file("other/file", b"x");
    let mut first = Peer::connect(served.address);
    first.request(&Request::Get(Get { first_block: 1 << 19, ..get("tree") }));
    served.wait_until("planning", |now| now.rows.iter().any(|row| row.state == ConnectionState::Sending));
    let mut second = Peer::connect(served.address);
    // The first one computes from the time when its client receives the announcement.
    let failure = std::iter::repeat_with(|| second.get(get("other"))).find_map(Result::err);
    assert_busy(&failure.unwrap());
    assert_eq!(second.get(get("other/file")).unwrap().bytes, b"x", "a file is no archive");
    let mut other = Peer::connect_from([127, 0, 0, 2], served.address);
    other.get(get("other")).expect("one address uses at most half of the places");
    drop(first);
    served.wait_for_end("closed by the client");
    second.get(get("other")).unwrap();
}

/// Clients that do not receive their computed answers keep no other client out.
pub fn slow_clients(arch: Arch) {
    if arch == Arch::Single {
        return;
    }
    let served = serve_with(arch, None, Limits { max_archives: 1, max_hashing: 1, ..Limits::default() });
    served.directory("tree");
    File::create(served.path("tree/sparse.png")).unwrap().set_len(1 << 40).unwrap();
    served.directory("other");
    served.file("other/file", &noise(2 << 20, 1));
    let slow = [(); 3].map(|()| {
        let mut slow = Peer::connect(served.address);
        slow.begin(get("tree"));
        slow
    });
    let mut quick = Peer::connect(served.address);
    quick.get(get("other")).unwrap();
    quick.tree("other").unwrap();
    quick.hashes(get("other/file")).unwrap();
    drop(slow);
}

pub fn entries_of_a_page(arch: Arch) {
    let served = serve_with(arch, None, Limits { page: 10, ..Limits::default() });
    (0..25).for_each(|n| served.file(format!("{n:02}"), b""));
    let mut peer = Peer::connect(served.address);
    for (limit, entries) in [(None, 10), (Some(1000), 10), (Some(3), 3)] {
        let page = peer.list("", None, limit).unwrap();
        assert_eq!((page.entries.len(), page.more), (entries, true));
    }
}

/// Two clients share the total rate, and one alone gets at most its own. The test checks only lower bounds of the time:
/// upper bounds depend on the machine and are tested with a virtual clock.
pub fn bandwidth(arch: Arch) {
    let limits = Limits { rate: Some(4_000_000), rate_each: Some(3_000_000), ..Limits::default() };
    let served = serve_with(arch, None, limits);
    let bytes = noise(1_500_000, 1);
    served.file("file", &bytes);
    let fetch = || {
        let mut peer = Peer::connect(served.address);
        assert!(peer.get(get("file")).unwrap().bytes == bytes);
        peer.leave();
    };
    let begin = Instant::now();
    fetch();
    let alone = begin.elapsed();
    assert!(alone >= Duration::from_millis(350), "{alone:?} for half a second's bytes");
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(fetch);
        scope.spawn(fetch);
    });
    let both = begin.elapsed();
    assert!(both >= Duration::from_millis(550), "{both:?} for three quarters of a second's bytes");
}
