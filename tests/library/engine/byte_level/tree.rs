//! Invalid answers to `tree` and `files`.

use std::fs;

use fdsp::client::{Finished, Form, NewJob, Trouble};
use serde_json::{Value, json};

use super::{
    answers::{Present, Step, Trick, Tricks, is_safe, right, serve},
    play::WANTED,
    tricks::{BLOCK, CONTENT, DATA, END, ERROR, VALUES, chaining, content, mark, right_mark},
};
use crate::engine::{
    frames,
    support::{Client, names, once},
};
use crate::shared::{effort, folder::temporary};

const ASKS_TREE: u8 = 0x06;
const ASKS_FILES: u8 = 0x07;
const META: u8 = 0x82;
const ENTRIES: u8 = 0x83;
const TREE: u8 = 0x86;
const FILE: u8 = 0x87;
const DONE: u8 = 0x88;
const SAME: u8 = 0x89;
const DIFFERS: u8 = 0x8a;
const MISSED: u8 = 0x8b;
const WORKING: u8 = 0x8c;

fn directory(path: &str) -> Value {
    json!({"path": path, "kind": "directory", "modified": {"s": 1, "ns": 2}, "mode": 0o755})
}

fn file(path: &str, size: usize) -> Value {
    json!({"path": path, "kind": "file", "size": size, "identity": "hostile", "modified": {"s": 1, "ns": 2}, "mode": 0o644})
}

fn link(path: &str, target: &str) -> Value {
    json!({"path": path, "kind": "link", "target": target, "modified": {"s": 1, "ns": 2}, "mode": 0o777})
}

/// A page that is followed by another one.
fn first(entries: &[Value]) -> Value {
    json!({"entries": entries, "more": true})
}

/// The last page.
fn last(entries: &[Value]) -> Value {
    let totals = json!({"bytes": WANTED.len(), "files": 1, "directories": 2, "links": 1, "omitted": 0});
    json!({"entries": entries, "more": false, "totals": totals})
}

fn first_entries() -> Vec<Value> {
    vec![directory(""), file("a", WANTED.len())]
}

fn last_entries() -> Vec<Value> {
    vec![directory("d"), link("d/l", "../a")]
}

/// The right answer to `tree`.
fn tree() -> Vec<Step> {
    vec![
        Step::json("the first page", TREE, &first(&first_entries())),
        Step::json("the last page", TREE, &last(&last_entries())),
    ]
}

fn announced() -> Value {
    json!({"size": WANTED.len(), "modified": {"s": 1, "ns": 2}, "mode": 0o644, "identity": "hostile"})
}

/// The right answer to `files`.
fn files() -> Vec<Step> {
    vec![
        Step::json("file", FILE, &announced()),
        Step { name: "data", kind: DATA, payload: WANTED.to_vec(), most: 256 * 1024 },
        Step { name: "block", kind: BLOCK, payload: right_mark(), most: 48 },
        Step { name: "done", kind: DONE, payload: blake3::hash(WANTED).as_bytes().to_vec(), most: 32 },
        Step::json("end", END, &json!({})),
    ]
}

