//! `tree` and `files`: valid answers, and every violation that a client rejects.

use std::collections::BTreeMap;

use fdsp::protocol::{
    client::{Client, Request},
    error::Violation,
    frame::outgoing::Outgoing,
    message::{Files, NameForm, Tree, TreeEntry, TreeNode, WantedFile},
    path,
    server::Server,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::wire::{
    client_rejects::{accepted, modified, refused, welcomed, with, without},
    memory::{MODIFIED, Stored},
    pair::Pair,
    stream::{
        BLOCK, DATA, DIFFERS, DONE, END, ERROR, FILE, GOODBYE, MIB, MISSED, SAME, Seen, Stream, TREE_PAGE,
        WORKING, blake3_hex, feed_client, pattern,
    },
};

fn tree() -> [Request; 1] {
    [Request::Tree(Tree { path: "t".to_owned(), ..Default::default() })]
}

fn wanted(path: &str, digest: Option<&[u8]>) -> WantedFile {
    WantedFile { path: path.to_owned(), digest: digest.map(blake3_hex), skip: 0 }
}

/// Asks for two files, of the second of which the client has something.
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

fn begun(size: usize) -> Stream {
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

#[test]
fn names_that_are_not_utf8_are_accepted_on_request() {
    let asked = [Request::Tree(Tree { path: "t".to_owned(), names: NameForm::Bytes, ..Default::default() })];
    let entries =
        [directory(""), directory("caf\0E9"), file("caf\0E9/in\0FF", 1), link("caf\0E9/l", "in\0FF")];
    accepted(&asked, &end(welcomed(), &entries, &totals(1, 1, 2, 1)));
    let form = "a name in a form that was not asked for";
    contradiction(&page(welcomed(), &entries), form);
    contradiction(&page(welcomed(), &[directory(""), link("l", "\0FF")]), form);
    for (odd, what) in [
        (file("a\x002Fb", 1), "an entry with an invalid path"),
        (directory("\x002E\x002E"), "an entry with an invalid path"),
        (file("\x0000", 1), "an entry with an invalid path"),
        (file("\0C3\0A9", 1), "an entry with an invalid path"),
        (file("\0e9", 1), "an entry with an invalid path"),
        (file(&"\0E9".repeat(256), 1), "an entry with an invalid path"),
        (link("l", "\x002E\x002E"), "a link that may lead out of its tree"),
        (link("l", "a\x002F..\x002Fb"), "a link that may lead out of its tree"),
        (link("l", "\0C3\0A9"), "a link that may lead out of its tree"),
    ] {
        let refused = refused(&asked, &page(welcomed(), &[directory(""), odd.clone()]));
        assert_eq!(refused, Violation::Content(what), "{odd}");
    }
    let turned = [directory(""), file("caf\0E9", 1), file("cafz", 1)];
    let refused = refused(&asked, &page(welcomed(), &turned));
    assert_eq!(refused, Violation::Content("entries out of order"));
}

#[test]
fn a_tree_is_sent_in_pages_and_its_files_in_one_answer() {
    for size in [0, 1, 4096, MIB, 2 * MIB + 5] {
        let bytes = pattern(size);
        let mut pair = Pair::with("t", Stored::file(bytes.clone()));
        pair.client.request(&tree()[0]);
        let files = vec![wanted("a", None), wanted("x", None), wanted("a", Some(&bytes)), wanted("a", None)];
        let all = Files { path: "t".to_owned(), files, content: true, largest: None };
        pair.client.request(&Request::Files(all.clone()));
        pair.client.request(&Request::Files(Files { content: false, ..all }));
        let seen = pair.run();
        let text = shown(&seen);
        assert_eq!(text.iter().filter(|text| text.contains("Tree {")).count(), 2);
        let content: Vec<_> = seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Data(_, bytes) => Some(bytes.as_slice()),
                _ => None,
            })
            .collect();
        assert!(content.concat() == bytes.repeat(2), "{size} bytes");
        let root = format!("root: Some({})", blake3_hex(&bytes));
        let events = |name: &str| text.iter().filter(|text| text.contains(name)).count();
        assert_eq!((events("Done {"), events(&root)), (2, 2), "{text:#?}");
        assert_eq!((events("Same {"), events("Differs {")), (2, 2));
        assert_eq!((events("Missed {"), events("FilesEnd {")), (2, 2));
        assert_eq!((pair.client.pending(), pair.client.end_of_stream()), (0, Ok(())));
    }
}

