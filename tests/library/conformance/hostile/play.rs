//! Plays tricks beside an honest client.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr},
    os::unix::fs::symlink,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use fdsp::server::{Arch, Limits};
use socket2::SockRef;

use super::tricks::{Expected, Trick, greeted};
use crate::conformance::{
    frames::{self, PREAMBLE},
    harness::{Served, noise, serve_with},
    line::Line,
    peer::{Peer, get},
};

/// The kind of a frame of content.
const DATA: u8 = 0x90;
/// Bytes of the honest client's file.
const HONEST: usize = 300_000;
/// No deadline of a server passes in a test.
const LONG: Duration = Duration::from_secs(600);

/// A folder with an honest file, a small tree, and ways out of it.
pub fn stage(arch: Arch, limits: Limits) -> Served {
    let served = serve_with(arch, None, limits);
    served.file("honest", &noise(HONEST, 7));
    served.file("one block", &noise(1 << 20, 8));
    served.directory("tree/deep");
    served.file("tree/a", b"a file of the tree");
    symlink("/etc/passwd", served.path("link out")).unwrap();
    symlink("..", served.path("link up")).unwrap();
    let fifo = Command::new("mkfifo").arg(served.path("fifo")).status();
    if !fifo.is_ok_and(|status| status.success()) {
        eprintln!("skipped: mkfifo is not installed, and the trick of a FIFO is one of an absent file");
    }
    served
}

/// Deadlines that never pass, and room for all connections.
pub fn patient() -> Limits {
    Limits {
        max_connections: 1000,
        max_per_address: 1000,
        max_requests: u64::MAX,
        max_hashing: 1000,
        max_archives: 1000,
        handshake: LONG,
        idle: LONG,
        min_rate: 0,
        ..Limits::default()
    }
}

/// Fetches the honest file.
pub fn honest(served: &Served) {
    let mut peer = Peer::connect(served.address);
    let received = peer.get(get("honest")).unwrap();
    assert!(received.bytes == noise(HONEST, 7), "the honest client got something else");
    assert_eq!(received.root.map(|root| root.to_string()), Some(blake3::hash(&received.bytes).to_string()));
    peer.leave();
}

/// Fetches the honest file from a server that may close the connection early. Returns whether it is complete.
pub fn tries(served: &Served) -> bool {
    let answer = exchange(
        served.address,
        &greeted(&frames::json(super::tricks::GET, 1, &serde_json::json!({"path": "honest"}))),
        usize::MAX,
    );
    let frames = frames::frames(answer.strip_prefix(&PREAMBLE).unwrap_or_default());
    let content = frames.iter().filter(|(kind, ..)| *kind == DATA).flat_map(|(.., bytes)| *bytes);
    content.eq(&noise(HONEST, 7))
}

