//! Invalid answers to `stat` and `list`.

use super::*;

#[test]
fn invalid_answers_to_stat_and_list() {
    let meta = json!({"kind": "file", "name": "f", "size": 1, "modified": modified(), "mode": 0o644, "identity": "v1"});
    for (meta, what) in [
        (without(meta.clone(), "size"), "a file without a size"),
        (without(meta.clone(), "identity"), "a file without an identity"),
        (with(meta.clone(), "identity", json!("")), "an identity has 1 to 128 characters"),
        (with(meta.clone(), "mode", json!(0o7777)), "a mode of more than 0o777"),
        (
            with(meta.clone(), "modified", json!({"s": 0, "ns": 4_000_000_000u32})),
            "a point in time with too many nanoseconds",
        ),
    ] {
        assert_eq!(refused(&[stat()], &welcomed().json(META, 1, &meta)), Violation::Content(what));
    }
    accepted(&[stat()], &welcomed().json(META, 1, &meta));
    accepted(
        &[stat()],
        &welcomed().json(
            META,
            1,
            &json!({"kind": "directory", "name": "", "size": null,
        "modified": modified(), "mode": 0, "extra": true}),
        ),
    );

    let entry = |name: &str| json!({"name": name, "kind": "other", "modified": modified()});
    let page = |names: &[&str], more: bool| json!({"entries": names.iter().map(|name| entry(name)).collect::<Vec<_>>(), "more": more});
    let after = List { after: Some("b".to_owned()), ..list() };
    let two = List { limit: Some(2), ..list() };
    for (list, page, what) in [
        (list(), page(&["a", "b", "a"], false), "entries out of order"),
        (list(), page(&["a", "a"], false), "entries out of order"),
        (list(), page(&[""], false), "an entry whose name is no segment of a path"),
        (list(), page(&["."], false), "an entry whose name is no segment of a path"),
        (list(), page(&[".."], false), "an entry whose name is no segment of a path"),
        (list(), page(&["a/b"], false), "an entry whose name is no segment of a path"),
        (list(), page(&["a\0b"], false), "an entry whose name is no segment of a path"),
        (list(), page(&[&"x".repeat(256)], false), "an entry whose name is too long"),
        (list(), page(&[&"%FF".repeat(256)], false), "an entry whose name is too long"),
        (list(), page(&[], true), "an empty page before the last"),
        (after.clone(), page(&["b"], false), "entries that were not asked for"),
        (after.clone(), page(&["a"], true), "entries that were not asked for"),
        (two.clone(), page(&["a", "b", "c"], false), "more entries than asked for"),
    ] {
        assert_eq!(
            refused(&[Request::List(list)], &welcomed().json(ENTRIES, 1, &page)),
            Violation::Content(what)
        );
    }
    let bytes = List { names: NameForm::Bytes, ..list() };
    for (list, names, what) in [
        (list(), &["caf\0E9"][..], "a name in a form that was not asked for"),
        // A slash, dots, a NUL and a letter; UTF-8; and invalid escapes.
        (bytes.clone(), &["a\x002Fb"], "an entry whose name is no segment of a path"),
        (bytes.clone(), &["\x002E\x002E"], "an entry whose name is no segment of a path"),
        (bytes.clone(), &["\x0000"], "an entry whose name is no segment of a path"),
        (bytes.clone(), &["\x0041"], "an entry whose name is no segment of a path"),
        (bytes.clone(), &["\0C3\0A9"], "an entry whose name is no segment of a path"),
        (bytes.clone(), &["\0e9"], "an entry whose name is no segment of a path"),
        (bytes.clone(), &["a\0"], "an entry whose name is no segment of a path"),
        (bytes.clone(), &[&"\0E9".repeat(256)], "an entry whose name is too long"),
        // In the order of the disk.
        (bytes.clone(), &["caf\0E9", "cafz"], "entries out of order"),
    ] {
        let page = page(names, false);
        assert_eq!(
            refused(&[Request::List(list)], &welcomed().json(ENTRIES, 1, &page)),
            Violation::Content(what),
            "{names:?}"
        );
    }
    let rising = page(&["cafz", "caf\0C3", "café", "caf\0E9", &"\0FF".repeat(255)], false);
    accepted(&[Request::List(bytes)], &welcomed().json(ENTRIES, 1, &rising));
    accepted(&[Request::List(list())], &welcomed().json(ENTRIES, 1, &page(&[], false)));
    // Bytes that are not UTF-8 are three characters each.
    let odd = page(&[&"%FF".repeat(255), &"x".repeat(255)], false);
    accepted(&[Request::List(list())], &welcomed().json(ENTRIES, 1, &odd));
    accepted(&[Request::List(after)], &welcomed().json(ENTRIES, 1, &page(&["c", "d"], true)));
    accepted(&[Request::List(two)], &welcomed().json(ENTRIES, 1, &page(&["A", "a"], true)));
}
