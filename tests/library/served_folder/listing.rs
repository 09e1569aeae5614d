//! Listings in pages.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    process::Command,
    time::Instant,
};

use fdsp::storage::page::Page;
use fdsp::{
    protocol::{
        message::{Kind, NameForm},
        path::RemotePath,
    },
    storage::{
        page::Paging,
        root::{Node, Policy, Root},
    },
};

use crate::served_folder::{World, content, list, list_as};

#[test]
fn a_listing_has_kind_size_and_time_of_every_entry() {
    let world = World::new();
    let at = |name: &str| world.served(name);
    symlink("file", at("link")).unwrap();
    symlink("sub", at("link to directory")).unwrap();
    symlink("../outside/secret", at("outward")).unwrap();
    symlink("../outside", at("outward directory")).unwrap();
    symlink("../file", at("sub/up")).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    fs::write(at("ünï"), "x").unwrap();
    fs::write(world.served("").join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    let list = |path: &str| {
        let page = crate::served_folder::list(world.directory(path), None, 100);
        assert!(!page.more);
        page.entries.into_iter().map(|entry| (entry.name, entry.kind, entry.size)).collect::<Vec<_>>()
    };
    let file = |name: &str, size| (name.to_owned(), Kind::File, Some(size));
    let other = |name: &str| (name.to_owned(), Kind::Other, None);
    let directory = |name: &str| (name.to_owned(), Kind::Directory, None);
    let expected = [
        other("caf%E9"),
        other("fifo"),
        file("file", 6),
        file("link", 6),
        directory("link to directory"),
        other("outward"),
        other("outward directory"),
        directory("sub"),
        file("ünï", 1),
    ];
    assert_eq!(list(""), expected);
    // A link that leads out of the directory and stays in the root.
    assert_eq!(list("sub"), [directory("deep"), file("up", 6)]);
    assert_eq!(list("link to directory"), list("sub"));
    assert_eq!(list("sub/deep"), [file("file", 11)]);
}

/// A client that supports such names receives their bytes, in the order of the disk.
#[test]
fn names_that_are_not_utf8_are_listed_and_opened() {
    let world = World::new();
    let odd = world.served("odd");
    let names: [&[u8]; 6] = [b"caf", b"caf\xc3", b"caf\xc3\xa9", b"caf\xe9", b"d\xff", b"\xff"];
    fs::create_dir_all(odd.join(OsStr::from_bytes(b"d\xff"))).unwrap();
    for name in names.iter().filter(|name| !name.starts_with(b"d")) {
        fs::write(odd.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(odd.join(OsStr::from_bytes(b"d\xff/in")), "in").unwrap();
    fs::write(odd.join(OsStr::from_bytes(&[0xfe; 255])), "long").unwrap();
    let mut seen: Vec<(String, Kind)> = Vec::new();
    loop {
        let after = seen.last().map(|(name, _)| name.clone());
        let page = list_as(world.directory("odd"), after.as_deref(), 1, NameForm::Bytes);
        seen.extend(page.entries.into_iter().map(|entry| (entry.name, entry.kind)));
        if !page.more {
            break;
        }
    }
    let expected = ["caf", "caf\0C3", "café", "caf\0E9", "d\0FF", &"\0FE".repeat(255), "\0FF"];
    assert_eq!(seen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);
    assert!(seen.iter().all(|(name, kind)| (*kind == Kind::Directory) == name.starts_with('d')), "{seen:?}");
    assert_eq!(content(&world.file("odd/caf\0E9")), b"caf\xe9");
    assert_eq!(content(&world.file("odd/d\0FF/in")), b"in");
    assert_eq!(world.directory("odd/d\0FF").meta().name, "d\0FF");
    world.assert_absent("odd/caf\0E8");
    // Other clients receive a form to display, which cannot be requested.
    let shown = list(world.directory("odd"), None, 100).entries;
    assert_eq!(shown.iter().filter(|entry| entry.kind == Kind::Other).count(), 5, "{shown:?}");
}

/// Names that are not UTF-8 are displayed such that no two names look the same, in any pages.
#[test]
fn different_names_are_displayed_differently() {
    let world = World::new();
    let names: [&[u8]; 7] = [b"a%FF", b"a\xff", b"%61%FF", b"a\xff%FE", b"a%FF\xfe", b"b", b"caf\xe9%E9"];
    fs::create_dir(world.served("odd")).unwrap();
    for name in names {
        fs::write(world.served("odd").join(OsStr::from_bytes(name)), "x").unwrap();
    }
    // The longest name, three times as long when it is displayed.
    fs::write(world.served("odd").join(OsStr::from_bytes(&[0xff; 255])), "x").unwrap();
    let all: Vec<(String, Kind)> = list(world.directory("odd"), None, 100)
        .entries
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect();
    assert_eq!(all.len(), 8, "{all:?}");
    assert!(all.is_sorted_by(|one, other| one.0 < other.0), "{all:?}");
    let shown = |name: &str| all.iter().find(|(shown, _)| shown == name).map(|(_, kind)| *kind);
    assert_eq!([shown("a%FF"), shown("%61%FF")], [Some(Kind::File); 2], "as they are");
    // The forms to display it that are free.
    assert_eq!(all.iter().filter(|(shown, _)| shown.starts_with("a%FF…")).count(), 1, "{all:?}");
    for name in ["a%FF%25FE", "a%25FF%FE", "caf%E9%25E9", &"%FF".repeat(255)] {
        assert!(shown(name).is_some(), "{name} in {all:?}");
    }
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = list(world.directory("odd"), seen.last().map(String::as_str), 1);
        seen.extend(page.entries.into_iter().map(|entry| entry.name));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, all.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), "one by one");
}

#[test]
fn pages_are_sorted_and_list_each_entry_once() {
    let world = World::new();
    let many = world.served("many");
    fs::create_dir(&many).unwrap();
    let mut names: Vec<String> = (0..1000).map(|index| format!("{:x}", index * 7919 % 65_537)).collect();
    names.extend(["-".into(), " ".into(), "ä".into(), "z".repeat(255)]);
    for name in &names {
        fs::write(many.join(name), name).unwrap();
    }
    names.sort();
    for limit in [0, 1, 7, 250, 1003, 1004, 1005, usize::MAX] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = list(world.directory("many"), seen.last().map(String::as_str), limit);
            assert!(page.entries.len() <= limit.max(1));
            seen.extend(page.entries.into_iter().map(|entry| entry.name));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, names, "in pages of {limit}");
    }
    assert_eq!(list(world.directory("many"), Some("zzzz"), 10).entries.len(), 2);
    let empty = list(world.directory("sub/deep"), Some("file"), 10);
    assert!(empty.entries.is_empty() && !empty.more);
}

