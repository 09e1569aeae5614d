//! `tree` and `files`: valid answers, and every violation that a client rejects.

mod answers;
mod entries;
mod files;
mod order;

use fdsp::protocol::{
    client::Request,
    error::Violation,
    message::{Files, Tree, WantedFile},
};
use serde_json::{Value, json};

use crate::wire::{
    client_rejects::{modified, refused, welcomed},
    stream::{DONE, FILE, MIB, Seen, Stream, TREE_PAGE, blake3_hex},
};

fn tree() -> [Request; 1] {
    [Request::Tree(Tree { path: "t".to_owned(), ..Default::default() })]
}

fn wanted(path: &str, digest: Option<&[u8]>) -> WantedFile {
    WantedFile { path: path.to_owned(), digest: digest.map(blake3_hex), skip: 0 }
}

/// Requests two files; the client has a digest of the second one.
fn two(content: bool) -> Request {
    let files = vec![wanted("a", None), wanted("b", Some(b"old"))];
    Request::Files(Files { path: "t".to_owned(), files, content, largest: Some(3 * MIB as u64) })
}

fn directory(path: &str) -> Value {
    json!({"path": path, "kind": "directory", "modified": modified(), "mode": 0o755})
}

fn file(path: &str, size: u64) -> Value {
    json!({"path": path, "kind": "file", "modified": modified(), "mode": 0o644, "size": size, "identity": "v1"})
}

fn link(path: &str, target: &str) -> Value {
    json!({"path": path, "kind": "link", "modified": modified(), "mode": 0o777, "target": target})
}

fn totals(bytes: u64, files: u64, directories: u64, links: u64) -> Value {
    json!({"bytes": bytes, "files": files, "directories": directories, "links": links, "omitted": 7})
}

/// A page that is not the last.
fn page(stream: Stream, entries: &[Value]) -> Stream {
    stream.json(TREE_PAGE, 1, &json!({"entries": entries, "more": true}))
}

/// The last page.
fn end(stream: Stream, entries: &[Value], totals: &Value) -> Stream {
    stream.json(TREE_PAGE, 1, &json!({"entries": entries, "more": false, "totals": totals}))
}

fn contradiction(stream: &Stream, what: &'static str) {
    assert_eq!(refused(&tree(), stream), Violation::Content(what));
}

fn head(size: usize) -> Value {
    json!({"size": size, "modified": modified(), "mode": 0o600, "identity": "v2"})
}

fn started(size: usize) -> Stream {
    welcomed().json(FILE, 1, &head(size))
}

fn done(stream: Stream, content: &[u8]) -> Stream {
    stream.frame(DONE, 1, blake3::hash(content).as_bytes())
}

fn missed() -> Value {
    json!({"code": "changed", "message": "m"})
}

fn shown(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| format!("{seen:?}")).collect()
}
