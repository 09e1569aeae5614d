//! The tricks that are a stream of bytes.

use serde_json::{Value, json};

use super::play::{Attack, Then, WANTED};
use crate::engine::frames::{self, PREAMBLE, frame, header};

const WELCOME: u8 = 0x81;
pub const CONTENT: u8 = 0x84;
pub const VALUES: u8 = 0x85;
pub const DATA: u8 = 0x90;
pub const BLOCK: u8 = 0x91;
pub const END: u8 = 0x92;
pub const ERROR: u8 = 0x9f;
pub const GOODBYE: u8 = 0x0f;

fn attack(name: impl Into<String>, says: Vec<u8>) -> Attack {
    Attack { name: name.into(), says, then: Then::Close, harmless: false }
}

fn welcome() -> Value {
    json!({"agent": "hostile", "pipeline": 8, "parallel": 4})
}

pub fn content() -> Value {
    json!({
        "form": "file", "name": "a", "size": WANTED.len(), "modified": {"s": 1, "ns": 2}, "mode": 420,
        "identity": "hostile", "first_block": 0,
    })
}

fn end() -> Value {
    json!({"size": WANTED.len(), "root": blake3::hash(WANTED).to_string(), "identity": "hostile"})
}

pub fn chaining(index: u64, bytes: &[u8]) -> [u8; 32] {
    use blake3::hazmat::HasherExt;
    blake3::Hasher::new().set_input_offset(index << 20).update(bytes).finalize_non_root()
}

pub fn mark(index: u64, position: u64, hash: &[u8; 32]) -> Vec<u8> {
    [&index.to_le_bytes()[..], &position.to_le_bytes(), hash].concat()
}

pub fn right_mark() -> Vec<u8> {
    mark(0, WANTED.len() as u64, &chaining(0, WANTED))
}

/// Preamble and welcome, followed by these bytes.
pub fn welcomed(rest: &[Vec<u8>]) -> Vec<u8> {
    [&PREAMBLE[..], &frames::json(WELCOME, 0, &welcome()), &rest.concat()].concat()
}

/// The right answer: name, bytes.
pub fn right() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("the preamble", PREAMBLE.to_vec()),
        ("welcome", frames::json(WELCOME, 0, &welcome())),
        ("content", frames::json(CONTENT, 1, &content())),
        ("data", frame(DATA, 1, WANTED)),
        ("block", frame(BLOCK, 1, &right_mark())),
        ("end", frames::json(END, 1, &end())),
    ]
}

/// The right answer with other bytes in place of the step `at`.
fn instead(at: usize, bytes: Vec<u8>) -> Vec<u8> {
    let mut steps: Vec<_> = right().into_iter().map(|(_, bytes)| bytes).collect();
    steps[at] = bytes;
    steps.concat()
}

pub fn fields() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (at, (name, bytes)) in right().into_iter().enumerate().skip(1) {
        let (kind, request, payload) = frames::frames(&bytes)[0];
        let most = match kind {
            DATA => 256 * 1024,
            BLOCK => 48,
            _ => 64 * 1024,
        };
        for (what, spoilt) in frames::spoilt(kind, request, payload, most) {
            attacks.push(attack(format!("{name} {what}"), instead(at, spoilt)));
        }
        for (other, what) in [(request ^ 1, "for another request"), (u32::MAX, "for the last request")] {
            attacks.push(attack(format!("{name} {what}"), instead(at, frame(kind, other, payload))));
        }
        attacks.push(attack(format!("{name} without a payload"), instead(at, frame(kind, request, b""))));
        let shorter = frame(kind, request, &payload[..payload.len() - 1]);
        attacks.push(attack(format!("{name} without its last byte"), instead(at, shorter)));
    }
    attacks
}

