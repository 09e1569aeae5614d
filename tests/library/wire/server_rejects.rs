//! Every protocol violation that a server rejects.

use fdsp::protocol::{
    client::Request,
    error::{Code, Violation},
    frame::outgoing::Outgoing,
    message,
    server::{Event, Server},
};
use serde_json::json;

use crate::wire::{
    memory::failure,
    stream::{
        BLOCK, CONTENT, DATA, DIFFERS, DONE, END, ENTRIES, ERROR, FILE, FILES, GET, GOODBYE, HASHES, HELLO,
        LIST, META, MISSED, RESERVED, SAME, STAT, Stream, TREE, TREE_PAGE, WELCOME, feed_server,
    },
};

fn greeted() -> Stream {
    Stream::greeted()
}

fn stat(stream: Stream, id: u32) -> Stream {
    stream.json(STAT, id, &json!({"path": "a"}))
}

/// The violation that the server finds in a stream, however it is cut.
fn refused(stream: &Stream) -> Violation {
    let (_, violation) = feed_server(&mut Server::new(), [stream.0.as_slice()]);
    let (_, by_bytes) = feed_server(&mut Server::new(), stream.0.chunks(1));
    assert_eq!(violation, by_bytes);
    violation.expect("a violation")
}

#[test]
fn malformed_frames() {
    let too_long = |kind, length, limit| Violation::TooLong { kind, length, limit };
    for (stream, violation) in [
        (greeted().header(0x7f, 0, 1), Violation::Header("unknown kind")),
        (greeted().header(0x00, 0, 1), Violation::Header("unknown kind")),
        (
            greeted().raw(&[STAT, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
            Violation::Header("reserved bytes are not zero"),
        ),
        (
            greeted().raw(&[STAT, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
            Violation::Header("reserved bytes are not zero"),
        ),
        (
            greeted().raw(&[STAT, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]),
            Violation::Header("reserved bytes are not zero"),
        ),
        (greeted().header(STAT, 65_537, 1), too_long("stat", 65_537, 65_536)),
        (greeted().header(GET, u32::MAX, 1), too_long("get", 4_294_967_295, 65_536)),
        (greeted().header(DATA, 262_145, 1), too_long("data", 262_145, 262_144)),
        (greeted().header(BLOCK, 49, 1), too_long("block", 49, 48)),
        (greeted().header(BLOCK, 47, 1), Violation::Header("a block frame that is too short")),
        (greeted().header(0x85, 47, 1), Violation::Header("a hashes frame that does not hold whole values")),
        (greeted().header(DATA, 0, 1), Violation::Header("a data frame without data")),
    ] {
        assert_eq!(refused(&stream), violation);
    }
}

#[test]
fn frames_of_a_server() {
    for (kind, name) in [
        (WELCOME, "welcome"),
        (META, "meta"),
        (ENTRIES, "entries"),
        (CONTENT, "content"),
        (TREE_PAGE, "tree"),
        (FILE, "file"),
        (MISSED, "missed"),
        (END, "end"),
        (ERROR, "error"),
    ] {
        for request in [0, 1] {
            assert_eq!(refused(&greeted().header(kind, 2, request)), Violation::Unexpected(name));
        }
    }
    assert_eq!(refused(&greeted().header(DATA, 5, 1)), Violation::Unexpected("data"));
    assert_eq!(refused(&greeted().header(BLOCK, 48, 1)), Violation::Unexpected("block"));
    assert_eq!(refused(&greeted().header(0x85, 40, 1)), Violation::Unexpected("hashes"));
    assert_eq!(refused(&greeted().header(DONE, 32, 1)), Violation::Unexpected("done"));
    assert_eq!(refused(&greeted().header(SAME, 0, 1)), Violation::Unexpected("same"));
    assert_eq!(refused(&greeted().header(DIFFERS, 0, 1)), Violation::Unexpected("differs"));
}

#[test]
fn greetings_out_of_order() {
    let hello = json!({"agent": "again"});
    for (stream, name) in [
        (stat(Stream::new(), 1), "stat"),
        (Stream::new().json(GET, 1, &json!({"path": "a"})), "get"),
        (Stream::new().header(HASHES, 0, 1), "hashes"),
        (Stream::new().json(GOODBYE, 0, &json!({"reason": "r"})), "goodbye"),
        (greeted().json(HELLO, 0, &hello), "hello"),
        (stat(greeted(), 1).json(HELLO, 0, &hello), "hello"),
        (Stream::new().json(HELLO, 1, &hello), "hello"),
        (greeted().json(GOODBYE, 1, &json!({"reason": "r"})), "goodbye"),
        (stat(greeted().json(GOODBYE, 0, &json!({"reason": "r"})), 1), "stat"),
    ] {
        assert_eq!(refused(&stream), Violation::Unexpected(name));
    }
}

#[test]
fn request_numbers_that_do_not_increase() {
    let violation = Violation::Header("a request number that does not rise");
    assert_eq!(refused(&stat(greeted(), 0)), violation);
    assert_eq!(refused(&stat(stat(greeted(), 1), 1)), violation);
    assert_eq!(refused(&stat(stat(greeted(), 9), 3)), violation);
    assert_eq!(refused(&greeted().header(HASHES, 0, 0)), violation);
    assert_eq!(refused(&stat(greeted(), u32::MAX).header(RESERVED, 0, u32::MAX)), violation);
    // Gaps are valid.
    let (events, none) = feed_server(&mut Server::new(), [stat(stat(greeted(), 5), 90).0.as_slice()]);
    assert_eq!((events.len(), none), (3, None));
}

#[test]
fn messages_of_the_wrong_type() {
    for (kind, name, payload) in [
        (STAT, "stat", &b""[..]),
        (STAT, "stat", b"{}"),
        (STAT, "stat", b"[\"a\"]"),
        (STAT, "stat", b"\"a\""),
        (STAT, "stat", b"null"),
        (STAT, "stat", b"{\"path\":\"a\"} x"),
        (STAT, "stat", b"{\"path\":\"a\"}{}"),
        (STAT, "stat", b"{\"path\":\"\xff\"}"),
        (STAT, "stat", b"{\"path\":\"a\",\"x\":\"\xff\"}"),
        (STAT, "stat", b"{\"path\":\"\\ud800\"}"),
        (STAT, "stat", b"{\"path\":1}"),
        (STAT, "stat", b"{\"path\":null}"),
        (STAT, "stat", b"{\"path\":\"a\",\"path\":\"b\"}"),
        (LIST, "list", b"{\"path\":\"\",\"limit\":-1}"),
        (LIST, "list", b"{\"path\":\"\",\"limit\":4294967296}"),
        (GET, "get", b"{\"path\":\"\",\"form\":\"tar\"}"),
        (HASHES, "hashes", b"{}"),
        (HASHES, "hashes", b"any bytes"),
        (HASHES, "hashes", b"{\"path\":\"\",\"blocks\":-1}"),
        (GET, "get", b"{\"path\":\"\",\"first_block\":1.5}"),
        (GET, "get", b"{\"path\":\"\",\"first_block\":18446744073709551616}"),
        (GET, "get", b"{\"path\":\"\",\"blocks\":\"1\"}"),
        (TREE, "tree", b"{}"),
        (FILES, "files", b"{\"path\":\"\"}"),
        (FILES, "files", b"{\"path\":\"\",\"files\":[\"a\"]}"),
        (FILES, "files", b"{\"path\":\"\",\"files\":[{}]}"),
        (FILES, "files", b"{\"path\":\"\",\"files\":[],\"content\":1}"),
        (FILES, "files", b"{\"path\":\"\",\"files\":[],\"largest\":-1}"),
    ] {
        let violation = refused(&greeted().frame(kind, 1, payload));
        assert!(
            matches!(violation, Violation::Json { kind, .. } if kind == name),
            "{payload:?}: {violation}"
        );
    }
    let proof = "\"token_proof\":\"0000000000000000000000000000000000000000000000000000000000000000\"";
    for payload in [
        "{}".to_owned(),
        format!("{{\"agent\":\"a\",{proof}}}"),
        format!("{{\"agent\":\"a\",{proof},\"nonce\":\"00\"}}"),
    ] {
        let violation = refused(&Stream::new().frame(HELLO, 0, payload.as_bytes()));
        assert!(matches!(violation, Violation::Json { kind: "hello", .. }), "{violation}");
    }
    let violation = refused(&greeted().frame(GOODBYE, 0, b"{}"));
    assert!(matches!(violation, Violation::Json { kind: "goodbye", .. }), "{violation}");
}

#[test]
fn invalid_digests() {
    for digest in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(65)] {
        let files = json!({"path": "", "files": [{"path": "a"}, {"path": "b", "digest": digest}]});
        let violation = refused(&greeted().json(FILES, 1, &files));
        assert_eq!(violation, Violation::Content("an invalid digest"));
    }
}

#[test]
fn deeply_nested_json_is_rejected() {
    let nested = format!("{{\"path\":\"a\",\"x\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
    // The parser may accept or reject it, but must return.
    let _ = feed_server(&mut Server::new(), [greeted().frame(STAT, 1, nested.as_bytes()).0.as_slice()]);
    let nested = format!("{{\"path\":{}", "[".repeat(60_000));
    let violation = refused(&greeted().frame(STAT, 1, nested.as_bytes()));
    assert!(matches!(violation, Violation::Json { .. }));
}

#[test]
fn reserved_requests_are_events_and_the_connection_stays_open() {
    let stream = greeted().frame(RESERVED, 3, b"any bytes").frame(RESERVED, 4, b"");
    let (events, violation) = feed_server(&mut Server::new(), [stat(stream, 5).0.as_slice()]);
    assert_eq!(violation, None);
    assert_eq!(events[1..3], [Event::Unsupported { id: 3 }, Event::Unsupported { id: 4 }]);
    let stat = Request::Stat(message::Stat { path: "a".to_owned() });
    assert_eq!(events[3], Event::Request { id: 5, request: stat });
}

#[test]
fn a_violation_is_answered_with_a_connection_error() {
    let (mut server, mut out) = (Server::new(), Outgoing::new());
    let (_, violation) = feed_server(&mut server, [greeted().header(0x7f, 0, 1).0.as_slice()]);
    assert!(violation.is_some());
    server.abort(&failure(Code::Violation, "unknown kind"), &mut out);
    let expected = Stream::new().frame(ERROR, 0, br#"{"code":"violation","message":"unknown kind"}"#);
    assert_eq!(out.as_slice(), expected.0);
}
