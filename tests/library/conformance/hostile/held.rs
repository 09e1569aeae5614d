//! Connections that are held open: a request is started and never finished. Meanwhile honest clients are served; with
//! deadlines, they are closed. The single-threaded server serves the honest client as soon as those deadlines have passed.

use std::{
    io::{ErrorKind, Read, Write},
    thread,
    time::{Duration, Instant},
};

use fdsp::server::{Arch, Limits};
use serde_json::json;

use super::{
    play::{honest, patient, stage, tries},
    tricks::{GET, GOODBYE, HASHES, LIST, STAT, TREE, greeted},
};
use crate::conformance::{
    frames::{self, PREAMBLE, header},
    harness::{MAX_WAIT, Served, noise},
    line::Line,
};

/// Connections of each trick.
const MANY: usize = 12;
/// The shortest deadline that passes in a test.
const SHORT: Duration = Duration::from_millis(100);
/// A deadline is at least this many times as long as an honest client needs here.
const ROOM: u32 = 5;

/// An incomplete request.
fn tricks() -> Vec<(&'static str, Vec<u8>)> {
    let ask = |kind, path: &str| greeted(&frames::json(kind, 1, &json!({"path": path})));
    let many = |kind, path: &str| {
        let requests: Vec<_> =
            (1..200).map(|number| frames::json(kind, number, &json!({"path": path}))).collect();
        greeted(&requests.concat())
    };
    vec![
        ("silence", Vec::new()),
        ("one byte of the preamble", PREAMBLE[..1].to_vec()),
        ("half a preamble", PREAMBLE[..4].to_vec()),
        ("a preamble and no hello", PREAMBLE.to_vec()),
        ("half a header of hello", [&PREAMBLE[..], &header(0x01, 100, 0)[..6]].concat()),
        ("a header of hello", [&PREAMBLE[..], &header(0x01, 65_536, 0)].concat()),
        ("half a hello", [&PREAMBLE[..], &header(0x01, 65_536, 0), &[b' '; 30_000]].concat()),
        ("a hello and no request", greeted(&[])),
        ("half a header of a request", greeted(&header(GET, 100, 1)[..11])),
        ("a header of a request", greeted(&header(GET, 65_536, 1))),
        ("a request without its last byte", greeted(&frames::json(GET, 1, &json!({"path": "honest"}))[..28])),
        ("half a goodbye", greeted(&header(GOODBYE, 20, 0))),
        ("a TLS record with the begin of a handshake", vec![0x16, 3, 1, 2, 0, 1]),
        ("a file that is never read", ask(GET, "large")),
        ("an archive that is never read", ask(GET, "many")),
        ("hashes that are never read", many(HASHES, "large")),
        ("lists that are never read", many(LIST, "many")),
        ("trees that are never read", many(TREE, "many")),
        ("stats that are never read", many(STAT, "large")),
        ("two hundred archives that are never read", many(GET, "many")),
    ]
}

pub fn names() -> Vec<String> {
    let trickled = ["a handshake, a byte now and then", "an answer, a byte now and then"];
    tricks().into_iter().map(|(name, _)| format!("held: {name}")).chain(trickled.map(str::to_owned)).collect()
}

fn folder(arch: Arch, limits: Limits) -> Served {
    let served = stage(arch, limits);
    served.file("large", &noise(24 << 20, 1));
    served.directory("many");
    for number in 0..300 {
        served.file(format!("many/{number}"), &noise(3000, number));
    }
    served
}

/// Begins it; nothing more is sent or read. The server may close it before it has received all.
fn begin(served: &Served, sent: &[u8]) -> Line {
    let mut line = Line::connect(served.address);
    // So that an answer does not fit into the receive buffer.
    let _ = socket2::SockRef::from(line.socket()).set_recv_buffer_size(4096);
    let _ = line.write_all(sent);
    line
}

pub fn all(arch: Arch) {
    let served = folder(arch, patient());
    let quickest = (0..3).map(|_| {
        let start = Instant::now();
        honest(&served);
        start.elapsed()
    });
    let deadline = SHORT.max(quickest.min().expect("three") * ROOM);
    if arch != Arch::Single {
        without_deadlines(&served);
    }
    drop(served);
    with_deadlines(arch, deadline);
}

/// An honest client is served beside all held connections.
fn without_deadlines(served: &Served) {
    let mut held = Vec::new();
    for (name, sent) in tricks() {
        let many: Vec<_> = (0..MANY).map(|_| begin(served, &sent)).collect();
        // Beside these, and all earlier ones.
        honest(served);
        // A handshake is refused at once, without TLS as well as inside of it.
        if !name.contains("TLS") {
            held.extend(many);
        }
    }
    served.wait_until("only the held ones", |now| now.live == held.len());
}

/// No connection is held longer than the deadlines.
fn with_deadlines(arch: Arch, deadline: Duration) {
    let limits = Limits {
        handshake: deadline,
        idle: deadline,
        min_rate: 50_000_000,
        rate_window: deadline,
        ..Limits::default()
    };
    // After each trick the single-threaded server waits for a deadline: several of them wait side by side.
    let at_once = if arch == Arch::Single { 5 } else { 1 };
    let tricks = tricks();
    thread::scope(|scope| {
        for tricks in tricks.chunks(tricks.len().div_ceil(at_once)) {
            let served = folder(arch, limits.clone());
            scope.spawn(move || end_by_deadlines(&served, arch, tricks));
        }
    });
    let served = folder(arch, limits);
    trickled(&served, deadline / 100);
    served.wait_until("empty", |now| now.live == 0 && now.rows.is_empty());
}

/// Each of them ends, and after each an honest client is served.
fn end_by_deadlines(served: &Served, arch: Arch, tricks: &[(&str, Vec<u8>)]) {
    let mut held = Vec::new();
    for (name, sent) in tricks {
        held.push(begin(served, sent));
        if arch == Arch::Single {
            // It waits for its turn; on a slow machine it is sometimes too slow itself.
            let start = Instant::now();
            while !tries(served) {
                assert!(start.elapsed() < MAX_WAIT, "no client is served after {name}");
            }
        }
    }
    served.wait_for_ends(held.len());
    served.wait_until("empty", |now| now.live == 0 && now.waiting == 0);
}

/// Single bytes move no deadline.
fn trickled(served: &Served, pause: Duration) {
    let sent = [&PREAMBLE[..], &header(0x01, 65_536, 0), &[b' '; 5000]].concat();
    let mut bytes = sent.iter();
    // The handshake of TLS is before the first deadline.
    let mut line = begin(served, &[]);
    let _ = line.write_all(&[*bytes.next().expect("a byte")]);
    let _ = line.socket().set_read_timeout(Some(pause));
    // Until it is closed.
    while line.write_all(&[*bytes.next().expect("it is closed before all is said")]).is_ok() {
        match line.read(&mut [0; 1024]) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => break,
        }
    }
    let mut line = begin(served, &greeted(&frames::json(GET, 1, &json!({"path": "large"}))));
    let mut taken = 0;
    while let Ok(1) = line.read(&mut [0]) {
        taken += 1;
        if served.snapshot().live == 0 {
            break;
        }
        thread::sleep(pause);
    }
    assert!(taken < 1 << 20, "{taken} bytes");
}
