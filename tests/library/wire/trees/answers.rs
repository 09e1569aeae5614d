//! Valid answers, whole, resumed and cut off.

use fdsp::protocol::{
    client::{Client, Request},
    error::Violation,
    frame::outgoing::Outgoing,
    message::{Files, Tree, TreeEntry, TreeNode},
    server::Server,
};
use serde_json::json;

use super::{directory, done, end, file, head, link, page, shown, started, totals, tree, two, wanted};
use crate::wire::{
    client_rejects::{accepted, refused, welcomed},
    memory::{MODIFIED, Stored},
    pair::Pair,
    stream::{END, ERROR, FILE, MIB, SAME, Seen, Stream, blake3_hex, feed_client, pattern},
};

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
fn a_corrupt_file_has_no_root_and_the_next_one_does() {
    let sent = |stream: Stream, bytes: &[u8]| {
        let hash = crate::wire::stream::chaining(0, b"abc");
        done(stream.data(1, bytes).mark(1, 0, 3, &hash), b"abc").json(FILE, 1, &head(3))
    };
    let stream = done(sent(started(3), b"xbc").block(1, 0, 3, b"abc"), b"abc").json(END, 1, &json!({}));
    let text = shown(&accepted(&[two(true)], &stream));
    assert!(text[3].contains("verified: None") && text[4].contains("root: None"), "{text:#?}");
    assert!(text[7].contains("verified: Some") && text[8].contains("root: Some"), "{text:#?}");
}

#[test]
fn an_answer_that_ends_early_is_truncated() {
    let stream =
        done(started(3).block(1, 0, 3, b"abc"), b"abc").frame(SAME, 1, b"").json(END, 1, &json!({})).0;
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

/// The longest paths and targets, with all characters escaped, fit into pages of the maximum size.
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

#[test]
fn an_interrupted_answer_is_resumed_after_its_last_entry() {
    let after = |path: &str| {
        [Request::Tree(Tree { path: "t".to_owned(), after: Some(path.to_owned()), ..Default::default() })]
    };
    let took = |path: &str, stream: &Stream| accepted(&after(path), stream).len();
    let rest = page(welcomed(), &[file("d/b", 5)]);
    assert_eq!(took("d/a", &end(rest, &[directory("e"), file("e/x", 1)], &totals(6, 2, 1, 0))), 3);
    // There are no entries after it.
    assert_eq!(took("d/a", &end(welcomed(), &[], &totals(0, 0, 0, 0))), 2);
    assert_eq!(took("d", &end(welcomed(), &[file("d/a", 5)], &totals(5, 1, 0, 0))), 2);
    // A server that ignores the member begins with the directory.
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
