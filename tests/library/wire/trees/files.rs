//! Frames of a `files` answer that a client rejects.

use fdsp::protocol::error::Violation;
use serde_json::json;

use super::{directory, done, end, head, missed, page, started, totals, tree, two};
use crate::wire::{
    client_rejects::{accepted, refused, welcomed, with, without},
    stream::{
        BLOCK, DATA, DIFFERS, DONE, END, ERROR, FILE, GOODBYE, MIB, MISSED, SAME, Stream, TREE_PAGE, WORKING,
        pattern,
    },
};

#[test]
fn frames_out_of_order() {
    let first = page(welcomed(), &[directory("")]);
    let goodbye = json!({"reason": "r"});
    let whole = end(welcomed(), &[directory("")], &totals(0, 0, 1, 0));
    let files = [two(true)];
    let compare = [two(false)];
    let sent = |stream: Stream| done(stream.block(1, 0, 3, b"abc"), b"abc");
    let one = sent(started(3));
    let all = one.clone().frame(SAME, 1, b"");
    for (requests, stream, name) in [
        (&tree()[..], welcomed().json(FILE, 1, &head(1)), "file"),
        (&tree(), welcomed().json(END, 1, &json!({})), "end"),
        (&tree(), first.clone().json(END, 1, &json!({})), "end"),
        (&tree(), first.clone().json(GOODBYE, 0, &goodbye), "goodbye"),
        (&tree(), first.header(TREE_PAGE, 2, 2), "tree"),
        (&tree(), whole.clone().header(TREE_PAGE, 2, 1), "tree"),
        (&[], whole, "tree"),
        (&files, welcomed().header(TREE_PAGE, 2, 1), "tree"),
        (&files, welcomed().header(FILE, 2, 2), "file"),
        (&files, welcomed().header(DATA, 1, 1), "data"),
        (&files, welcomed().header(BLOCK, 48, 1), "block"),
        (&files, welcomed().header(DONE, 32, 1), "done"),
        // The client has no digest of the first file.
        (&files, welcomed().header(SAME, 0, 1), "same"),
        (&files, welcomed().header(DIFFERS, 0, 1), "differs"),
        (&files, welcomed().json(END, 1, &json!({})), "end"),
        (&files, started(3).header(WORKING, 0, 1), "working"),
        (&files, all.clone().header(WORKING, 0, 1), "working"),
        (&files, welcomed().header(WORKING, 0, 2), "working"),
        (&files, welcomed().frame(WORKING, 1, b"").json(GOODBYE, 0, &goodbye), "goodbye"),
        (&tree(), welcomed().header(WORKING, 0, 1), "working"),
        (&files, started(3).json(FILE, 1, &head(3)), "file"),
        (&files, started(3).header(SAME, 0, 1), "same"),
        (&files, started(3).json(END, 1, &json!({})), "end"),
        (&files, started(3).json(GOODBYE, 0, &goodbye), "goodbye"),
        (&files, one.clone().json(END, 1, &json!({})), "end"),
        (&files, one.clone().header(DATA, 1, 1), "data"),
        (&files, one.clone().header(DONE, 32, 1), "done"),
        (&files, one.clone().header(DIFFERS, 0, 1), "differs"),
        (&files, one.clone().json(GOODBYE, 0, &goodbye), "goodbye"),
        (&files, all.clone().header(SAME, 0, 1), "same"),
        (&files, all.clone().json(FILE, 1, &head(3)), "file"),
        (&files, all.clone().json(MISSED, 1, &missed()), "missed"),
        (&files, all.clone().json(END, 1, &json!({})).json(END, 1, &json!({})), "end"),
        (&compare, started(3), "file"),
        (&compare, welcomed().header(SAME, 0, 1), "same"),
    ] {
        assert_eq!(refused(requests, &stream), Violation::Unexpected(name));
    }
    let end = |stream: Stream| stream.json(END, 1, &json!({}));
    accepted(&files, &end(all));
    accepted(&files, &end(sent(one.clone().json(FILE, 1, &head(3)))));
    accepted(&files, &end(started(3).data(1, b"ab").json(MISSED, 1, &missed()).json(MISSED, 1, &missed())));
    accepted(&compare, &end(welcomed().frame(DIFFERS, 1, b"").frame(SAME, 1, b"")));
    let working = |stream: Stream| stream.frame(WORKING, 1, b"").frame(WORKING, 1, b"");
    accepted(&files, &end(working(sent(working(welcomed()).json(FILE, 1, &head(3)))).frame(SAME, 1, b"")));
    accepted(&files, &one.json(ERROR, 1, &missed()));
}

