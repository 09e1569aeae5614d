//! Floods of requests from many connections, while an honest client fetches its file.

use std::io::{Read, Write};

use fdsp::server::Arch;
use serde_json::{Value, json};

use super::{
    play::{honest, patient, stage, while_attacked},
    tricks::{FILES, GET, HASHES, LIST, STAT, TREE, greeted},
};
use crate::{
    conformance::{
        frames,
        harness::{Served, noise},
        line::Line,
    },
    shared::effort::at_most,
};

/// Requests of the longest flood.
fn most() -> u32 {
    at_most(2_000, 100_000)
}

/// Name, number of simultaneous connections, and the bytes that each sends.
fn tricks() -> Vec<(&'static str, usize, Vec<u8>)> {
    let many = |count: u32, kind: u8, message: &dyn Fn(u32) -> Value| {
        let requests: Vec<_> =
            (1..=count).map(|number| frames::json(kind, number, &message(number))).collect();
        greeted(&requests.concat())
    };
    let wanted: Vec<_> = (0..300).map(|number| json!({"path": number.to_string()})).collect();
    vec![
        ("connections and nothing else", 8, Vec::new()),
        ("greetings and nothing else", 8, greeted(&[])),
        (
            "hashes of large files",
            6,
            many(at_most(4, 8), HASHES, &|number| json!({"path": format!("large {}", number % 4)})),
        ),
        ("archives", 6, many(4, GET, &|_| json!({"path": "many"}))),
        (
            "ends of archives",
            6,
            many(at_most(10, 20), GET, &|_| json!({"path": "many", "first_block": 1000})),
        ),
        ("lists of one entry", 6, many(at_most(100, 300), LIST, &|_| json!({"path": "many", "limit": 1}))),
        ("lists of all", 6, many(at_most(20, 50), LIST, &|_| json!({"path": "many"}))),
        ("trees", 6, many(at_most(5, 20), TREE, &|_| json!({"path": "many"}))),
        (
            "many files again and again",
            6,
            many(at_most(4, 10), FILES, &|_| json!({"path": "many", "files": wanted})),
        ),
        (
            "files that are not there",
            6,
            many(at_most(300, 2000), GET, &|number| json!({"path": format!("absent/{number}")})),
        ),
        (
            "the last block again and again",
            6,
            many(at_most(10, 50), GET, &|_| json!({"path": "large 1", "first_block": 7})),
        ),
        (
            "unknown members of 60 KiB",
            6,
            many(at_most(30, 100), STAT, &|_| json!({"path": "", "x": "x".repeat(60_000)})),
        ),
    ]
}

pub fn names() -> Vec<String> {
    let tricks = tricks().into_iter().map(|(name, ..)| format!("flood: {name}"));
    tricks.chain(["flood: tiny requests".to_owned()]).collect()
}

fn folder(arch: Arch) -> Served {
    let served = stage(arch, patient());
    for number in 0..4 {
        served.file(format!("large {number}"), &noise(8 << 20, number));
    }
    served.directory("many");
    for number in 0..300 {
        served.file(format!("many/{number}"), &noise(2000, number));
    }
    served
}

pub fn all(arch: Arch) {
    let served = folder(arch);
    for (_, count, sent) in tricks() {
        while_attacked(&served, count, at_most(1, 2), |_| {
            let sent = sent.clone();
            move |served: &Served| {
                let mut line = Line::connect(served.address);
                let mut taken = line.try_clone().unwrap();
                // Reads and writes on two threads, so that neither waits for the other.
                let reader = std::thread::spawn(move || {
                    let _ = std::io::copy(&mut taken, &mut std::io::sink());
                });
                let _ = line.write_all(&sent);
                let _ = line.end();
                reader.join().unwrap();
            }
        });
    }
    std::thread::scope(|scope| {
        scope.spawn(|| tiny(&served));
        (0..2).for_each(|_| honest(&served));
    });
    served.wait_until("empty", |now| now.live == 0);
}

/// Each of many requests on one connection is answered, in order.
fn tiny(served: &Served) {
    let mut line = Line::connect(served.address);
    let mut reader = line.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            line.write_all(&greeted(&[])).unwrap();
            for first in (1..=most()).step_by(1000) {
                let some: Vec<_> =
                    (first..first + 1000).map(|n| frames::frame(STAT, n, br#"{"path":"x"}"#)).collect();
                line.write_all(&some.concat()).unwrap();
            }
            line.end().unwrap();
        });
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        let answers = frames::frames(&bytes[frames::PREAMBLE.len()..]);
        let numbers = answers.iter().map(|(_, request, _)| *request);
        assert!(numbers.eq(0..=most()), "a welcome, and an answer for each");
    });
}