pub fn members() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (at, name, kind, request, message) in [
        (1, "welcome", WELCOME, 0, welcome()),
        (2, "content", CONTENT, 1, content()),
        (5, "end", END, 1, end()),
    ] {
        for (what, bytes) in frames::malformed(&message) {
            attacks.push(attack(format!("{name}: {what}"), instead(at, frame(kind, request, &bytes))));
        }
    }
    for (what, member, value) in [
        ("an invalid form", "form", json!("tar")),
        ("no form", "form", json!("auto")),
        ("another form without sources", "form", json!("zip")),
        ("sources of a file", "sources", json!({"bytes": 1, "files": 1, "directories": 1, "omitted": 0})),
        ("no identity", "identity", json!("")),
        ("an identity too long", "identity", json!("x".repeat(129))),
        ("a mode of more than permissions", "mode", json!(0o4755)),
        ("a mode of all bits", "mode", json!(u32::MAX)),
        ("nanoseconds of more than a second", "modified", json!({"s": 1, "ns": 1_000_000_000})),
        ("a time without nanoseconds", "modified", json!({"s": 1})),
        ("seconds that no number holds", "modified", json!({"s": 1e300, "ns": 0})),
        ("another first block", "first_block", json!(1)),
        ("the first block that no content has", "first_block", json!(u64::MAX)),
    ] {
        let mut message = content();
        message[member] = value;
        attacks.push(attack(format!("content: {what}"), instead(2, frames::json(CONTENT, 1, &message))));
    }
    for (what, member, value) in [
        ("another size", "size", json!(WANTED.len() + 1)),
        ("a size of nothing", "size", json!(0)),
        ("another identity", "identity", json!("other")),
        ("a root of another content", "root", json!(blake3::hash(b"other").to_string())),
        ("an invalid root", "root", json!("x".repeat(64))),
        ("a root too long", "root", json!("0".repeat(66))),
        ("a root of letters that are two bytes long", "root", json!("é".repeat(32))),
    ] {
        let mut message = end();
        message[member] = value;
        attacks.push(attack(format!("end: {what}"), instead(5, frames::json(END, 1, &message))));
    }
    for (kind, request, name, message) in [
        (ERROR, 1, "error", json!({"code": "internal", "message": "m"})),
        (GOODBYE, 0, "goodbye", json!({"reason": "r"})),
    ] {
        for (what, bytes) in frames::malformed(&message) {
            attacks.push(attack(format!("{name}: {what}"), welcomed(&[frame(kind, request, &bytes)])));
        }
    }
    let code =
        json!({"code": "\u{1b}[2J", "message": "\u{1b}]0;x\u{7}\r\n\u{202e}\u{9b}1m", "path": "\u{1b}c"});
    attacks.push(attack("error: escapes", welcomed(&[frames::json(ERROR, 1, &code)])));
    let reason = json!({"reason": "\u{1b}]0;x\u{7}\r\n\u{202e}\u{9b}1m"});
    attacks.push(attack("goodbye: escapes", welcomed(&[frames::json(GOODBYE, 0, &reason)])));
    let never = json!({"code": "busy", "message": "m", "retry_after": u32::MAX});
    attacks.push(attack("error: retry in 136 years", welcomed(&[frames::json(ERROR, 0, &never)])));
    // Unknown members are ignored.
    let mut more = content();
    more["unknown"] = json!({"x": [1, 2, {"y": null}]});
    more["name"] = json!("../../\u{1b}[2J/etc/passwd\0");
    let harmless = attack(
        "content: an unknown member, and a name that leads away",
        instead(2, frames::json(CONTENT, 1, &more)),
    );
    attacks.push(Attack { harmless: true, ..harmless });
    attacks
}