#[test]
fn an_incomplete_file_does_not_end_the_answer() {
    let mut pair = Pair::with("t", Stored { breaks_at: Some(1), ..Stored::file(pattern(9)) });
    pair.client.request(&two(true));
    let text = shown(&pair.run());
    assert!(text[1].contains("File { request: 1, index: 0"), "{text:#?}");
    assert!(text[3].contains("Missed { request: 1, index: 0") && text[3].contains("Changed"), "{text:#?}");
    assert!(text[4].contains("Missed { request: 1, index: 1"), "{text:#?}");
    assert!(text[5].contains("FilesEnd"), "{text:#?}");
}

#[test]
fn an_answer_without_files_is_complete() {
    let none = Request::Files(Files { path: String::new(), files: vec![], content: true, largest: None });
    accepted(std::slice::from_ref(&none), &welcomed().json(END, 1, &json!({})));
    let violation = refused(&[none], &welcomed().header(SAME, 0, 1));
    assert_eq!(violation, Violation::Unexpected("same"));
}

#[test]
fn valid_trees() {
    let entries = [
        directory(""),
        directory("a"),
        file("a/b", 3),
        directory("a/c"),
        file("a/c/d", 4),
        link("a/c/l", "../b"),
        link("a/l", "."),
        // As if `/` were the lowest byte.
        file("a ", 5),
        file("a-", 0),
        directory("b"),
        file("ü", 1),
    ];
    let totals = totals(13, 5, 4, 2);
    for cut in 1..entries.len() {
        let (first, rest) = entries.split_at(cut);
        accepted(&tree(), &end(page(welcomed(), first), rest, &totals));
    }
    accepted(&tree(), &end(welcomed(), &entries, &totals));
    accepted(&tree(), &end(page(welcomed(), &entries), &[], &totals));
    let error = json!({"code": "unreadable", "message": "m"});
    accepted(&tree(), &page(welcomed(), &entries[..2]).json(ERROR, 1, &error));
    accepted(&tree(), &welcomed().json(ERROR, 1, &error));
}

#[test]
fn trees_without_a_parent_directory_or_with_invalid_paths() {
    let begin = "a tree that does not begin with its directory";
    contradiction(&page(welcomed(), &[file("a", 1)]), begin);
    contradiction(&page(welcomed(), &[file("", 1)]), begin);
    contradiction(&page(welcomed(), &[link("", "a")]), begin);
    contradiction(&page(welcomed(), &[directory("a")]), begin);
    let (long, deep) = ("x".repeat(256), "x/".repeat(2048) + "x");
    for path in ["", ".", "..", "/", "/a", "a/", "a//b", "./a", "../a", "a/..", "a/../b", "a\0", &long, &deep]
    {
        contradiction(&page(welcomed(), &[directory(""), directory(path)]), "an entry with an invalid path");
    }
}

#[test]
fn trees_out_of_order() {
    let order = "entries out of order";
    let orphan = "an entry before the directory that it is in";
    for (entries, what) in [
        (vec![file("b", 1), file("a", 1)], order),
        (vec![file("a", 1), file("a", 1)], order),
        (vec![file("a", 1), directory("a")], order),
        (vec![directory("a"), link("a", "b")], order),
        (vec![file("a-", 1), directory("a")], order),
        (vec![directory("a"), file("a-", 1), file("a/b", 1)], order),
        (vec![directory("a"), file("a/b", 1), directory("a")], order),
        (vec![file("a/b", 1)], orphan),
        (vec![file("a", 1), file("a/b", 1)], orphan),
        (vec![link("a", "."), file("a/b", 1)], orphan),
        (vec![directory("a"), file("a/b/c", 1)], orphan),
        (vec![directory("a"), directory("b"), file("b/c/d", 1)], orphan),
        (vec![directory("a"), file("ab/c", 1)], orphan),
    ] {
        let entries = [vec![directory("")], entries].concat();
        contradiction(&page(welcomed(), &entries), what);
        // The same across pages.
        let (last, first) = entries.split_last().expect("an entry");
        contradiction(&page(page(welcomed(), first), std::slice::from_ref(last)), what);
    }
}

