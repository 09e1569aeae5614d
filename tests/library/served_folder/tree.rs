//! Trees: each entry once and in order, and its files.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, symlink},
    },
};

use fdsp::storage::archive::Planner;
use fdsp::storage::tree::Tree;
use fdsp::{
    protocol::{
        message::{Missing, NameForm, TreeEntry, TreeNode},
        path::{self, RemotePath},
    },
    storage::{
        StorageError,
        root::{Directory, Links, Policy},
        tree::TreeStep,
    },
};
use proptest::prelude::*;

use crate::served_folder::{World, content};

fn walk(directory: Directory) -> Result<(Vec<TreeEntry>, u64), StorageError> {
    let (entries, omitted, missing) = walk_all(directory, NameForm::Utf8)?;
    assert!(missing.is_none(), "{missing:?}");
    Ok((entries, omitted))
}

fn walk_all(directory: Directory, names: NameForm) -> Result<(Vec<TreeEntry>, u64, Missing), StorageError> {
    let (mut tree, mut entries) = (Tree::new(directory, names), Vec::new());
    loop {
        match tree.step()? {
            TreeStep::On => {}
            TreeStep::Entry(entry) => entries.push(entry),
            TreeStep::End { omitted, missing, .. } => return Ok((entries, omitted, missing)),
        }
    }
}

