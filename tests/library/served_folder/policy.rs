//! Paths that the policy excludes do not exist for any kind of access.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
};

use fdsp::storage::archive::Planner;
use fdsp::storage::tree::Files;
use fdsp::storage::tree::Tree;
use fdsp::{
    protocol::{
        message::{Entry, Kind, Sources, TreeNode},
        path::RemotePath,
    },
    storage::{
        StorageError,
        archive::Planning,
        root::{Directory, Links, Node, Policy, Root},
        tree::TreeStep,
    },
};

use crate::served_folder::{World, content, list};

fn sources(directory: Directory) -> Sources {
    let mut planner = Planner::new(directory, "");
    loop {
        match planner.step().unwrap() {
            Planning::More(more) => planner = more,
            Planning::Done(plan) => return plan.sources(),
        }
    }
}

/// The paths of a directory as a tree, and the skipped ones.
fn tree(directory: Directory) -> (Vec<String>, u64) {
    let (mut tree, mut paths) = (Tree::new(directory, Default::default()), Vec::new());
    loop {
        match tree.step().unwrap() {
            TreeStep::On => {}
            TreeStep::Entry(entry) => paths.push(match entry.node {
                TreeNode::Link { target } => format!("{} -> {target}", entry.path),
                _ => entry.path,
            }),
            TreeStep::End { omitted, .. } => return (paths, omitted),
        }
    }
}

fn listed(world: &World, path: &str) -> Vec<(String, Kind)> {
    let page = list(world.directory(path), None, 100);
    page.entries.into_iter().map(|entry| (entry.name, entry.kind)).collect()
}

/// The text of a failure, without the path.
fn refusal(world: &World, path: &str) -> String {
    let error = world.open(path).unwrap_err();
    assert!(matches!(error, StorageError::NotFound(_)), "{path}: {error}");
    let failure = error.failure();
    assert_eq!(failure.path.as_deref(), Some(path));
    format!("{:?} {} {:?}", failure.code, failure.message.replace(path, "PATH"), failure.retry_after)
}

fn folder() -> World {
    let world = World::new();
    let at = |name: &str| world.served(name);
    fs::create_dir(at(".git")).unwrap();
    fs::write(at(".git/config"), "hidden").unwrap();
    fs::write(at("sub/.env"), "hidden").unwrap();
    fs::write(at("..."), "dots").unwrap();
    symlink("sub/deep/file", at("link")).unwrap();
    symlink("sub", at("link to directory")).unwrap();
    symlink(".git/config", at("link to hidden")).unwrap();
    symlink("file", at(".hidden link")).unwrap();
    world
}

#[test]
fn by_default_everything_in_the_folder_is_served() {
    let world = folder();
    for path in [".git/config", "sub/.env", "...", "link", "link to directory/deep/file", ".hidden link"] {
        world.file(path);
    }
    let sources = sources(world.directory(""));
    assert_eq!((sources.files, sources.directories, sources.omitted), (8, 4, 1));
}

#[test]
fn hidden_files_are_answered_like_absent_ones() {
    let world = folder().under(Policy { hidden: false, ..Policy::default() });
    let absent = refusal(&world, "absent");
    for path in [
        ".git",
        ".git/config",
        ".git/absent",
        ".absent",
        "sub/.env",
        "sub/.env/x",
        "...",
        ".hidden link",
        "link to directory/.env",
        "absent/.git",
    ] {
        assert_eq!(refusal(&world, path), absent, "{path}");
    }
    // These spellings name visible files.
    for path in ["./file", "sub/./deep/file", "link"] {
        world.file(path);
    }
    // A link with a visible name makes its target visible.
    assert_eq!(content(&world.file("link to hidden")), b"hidden");
    let names = |path: &str| listed(&world, path).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(""), ["file", "link", "link to directory", "link to hidden", "sub"]);
    assert_eq!(names("sub"), ["deep"]);
    let sources = sources(world.directory(""));
    assert_eq!(
        (sources.files, sources.directories),
        (4, 3),
        "the files, the links to files, the directories"
    );
    assert_eq!(sources.omitted, 1, "the link to a directory; what is hidden is not even counted");
    let (paths, omitted) = tree(world.directory(""));
    let links = ["link -> sub/deep/file", "link to directory -> sub"];
    assert_eq!(paths, ["", "file", links[0], links[1], "link to hidden", "sub", "sub/deep", "sub/deep/file"]);
    assert_eq!(omitted, 0, "a link to a hidden target is sent as a file");
    let mut files = Files::new(world.directory(""));
    for path in [".git/config", "sub/.env", "absent", "link to directory/.env"] {
        let error = files.open(&RemotePath::parse(path).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("{path}: not found"));
    }
    files.open(&RemotePath::parse("sub/deep/file").unwrap()).unwrap();
}