#[test]
fn links_out_of_the_tree() {
    let top = [directory(""), directory("a"), directory("a/b")];
    let entry = |link: Value| page(welcomed(), &[&top[..], &[link]].concat());
    let long = "x/".repeat(2049);
    for target in
        ["", "/", "/etc", "../../..", "../../../x", "x/..", "x/../y", "x\0", "../x/../..", "a//..", &long]
    {
        contradiction(&entry(link("a/b/l", target)), "a link that may lead out of its tree");
    }
    for target in [".", "x", "x/y", "./x//y/", "..", "../..", "../../x", "./.././x", "...", "..x/y"] {
        let link = link("a/b/l", target);
        accepted(&tree(), &end(entry(link), &[], &totals(0, 0, 3, 1)));
    }
    contradiction(
        &page(welcomed(), &[directory(""), link("l", "..")]),
        "a link that may lead out of its tree",
    );
}

#[test]
fn entries_of_the_wrong_type() {
    for entry in [
        without(file("a", 1), "size"),
        without(file("a", 1), "identity"),
        without(file("a", 1), "modified"),
        without(file("a", 1), "mode"),
        without(file("a", 1), "path"),
        without(file("a", 1), "kind"),
        with(file("a", 1), "kind", json!("other")),
        with(file("a", 1), "size", json!(-1)),
        with(file("a", 1), "target", json!("b")),
        with(directory("a"), "size", json!(0)),
        with(directory("a"), "identity", json!("v1")),
        with(directory("a"), "target", json!("b")),
        without(link("a", "b"), "target"),
        with(link("a", "b"), "size", json!(1)),
    ] {
        let violation = refused(&tree(), &page(welcomed(), &[directory(""), entry.clone()]));
        assert!(matches!(violation, Violation::Json { kind: "tree", .. }), "{entry}: {violation}");
    }
    let late = json!({"s": 0, "ns": 1_000_000_000});
    for (entry, what) in [
        (with(file("a", 1), "mode", json!(0o1000)), "a mode of more than 0o777"),
        (with(file("a", 1), "identity", json!("")), "an identity has 1 to 128 characters"),
        (with(file("a", 1), "identity", json!("x".repeat(129))), "an identity has 1 to 128 characters"),
        (with(directory("a"), "modified", late), "a point in time with too many nanoseconds"),
    ] {
        contradiction(&page(welcomed(), &[directory(""), entry]), what);
    }
}

#[test]
fn pages_and_totals_that_do_not_match_the_entries() {
    let entries = [directory(""), file("a", 5), link("l", "a")];
    let right = totals(5, 1, 1, 1);
    let whole = |totals: &Value| end(welcomed(), &entries, totals);
    for wrong in [totals(4, 1, 1, 1), totals(5, 2, 1, 1), totals(5, 1, 0, 1), totals(5, 1, 1, 0)] {
        contradiction(&whole(&wrong), "totals of a tree that are not those of its entries");
    }
    let huge = [directory(""), file("a", u64::MAX), file("b", 1)];
    contradiction(&page(welcomed(), &huge), "files of more than 2^64 bytes");
    let empty = "an empty page before the last";
    contradiction(&page(welcomed(), &[]), empty);
    contradiction(&end(welcomed(), &[], &totals(0, 0, 0, 0)), empty);
    contradiction(&page(page(welcomed(), &entries), &[]), empty);
    let early = json!({"entries": entries, "more": true, "totals": right});
    contradiction(&welcomed().json(TREE_PAGE, 1, &early), "the totals of a tree before its last page");
    let late = json!({"entries": entries, "more": false});
    contradiction(&welcomed().json(TREE_PAGE, 1, &late), "the last page of a tree without totals");
}

