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
    peer::{Came, Peer, get},
};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);

/// Deadlines that are never met, except for those that a scenario is about.
fn patient() -> Limits {
    Limits { handshake: LONG, idle: LONG, min_rate: 0, ..Limits::default() }
}

/// Over the cap a client is told so and when to come again. The single-threaded server has no cap: the
/// next client waits, is seen to wait, and gets its turn as soon as the one before is idle.
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
        assert!(matches!(first.next(), Came::Goodbye), "the first one was idle and made room");
        return;
    }
    let mut second = Peer::connect(served.address);
    second.get(get("file")).unwrap();
    let mut third = Peer::connect(served.address);
    third.flush();
    match third.next() {
        Came::Failed(0, failure) => {
            assert_eq!(failure.code, Code::Busy);
            assert!(failure.retry_after.is_some());
        }
        other => panic!("{other:?} instead of busy"),
    }
    assert!(matches!(third.next(), Came::Closed(Ok(()))));
    assert_eq!(served.snapshot().refused, 1);
    assert_eq!(served.count(|event| matches!(event, Event::Refused { .. })), 1);
    first.leave();
    served.wait_for_end("done");
    Peer::connect(served.address).get(get("file")).unwrap();
    second.get(get("file")).unwrap();
}

pub fn handshake(arch: Arch) {
    let served = serve_with(arch, None, Limits { handshake: SHORT, ..patient() });
    // A silent one is closed without a word: nobody knows what it speaks.
    let silent = Line::connect(served.address);
    assert_eq!(silent.socket().read(&mut [0]).unwrap(), 0);
    served.wait_for_end("handshake deadline");
    drop(served);
    // Who speaks in time races with the deadline: on a slow machine it takes a longer one.
    let mut deadlines = std::iter::successors(Some(SHORT), |deadline| Some(*deadline * 4)).take(4);
    let in_time = deadlines.any(|deadline| spoke_in_time(arch, deadline));
    assert!(in_time, "no deadline was long enough");
}

/// One that only greets is told of the deadline, and one that asks once is free of it for good; false if either was too
/// slow.
fn spoke_in_time(arch: Arch, deadline: Duration) -> bool {
    let served = serve_with(arch, None, Limits { handshake: deadline, ..patient() });
    served.file("file", b"x");
    let mut greeted = Peer::connect(served.address);
    let told = |came| match came {
        Came::Failed(0, failure) => failure.code == Code::TimedOut,
        _ => false,
    };
    if greeted.try_flush().is_err() || !told(greeted.next()) {
        return false;
    }
    let mut busy = Peer::connect(served.address);
    busy.machine.request(&Request::Get(get("file")));
    if busy.try_flush().is_err() || !matches!(busy.next(), Came::Content(_)) {
        return false;
    }
    let mut came = busy.next();
    while !matches!(came, Came::End(..)) {
        assert!(matches!(came, Came::Data | Came::Block(_)), "{came:?} in the middle of an answer");
        came = busy.next();
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
        // Until the server is gone.
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
    // What was on the way still comes, but never the whole.
    let rest = peer.rest();
    assert!(!rest.iter().any(|came| matches!(came, Came::End(..))));
}

/// Several windows pass while a client takes little, but enough.
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
