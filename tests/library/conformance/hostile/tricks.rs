//! The tricks that are a stream of bytes, and the expected answer to each.

use serde_json::{Value, json};

use crate::conformance::frames::{self, PREAMBLE, frame, header};

pub const HELLO: u8 = 0x01;
pub const STAT: u8 = 0x02;
pub const LIST: u8 = 0x03;
pub const GET: u8 = 0x04;
pub const HASHES: u8 = 0x05;
pub const TREE: u8 = 0x06;
pub const FILES: u8 = 0x07;
pub const GOODBYE: u8 = 0x0f;

/// The requests of a path.
const REQUESTS: [(u8, &str); 5] =
    [(STAT, "stat"), (LIST, "list"), (GET, "get"), (HASHES, "hashes"), (TREE, "tree")];

/// The expected answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An `error` for the connection, and nothing after it.
    Violation,
    /// The request failed with this code; the connection stays open.
    Refused(&'static str),
    /// It is answered; the connection stays open.
    Answered,
    /// Nothing that is an answer: the connection is closed.
    Nothing,
}

/// A trick.
pub struct Trick {
    pub name: String,
    /// All bytes of the client.
    pub sent: Vec<u8>,
    pub expected: Expected,
}

fn trick(name: impl Into<String>, sent: Vec<u8>, expected: Expected) -> Trick {
    Trick { name: name.into(), sent, expected }
}

pub fn hello() -> Vec<u8> {
    frames::json(HELLO, 0, &json!({"agent": "hostile"}))
}

/// The first frames of every client, followed by these bytes.
pub fn greeted(rest: &[u8]) -> Vec<u8> {
    [&PREAMBLE[..], &hello(), rest].concat()
}

fn ask(kind: u8, request: u32, message: &Value) -> Vec<u8> {
    greeted(&frames::json(kind, request, message))
}

pub fn traversal() -> Vec<Trick> {
    let (long, deep) = ("x".repeat(256), "x/".repeat(2049));
    let up = "../".repeat(60) + "etc/passwd";
    let spellings: [(&str, &str); 41] = [
        ("..", ".."),
        ("../", "../"),
        ("../ before a name", "../outside"),
        ("/../ before a name", "/../outside"),
        ("//..//", "//..//outside"),
        ("./../", "./../outside"),
        (".././", ".././outside"),
        ("up from a directory", "tree/../../outside"),
        ("up from a deep directory", "tree/deep/../../../outside"),
        ("up and in again", "tree/../honest"),
        ("up from a file", "honest/../honest"),
        ("up at the end", "tree/.."),
        ("up from what is absent", "absent/../honest"),
        ("sixty times up", &up),
        ("an absolute path", "/etc/passwd"),
        ("a path of /proc", "/proc/self/environ"),
        ("a magic link of /proc", "/proc/self/root/etc/passwd"),
        ("a descriptor", "/dev/fd/0"),
        ("backslashes", "..\\outside"),
        ("a drive", "C:\\outside"),
        ("a share", "\\\\host\\share"),
        ("percent", "%2e%2e/outside"),
        ("percent slash", "..%2foutside"),
        ("percent twice", "%252e%252e%252foutside"),
        ("an overlong percent", "..%c0%afoutside"),
        ("wide dots", "\u{ff0e}\u{ff0e}/outside"),
        ("one-dot leaders", "\u{2024}\u{2024}/outside"),
        ("a two-dot leader", "\u{2025}/outside"),
        ("a division slash", "..\u{2215}outside"),
        ("dots and a blank", ".. /outside"),
        ("a blank and dots", " ../outside"),
        ("dots and a zero-width space", "..\u{200b}/outside"),
        ("four dots", "..../outside"),
        ("dots and a semicolon", "..;/outside"),
        ("NUL after dots", "..\0/outside"),
        ("NUL after a name", "honest\0"),
        ("NUL and an extension", "honest\0.txt"),
        ("a home", "~/outside"),
        ("a URL", "file:///etc/passwd"),
        ("a segment too long", &long),
        ("a path too long", &deep),
    ];
    let links = [("a link out", "link out"), ("through a link out", "link up/outside"), ("a FIFO", "fifo")];
    let mut tricks = Vec::new();
    for (what, path) in spellings.into_iter().chain(links) {
        for (kind, request) in REQUESTS {
            let sent = ask(kind, 1, &json!({"path": path}));
            tricks.push(trick(format!("{request}: {what}"), sent, Expected::Refused("not_found")));
        }
        for (name, base, file) in [("files", "", path), ("files of", path, "outside")] {
            let files = json!({"path": base, "files": [{"path": file}]});
            tricks.push(trick(
                format!("{name}: {what}"),
                ask(FILES, 1, &files),
                Expected::Refused("not_found"),
            ));
        }
    }
    tricks
}

