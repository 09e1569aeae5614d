//! Limits and timeouts of the server, and their error codes.

use std::{
    io::{Read, Write},
    time::Duration,
};

use fdsp::{
    protocol::{client::Request, error::Code},
    server::{Arch, ConnectionState, Event, Limits},
};

use crate::conformance::{
    harness::{noise, serve_with},
    line::Line,
    peer::{Incoming, Peer, get},
};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);

/// Deadlines that are never met, except for those that a scenario is about.
fn patient() -> Limits {
    Limits { handshake: LONG, idle: LONG, min_rate: 0, ..Limits::default() }
}

/// A client over the maximum receives "busy" and the time of a retry. The single-threaded server has no maximum: the
/// next client waits, is displayed as waiting, and is served as soon as the current one is idle.
pub fn busy(arch: Arch) {
    let served = serve_with(arch, None, Limits { max_connections: 2, ..patient() });
    served.file("file", b"x");
    let mut first = Peer::connect(served.address);
    first.get(get("file")).unwrap();
    if arch == Arch::Single {
        let mut second = Peer::connect(served.address);
        let own = second.line.socket().local_addr().unwrap();
        let seen = served.wait_until("one that waits", |now| now.waiting == 1);
        let row = seen.rows.last().unwrap();
        assert_eq!((row.id, row.peer, row.state), (None, own, ConnectionState::Waiting));
        assert_eq!(second.get(get("file")).unwrap().bytes, b"x");
        assert!(matches!(first.next(), Incoming::Goodbye), "the first one was idle and made room");
        return;
    }
    let mut second = Peer::connect(served.address);
    second.get(get("file")).unwrap();
    let mut third = Peer::connect(served.address);
    third.flush();
    match third.next() {
        Incoming::Failed(0, failure) => {
            assert_eq!(failure.code, Code::Busy);
            assert!(failure.retry_after.is_some());
        }
        other => panic!("{other:?} instead of busy"),
    }
    assert!(matches!(third.next(), Incoming::Closed(Ok(()))));
    assert_eq!(served.snapshot().refused, 1);
    assert_eq!(served.count(|event| matches!(event, Event::Refused { .. })), 1);
    first.leave();
    served.wait_for_end("done");
    Peer::connect(served.address).get(get("file")).unwrap();
    second.get(get("file")).unwrap();
}

pub fn handshake(arch: Arch) {
    let served = serve_with(arch, None, Limits { handshake: SHORT, ..patient() });
    // A silent client is closed without an error: its protocol is unknown.
    let silent = Line::connect(served.address);
    assert_eq!(silent.socket().read(&mut [0]).unwrap(), 0);
    served.wait_for_end("handshake deadline");
    drop(served);
    // A client that sends in time races with the deadline: a slow machine needs a longer one.
    let mut deadlines = std::iter::successors(Some(SHORT), |deadline| Some(*deadline * 4)).take(4);
    let in_time = deadlines.any(|deadline| spoke_in_time(arch, deadline));
    assert!(in_time, "no deadline was long enough");
}

/// A client that only greets gets an error at the deadline, and one that sends a request has none; false if either was too
/// slow.
fn spoke_in_time(arch: Arch, deadline: Duration) -> bool {
    let served = serve_with(arch, None, Limits { handshake: deadline, ..patient() });
    served.file("file", b"x");
    let mut greeted = Peer::connect(served.address);
    let is_error = |incoming| match incoming {
        Incoming::Failed(0, failure) => failure.code == Code::TimedOut,
        _ => false,
    };
    if greeted.try_flush().is_err() || !is_error(greeted.next()) {
        return false;
    }
    let mut busy = Peer::connect(served.address);
    busy.machine.request(&Request::Get(get("file")));
    if busy.try_flush().is_err() || !matches!(busy.next(), Incoming::Content(_)) {
        return false;
    }
    let mut incoming = busy.next();
    while !matches!(incoming, Incoming::End(..)) {
        assert!(
            matches!(incoming, Incoming::Data | Incoming::Block(_)),
            "{incoming:?} in the middle of an answer"
        );
        incoming = busy.next();
    }
    for _ in 0..3 {
        std::thread::sleep(deadline / 2);
        busy.get(get("file")).unwrap();
    }
    true
}

/// The deadline is absolute: bytes that trickle in do not move it.
pub fn trickled_handshake(arch: Arch) {
    let served = serve_with(arch, None, Limits { handshake: SHORT, ..patient() });
    let peer = Peer::connect(served.address);
    let mut line = peer.line.try_clone().unwrap();
    let greeting = peer.machine.outgoing().to_vec();
    let trickle = std::thread::spawn(move || {
        // Until the server closes.
        for byte in greeting.iter().cycle() {
            if line.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(SHORT / 10);
        }
    });
    served.wait_for_end("handshake deadline");
    drop(peer);
    trickle.join().unwrap();
}

pub fn idle(arch: Arch) {
    let served = serve_with(arch, None, Limits { idle: SHORT, ..patient() });
    served.file("file", b"x");
    let mut peer = Peer::connect(served.address);
    peer.get(get("file")).unwrap();
    peer.expect_error(Code::TimedOut);
    served.wait_for_end("idle for too long");
}

pub fn too_slow(arch: Arch) {
    let limits = Limits { min_rate: 1_000_000_000_000, rate_window: SHORT, ..patient() };
    let served = serve_with(arch, None, limits);
    served.file("large", &noise(48 << 20, 1));
    let mut peer = Peer::connect(served.address);
    peer.begin(get("large"));
    served.wait_for_end("too slow");
    served.wait_for_failure("too slow");
    // Buffered bytes are still received, but never the whole content.
    let rest = peer.rest();
    assert!(!rest.iter().any(|incoming| matches!(incoming, Incoming::End(..))));
}

/// Several windows pass while a client receives slowly, but fast enough.
pub fn slow_enough(arch: Arch) {
    let limits = Limits { min_rate: 1, rate_window: SHORT / 10, ..patient() };
    let served = serve_with(arch, None, limits);
    let bytes = noise(12 << 20, 1);
    served.file("large", &bytes);
    let mut peer = Peer::connect(served.address);
    peer.request(&Request::Get(get("large")));
    let mut got = Vec::new();
    peer.receive_into(&mut |data| {
        got.extend_from_slice(data);
        std::thread::sleep(Duration::from_micros(500));
    })
    .unwrap();
    assert!(got == bytes);
}