#[test]
fn a_hundred_thousand_entries_are_listed_in_slices() {
    let temporary = crate::shared::folder::temporary();
    fs::write(temporary.path().join("0"), "").unwrap();
    for index in 1..100_000 {
        // A link to a file costs the file system less than another file.
        let source = temporary.path().join((index / 10_000 * 10_000).to_string());
        let path = temporary.path().join(index.to_string());
        if index % 10_000 == 0 { fs::write(path, "") } else { fs::hard_link(source, path) }.unwrap();
    }
    let root = Root::open(temporary.path(), Policy::default()).unwrap();
    let Ok(Node::Directory(directory)) = root.open_node(&RemotePath::default()) else {
        panic!("the root is a directory")
    };
    let begin = Instant::now();
    let mut slices = 1;
    let mut page = Page::new(directory, Some("5"), 1000, NameForm::default()).unwrap();
    let page = loop {
        match page.step().unwrap() {
            Paging::More(further) => (page, slices) = (further, slices + 1),
            Paging::Done(entries) => break entries,
        }
    };
    eprintln!("a page of 1,000 of 100,000 entries: {:?} in {slices} slices", begin.elapsed());
    assert!(slices > 70, "others have their turns between {slices} slices");
    assert!(page.more);
    assert_eq!(page.entries.len(), 1000);
    assert_eq!(page.entries[0].name, "50");
}