/// A valid message of each kind: name, kind, request, required members.
fn right() -> Vec<(&'static str, u8, u32, Value)> {
    vec![
        ("stat", STAT, 1, json!({"path": "honest"})),
        ("list", LIST, 1, json!({"path": ""})),
        ("get", GET, 1, json!({"path": "tree/a"})),
        ("hashes", HASHES, 1, json!({"path": "tree/a"})),
        ("tree", TREE, 1, json!({"path": "tree"})),
        ("files", FILES, 1, json!({"path": "tree", "files": []})),
        ("goodbye", GOODBYE, 0, json!({"reason": "r"})),
    ]
}

pub fn fields() -> Vec<Trick> {
    let mut tricks = Vec::new();
    let hello = json!({"agent": "a"}).to_string();
    for (what, bytes) in frames::spoilt(HELLO, 0, hello.as_bytes(), 65_536) {
        tricks.push(trick(format!("hello {what}"), [&PREAMBLE[..], &bytes].concat(), Expected::Violation));
    }
    tricks.push(trick(
        "hello of a request",
        [&PREAMBLE[..], &frame(HELLO, 1, hello.as_bytes())].concat(),
        Expected::Violation,
    ));
    for (name, kind, request, message) in right() {
        let text = message.to_string();
        for (what, bytes) in frames::spoilt(kind, request, text.as_bytes(), 65_536) {
            tricks.push(trick(format!("{name} {what}"), greeted(&bytes), Expected::Violation));
        }
        let (other, what) = if request == 0 { (1, "of a request") } else { (0, "of request 0") };
        tricks.push(trick(
            format!("{name} {what}"),
            greeted(&frame(kind, other, text.as_bytes())),
            Expected::Violation,
        ));
    }
    for (what, at, bytes) in [
        ("its NUL missing", 0, &[b'F'][..]),
        ("another name", 1, b"X"),
        ("a name in small letters", 1, b"fdsp"),
        ("an empty range of versions", 5, &[2, 1]),
        ("its zero not zero", 7, &[1]),
        ("no version in common", 5, &[7, 9]),
        ("version 0 alone", 5, &[0, 0]),
    ] {
        let mut preamble = PREAMBLE;
        preamble[at..at + bytes.len()].copy_from_slice(bytes);
        let sent = [&preamble[..], &self::hello()].concat();
        tricks.push(trick(format!("a preamble with {what}"), sent, Expected::Nothing));
    }
    tricks
}

pub fn members() -> Vec<Trick> {
    let mut tricks = Vec::new();
    for (what, bytes) in frames::malformed(&json!({"agent": "a"})) {
        let sent = [&PREAMBLE[..], &frame(HELLO, 0, &bytes)].concat();
        tricks.push(trick(format!("hello: {what}"), sent, Expected::Violation));
    }
    for (name, kind, request, message) in right() {
        for (what, bytes) in frames::malformed(&message) {
            let sent = greeted(&frame(kind, request, &bytes));
            tricks.push(trick(format!("{name}: {what}"), sent, Expected::Violation));
        }
    }
    let optional = [
        ("list", LIST, "after", json!(1)),
        ("list", LIST, "limit", json!("x")),
        ("list", LIST, "limit", json!(-1)),
        ("list", LIST, "limit", json!(4_294_967_296_u64)),
        ("get", GET, "form", json!("tar")),
        ("get", GET, "first_block", json!(-1)),
        ("get", GET, "blocks", json!("all")),
        ("get", GET, "blocks", json!(0.5)),
        ("get", GET, "identity", json!(["x"])),
        ("hashes", HASHES, "first_block", json!({})),
        ("files", FILES, "files", json!([{"path": "a", "digest": "short"}])),
        ("files", FILES, "files", json!([{"digest": "0".repeat(64)}])),
        ("files", FILES, "files", json!(["a"])),
        ("files", FILES, "content", json!("no")),
        ("files", FILES, "largest", json!(-1)),
    ];
    for (name, kind, member, value) in optional {
        let mut message = json!({"path": "tree"});
        if kind == FILES {
            message["files"] = json!([]);
        }
        message[member] = value.clone();
        let name = format!("{name}: {member} is {value}");
        tricks.push(trick(name, ask(kind, 1, &message), Expected::Violation));
    }
    tricks
}