#[test]
fn files_that_contradict_themselves_or_the_request() {
    let files = [two(true)];
    let (one, mib) = (pattern(MIB), MIB as u64);
    let long = 3 * MIB + 1;
    for (stream, what) in [
        (started(long), "a file that is larger than asked for"),
        (
            welcomed().json(FILE, 1, &with(head(1), "identity", json!(""))),
            "an identity has 1 to 128 characters",
        ),
        (welcomed().json(FILE, 1, &with(head(1), "mode", json!(0o1000))), "a mode of more than 0o777"),
        (
            welcomed().json(FILE, 1, &with(head(1), "modified", json!({"s": 0, "ns": 1_000_000_000}))),
            "a point in time with too many nanoseconds",
        ),
        (started(0).data(1, &[0]), "more data than announced"),
        (started(3).data(1, &[0; 4]), "more data than announced"),
        (started(3).block(1, 0, 3, b"abc").data(1, &[0]), "data after a short block"),
        (started(MIB + 1).data(1, &one).data(1, &[0]), "a block that is too long"),
        (started(3).mark(1, 0, 0, &[0; 32]), "a block without data"),
        (started(3).block(1, 1, 3, b"abc"), "a block out of order"),
        (started(3).block(1, 0, 2, b"ab"), "a short block before the end"),
        (started(3).block(1, 0, 4, b"abc"), "a position that goes back or beyond the sources"),
        (started(3).block(1, 0, 2, b"abc"), "a position of a file that is not the offset"),
        (done(started(3).data(1, b"abc"), b"abc"), "data without its block"),
        (done(started(3), b""), "it ends before its size"),
        (done(started(MIB + 1).block(1, 0, mib, &one), &one), "it ends before its size"),
    ] {
        assert_eq!(refused(&files, &stream), Violation::Content(what));
    }
    for stream in [done(started(0), b"x"), done(started(3).block(1, 0, 3, b"abc"), b"abd")] {
        assert_eq!(refused(&files, &stream), Violation::Root);
    }
    for member in ["size", "modified", "mode", "identity"] {
        let violation = refused(&files, &welcomed().json(FILE, 1, &without(head(1), member)));
        assert!(matches!(violation, Violation::Json { kind: "file", .. }), "{member}: {violation}");
    }
    let violation = refused(&files, &welcomed().json(MISSED, 1, &json!({"code": "changed"})));
    assert!(matches!(violation, Violation::Json { kind: "missed", .. }), "{violation}");
    let too_long = |kind, length, limit| Violation::TooLong { kind, length, limit };
    assert_eq!(refused(&files, &welcomed().header(SAME, 1, 1)), too_long("same", 1, 0));
    assert_eq!(refused(&files, &welcomed().header(DIFFERS, 1, 1)), too_long("differs", 1, 0));
    assert_eq!(refused(&files, &welcomed().header(WORKING, 1, 1)), too_long("working", 1, 0));
    assert_eq!(refused(&files, &started(0).header(DONE, 33, 1)), too_long("done", 33, 32));
    let short = Violation::Header("a done frame that is too short");
    assert_eq!(refused(&files, &started(0).header(DONE, 31, 1)), short);
}