/// Tricks with the tree.
fn tree_tricks(request: u32) -> Vec<Trick> {
    let steps = tree();
    let mut all = Tricks { to: ASKS_TREE, request, right: &steps, tricks: Vec::new() };
    all.spoil();
    let (head, tail) = (first(&first_entries()), last(&last_entries()));
    all.malform(0, &head);
    all.malform(1, &tail);
    for (at, page, entry) in [(0, &head, 0), (0, &head, 1), (1, &tail, 1)] {
        all.malform_entry(at, page, entry);
    }
    let long = "x".repeat(256);
    let deep = vec!["d"; 2100].join("/");
    for (what, entries) in [
        ("no folder to begin with", vec![file("a", 17)]),
        ("the folder twice", vec![directory(""), directory("")]),
        ("a file instead of the folder", vec![file("", 17)]),
        ("a link instead of the folder", vec![link("", "x")]),
        ("the same path twice", vec![directory(""), file("a", 17), file("a", 17)]),
        ("a file that is a folder too", vec![directory(""), file("a", 17), directory("a")]),
        ("out of order", vec![directory(""), file("b", 17), file("a", 17)]),
        ("a file without its folder", vec![directory(""), file("a/b", 17)]),
        ("a file in a file", vec![directory(""), file("a", 17), file("a/b", 17)]),
        ("a file in a link", vec![directory(""), link("a", "c"), file("a/b", 17)]),
        ("a path that leads out", vec![directory(""), directory(".."), file("../a", 17)]),
        ("a path from the root", vec![directory(""), file("/a", 17)]),
        ("a path with an end too many", vec![directory(""), file("a/", 17)]),
        ("a path with nothing in it", vec![directory(""), directory("a"), file("a//b", 17)]),
        ("a path with the folder itself", vec![directory(""), file("./a", 17)]),
        ("a path with a NUL", vec![directory(""), file("a\0", 17)]),
        ("a segment too long", vec![directory(""), file(&long, 17)]),
        ("a path too long", vec![directory(""), file(&deep, 17)]),
        ("a link to the root", vec![directory(""), file("a", 17), link("b", "/")]),
        ("a link that leads out", vec![directory(""), file("a", 17), link("b", "../x")]),
        ("a link that leads out by a detour", vec![directory(""), file("a", 17), link("b", "a/../../x")]),
        ("a link to nothing", vec![directory(""), file("a", 17), link("b", "")]),
        ("a link with a NUL", vec![directory(""), file("a", 17), link("b", "a\0")]),
        ("a link too long", vec![directory(""), file("a", 17), link("b", &"x/".repeat(2100))]),
    ] {
        all.message(format!("a tree of {what}"), 0, &first(&entries));
    }
    for (what, entry, member, value) in [
        ("a folder with a size", 0, "size", json!(17)),
        ("a folder with an identity", 0, "identity", json!("x")),
        ("a folder with a target", 0, "target", json!("x")),
        ("a file with a target", 1, "target", json!("x")),
        ("a file without an identity", 1, "identity", json!("")),
        ("a file with an identity too long", 1, "identity", json!("x".repeat(129))),
        ("a mode of more than permissions", 1, "mode", json!(0o4755)),
        ("a time of more than a second", 1, "modified", json!({"s": 1, "ns": 1_000_000_000})),
        ("a device", 1, "kind", json!("device")),
    ] {
        let mut page = head.clone();
        page["entries"][entry][member] = value;
        all.message(format!("a tree with {what}"), 0, &page);
    }
    for member in ["bytes", "files", "directories", "links"] {
        for (what, value) in [("one more", 1), ("all that a number holds", u64::MAX)] {
            let mut page = tail.clone();
            let right = page["totals"][member].as_u64().expect("a number");
            page["totals"][member] = json!(right.saturating_add(value));
            all.message(format!("a tree of {what} {member}"), 1, &page);
        }
    }
    let mut early = head.clone();
    early["totals"] = tail["totals"].clone();
    all.message("totals on a page that is not the last", 0, &early);
    let (head, tail) = (head.to_string(), tail.to_string());
    all.frames("a page after the last", &[(TREE, head.as_bytes()), (TREE, tail.as_bytes()), (TREE, b"{}")]);
    all.frames("an end of the first page", &[(TREE, head.as_bytes()), (END, b"{}")]);
    for trick in &mut all.tricks {
        // The answer has ended before the bytes after it, and nothing more is requested on that connection.
        trick.harmless |= matches!(&*trick.name, "the last page twice" | "a page after the last");
    }
    all.tricks
}

