//! Connections that are held: something is begun, and never ended. While they are held, honest clients are served; with
//! deadlines, they are closed. The single-threaded server serves the honest client as soon as those deadlines have passed.

use std::{
    io::{Read, Write},
    time::Duration,
};

use fdsp::server::{Arch, Event, Limits};
use serde_json::json;

use super::{
    play::{honest, patient, stage},
    tricks::{GET, GOODBYE, HASHES, LIST, STAT, TREE, greeted},
};
use crate::conformance::{
    frames::{self, PREAMBLE, header},
    harness::{Served, noise},
    line::Line,
};

/// Connections of each trick.
const MANY: usize = 12;
/// A deadline that passes in a test.
const SHORT: Duration = Duration::from_secs(1);

/// What is begun.
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
        ("a TLS record of a handshake, begun", vec![0x16, 3, 1, 2, 0, 1]),
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

/// Begins it; nothing more is said or read.
fn begin(served: &Served, says: &[u8]) -> Line {
    let mut line = Line::connect(served.address);
    // So that an answer does not fit into what the kernel keeps for us.
    let _ = socket2::SockRef::from(line.socket()).set_recv_buffer_size(4096);
    line.write_all(says).unwrap();
    line
}

pub fn all(arch: Arch) {
    if arch != Arch::Single {
        let served = folder(arch, patient());
        let mut held = Vec::new();
        for (name, says) in tricks() {
            let many: Vec<_> = (0..MANY).map(|_| begin(&served, &says)).collect();
            // Beside these, and all that were begun before.
            honest(&served);
            // A handshake is refused at once, without TLS as well as inside of it.
            if !name.contains("TLS") {
                held.extend(many);
            }
        }
        served.wait_until("only those who hold it", |now| now.live == held.len());
    }
    // And no longer than the deadlines.
    let limits = Limits {
        handshake: SHORT,
        idle: SHORT,
        min_rate: 1_000_000,
        rate_window: SHORT,
        ..Limits::default()
    };
    let served = folder(arch, limits);
    let mut held = Vec::new();
    for (_, says) in tricks() {
        held.push(begin(&served, &says));
        if arch == Arch::Single {
            // It waits for its turn, which comes.
            honest(&served);
        }
    }
    let count = held.len() + if arch == Arch::Single { held.len() } else { 0 };
    served.wait_for_ends(count);
    drop(held);
    trickled(&served, count);
    served.wait_until("empty", |now| now.live == 0 && now.rows.is_empty());
}

/// A byte now and then moves no deadline.
fn trickled(served: &Served, before: usize) {
    let says = [&PREAMBLE[..], &header(0x01, 65_536, 0), &[b' '; 5000]].concat();
    let mut line = Line::connect(served.address);
    let mut bytes = says.iter();
    // Until it is closed, or the test's patience is over.
    while served.count(|event| matches!(event, Event::Disconnected { .. })) == before {
        if let Some(byte) = bytes.next() {
            let _ = line.write_all(&[*byte]);
        }
        std::thread::sleep(SHORT / 100);
    }
    assert!(bytes.len() > 0, "it was closed before it was done");
    let mut line = begin(served, &greeted(&frames::json(GET, 1, &json!({"path": "large"}))));
    let mut taken = 0;
    while served.count(|event| matches!(event, Event::Disconnected { .. })) == before + 1 {
        taken += line.read(&mut [0]).unwrap_or(0);
        std::thread::sleep(SHORT / 100);
    }
    assert!(taken < 1 << 20, "{taken} bytes");
}