pub fn steps() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let right = right();
    for (at, (name, bytes)) in right.iter().enumerate() {
        attacks.push(attack(format!("{name} left out"), instead(at, Vec::new())));
        let twice = attack(format!("{name} twice"), instead(at, [&bytes[..], bytes].concat()));
        // The answer has ended before its second end is received.
        attacks.push(Attack { harmless: *name == "end", ..twice });
        if let Some((next, other)) = right.get(at + 1) {
            let mut steps: Vec<_> = right.iter().map(|(_, bytes)| bytes.clone()).collect();
            (steps[at], steps[at + 1]) = (other.clone(), bytes.clone());
            attacks.push(attack(format!("{next} before {name}"), steps.concat()));
        }
        let goodbye = frames::json(GOODBYE, 0, &json!({"reason": "r"}));
        if at > 0 {
            attacks.push(attack(format!("goodbye instead of {name}"), instead(at, goodbye)));
        }
    }
    let answers = [
        (
            "meta",
            0x82,
            json!({"kind": "file", "name": "a", "size": 1, "modified": {"s": 1, "ns": 2}, "mode": 1, "identity": "i"}),
        ),
        ("entries", 0x83, json!({"entries": [], "more": false})),
        ("tree", 0x86, json!({"entries": [], "more": false})),
        ("file", 0x87, content()),
        ("missed", 0x8b, json!({"code": "not_found", "message": "m"})),
    ];
    for (name, kind, message) in answers {
        attacks
            .push(attack(format!("{name} in answer to a get"), welcomed(&[frames::json(kind, 1, &message)])));
    }
    for (name, kind, payload) in [
        ("hashes", VALUES, vec![0; 40]),
        ("done", 0x88, vec![0; 32]),
        ("same", 0x89, Vec::new()),
        ("differs", 0x8a, Vec::new()),
    ] {
        attacks.push(attack(format!("{name} in answer to a get"), welcomed(&[frame(kind, 1, &payload)])));
    }
    for (name, says) in [
        ("nothing", &b""[..]),
        ("HTTP", b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nthe right content"),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n"),
        ("an alert of TLS", b"\x15\x03\x01\x00\x02\x02\x32"),
        ("a handshake of TLS", b"\x16\x03\x03\x00\x02\x02\x32"),
        ("a classic server", b"file_exist"),
        ("the content and nothing else", WANTED),
        ("zeros", &[0; 100_000]),
        ("ones", &[0xff; 100_000]),
        ("escapes", b"\x1b]0;x\x07\x1b[2J\xc2\x9b1m"),
        ("a preamble with an empty range", b"\0FDSP\x02\x01\0"),
        ("a preamble that names two versions", b"\0FDSP\x01\x02\0"),
        ("a preamble without a version in common", b"\0FDSP\x07\x09\0"),
        ("a preamble whose zero is not zero", b"\0FDSP\x01\x01\x01"),
        ("a preamble of another name", b"\0FTP!\x01\x01\0"),
    ] {
        attacks.push(attack(format!("{name} instead of an answer"), says.to_vec()));
    }
    attacks.push(attack("error and then the content", {
        let error = frames::json(ERROR, 1, &json!({"code": "not_found", "message": "m"}));
        [welcomed(&[error]), right[2..].iter().flat_map(|(_, bytes)| bytes.clone()).collect()].concat()
    }));
    attacks.push(attack("welcome of a later answer", [welcomed(&[]), welcomed(&[])].concat()));
    attacks
}

pub fn lies() -> Vec<Attack> {
    let size = WANTED.len() as u64;
    let mut attacks = Vec::new();
    for (what, said) in [
        ("nothing", 0),
        ("one byte less", size - 1),
        ("one byte more", size + 1),
        ("a block more", size + (1 << 20)),
        ("four exbibytes", 1 << 62),
        ("half of what a number holds", i64::MAX as u64),
        ("2^63", 1 << 63),
        ("all that a number holds", u64::MAX),
    ] {
        let mut message = content();
        message["size"] = json!(said);
        attacks.push(attack(format!("a size of {what}"), instead(2, frames::json(CONTENT, 1, &message))));
    }
    let hash = chaining(0, WANTED);
    for (what, bytes) in [
        ("a digest of another block", mark(0, size, &chaining(1, WANTED))),
        ("a digest of other bytes", mark(0, size, &chaining(0, b"other"))),
        ("a digest of zeros", mark(0, size, &[0; 32])),
        ("the digest of the whole", mark(0, size, blake3::hash(WANTED).as_bytes())),
        ("another index", mark(1, size, &hash)),
        ("the last index", mark(u64::MAX, size, &hash)),
        ("a position before the end", mark(0, size - 1, &hash)),
        ("a position after the end", mark(0, size + 1, &hash)),
        ("the last position", mark(0, u64::MAX, &hash)),
    ] {
        attacks.push(attack(format!("a block with {what}"), instead(4, frame(BLOCK, 1, &bytes))));
    }
    for (what, bytes) in [
        ("other bytes", b"the wrong content".to_vec()),
        ("a byte less", WANTED[1..].to_vec()),
        ("a byte more", [WANTED, b"!"].concat()),
        ("256 KiB", vec![b'x'; 256 * 1024]),
    ] {
        attacks.push(attack(format!("data of {what}"), instead(3, frame(DATA, 1, &bytes))));
    }
    let header = header(DATA, 256 * 1024, 1);
    attacks.push(attack("data of 256 KiB that are not sent", instead(3, header)));
    attacks
}