#[test]
fn frames_out_of_order() {
    let first = page(welcomed(), &[directory("")]);
    let goodbye = json!({"reason": "r"});
    let whole = end(welcomed(), &[directory("")], &totals(0, 0, 1, 0));
    let files = [two(true)];
    let compare = [two(false)];
    let sent = |stream: Stream| done(stream.block(1, 0, 3, b"abc"), b"abc");
    let one = sent(begun(3));
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
        // Nothing is known of the first file.
        (&files, welcomed().header(SAME, 0, 1), "same"),
        (&files, welcomed().header(DIFFERS, 0, 1), "differs"),
        (&files, welcomed().json(END, 1, &json!({})), "end"),
        (&files, begun(3).header(WORKING, 0, 1), "working"),
        (&files, all.clone().header(WORKING, 0, 1), "working"),
        (&files, welcomed().header(WORKING, 0, 2), "working"),
        (&files, welcomed().frame(WORKING, 1, b"").json(GOODBYE, 0, &goodbye), "goodbye"),
        (&tree(), welcomed().header(WORKING, 0, 1), "working"),
        (&files, begun(3).json(FILE, 1, &head(3)), "file"),
        (&files, begun(3).header(SAME, 0, 1), "same"),
        (&files, begun(3).json(END, 1, &json!({})), "end"),
        (&files, begun(3).json(GOODBYE, 0, &goodbye), "goodbye"),
        (&files, one.clone().json(END, 1, &json!({})), "end"),
        (&files, one.clone().header(DATA, 1, 1), "data"),
        (&files, one.clone().header(DONE, 32, 1), "done"),
        (&files, one.clone().header(DIFFERS, 0, 1), "differs"),
        (&files, one.clone().json(GOODBYE, 0, &goodbye), "goodbye"),
        (&files, all.clone().header(SAME, 0, 1), "same"),
        (&files, all.clone().json(FILE, 1, &head(3)), "file"),
        (&files, all.clone().json(MISSED, 1, &missed()), "missed"),
        (&files, all.clone().json(END, 1, &json!({})).json(END, 1, &json!({})), "end"),
        (&compare, begun(3), "file"),
        (&compare, welcomed().header(SAME, 0, 1), "same"),
    ] {
        assert_eq!(refused(requests, &stream), Violation::Unexpected(name));
    }
    let end = |stream: Stream| stream.json(END, 1, &json!({}));
    accepted(&files, &end(all));
    accepted(&files, &end(sent(one.clone().json(FILE, 1, &head(3)))));
    accepted(&files, &end(begun(3).data(1, b"ab").json(MISSED, 1, &missed()).json(MISSED, 1, &missed())));
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
        (begun(long), "a file that is larger than asked for"),
        (
            welcomed().json(FILE, 1, &with(head(1), "identity", json!(""))),
            "an identity has 1 to 128 characters",
        ),
        (welcomed().json(FILE, 1, &with(head(1), "mode", json!(0o1000))), "a mode of more than 0o777"),
        (
            welcomed().json(FILE, 1, &with(head(1), "modified", json!({"s": 0, "ns": 1_000_000_000}))),
            "a point in time with too many nanoseconds",
        ),
        (begun(0).data(1, &[0]), "more data than announced"),
        (begun(3).data(1, &[0; 4]), "more data than announced"),
        (begun(3).block(1, 0, 3, b"abc").data(1, &[0]), "data after a short block"),
        (begun(MIB + 1).data(1, &one).data(1, &[0]), "a block that is too long"),
        (begun(3).mark(1, 0, 0, &[0; 32]), "a block without data"),
        (begun(3).block(1, 1, 3, b"abc"), "a block out of order"),
        (begun(3).block(1, 0, 2, b"ab"), "a short block before the end"),
        (begun(3).block(1, 0, 4, b"abc"), "a position that goes back or beyond the sources"),
        (begun(3).block(1, 0, 2, b"abc"), "a position of a file that is not the offset"),
        (done(begun(3).data(1, b"abc"), b"abc"), "data without its block"),
        (done(begun(3), b""), "it ends before its size"),
        (done(begun(MIB + 1).block(1, 0, mib, &one), &one), "it ends before its size"),
    ] {
        assert_eq!(refused(&files, &stream), Violation::Content(what));
    }
    for stream in [done(begun(0), b"x"), done(begun(3).block(1, 0, 3, b"abc"), b"abd")] {
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
    assert_eq!(refused(&files, &begun(0).header(DONE, 33, 1)), too_long("done", 33, 32));
    let short = Violation::Header("a done frame that is too short");
    assert_eq!(refused(&files, &begun(0).header(DONE, 31, 1)), short);
}