#[test]
fn a_folder_with_a_hidden_name_can_be_served() {
    let world = folder();
    let policy = Policy { hidden: false, ..Policy::default() };
    let root = Root::open(&world.served(".git"), policy).unwrap();
    assert!(matches!(root.open_node(&RemotePath::parse("config").unwrap()), Ok(Node::File(_))));
}

#[test]
fn links_are_answered_like_absent_files_unless_followed() {
    let world = folder().under(Policy { links: Links::Never, ..Policy::default() });
    symlink("../outside/secret", world.served("outward")).unwrap();
    let absent = refusal(&world, "absent");
    for path in ["link", "link to directory", "link to directory/deep/file", "link to hidden", "outward"] {
        assert_eq!(refusal(&world, path), absent, "{path}");
    }
    world.file("sub/deep/file");
    let kind = |name: &str| listed(&world, "").into_iter().find(|(known, _)| known == name).unwrap().1;
    assert_eq!([kind("link"), kind("link to directory"), kind("outward")], [Kind::Other; 3]);
    let sources = sources(world.directory(""));
    assert_eq!((sources.files, sources.omitted), (5, 5), "{sources:?}");
    let (paths, omitted) = tree(world.directory(""));
    assert!(paths.iter().all(|path| !path.contains("link")), "{paths:?}");
    assert_eq!(omitted, 5);
    let mut files = Files::new(world.directory(""));
    for path in ["link", "link to directory/deep/file", ".hidden link", "outward"] {
        let error = files.open(&RemotePath::parse(path).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("{path}: not found"));
    }
}

/// The served folder itself may be a link: the operator has named it.
#[test]
fn the_served_folder_can_be_a_link() {
    let world = folder();
    let link = world.outside().join("to served");
    symlink(world.served(""), &link).unwrap();
    let root = Root::open(&link, Policy { links: Links::Never, ..Policy::default() }).unwrap();
    assert!(matches!(root.open_node(&RemotePath::parse("file").unwrap()), Ok(Node::File(_))));
}

/// `/proc` is a separate file system on every Linux.
#[test]
fn other_file_systems_are_not_served() {
    let open = |policy: Policy, path: &str| {
        Root::open(Path::new("/"), policy).unwrap().open_node(&RemotePath::parse(path).unwrap())
    };
    let one = Policy { one_file_system: true, ..Policy::default() };
    assert!(open(Policy::default(), "proc/self/status").is_ok());
    for path in ["proc", "proc/self/status", "proc/sys"] {
        assert!(matches!(open(one, path), Err(StorageError::NotFound(_))), "{path}");
    }
    let Ok(Node::Directory(root)) = open(one, "") else { panic!("/ is a directory") };
    let proc: Vec<Entry> =
        list(root, None, 4096).entries.into_iter().filter(|entry| entry.name == "proc").collect();
    let [Entry { kind: Kind::Other, size: None, modified, .. }] = proc.as_slice() else { panic!("{proc:?}") };
    assert_eq!(modified.seconds, 0, "not even its time is sent");
}

/// `/dev` has other file systems in it and few files.
#[test]
fn an_archive_excludes_other_file_systems() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    if !mounts.lines().any(|line| line.split(' ').nth(1) == Some("/dev/pts")) {
        println!("skipped: nothing is mounted on /dev/pts");
        return;
    }
    let policy = Policy { one_file_system: true, ..Policy::default() };
    let root = Root::open(Path::new("/"), Policy::default()).unwrap();
    assert!(root.open_node(&RemotePath::parse("dev/pts").unwrap()).is_ok());
    let root = Root::open(Path::new("/dev"), policy).unwrap();
    let devices = || match root.open_node(&RemotePath::default()) {
        Ok(Node::Directory(devices)) => devices,
        other => panic!("a directory, and not {other:?}"),
    };
    let listed = list(devices(), None, 4096).entries;
    assert!(listed.iter().any(|entry| entry.name == "pts" && entry.kind == Kind::Other), "{listed:?}");
    assert_eq!(sources(devices()).directories, directories_of_one(Path::new("/dev")));
    assert!(tree(devices()).0.iter().all(|path| path != "pts"));
}

/// A path and those below it that are on the same file system.
fn directories_of_one(path: &Path) -> u64 {
    let device = fs::metadata(path).unwrap().dev();
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let of_it = entries.filter(|entry| {
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        metadata.is_dir() && metadata.dev() == device
    });
    1 + of_it.map(|entry| directories_of_one(&entry.path())).sum::<u64>()
}
