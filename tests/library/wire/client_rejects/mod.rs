//! Every protocol violation that a client rejects.

mod content;
mod hashes;
mod stat_and_list;

use fdsp::protocol::{
    client::{Client, Request},
    error::Violation,
    message::{Files, Form, Get, List, NameForm, Stat, Tree, WantedFile},
};
use serde_json::{Value, json};

use crate::wire::{
    exchange::get,
    stream::{
        BLOCK, CONTENT, DATA, END, ENTRIES, ERROR, FILE, GET, GOODBYE, HELLO, HOLE, META, MIB, STAT, Seen,
        Stream, VALUES, WELCOME, WORKING, blake3_hex, chaining, feed_client, pattern,
    },
};

pub fn welcomed() -> Stream {
    Stream::welcomed()
}

fn stat() -> Request {
    Request::Stat(Stat { path: "f".to_owned() })
}

fn wanted(path: &str, skip: u64) -> WantedFile {
    WantedFile { path: path.to_owned(), digest: None, skip }
}

fn files() -> Files {
    Files { path: String::new(), files: Vec::new(), content: true, largest: None }
}

fn list() -> List {
    List::default()
}

/// The violation that the client finds in a stream that answers these requests, however it is cut.
pub fn refused(requests: &[Request], stream: &Stream) -> Violation {
    let run = |size| {
        let mut client = Client::new("test");
        for request in requests {
            client.request(request);
        }
        feed_client(&mut client, stream.0.chunks(size)).pop()
    };
    let seen = run(stream.0.len());
    assert_eq!(seen, run(1000), "cut in pieces");
    match seen {
        Some(Seen::Violation(violation)) => violation,
        other => panic!("no violation, but {other:?}"),
    }
}

pub fn accepted(requests: &[Request], stream: &Stream) -> Vec<Seen> {
    let mut client = Client::new("test");
    for request in requests {
        client.request(request);
    }
    let seen = feed_client(&mut client, [stream.0.as_slice()]);
    assert!(!matches!(seen.last(), Some(Seen::Violation(_))), "{:?}", seen.last());
    assert_eq!(client.end_of_stream(), Ok(()));
    seen
}

pub fn with(mut message: Value, member: &str, value: Value) -> Value {
    message[member] = value;
    message
}

pub fn without(mut message: Value, member: &str) -> Value {
    message.as_object_mut().expect("an object").remove(member);
    message
}

pub fn modified() -> Value {
    json!({"s": -1, "ns": 999_999_999})
}

fn file(size: usize) -> Value {
    json!({"form": "file", "name": "f", "size": size, "modified": modified(), "mode": 0o644, "identity": "v1",
        "first_block": 0})
}

fn archive(sources: usize) -> Value {
    json!({"form": "zip", "name": "f.zip", "modified": modified(), "mode": 0o755, "identity": "v1", "first_block": 0,
        "sources": {"bytes": sources, "files": 1, "directories": 0, "omitted": 0}})
}

fn end(content: &[u8]) -> Value {
    json!({"size": content.len(), "root": blake3_hex(content), "identity": "v1"})
}

fn range_end() -> Value {
    json!({"identity": "v1"})
}

fn announced(content: &Value) -> Stream {
    welcomed().json(CONTENT, 1, content)
}

#[test]
fn frames_out_of_order() {
    let meta = json!({"kind": "directory", "name": "d", "modified": modified(), "mode": 0});
    let goodbye = json!({"reason": "r"});
    let error = json!({"code": "busy", "message": "m"});
    let welcome = json!({"agent": "again", "pipeline": 1, "parallel": 1});
    let get = [Request::Get(get("f"))];
    let hashes = [Request::Hashes(crate::wire::exchange::get("f"))];
    let started = announced(&file(10));
    for (requests, stream, name) in [
        (&[stat()][..], Stream::new().json(META, 1, &meta), "meta"),
        (&[], welcomed().json(WELCOME, 0, &welcome), "welcome"),
        (&[], Stream::new().json(WELCOME, 1, &welcome), "welcome"),
        (&[], welcomed().json(META, 1, &meta), "meta"),
        (&[stat()], welcomed().json(META, 0, &meta), "meta"),
        (&[stat()], welcomed().json(META, 2, &meta), "meta"),
        (&[stat()], welcomed().json(META, 1, &meta).json(META, 1, &meta), "meta"),
        (&[stat(), stat()], welcomed().json(META, 2, &meta), "meta"),
        (&[stat()], welcomed().json(ENTRIES, 1, &json!({"entries": [], "more": false})), "entries"),
        (&[stat()], welcomed().json(CONTENT, 1, &file(1)), "content"),
        (&[Request::List(list())], welcomed().json(META, 1, &meta), "meta"),
        (&get, welcomed().json(META, 1, &meta), "meta"),
        (&get, welcomed().header(DATA, 1, 1), "data"),
        (&get, welcomed().header(BLOCK, 48, 1), "block"),
        (&get, welcomed().json(END, 1, &end(b"")), "end"),
        (&get, started.clone().json(CONTENT, 1, &file(10)), "content"),
        (&get, started.clone().header(DATA, 1, 2), "data"),
        (&get, started.clone().header(BLOCK, 48, 0), "block"),
        (&get, started.clone().json(END, 2, &end(b"")), "end"),
        (&get, started.clone().json(GOODBYE, 0, &goodbye), "goodbye"),
        (&[], welcomed().json(GOODBYE, 1, &goodbye), "goodbye"),
        (&[], welcomed().json(GOODBYE, 0, &goodbye).json(GOODBYE, 0, &goodbye), "goodbye"),
        (&[stat()], welcomed().json(GOODBYE, 0, &goodbye).json(META, 1, &meta), "meta"),
        (&[stat()], welcomed().json(ERROR, 0, &error).json(META, 1, &meta), "meta"),
        (&[stat()], welcomed().json(ERROR, 2, &error), "error"),
        (&[stat()], welcomed().json(ERROR, 1, &error).json(ERROR, 1, &error), "error"),
        (&[stat()], Stream::new().json(ERROR, 1, &error), "error"),
        (&[], welcomed().header(HELLO, 2, 0), "hello"),
        (&[], welcomed().header(STAT, 2, 1), "stat"),
        (&get, started.clone().header(GET, 2, 1), "get"),
        (&get, welcomed().header(0x05, 2, 1), "hashes"),
        (&get, started.clone().values(1, 0, &[[0; 32]]), "hashes"),
        (&hashes, welcomed().values(1, 0, &[[0; 32]]), "hashes"),
        (&hashes, welcomed().json(END, 1, &end(b"")), "end"),
        (&hashes, started.clone().data(1, &[0]), "data"),
        (&hashes, started.clone().mark(1, 0, 0, &[0; 32]), "block"),
        (&hashes, started.clone().values(2, 0, &[[0; 32]]), "hashes"),
        (&hashes, started.clone().json(CONTENT, 1, &file(10)), "content"),
        (&get, welcomed().header(0x86, 2, 1), "tree"),
    ] {
        assert_eq!(refused(requests, &stream), Violation::Unexpected(name));
    }
}