#[test]
fn a_corrupt_file_has_no_root_and_the_next_one_does() {
    let sent = |stream: Stream, bytes: &[u8]| {
        let hash = crate::wire::stream::chaining(0, b"abc");
        done(stream.data(1, bytes).mark(1, 0, 3, &hash), b"abc").json(FILE, 1, &head(3))
    };
    let stream = done(sent(begun(3), b"xbc").block(1, 0, 3, b"abc"), b"abc").json(END, 1, &json!({}));
    let text = shown(&accepted(&[two(true)], &stream));
    assert!(text[3].contains("verified: None") && text[4].contains("root: None"), "{text:#?}");
    assert!(text[7].contains("verified: Some") && text[8].contains("root: Some"), "{text:#?}");
}

#[test]
fn an_answer_that_ends_early_is_truncated() {
    let stream = done(begun(3).block(1, 0, 3, b"abc"), b"abc").frame(SAME, 1, b"").json(END, 1, &json!({})).0;
    let pages = end(page(welcomed(), &[directory("")]), &[file("a", 1)], &totals(1, 1, 1, 0)).0;
    for (request, stream) in [(two(true), stream), (tree()[0].clone(), pages)] {
        for length in 1..=stream.len() {
            let mut client = Client::new("test");
            client.request(&request);
            feed_client(&mut client, [&stream[..length]]);
            let expected = if length == stream.len() { Ok(()) } else { Err(Violation::Truncated) };
            assert_eq!(client.end_of_stream(), expected, "after {length} bytes");
        }
    }
}

/// The longest paths and targets, all of whose characters are escaped, go in pages of the size that they may have.
#[test]
fn entries_of_the_maximum_length_fit_into_pages() {
    let (mut server, mut out) = (Server::new(), Outgoing::new());
    let mut client = Client::new("test");
    client.request(&tree()[0]);
    let welcome = fdsp::protocol::message::Welcome { agent: "a".to_owned(), pipeline: 1, parallel: 1 };
    server.welcome(&welcome, &mut out);
    let mut writer = server.tree(1, &mut out);
    let mut push = |path: String, node| {
        writer.push(&TreeEntry { path, modified: MODIFIED, mode: 0o777, node }, &mut out);
    };
    push(String::new(), TreeNode::Directory);
    let segment = "\u{1}".repeat(255);
    let mut path = segment.clone();
    let mut directories = 1;
    while path.len() + 256 <= 4096 {
        push(path.clone(), TreeNode::Directory);
        directories += 1;
        path = format!("{path}/{segment}");
    }
    push(path, TreeNode::Link { target: vec!["\u{1}".repeat(255); 16].join("/") });
    let totals = writer.end(u64::MAX, None, &mut out);
    assert_eq!((totals.directories, totals.links), (directories, 1));
    let seen = feed_client(&mut client, [out.as_slice()]);
    assert!(shown(&seen).last().expect("a page").contains("more: false"), "{:?}", seen.last());
    assert_eq!(client.pending(), 0);
}

/// Names that collide, nest and are ordered in every way.
fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::collection::vec("[a -]{1,2}", 1..4).prop_map(|names| names.join("/")), 0..30)
}