pub fn ends() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let whole: Vec<u8> = right().into_iter().flat_map(|(_, bytes)| bytes).collect();
    let mut begin = 0;
    for (name, bytes) in right() {
        for (what, end) in [("before", begin), ("in the middle of", begin + bytes.len() / 2)] {
            for (how, then) in
                [("ends", Then::Close), ("is reset", Then::Reset), ("stays silent", Then::Stay)]
            {
                let says = whole[..end].to_vec();
                attacks.push(Attack { name: format!("it {how} {what} {name}"), says, then, harmless: false });
            }
        }
        begin += bytes.len();
    }
    for (how, then) in [("ends", Then::Close), ("stays silent", Then::Stay)] {
        attacks.push(Attack {
            name: format!("it {how} after the end"),
            says: whole.clone(),
            then,
            harmless: true,
        });
    }
    attacks
}

pub fn hashes() -> Vec<Attack> {
    let announced = |size: u64| {
        let mut message = content();
        message["size"] = json!(size);
        frames::json(CONTENT, 1, &message)
    };
    let values = |first: u64, count: usize| {
        frame(VALUES, 1, &[&first.to_le_bytes()[..], &vec![7; 32 * count]].concat())
    };
    let ended = |size: Option<u64>, root: Option<&str>, identity: &str| {
        frames::json(END, 1, &json!({"size": size, "root": root, "identity": identity}))
    };
    let (size, zeros) = (3_u64 << 20, "0".repeat(64));
    let right_end = ended(Some(size), Some(&zeros), "hostile");
    let mut attacks = Vec::new();
    for (what, steps) in [
        ("no content before them", vec![values(0, 3), right_end.clone()]),
        ("out of order", vec![announced(size), values(1, 2), values(0, 1), right_end.clone()]),
        ("with a gap", vec![announced(size), values(0, 1), values(2, 1), right_end.clone()]),
        ("the same twice", vec![announced(size), values(0, 1), values(0, 1), right_end.clone()]),
        ("one too many", vec![announced(size), values(0, 4), right_end.clone()]),
        ("one too few", vec![announced(size), values(0, 2), right_end.clone()]),
        (
            "from the last block that a number names",
            vec![announced(size), values(u64::MAX, 1), right_end.clone()],
        ),
        ("from block 2^44", vec![announced(size), values(1 << 44, 1), right_end.clone()]),
        ("half a value", vec![announced(size), frame(VALUES, 1, &[0; 24])]),
        ("an index and no value", vec![announced(size), frame(VALUES, 1, &[0; 8])]),
        ("more than a frame holds", vec![announced(size), header(VALUES, 8 + 32 * 2048, 1)]),
        ("data between them", vec![announced(size), values(0, 1), frame(DATA, 1, b"x")]),
        ("a block between them", vec![announced(size), values(0, 1), frame(BLOCK, 1, &right_mark())]),
        ("no end", vec![announced(size), values(0, 3)]),
        (
            "another identity at the end",
            vec![announced(size), values(0, 3), ended(Some(size), Some(&zeros), "other")],
        ),
        (
            "another size at the end",
            vec![announced(size), values(0, 3), ended(Some(size + 1), Some(&zeros), "hostile")],
        ),
        ("no root", vec![announced(size), values(0, 3), ended(Some(size), None, "hostile")]),
        ("a wrong root", vec![announced(size), values(0, 3), right_end.clone()]),
        (
            "of an archive",
            vec![frames::json(CONTENT, 1, &{
                let mut message = content();
                message["form"] = json!("zip");
                message["sources"] = json!({"bytes": 1, "files": 1, "directories": 1, "omitted": 0});
                message
            })],
        ),
        ("of 2^63 bytes", vec![announced(1 << 63), values(0, 3), ended(None, None, "hostile")]),
        (
            "of all bytes that a number holds",
            vec![announced(u64::MAX), values(0, 3), ended(None, None, "hostile")],
        ),
        (
            "changed in the middle",
            vec![
                announced(size),
                values(0, 1),
                frames::json(ERROR, 1, &json!({"code": "changed", "message": "m"})),
            ],
        ),
        ("of nothing, and then nothing", vec![announced(0)]),
    ] {
        attacks.push(attack(format!("hashes: {what}"), welcomed(&steps)));
    }
    attacks
}