fn paths(entries: &[TreeEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn targets(entries: &[TreeEntry]) -> BTreeMap<&str, &str> {
    let link = |entry| match entry {
        &TreeEntry { ref path, node: TreeNode::Link { ref target }, .. } => {
            Some((path.as_str(), target.as_str()))
        }
        _ => None,
    };
    entries.iter().filter_map(link).collect()
}

fn remote(path: &str) -> RemotePath {
    RemotePath::parse(path).unwrap()
}

#[test]
fn hidden_files_are_not_in_a_tree() {
    let world = World::new();
    fs::create_dir(world.served(".git")).unwrap();
    fs::write(world.served(".git/config"), "hidden").unwrap();
    fs::write(world.served("sub/.env"), "hidden").unwrap();
    symlink(".git/config", world.served("link")).unwrap();
    symlink(".git", world.served("linked directory")).unwrap();
    let (entries, omitted) = walk(world.directory("")).unwrap();
    assert_eq!((entries.len(), omitted), (10, 0));
    assert_eq!(targets(&entries), [("link", ".git/config"), ("linked directory", ".git")].into());

    let world = world.under(Policy { hidden: false, ..Policy::default() });
    let (entries, omitted) = walk(world.directory("")).unwrap();
    // A link would be broken in a copy; a visible link is sent as its target.
    assert_eq!(paths(&entries), ["", "file", "link", "sub", "sub/deep", "sub/deep/file"]);
    assert_eq!((targets(&entries), omitted), ([].into(), 1));
    let mut files = fdsp::storage::tree::Files::new(world.directory(""));
    assert_eq!(content(&files.open(&remote("link")).unwrap()), b"hidden");
    for path in [".git/config", "sub/.env", "sub/.absent", ".git"] {
        assert!(matches!(files.open(&remote(path)), Err(StorageError::NotFound(_))), "{path}");
    }
}

#[test]
fn links_are_not_in_a_tree_unless_followed() {
    let world = World::new();
    symlink("file", world.served("link")).unwrap();
    symlink("sub", world.served("directory")).unwrap();
    let world = world.under(Policy { links: Links::Never, ..Policy::default() });
    let (entries, omitted) = walk(world.directory("")).unwrap();
    assert_eq!((paths(&entries), omitted), (vec!["", "file", "sub", "sub/deep", "sub/deep/file"], 2));
    let mut files = fdsp::storage::tree::Files::new(world.directory(""));
    for path in ["link", "directory/deep/file"] {
        assert!(matches!(files.open(&remote(path)), Err(StorageError::NotFound(_))), "{path}");
    }
}

#[test]
fn files_are_opened_through_the_handle_of_their_directory() {
    let world = World::new();
    fs::write(world.served("sub/file"), "in sub").unwrap();
    symlink("sub", world.served("link")).unwrap();
    let mut files = fdsp::storage::tree::Files::new(world.directory(""));
    for _ in 0..2 {
        for (path, expected) in [
            ("file", "a file"),
            ("sub/file", "in sub"),
            ("sub/deep/file", "a deep file"),
            ("link/file", "in sub"),
            ("sub/file", "in sub"),
        ] {
            let source = files.open(&remote(path)).unwrap();
            assert_eq!(content(&source), expected.as_bytes(), "{path}");
            assert_eq!(source.identity(), world.file(path).identity(), "{path}");
            source.check().unwrap();
        }
        assert!(matches!(files.open(&remote("sub/absent")), Err(StorageError::NotFound(_))));
        assert!(matches!(files.open(&remote("sub/deep")), Err(StorageError::WrongKind { .. })));
        assert!(matches!(files.open(&remote("")), Err(StorageError::WrongKind { .. })));
    }
    // The open directory was replaced.
    files.open(&remote("sub/file")).unwrap();
    fs::rename(world.served("sub"), world.outside().join("sub")).unwrap();
    let mut files = fdsp::storage::tree::Files::new(world.directory(""));
    assert!(matches!(files.open(&remote("sub/file")), Err(StorageError::NotFound(_))));
}

#[test]
fn a_replaced_directory_ends_the_walk() {
    let world = World::new();
    let mut tree = Tree::new(world.directory(""), NameForm::default());
    // All entries of the top directory are read before the first one is returned.
    while !matches!(tree.step().unwrap(), TreeStep::Entry(TreeEntry { path, .. }) if path == "file") {}
    fs::rename(world.served("sub"), world.served("old")).unwrap();
    fs::create_dir(world.served("sub")).unwrap();
    let error = loop {
        match tree.step() {
            Ok(TreeStep::End { .. }) => panic!("a directory that is another one passed for itself"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, StorageError::Changed { path } if path.as_str() == "sub"), "{error}");
}

/// Each file whose path is too long for a request is missing, and one of the maximum length is not.
#[test]
fn paths_that_are_too_long_are_skipped() {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let world = World::new();
    let name = "x".repeat(250);
    let mut directory = rustix::fs::open(world.served("sub"), OFlags::PATH, Mode::empty()).unwrap();
    for depth in 0..20 {
        mkdirat(&directory, &*name, Mode::RWXU).unwrap();
        directory = openat(&directory, &*name, OFlags::PATH, Mode::empty()).unwrap();
        if depth >= 17 {
            openat(&directory, format!("file {depth}"), OFlags::CREATE, Mode::RUSR).unwrap();
        }
    }
    mkdirat(&directory, "empty", Mode::RWXU).unwrap();
    let (entries, omitted, missing) = walk_all(world.directory(""), NameForm::Utf8).unwrap();
    let longest = entries.iter().map(|entry| entry.path.len()).max().unwrap();
    assert_eq!((longest, omitted, missing.count), (3 + 16 * 251, 0, 4));
    let ends: Vec<_> = missing.entries.iter().map(|entry| entry.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(ends, ["file 17", "file 18", "file 19", "empty"]);
    assert!(missing.entries[0].reason.contains("4096"), "{}", missing.entries[0].reason);
    // The paths of a smaller tree are shorter, but requests name them from the served folder on.
    let (entries, _, missing) = walk_all(world.directory("sub"), NameForm::Bytes).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.path.len()).max(), Some(longest - 4));
    assert_eq!(missing.count, 4);
}

/// Names that are not UTF-8 are in the tree of a client that supports them, and missing in the tree of others.
#[test]
fn names_that_are_not_utf8_are_kept() {
    let world = World::new();
    let odd = |name: &[u8]| world.served("sub").join(OsStr::from_bytes(name));
    fs::create_dir(odd(b"d\xe9")).unwrap();
    fs::write(odd(b"d\xe9/in"), "in").unwrap();
    fs::write(odd(b"d\xe9/caf\xe9"), "x").unwrap();
    fs::write(odd(b"dz"), "z").unwrap();
    symlink(OsStr::from_bytes(b"d\xe9/caf\xe9"), odd(b"link\xff")).unwrap();
    let (entries, omitted, missing) = walk_all(world.directory("sub"), NameForm::Bytes).unwrap();
    assert_eq!((omitted, missing.count), (0, 0), "{missing:?}");
    let expected = ["", "deep", "deep/file", "dz", "d\0E9", "d\0E9/caf\0E9", "d\0E9/in", "link\0FF"];
    assert_eq!(paths(&entries), expected);
    assert_eq!(targets(&entries), [("link\0FF", "d\0E9/caf\0E9")].into());
    let mut files = fdsp::storage::tree::Files::new(world.directory("sub"));
    assert_eq!(content(&files.open(&remote("d\0E9/caf\0E9")).unwrap()), b"x");
    assert_eq!(content(&files.open(&remote("d\0E9/in")).unwrap()), b"in");
    // For others a link to a file is sent as that file, if its name is UTF-8.
    let (entries, _, missing) = walk_all(world.directory("sub"), NameForm::Utf8).unwrap();
    assert_eq!(paths(&entries), ["", "deep", "deep/file", "dz"]);
    let named: Vec<_> = missing.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(named.len(), 3);
    for path in ["d‹xE9›/caf‹xE9›", "d‹xE9›/in", "link‹xFF›"] {
        assert!(named.contains(&path), "{named:?}");
    }
}

/// A file of the kernel without a real size is in no tree, and does not stop others.
#[test]
fn files_shorter_than_their_size_are_skipped() {
    let made_up = "/sys/kernel";
    let said = |name: &str| fs::metadata(std::path::Path::new(made_up).join(name)).map(|data| data.len());
    if said("uevent_seqnum").ok() != Some(4096) {
        println!("skipped: there is no {made_up}/uevent_seqnum");
        return;
    }
    let root = fdsp::storage::root::Root::open(made_up.as_ref(), Policy::default()).unwrap();
    let fdsp::storage::root::Node::Directory(directory) = root.open_node(&RemotePath::default()).unwrap()
    else {
        panic!("{made_up} is a directory")
    };
    let (entries, _, missing) = walk_all(directory, NameForm::Utf8).unwrap();
    assert!(!paths(&entries).contains(&"uevent_seqnum"));
    assert!(
        missing.count > 0 && missing.entries.iter().any(|entry| entry.reason.contains("shorter")),
        "{missing:?}"
    );
}

/// Files of `/proc` change without a change of size or times, so they are missing in trees and archives.
#[test]
fn no_file_of_proc_is_in_an_archive_or_a_tree() {
    let process = || {
        let root = fdsp::storage::root::Root::open("/proc/self/net".as_ref(), Policy::default()).unwrap();
        match root.open_node(&RemotePath::default()).unwrap() {
            fdsp::storage::root::Node::Directory(directory) => directory,
            other => panic!("{other:?}"),
        }
    };
    let (entries, _, missing) = walk_all(process(), NameForm::Utf8).unwrap();
    let is_file = |entry: &TreeEntry| matches!(entry.node, TreeNode::File { .. });
    assert!(!entries.iter().any(is_file), "{:?}", paths(&entries));
    assert!(missing.count > 10, "{missing:?}");
    let mut planner = Planner::new(process(), "net");
    let plan = loop {
        match planner.step().unwrap() {
            fdsp::storage::archive::Planning::More(more) => planner = more,
            fdsp::storage::archive::Planning::Done(plan) => break plan,
        }
    };
    assert_eq!((plan.sources().files, plan.missing().count), (0, missing.count));
}

/// The entries of a generated directory.
#[derive(Clone, Debug)]
enum Made {
    File(u16),
    Directory,
    Link(String),
}

fn made() -> impl Strategy<Value = Vec<(String, Made)>> {
    let name = "[a. -]{1,2}".prop_filter("a name", |name| !matches!(name.as_str(), "." | ".."));
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let what = prop_oneof![
        3 => (0..9000u16).prop_map(Made::File),
        3 => Just(Made::Directory),
        2 => "(\\.\\./){0,2}[a. -]{1,2}(/[a.]{1,2}){0,2}".prop_map(Made::Link),
    ];
    prop::collection::vec((path, what), 0..25)
}

proptest! {
    #![proptest_config(crate::shared::effort::cases(60))]

    #[test]
    fn each_entry_is_listed_once_and_in_order(made in made()) {
        let world = World::new();
        fs::create_dir(world.served("tree")).unwrap();
        for (path, what) in &made {
            let at = world.served("tree").join(path);
            // Entries that conflict with earlier ones are skipped.
            if let Some(parent) = at.parent() {
                let _ = fs::create_dir_all(parent);
            }
            let _ = match what {
                Made::File(size) => fs::OpenOptions::new().write(true).create_new(true).open(&at)
                    .and_then(|file| file.set_len(u64::from(*size))),
                Made::Directory => fs::create_dir_all(&at),
                Made::Link(target) => symlink(target, &at),
            };
        }
        let (entries, omitted) = walk(world.directory("tree")).unwrap();
        prop_assert!(entries.is_sorted_by(|a, b| path::compare(&a.path, &b.path).is_lt()), "{:?}", paths(&entries));
        let mut files = fdsp::storage::tree::Files::new(world.directory("tree"));
        for entry in &entries {
            let at = world.served("tree").join(&entry.path);
            let is = fs::symlink_metadata(&at).unwrap();
            match &entry.node {
                TreeNode::Directory => prop_assert!(is.is_dir()),
                TreeNode::Link { target } => {
                    prop_assert_eq!(fs::read_link(&at).unwrap(), std::path::Path::new(target));
                    prop_assert!(path::is_target(&entry.path, target));
                    prop_assert!(at.exists(), "it leads to something");
                }
                TreeNode::File { size, identity } => {
                    prop_assert_eq!(*size, fs::metadata(&at).unwrap().size());
                    let source = files.open(&remote(&entry.path)).unwrap();
                    prop_assert_eq!((source.size(), source.identity()), (*size, identity.as_str()));
                }
            }
        }
        let all = count(&world.served("tree"));
        prop_assert_eq!(entries.len() as u64 + omitted, all + 1);
    }
}

/// Everything in a directory, at any depth, as the system reports it.
fn count(directory: &std::path::Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.file_type().unwrap().is_dir() { 1 + count(&entry.path()) } else { 1 }).sum()
}
