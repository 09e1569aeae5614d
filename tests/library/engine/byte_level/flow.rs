//! Tricks that are more than a stream of bytes: endless, byte by byte, or a message and then silence.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use fdsp::client::{Config, Existing, NewJob, TroubleKind};
use serde_json::json;

use super::{
    play::{WANTED, asked, fetch},
    tricks::{self, VALUES, welcomed},
};
use crate::engine::{
    frames::{self, frame},
    scripted::listen,
    support::{Client, MIB, content, once},
};

/// The names of these tricks: the tests below, in their order.
pub const NAMES: [&str; 6] = [
    "hashes without end",
    "an archive without end",
    "a farewell without a close",
    "an error for the connection without a close",
    "a byte at a time",
    "a message without end",
];

/// Longer than any test may take.
const NEVER: Duration = Duration::from_secs(600);

fn engine(timeout: Duration) -> Client {
    Client::new(Config { timeout, ..once() })
}

/// Sends these bytes again and again, until the other side closes.
fn endless(stream: &mut TcpStream, mut make: impl FnMut(u64) -> Vec<u8>) {
    let mut number = 0;
    while stream.write_all(&make(number)).is_ok() {
        number += 1;
    }
}

/// The hashes of 2^63 announced bytes would take longer than a lifetime.
#[test]
fn an_endless_list_of_hashes_is_rejected() {
    let at = listen(|_, mut stream| {
        asked(&mut stream);
        let mut announced = tricks::content();
        announced["size"] = json!(1_u64 << 63);
        let _ = stream.write_all(&welcomed(&[frames::json(0x84, 1, &announced)]));
        endless(&mut stream, |number| {
            frame(VALUES, 1, &[&(number * 1024).to_le_bytes()[..], &[7; 32 * 1024]].concat())
        });
    });
    let mut client = engine(NEVER);
    let target = client.path("a");
    let old = content(2 * MIB, 1);
    fs::write(&target, &old).unwrap();
    let folder = client.folder.path().to_owned();
    fetch(&mut client, at, &folder).unwrap_err();
    assert!(fs::read(target).unwrap() == old);
}

/// An archive of unknown size is at most as long as its sources allow.
#[test]
fn an_endless_archive_is_rejected() {
    let at = listen(|_, mut stream| {
        asked(&mut stream);
        let mut announced = tricks::content();
        announced["form"] = json!("zip");
        announced.as_object_mut().unwrap().remove("size");
        announced["sources"] = json!({"bytes": 1000, "files": 1, "directories": 1, "omitted": 0});
        let _ = stream.write_all(&welcomed(&[frames::json(0x84, 1, &announced)]));
        let block = vec![7; MIB];
        endless(&mut stream, |number| {
            use blake3::hazmat::HasherExt;
            let hash =
                blake3::Hasher::new().set_input_offset(number << 20).update(&block).finalize_non_root();
            let mut frames: Vec<_> = block.chunks(256 * 1024).map(|data| frame(0x90, 1, data)).collect();
            frames.push(frame(0x91, 1, &[&number.to_le_bytes()[..], &[0; 8], &hash].concat()));
            frames.concat()
        });
    });
    let mut client = engine(NEVER);
    let trouble = client.get(at, "a").unwrap_err();
    assert!(trouble.message.as_str().contains("more data than"), "{trouble}");
    let left = fs::metadata(client.path("a.zip.part")).map_or(0, |data| data.len());
    assert!(left <= 2 * MIB as u64, "{left} bytes are left");
}

/// Requests `a`, with and without an existing target, from a server that sends a word instead of an answer and leaves the
/// connection open. The client does not wait.
fn left_open(word: &'static [u8], expected: &str) {
    for old in [false, true] {
        let at = listen(move |_, mut stream| {
            asked(&mut stream);
            let _ = stream.write_all(&welcomed(&[word.to_vec()]));
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let mut client = engine(NEVER);
        if old {
            fs::write(client.path("a"), "old").unwrap();
        }
        let job = NewJob { existing: Existing::Update, ..client.job(at, "a") };
        let trouble = client.run(job).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Connection);
        assert!(trouble.message.as_str().contains(expected), "{trouble}");
    }
}

#[test]
fn a_goodbye_without_a_close_ends_the_connection() {
    let word = frames::json(0x0f, 0, &json!({"reason": "bye"}));
    left_open(word.leak(), "closed the connection: bye");
}

#[test]
fn a_connection_error_without_a_close_ends_the_connection() {
    let word = frames::json(0x9f, 0, &json!({"code": "busy", "message": "m"}));
    left_open(word.leak(), "busy");
}

/// Bytes that are received one at a time are as valid as all at once.
#[test]
fn a_server_that_sends_a_byte_at_a_time_times_out() {
    let at = listen(|_, mut stream| {
        asked(&mut stream);
        stream.set_nodelay(true).unwrap();
        for (_, bytes) in tricks::right() {
            for byte in bytes {
                let _ = stream.write_all(&[byte]);
            }
        }
    });
    let mut client = engine(NEVER);
    let finished = client.get(at, "a").unwrap();
    assert_eq!(fs::read(finished.path).unwrap(), WANTED);
}

/// The length of a message is limited: the client fails at 64 KiB, and retries after the usual delay.
#[test]
fn an_endless_message_is_rejected() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let at = listen(|_, mut stream| {
        CONNECTIONS.fetch_add(1, Ordering::SeqCst);
        asked(&mut stream);
        let _ = stream.write_all(&[&frames::PREAMBLE[..], &frames::header(0x81, 65_536, 0)].concat());
        endless(&mut stream, |_| vec![b' '; 1000]);
    });
    let begin = Instant::now();
    engine(NEVER).get(at, "a").unwrap_err();
    assert!(begin.elapsed() < NEVER);
    assert_eq!(CONNECTIONS.load(Ordering::SeqCst), 1);
}
