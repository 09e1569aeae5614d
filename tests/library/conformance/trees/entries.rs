//! The entries of a tree and their members.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    sync::Arc,
    time::{Duration, SystemTime},
};

use fdsp::{
    protocol::{
        client::Request,
        error::Code,
        message::{Get, Timestamp, Totals, Tree, TreeEntry, TreeNode},
    },
    server::{self, Arch, Event},
};

use super::{MIB, missed, paths, whole};
use crate::conformance::{
    harness::{self, noise, serve},
    peer::{Answer, Incoming, Peer, files, get},
};

/// Sums of sizes saturate.
pub fn of_any_sizes(arch: Arch) {
    const SIZE: u64 = 7 << 60;
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        return println!("skipped: there is no file system for files of any size");
    };
    let sparse = |name: &str| File::create(folder.path().join(name)).unwrap().set_len(SIZE);
    if sparse("a").is_err() {
        return println!("skipped: files have to be smaller here");
    }
    sparse("b").unwrap();
    let config = server::Config { arch, ..server::Config::local(folder.path()) };
    let server = harness::start(config, Arc::new(|_| {}));
    let mut peer = Peer::connect(server.local_addr());
    let (entries, totals) = peer.tree("").unwrap();
    assert_eq!((entries.len(), totals.bytes, totals.data_bytes), (3, 2 * SIZE, Some(0)));
    sparse("c.png").unwrap();
    let archive = peer.get(Get { blocks: Some(0), ..get("") }).unwrap();
    assert_eq!(archive.content.sources.unwrap().bytes, u64::MAX);
    assert_eq!(archive.content.size, None, "no number can express it");
    assert_eq!(peer.stat("c.png").unwrap().size, Some(SIZE), "it serves the next request");
}