proptest! {
    #![proptest_config(crate::shared::effort::cases(200))]

    #[test]
    fn a_tree_is_accepted_in_one_order_only(mut paths in paths(), swap in any::<(usize, usize)>()) {
        // All directories above, too.
        for path in paths.clone() {
            paths.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
        paths.push(String::new());
        paths.sort_by(|a, b| path::compare(a, b));
        paths.dedup();
        let stream = |paths: &[String]| {
            let entries: Vec<_> = paths.iter().map(|path| directory(path)).collect();
            end(welcomed(), &entries, &totals(0, 0, paths.len() as u64, 0))
        };
        accepted(&tree(), &stream(&paths));
        let (a, b) = (swap.0 % paths.len(), swap.1 % paths.len());
        if a != b {
            paths.swap(a, b);
            refused(&tree(), &stream(&paths));
        }
    }

    /// However links go through each other, none leads out.
    #[test]
    fn accepted_links_stay_within_the_tree(
        targets in prop::collection::vec("(\\.\\./){0,3}[abxy.]{0,2}(/[abxy.]{1,2}){0,4}", 6),
    ) {
        let places = ["x", "y", "a/x", "a/y", "a/b/x", "b/y"];
        let links: BTreeMap<&str, &str> = places
            .into_iter()
            .zip(targets.iter().map(String::as_str))
            .filter(|(place, target)| path::is_target(place, target))
            .collect();
        for place in links.keys() {
            prop_assert!(stays_inside(place, &links), "{place} leads out: {links:?}");
        }
    }
}

/// Goes where a path leads, in a tree with some directories and these links.
fn stays_inside(path: &str, links: &BTreeMap<&str, &str>) -> bool {
    let mut at: Vec<String> = Vec::new();
    let mut rest: Vec<&str> = path.split('/').rev().collect();
    // A cycle leads nowhere.
    for _ in 0..1000 {
        match rest.pop() {
            None => return true,
            Some("" | ".") => {}
            Some("..") => {
                if at.pop().is_none() {
                    return false;
                }
            }
            Some(name) => {
                at.push(name.to_owned());
                let place = at.join("/");
                if let Some(target) = links.get(place.as_str()) {
                    at.pop();
                    rest.extend(target.split('/').rev());
                } else if !["a", "b", "a/b"].contains(&place.as_str()) {
                    return true;
                }
            }
        }
    }
    true
}

#[test]
fn an_interrupted_answer_is_resumed_after_its_last_entry() {
    let after = |path: &str| {
        [Request::Tree(Tree { path: "t".to_owned(), after: Some(path.to_owned()), ..Default::default() })]
    };
    let took = |path: &str, stream: &Stream| accepted(&after(path), stream).len();
    let rest = page(welcomed(), &[file("d/b", 5)]);
    assert_eq!(took("d/a", &end(rest, &[directory("e"), file("e/x", 1)], &totals(6, 2, 1, 0))), 3);
    // Nothing comes after it.
    assert_eq!(took("d/a", &end(welcomed(), &[], &totals(0, 0, 0, 0))), 2);
    assert_eq!(took("d", &end(welcomed(), &[file("d/a", 5)], &totals(5, 1, 0, 0))), 2);
    // A server that does not know it begins with the directory.
    assert_eq!(took("d/a", &end(welcomed(), &[directory(""), file("c", 5)], &totals(5, 1, 1, 0))), 2);
    for (stream, what) in [
        (end(welcomed(), &[file("d/a", 5)], &totals(5, 1, 0, 0)), "entries out of order"),
        (end(welcomed(), &[file("c", 5)], &totals(5, 1, 0, 0)), "entries out of order"),
        (
            end(welcomed(), &[file("e/x", 5)], &totals(5, 1, 0, 0)),
            "an entry before the directory that it is in",
        ),
        (
            end(welcomed(), &[file("d/b", 5), directory("")], &totals(5, 1, 1, 0)),
            "an entry with an invalid path",
        ),
        (
            end(welcomed(), &[file("d/b", 5)], &totals(10, 2, 2, 0)),
            "totals of a tree that are not those of its entries",
        ),
    ] {
        assert_eq!(refused(&after("d/a"), &stream), Violation::Content(what));
    }
}
