//! Invalid answers to `list`.

use fdsp::{client::Trouble, protocol::message::Entries};
use serde_json::{Value, json};

use super::answers::{Present, Step, Trick, Tricks, is_safe, right, serve};
use crate::engine::{
    frames::frame,
    support::{Client, address, once},
};

const LIST: u8 = 0x03;
const ENTRIES: u8 = 0x83;

/// Answers without a violation: the answer has ended before the bytes after it are read; a size is only shown.
const HARMLESS: [&str; 3] = ["entries twice", "file entry: without size", "file entry: size null"];

fn entry(name: &str) -> Value {
    json!({"name": name, "kind": "file", "size": 3, "modified": {"s": 1, "ns": 2}})
}

fn page(names: &[&str]) -> Value {
    json!({"entries": names.iter().map(|name| entry(name)).collect::<Vec<_>>(), "more": false})
}

fn answer() -> Vec<Step> {
    vec![Step::json("entries", ENTRIES, &page(&["b", "c"]))]
}

/// Violations in the answer to a request for the entries after "a".
pub fn tricks(request: u32) -> Vec<Trick> {
    let steps = answer();
    let mut all = Tricks { to: LIST, request, right: &steps, tricks: Vec::new() };
    all.spoil();
    let right = page(&["b", "c"]);
    all.malform(0, &right);
    all.malform_entry(0, &right, 0);
    for trick in &mut all.tricks {
        trick.harmless |= HARMLESS.contains(&trick.name.as_str());
    }
    for (what, names) in [
        ("out of order", ["c", "b"]),
        ("one that was not asked for", ["a", "b"]),
        ("one from before what was asked for", ["A", "b"]),
        ("no name", ["", "b"]),
        ("the folder itself", [".", "b"]),
        ("the folder above", ["..", "b"]),
        ("a path", ["b", "c/d"]),
        ("a path that leads out", ["b", "c/../../d"]),
        ("a NUL", ["b", "c\0"]),
    ] {
        all.message(format!("entries: {what}"), 0, &page(&names));
    }
    all.message("entries: more, and no name to continue after", 0, &json!({"entries": [], "more": true}));
    let mut kind = right.clone();
    kind["entries"][0]["kind"] = json!("device");
    all.message("entries: an invalid kind", 0, &kind);
    for (name, kind) in [("content", 0x84), ("tree", 0x86), ("file", 0x87), ("missed", 0x8b)] {
        let payload = json!({"entries": [], "more": false}).to_string();
        all.instead(format!("{name} in answer to a list"), 0, &frame(kind, request, payload.as_bytes()));
    }
    all.tricks
}

fn list(client: &Client, at: std::net::SocketAddr) -> Result<Entries, Trouble> {
    let page = client.engine.list(address(at, "d"), Some("a".into()));
    page.blocking_recv().unwrap()
}

#[test]
fn every_invalid_listing_is_rejected() {
    let present = Present::default();
    let at = serve(&present, tricks, |_, request| right(&answer(), request));
    let client = Client::new(once());
    let names = |page: Entries| page.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    for (number, Trick { name, harmless, .. }) in tricks(1).into_iter().enumerate() {
        *present.lock().unwrap() = Some(number);
        match list(&client, at) {
            Ok(page) => {
                let names = names(page);
                assert!(harmless && names == ["b", "c"], "{name} was believed: {names:?}");
            }
            Err(trouble) => {
                assert!(!harmless, "{name}: {trouble}");
                is_safe(&name, trouble.message.as_str());
            }
        }
        *present.lock().unwrap() = None;
        let page = list(&client, at).unwrap_or_else(|trouble| panic!("after {name}: {trouble}"));
        assert_eq!(names(page), ["b", "c"], "after {name}");
    }
}