/// Files of every size, odd names, empty directories, modes and times, and what is left out.
pub fn all_kinds_of_entries(arch: Arch) {
    let served = serve(arch);
    for directory in ["tree/empty", "tree/deep/er/est", "tree/größe", "tree/a b"] {
        served.directory(directory);
    }
    let contents: [(&str, usize); 11] = [
        ("a b/ %20 ", 5),
        ("deep/er/est/file", 70_000),
        ("empty file", 0),
        ("größe/日本", 1),
        ("large", 2 * MIB + 5),
        ("line\nbreak", 4096),
        ("one block", MIB),
        ("over the buffer", 32 * 1024 + 1),
        ("small", 32 * 1024),
        ("tab\tand \"quote\"", 100),
        ("z", 1025),
    ];
    for (seed, (name, size)) in (0..).zip(contents) {
        served.file(format!("tree/{name}"), &noise(size, seed));
    }
    fs::set_permissions(served.path("tree/z"), Permissions::from_mode(0o4755)).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    File::open(served.path("tree/z")).unwrap().set_modified(modified).unwrap();
    File::open(served.path("tree/empty")).unwrap().set_modified(modified).unwrap();
    // Left out: a name that is not UTF-8, and an entry that is neither file nor directory.
    served.file(format!("tree/{}", "x".repeat(250)), b"x");
    fs::rename(
        served.path(format!("tree/{}", "x".repeat(250))),
        served.path("tree").join(OsStr::from_bytes(b"\xff")),
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(served.path("tree/socket")).unwrap();

    let mut peer = Peer::connect(served.address);
    let (entries, totals) = peer.tree("tree").unwrap();
    let bytes = contents.iter().map(|(_, size)| *size as u64).sum();
    assert_eq!(totals, Totals { bytes, files: 11, directories: 7, omitted: 2, ..Totals::default() });
    let directories = ["", "a b", "deep", "deep/er", "deep/er/est", "empty", "größe"];
    let is_directory = |entry: &&TreeEntry| entry.node == TreeNode::Directory;
    let found: Vec<_> = entries.iter().filter(is_directory).map(|entry| entry.path.as_str()).collect();
    assert_eq!(found, directories);
    let entry = |path: &str| entries.iter().find(|entry| entry.path == path).unwrap();
    let time = Timestamp { seconds: 1_234_567_890, nanoseconds: 123_456_789 };
    assert_eq!((entry("z").modified, entry("z").mode), (time, 0o755));
    assert_eq!(entry("empty").modified, time);

    let names: Vec<_> = contents.iter().map(|(name, _)| *name).collect();
    let answers = peer.files(files("tree", &names)).unwrap();
    for ((seed, (name, size)), answer) in (0..).zip(contents).zip(&answers) {
        assert!(whole(answer) == noise(size, seed), "{name}");
        let Answer::Whole(head, _) = answer else { unreachable!() };
        let entry = entry(name);
        let node = TreeNode::File { size: head.size, identity: head.identity.clone() };
        assert_eq!((&entry.node, entry.modified, entry.mode), (&node, head.modified, head.mode));
        // The same file by its path.
        let asked = get(&format!("tree/{name}"));
        assert_eq!(peer.get(asked).unwrap().content.identity, head.identity);
    }
    let (what, sent) = served.wait("files", |event| match event {
        Event::Sent { path, bytes, .. } => Some((path.clone(), *bytes)),
        _ => None,
    });
    assert_eq!((what.as_str(), sent), ("tree", bytes));
    let asked = |name| served.count(|event| matches!(event, Event::Request { what, .. } if *what == name));
    assert_eq!((asked("tree"), asked("files")), (1, 1));

    // The served folder itself, and an empty one.
    let (entries, _) = peer.tree("").unwrap();
    assert_eq!(paths(&entries)[..3], ["", "tree", "tree/a b"]);
    assert_eq!(whole(&peer.files(files("", &["tree/z"])).unwrap()[0]).len(), 1025);
    let (entries, totals) = peer.tree("tree/empty/").unwrap();
    assert_eq!((paths(&entries), totals), (vec![""], Totals { directories: 1, ..Totals::default() }));
    assert!(peer.files(files("tree/empty", &[])).unwrap().is_empty());
}

/// Links that stay in the tree are sent as links, other links to files as files, the rest is left out.
pub fn links(arch: Arch) {
    let served = serve(arch);
    served.directory("tree/sub/inner");
    served.file("outside", b"outside the tree");
    served.file("tree/file", b"in the tree");
    served.file("tree/sub/other", b"other");
    for (name, target) in [
        ("tree/to-file", "file"),
        ("tree/to-directory", "sub"),
        ("tree/to-itself", "."),
        ("tree/sub/up", "../file"),
        ("tree/sub/inner/top", "../../to-directory/./other"),
        ("tree/through", "to-directory/up"),
        // These are links to files of the tree, but could lead elsewhere in a copy.
        ("tree/sub/down-and-up", "inner/../other"),
        ("tree/sub/by-its-name", "../../tree/file"),
        ("tree/out", "../outside"),
        // These are left out.
        ("tree/broken", "absent"),
        ("tree/cycle-a", "cycle-b"),
        ("tree/cycle-b", "cycle-a"),
        ("tree/far", "/etc/passwd"),
        ("tree/root", ".."),
        ("tree/beyond", "../../../../etc/passwd"),
    ] {
        symlink(target, served.path(name)).unwrap();
    }
    let mut peer = Peer::connect(served.address);
    let (entries, totals) = peer.tree("tree").unwrap();
    let target = |path: &str| match &entries.iter().find(|entry| entry.path == path)?.node {
        TreeNode::Link { target } => Some(target.clone()),
        _ => None,
    };
    assert_eq!(target("to-file").as_deref(), Some("file"));
    assert_eq!(target("to-directory").as_deref(), Some("sub"));
    assert_eq!(target("to-itself").as_deref(), Some("."));
    assert_eq!(target("sub/up").as_deref(), Some("../file"));
    assert_eq!(target("sub/inner/top").as_deref(), Some("../../to-directory/./other"));
    assert_eq!(target("through").as_deref(), Some("to-directory/up"));
    assert_eq!((totals.files, totals.directories, totals.links, totals.omitted), (5, 3, 6, 6));
    let answers =
        peer.files(files("tree", &["sub/down-and-up", "sub/by-its-name", "out", "to-file"])).unwrap();
    let contents: [&[u8]; 4] = [b"other", b"in the tree", b"outside the tree", b"in the tree"];
    for (answer, content) in answers.iter().zip(contents) {
        assert_eq!(whole(answer), content);
    }
    for absent in ["broken", "cycle-a", "far", "root", "beyond", "to-directory"] {
        let code = missed(&peer.files(files("tree", &[absent])).unwrap()[0]);
        let expected =
            if matches!(absent, "root" | "to-directory") { Code::WrongKind } else { Code::NotFound };
        assert_eq!(code, expected, "{absent}");
    }
    // The same link leads out of a smaller tree.
    let (entries, totals) = peer.tree("tree/sub").unwrap();
    let up = entries.iter().find(|entry| entry.path == "up").unwrap();
    assert!(matches!(up.node, TreeNode::File { size: 11, .. }), "{up:?}");
    assert_eq!(totals.links, 0);
}

pub fn of_a_missing_path_or_a_file(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/file", b"x");
    let mut peer = Peer::connect(served.address);
    for (path, code) in
        [("absent", Code::NotFound), ("tree/..", Code::NotFound), ("tree/file", Code::WrongKind)]
    {
        assert_eq!(peer.tree(path).unwrap_err().code, code, "{path}");
        assert_eq!(peer.files(files(path, &["file"])).unwrap_err().code, code, "{path}");
    }
    assert_eq!(whole(&peer.files(files("tree", &["file"])).unwrap()[0]), b"x", "as good as before");
}

/// Unreadable entries are missing: counted, named on request, and the others are sent.
pub fn unreadable(arch: Arch) {
    let served = serve(arch);
    served.directory("tree/sub");
    served.file("tree/open", b"x");
    served.file("tree/secret", b"x");
    fs::set_permissions(served.path("tree/secret"), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(served.path("tree/sub"), Permissions::from_mode(0o000)).unwrap();
    if File::open(served.path("tree/secret")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let mut peer = Peer::connect(served.address);
    let (entries, totals) = peer.tree("tree").unwrap();
    assert_eq!((paths(&entries), totals.omitted, totals.missing), (vec!["", "open"], 2, None));
    peer.request(&Request::Tree(fdsp::protocol::message::Tree {
        path: "tree".into(),
        missing: true,
        after: None,
        ..Default::default()
    }));
    let (_, totals) = peer.receive_tree().unwrap();
    let missing = totals.missing.unwrap();
    let names: Vec<_> = missing.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!((totals.omitted, missing.count, names), (0, 2, vec!["secret", "sub"]));
    let answers = peer.files(files("tree", &["secret", "open"])).unwrap();
    assert_eq!((missed(&answers[0]), whole(&answers[1])), (Code::NotFound, &b"x"[..]));
    served.wait("line in the log", |event| {
        event.to_string().contains("secret (permission denied)").then_some(())
    });
    fs::set_permissions(served.path("tree/sub"), Permissions::from_mode(0o700)).unwrap();
}

/// After a lost connection only the missing entries are requested; the pages are small, so that each connection receives some.
pub fn after_an_entry(arch: Arch) {
    let served = serve(arch);
    for number in 0..200 {
        served.directory(format!("tree/{}", number % 10));
        served.file(
            format!("tree/{}/a file with a long name, of which there are many {number}", number % 10),
            b"x",
        );
    }
    served.file("tree/0.txt", b"x");
    let mut peer = Peer::connect(served.address);
    let (all, totals) = peer.tree("tree").unwrap();
    assert_eq!((all.len(), totals.files), (212, 201));
    for at in [0, 1, 30, 210, 211] {
        let after = Some(all[at].path.clone());
        peer.request(&Request::Tree(Tree { path: "tree".into(), after, ..Default::default() }));
        let (rest, totals) = peer.receive_tree().unwrap();
        assert_eq!(paths(&rest), paths(&all[at + 1..]), "after {}", all[at].path);
        assert_eq!(totals.bytes, totals.files);
    }
    peer.request(&Request::Tree(Tree { path: "tree".into(), ..Default::default() }));
    let mut pages = 1;
    while let Incoming::Tree(page) = peer.next() {
        let length = serde_json::to_vec(&page).unwrap().len();
        assert!(length <= 17 * 1024, "{length}");
        if !page.more {
            break;
        }
        pages += 1;
    }
    assert!(pages > 1);
}