/// Tricks with the files.
fn files_tricks(request: u32) -> Vec<Trick> {
    let steps = files();
    let mut all = Tricks { to: ASKS_FILES, request, right: &steps, tricks: Vec::new() };
    all.spoil();
    for trick in &mut all.tricks {
        // The file is received and verified before: a connection that breaks after it costs nothing.
        trick.harmless |= trick.name.starts_with("end ") && trick.name != "end before done"
            || matches!(&*trick.name, "done twice" | "goodbye instead of end");
    }
    all.malform(0, &announced());
    let size = WANTED.len() as u64;
    for (what, member, value) in [
        ("a size of nothing", "size", json!(0)),
        ("a size of a byte less", "size", json!(size - 1)),
        ("a size of a byte more", "size", json!(size + 1)),
        ("a size of 2^63", "size", json!(1_u64 << 63)),
        ("a size of all that a number holds", "size", json!(u64::MAX)),
        ("no identity", "identity", json!("")),
        ("an identity too long", "identity", json!("x".repeat(129))),
        ("another identity", "identity", json!("other")),
        ("a mode of more than permissions", "mode", json!(0o4755)),
        ("a time of more than a second", "modified", json!({"s": 1, "ns": 1_000_000_000})),
    ] {
        let mut message = announced();
        message[member] = value;
        all.message(format!("a file with {what}"), 0, &message);
    }
    let hash = chaining(0, WANTED);
    for (what, payload) in [
        ("a digest of another block", mark(0, size, &chaining(1, WANTED))),
        ("a digest of other bytes", mark(0, size, &chaining(0, b"other"))),
        ("another index", mark(1, size, &hash)),
        ("the last index", mark(u64::MAX, size, &hash)),
        ("a position before the end", mark(0, size - 1, &hash)),
        ("a position after the end", mark(0, size + 1, &hash)),
    ] {
        all.payload(format!("a block of a file with {what}"), 2, &payload);
    }
    for (what, payload) in [
        ("other bytes", b"the wrong content".to_vec()),
        ("a byte less", WANTED[1..].to_vec()),
        ("a byte more", [WANTED, b"!"].concat()),
        ("256 KiB", vec![b'x'; 256 * 1024]),
    ] {
        all.payload(format!("data of a file of {what}"), 1, &payload);
    }
    all.payload("done with the digest of other bytes", 3, blake3::hash(b"other").as_bytes());
    all.payload("done with the value of the block", 3, &hash);
    let missed = json!({"code": "not_found", "message": "\u{1b}[2J\r\u{9b}", "path": "\u{1b}c"}).to_string();
    for (what, kind, payload) in [
        ("the same as what was not sent", SAME, &b""[..]),
        ("other than what was not sent", DIFFERS, b""),
        ("missed", MISSED, missed.as_bytes()),
    ] {
        all.frames(format!("a file that is {what}"), &[(kind, payload), (END, b"{}")]);
        let twice = [(kind, payload), (kind, payload), (END, &b"{}"[..])];
        all.frames(format!("a file that is {what}, twice"), &twice);
    }
    for (what, bytes) in frames::malformed(&json!({"code": "not_found", "message": "m"})) {
        all.frames(format!("missed: {what}"), &[(MISSED, &bytes), (END, b"{}")]);
    }
    all.frames("no file, and the end", &[(END, b"{}")]);
    let head = announced().to_string();
    let half = [(FILE, head.as_bytes()), (DATA, WANTED), (MISSED, missed.as_bytes()), (END, b"{}")];
    all.frames("a file that is missed in its middle, and the end", &half);
    for (name, kind) in [("meta", META), ("entries", ENTRIES), ("content", CONTENT), ("a tree", TREE)] {
        let message = if kind == CONTENT { content() } else { last(&last_entries()) };
        all.frames(format!("{name} in answer to files"), &[(kind, message.to_string().as_bytes())]);
    }
    all.frames("hashes in answer to files", &[(VALUES, &[0; 40])]);
    all.frames("an error that says nothing", &[(ERROR, b"{}")]);
    let own = right(&steps, request);
    let working = frames::frame(WORKING, request, b"").repeat(1000);
    all.instead(
        "a thousand times working",
        0,
        &[working, frames::json(FILE, request, &announced())].concat(),
    );
    all.harmless();
    all.instead("two answers", 4, &[frames::json(END, request, &json!({})), own].concat());
    all.harmless();
    all.tricks
}

/// The right answer to a request of this kind.
pub fn right_answer(kind: u8, request: u32) -> Vec<u8> {
    match kind {
        ASKS_TREE => right(&tree(), request),
        ASKS_FILES => right(&files(), request),
        _ => frames::json(ERROR, request, &json!({"code": "unsupported", "message": "m"})),
    }
}

/// All of them.
pub fn tricks(request: u32) -> Vec<Trick> {
    let mut all = tree_tricks(request);
    all.extend(files_tricks(request));
    for trick in &mut all {
        let answer = if trick.to == ASKS_TREE { "tree" } else { "files" };
        trick.name = format!("{answer}: {}", trick.name);
    }
    all
}

fn fetch(
    client: &mut Client,
    at: std::net::SocketAddr,
    folder: &std::path::Path,
) -> Result<Finished, Trouble> {
    let job = NewJob { form: Form::Tree, folder: folder.to_owned(), ..client.job(at, "t") };
    client.run(job)
}

#[test]
fn every_invalid_tree_answer_is_rejected() {
    let present = Present::default();
    let at = serve(&present, tricks, right_answer);
    let mut client = Client::new(once());
    for (number, Trick { name, harmless, .. }) in tricks(1).into_iter().enumerate() {
        let outside = temporary();
        let folder = outside.path().join("in");
        fs::create_dir(&folder).unwrap();
        *present.lock().unwrap() = Some(number);
        match fetch(&mut client, at, &folder) {
            Ok(_) => assert!(harmless, "{name} was taken for a success"),
            Err(trouble) => {
                assert!(!harmless, "{name}: {trouble}");
                is_safe(&name, trouble.message.as_str());
                let there = names(&folder);
                assert!(there.is_empty() || there == ["t.part"], "{name} left {there:?}");
            }
        }
        assert_eq!(names(outside.path()), ["in"], "{name} left something outside");
        // The right file is received after the wrong one.
        let again = effort::large() || number % 4 == 0;
        if !harmless && again {
            *present.lock().unwrap() = None;
            fetch(&mut client, at, &folder).unwrap_or_else(|trouble| panic!("after {name}: {trouble}"));
        }
        if !harmless && !again {
            continue;
        }
        assert_eq!(names(&folder), ["t"], "after {name}");
        assert_eq!(fs::read(folder.join("t/a")).unwrap(), WANTED, "after {name}");
        assert_eq!(fs::read_link(folder.join("t/d/l")).unwrap().as_os_str(), "../a", "after {name}");
        assert_eq!(names(&folder.join("t")), ["a", "d"], "after {name}");
    }
}
