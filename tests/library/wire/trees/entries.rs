//! Entries of a tree that a client rejects: names, links, members, totals.

use fdsp::protocol::{
    client::Request,
    error::Violation,
    message::{NameForm, Tree},
};
use serde_json::{Value, json};

use super::{contradiction, directory, end, file, link, page, totals, tree};
use crate::wire::{
    client_rejects::{accepted, refused, welcomed, with, without},
    stream::TREE_PAGE,
};

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