#[test]
fn malformed_frames() {
    let too_long = |kind, length, limit| Violation::TooLong { kind, length, limit };
    let started = || announced(&file(10));
    let no_values = || Violation::Header("a hashes frame that does not hold whole values");
    for (stream, violation) in [
        (welcomed().header(0x42, 0, 1), Violation::Header("unknown kind")),
        (welcomed().header(META, 65_537, 1), too_long("meta", 65_537, 65_536)),
        (started().header(DATA, 262_145, 1), too_long("data", 262_145, 262_144)),
        (started().header(BLOCK, 49, 1), too_long("block", 49, 48)),
        (started().header(BLOCK, 47, 1), Violation::Header("a block frame that is too short")),
        (started().header(DATA, 0, 1), Violation::Header("a data frame without data")),
        (started().header(VALUES, 65_544, 1), too_long("hashes", 65_544, 65_512)),
        (started().header(VALUES, 0, 1), no_values()),
        (started().header(VALUES, 8, 1), no_values()),
        (started().header(VALUES, 41, 1), no_values()),
        (
            welcomed().raw(&[META, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0]),
            Violation::Header("reserved bytes are not zero"),
        ),
    ] {
        assert_eq!(refused(&[Request::Get(get("f"))], &stream), violation);
    }
}

#[test]
fn messages_of_the_wrong_type() {
    let get = [Request::Get(get("f"))];
    let content = |message: Value| announced(&message);
    for (stream, name) in [
        (Stream::new().frame(WELCOME, 0, b"{}"), "welcome"),
        (Stream::new().frame(WELCOME, 0, br#"["a",1,1]"#), "welcome"),
        (welcomed().frame(CONTENT, 1, b""), "content"),
        (content(without(file(1), "identity")), "content"),
        (content(without(file(1), "modified")), "content"),
        (content(without(file(1), "mode")), "content"),
        (content(without(file(1), "name")), "content"),
        (content(without(file(1), "first_block")), "content"),
        (content(without(file(1), "form")), "content"),
        (content(with(file(1), "form", json!("tar"))), "content"),
        (content(with(file(1), "size", json!(-1))), "content"),
        (content(with(archive(1), "sources", json!({"bytes": 1}))), "content"),
        (content(file(0)).json(END, 1, &json!({"size": 0})), "end"),
        (welcomed().json(ERROR, 1, &json!({"code": "busy"})), "error"),
        (welcomed().json(ERROR, 1, &json!({"message": "m"})), "error"),
        (welcomed().json(GOODBYE, 0, &json!({})), "goodbye"),
    ] {
        let violation = refused(&get, &stream);
        assert!(matches!(&violation, Violation::Json { kind, .. } if *kind == name), "{name}: {violation}");
    }
}

#[test]
fn a_stream_that_ends_early_is_truncated() {
    let stream = announced(&file(3)).block(1, 0, 3, b"abc").json(END, 1, &end(b"abc")).0;
    for length in 1..=stream.len() {
        let mut client = Client::new("test");
        client.request(&Request::Get(get("f")));
        feed_client(&mut client, [&stream[..length]]);
        let expected = if length == stream.len() { Ok(()) } else { Err(Violation::Truncated) };
        assert_eq!(client.end_of_stream(), expected, "after {length} bytes");
    }
}