/// Sends bytes in pieces, closes, and returns the whole answer.
fn exchange(address: SocketAddr, sent: &[u8], piece: usize) -> Vec<u8> {
    let mut line = Line::connect(address);
    for bytes in sent.chunks(piece) {
        // It may have closed.
        if line.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = line.end();
    let mut answer = Vec::new();
    // A reset ends it as well as a close.
    let _ = line.read_to_end(&mut answer);
    answer
}

/// Whether an answer is the expected one of a trick.
fn check(answer: &[u8], expected: Expected) -> Result<(), String> {
    if answer.is_empty() && expected == Expected::Nothing {
        return Ok(());
    }
    let Some(rest) = answer.strip_prefix(&PREAMBLE) else {
        // A client without a version of the protocol may get a sentence.
        let sentence = expected == Expected::Nothing && answer.is_ascii();
        return if sentence { Ok(()) } else { Err("no preamble".into()) };
    };
    let frames = frames::frames(rest);
    if frames.iter().map(|(.., payload)| frames::HEADER + payload.len()).sum::<usize>() != rest.len() {
        return Err("a frame that is cut".into());
    }
    let code = |payload: &[u8]| -> String {
        let message: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
        message["code"].as_str().unwrap_or_default().to_owned()
    };
    let errors: Vec<_> = frames.iter().filter(|(kind, ..)| matches!(kind, 0x9f | 0x8b)).collect();
    let answers = frames.iter().filter(|(kind, ..)| (0x82..=0x92).contains(kind)).count();
    let right = match expected {
        Expected::Violation => {
            let last = frames.last().is_some_and(|(kind, request, _)| (*kind, *request) == (0x9f, 0));
            last && errors.len() == 1 && code(errors[0].2) == "violation"
        }
        Expected::Refused(wanted) => errors.len() == 1 && errors[0].1 == 1 && code(errors[0].2) == wanted,
        Expected::Answered => errors.is_empty() && answers > 0,
        Expected::Nothing => answers == 0,
    };
    if right { Ok(()) } else { Err(format!("{:?}", String::from_utf8_lossy(rest))) }
}

/// Plays each of the tricks, in one piece and one byte at a time; an honest client beside each gets its file.
pub fn all(arch: Arch, tricks: Vec<Trick>) {
    let served = stage(arch, patient());
    for trick in &tricks {
        let Trick { name, sent, expected } = trick;
        // The long ones take longer.
        let pieces = if sent.len() < 5000 { [usize::MAX, 1] } else { [usize::MAX, 997] };
        for piece in pieces {
            let answer = exchange(served.address, sent, piece.min(sent.len()));
            if let Err(why) = check(&answer, *expected) {
                panic!("{name}, {piece} bytes at a time: {why} instead of {expected:?}");
            }
        }
    }
    let mut turns = tricks.iter().cycle();
    while_attacked(&served, 2, tricks.len(), |_| {
        let tricks: Vec<_> = turns.by_ref().take(5).collect();
        move |served: &Served| {
            tricks.iter().for_each(|trick| drop(exchange(served.address, &trick.sent, trick.sent.len())))
        }
    });
    served.wait_until("empty", |now| now.live == 0);
}

/// Runs `attack` for `count` attackers, again and again, while an honest client fetches its file
/// `fetches` times.
pub fn while_attacked<A: Fn(&Served) + Send>(
    served: &Served,
    count: usize,
    fetches: usize,
    mut attack: impl FnMut(usize) -> A,
) {
    /// Ends the attack also if the honest client fails.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&over);
        for number in 0..count {
            let (attack, over) = (attack(number), &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    attack(served);
                }
            });
        }
        for _ in 0..fetches {
            honest(served);
        }
    });
}

/// See [`super::ends`].
pub fn ends(arch: Arch) {
    let served = stage(arch, patient());
    let request = |kind, number, message: serde_json::Value| frames::json(kind, number, &message);
    let sent = greeted(
        &[
            request(super::tricks::STAT, 1, serde_json::json!({"path": "honest"})),
            request(super::tricks::LIST, 2, serde_json::json!({"path": ""})),
            request(super::tricks::GET, 3, serde_json::json!({"path": "honest"})),
            request(super::tricks::HASHES, 4, serde_json::json!({"path": "honest"})),
            request(super::tricks::TREE, 5, serde_json::json!({"path": "tree"})),
            request(super::tricks::GET, 6, serde_json::json!({"path": "tree"})),
            request(super::tricks::GOODBYE, 0, serde_json::json!({"reason": "r"})),
        ]
        .concat(),
    );
    let mut places = vec![0, 1, 7, PREAMBLE.len()];
    for (.., payload) in frames::frames(&sent[PREAMBLE.len()..]) {
        let begin = places[places.len() - 1];
        let end = begin + frames::HEADER + payload.len();
        places.extend([begin + 1, begin + frames::HEADER, end - 1, end]);
    }
    assert_eq!(places.last(), Some(&sent.len()));
    let count = places.len();
    let mut connections = 0;
    for end in places {
        for how in [Some(Shutdown::Write), Some(Shutdown::Both), None] {
            let mut line = Line::connect(served.address);
            line.write_all(&sent[..end]).unwrap();
            match how {
                Some(Shutdown::Write) => line.end().unwrap(),
                Some(how) => line.socket().shutdown(how).unwrap(),
                None => SockRef::from(line.socket()).set_linger(Some(Duration::ZERO)).unwrap(),
            }
            if how == Some(Shutdown::Write) {
                let mut answer = Vec::new();
                let result = line.read_to_end(&mut answer);
                // A client that gets no answer gets no close of TLS either.
                assert!(result.is_ok() || end == 0, "at byte {end}: {result:?}");
            }
            connections += 1;
        }
        honest(&served);
    }
    served.wait_for_ends(connections + count);
    served.wait_until("empty", |now| now.live == 0 && now.rows.is_empty());
}