pub fn steps() -> Vec<Trick> {
    let stat = |request| frames::json(STAT, request, &json!({"path": "honest"}));
    let goodbye = frames::json(GOODBYE, 0, &json!({"reason": "r"}));
    let plain = |parts: &[&[u8]]| [&[&PREAMBLE[..]], parts].concat().concat();
    vec![
        trick("no preamble", [hello(), stat(1)].concat(), Expected::Nothing),
        trick("two preambles", plain(&[&PREAMBLE, &hello(), &stat(1)]), Expected::Violation),
        trick("a preamble after hello", plain(&[&hello(), &PREAMBLE, &stat(1)]), Expected::Violation),
        trick("no hello", plain(&[&stat(1)]), Expected::Violation),
        trick("a request before hello", plain(&[&stat(1), &hello()]), Expected::Violation),
        trick("two hellos", plain(&[&hello(), &hello()]), Expected::Violation),
        trick("hello after a request", greeted(&[stat(1), hello()].concat()), Expected::Violation),
        trick("goodbye before hello", plain(&[&goodbye]), Expected::Violation),
        trick("a request after goodbye", greeted(&[goodbye.clone(), stat(1)].concat()), Expected::Nothing),
        trick("two goodbyes", greeted(&[goodbye.clone(), goodbye].concat()), Expected::Nothing),
        trick("the same number twice", greeted(&[stat(1), stat(1)].concat()), Expected::Violation),
        trick("numbers that fall", greeted(&[stat(9), stat(8)].concat()), Expected::Violation),
        trick(
            "the last number, and one more",
            greeted(&[stat(u32::MAX), stat(1)].concat()),
            Expected::Violation,
        ),
        trick("only the last number", greeted(&stat(u32::MAX)), Expected::Answered),
        trick("an answer of the server's", greeted(&frame(0x82, 1, b"{}")), Expected::Violation),
        trick("content from the client", greeted(&frame(0x90, 1, b"abc")), Expected::Violation),
        trick(
            "an error from the client",
            greeted(&frame(0x9f, 1, br#"{"code":"busy","message":"m"}"#)),
            Expected::Violation,
        ),
        trick("two streams in one", [greeted(&stat(1)), greeted(&stat(1))].concat(), Expected::Violation),
        trick("HTTP inside", greeted(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Expected::Violation),
        trick("noise inside", greeted(&[0xa5; 300]), Expected::Violation),
        trick("zeros inside", greeted(&[0; 300]), Expected::Violation),
        trick(
            "an unknown member of 60 KiB",
            ask(STAT, 1, &json!({"path": "honest", "x": "x".repeat(60_000)})),
            Expected::Answered,
        ),
        trick(
            "an unknown member twice",
            greeted(&frame(STAT, 1, br#"{"path":"honest","x":1,"x":2}"#)),
            Expected::Answered,
        ),
        trick(
            "an agent of 60 KiB",
            plain(&[&frames::json(HELLO, 0, &json!({"agent": "x".repeat(60_000)})), &stat(1)]),
            Expected::Answered,
        ),
        trick(
            "an agent of escapes",
            plain(&[&frames::json(HELLO, 0, &json!({"agent": "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}"})), &stat(1)]),
            Expected::Answered,
        ),
        trick(
            "a path of escapes",
            ask(GET, 1, &json!({"path": "\u{1b}[2J\u{7}\u{9b}1m\r\n\u{202e}"})),
            Expected::Refused("not_found"),
        ),
        trick("a header and no payload", greeted(&header(GET, 65_536, 1)), Expected::Nothing),
    ]
}

pub fn sizes() -> Vec<Trick> {
    const MAX: u64 = u64::MAX;
    let range = Expected::Refused("range");
    let mut tricks = Vec::new();
    for (kind, name) in [(GET, "get"), (HASHES, "hashes")] {
        for (what, first, blocks, expected) in [
            ("a block after the end", json!(2), Value::Null, range),
            ("block 2^44", json!(1_u64 << 44), Value::Null, range),
            ("block 2^44 - 1", json!((1_u64 << 44) - 1), Value::Null, range),
            ("the last block that a number names", json!(MAX), json!(MAX), range),
            ("a block whose offset is 0 again", json!(1_u64 << 44), json!(1), range),
            ("more blocks than there are", json!(0), json!(MAX), Expected::Answered),
            ("no block", json!(0), json!(0), Expected::Answered),
            ("no block at the end", json!(1), json!(0), Expected::Answered),
            ("an end that overflows", json!(1), json!(MAX), Expected::Answered),
        ] {
            let message = json!({"path": "one block", "first_block": first, "blocks": blocks});
            tricks.push(trick(format!("{name}: {what}"), ask(kind, 1, &message), expected));
        }
        for (what, identity) in [("an identity of nothing", ""), ("another identity", "x")] {
            let message = json!({"path": "tree/a", "identity": identity});
            tricks.push(trick(
                format!("{name}: {what}"),
                ask(kind, 1, &message),
                Expected::Refused("changed"),
            ));
        }
        let message = json!({"path": "tree/a", "identity": "x".repeat(60_000)});
        tricks.push(trick(
            format!("{name}: an identity of 60 KB"),
            ask(kind, 1, &message),
            Expected::Refused("changed"),
        ));
    }
    let zip = |first: u64| json!({"path": "tree", "form": "zip", "first_block": first});
    tricks.extend([
        trick("get: a block after an archive's end", ask(GET, 1, &zip(5)), range),
        trick("get: block 2^44 of an archive", ask(GET, 1, &zip(1 << 44)), range),
        trick("get: the last block that a number names of an archive", ask(GET, 1, &zip(MAX)), range),
        trick("hashes: of an archive", ask(HASHES, 1, &zip(0)), Expected::Refused("wrong_kind")),
        trick(
            "get: a file as an archive",
            ask(GET, 1, &json!({"path": "honest", "form": "zip"})),
            Expected::Refused("wrong_kind"),
        ),
        trick(
            "get: a directory as a file",
            ask(GET, 1, &json!({"path": "tree", "form": "file"})),
            Expected::Refused("wrong_kind"),
        ),
        trick("list: a file", ask(LIST, 1, &json!({"path": "honest"})), Expected::Refused("wrong_kind")),
        trick("tree: a file", ask(TREE, 1, &json!({"path": "honest"})), Expected::Refused("wrong_kind")),
        trick("list: no entries", ask(LIST, 1, &json!({"path": "", "limit": 0})), Expected::Answered),
        trick(
            "list: four thousand million entries",
            ask(LIST, 1, &json!({"path": "", "limit": u32::MAX})),
            Expected::Answered,
        ),
        trick(
            "list: after a name of 60 KiB",
            ask(LIST, 1, &json!({"path": "", "after": "x".repeat(60_000)})),
            Expected::Answered,
        ),
        trick(
            "list: after a way out",
            ask(LIST, 1, &json!({"path": "", "after": "../../etc"})),
            Expected::Answered,
        ),
    ]);
    let many: Vec<_> = (0..2000).map(|_| json!({"path": "a"})).collect();
    tricks.push(trick(
        "files: one file 2,000 times",
        ask(FILES, 1, &json!({"path": "tree", "files": many})),
        Expected::Answered,
    ));
    let largest = json!({"path": "tree", "files": [{"path": "a"}], "largest": 0});
    tricks.push(trick(
        "files: none larger than nothing",
        ask(FILES, 1, &largest),
        Expected::Refused("changed"),
    ));
    tricks
}
