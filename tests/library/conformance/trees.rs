//! Trees: the entries of a directory, and many of its files in one answer.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
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
        digest::Hash,
        error::Code,
        message::{Files, Form, Get, Timestamp, Totals, Tree, TreeEntry, TreeNode, WantedFile},
    },
    server::{self, Arch, Command, ConnectionState, Event, Limits},
};

use crate::conformance::{
    harness::{self, Served, noise, serve, serve_with},
    peer::{Answer, Came, Peer, files, get, stat},
};
use crate::shared::effort;

const MIB: usize = 1 << 20;

/// More than all buffers on the way hold.
const LARGE: usize = 48 << 20;

fn paths(entries: &[TreeEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

/// The content of a file that came.
#[track_caller]
fn whole(answer: &Answer) -> &[u8] {
    match answer {
        Answer::Whole(_, bytes) => bytes,
        other => panic!("{other:?} for a file"),
    }
}

#[track_caller]
fn missed(answer: &Answer) -> Code {
    match answer {
        Answer::Missed(failure) => failure.code,
        other => panic!("{other:?} for a file that does not come"),
    }
}

fn with_digest(path: &str, content: &[u8]) -> WantedFile {
    WantedFile { path: path.into(), digest: Some(Hash::of(content).to_string()), skip: 0 }
}

/// Sums of sizes end at what can be counted.
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
    assert_eq!(archive.content.size, None, "no number tells it");
    assert_eq!(peer.stat("c.png").unwrap().size, Some(SIZE), "it serves on");
}

/// What the client has of the first block of a file is not sent again, also when it was first compared.
pub fn inside_a_block(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    let mut peer = Peer::connect(served.address);
    let sizes = [2, 1000, 200_000, MIB, MIB + 1, 3 * MIB];
    let content = |size| noise(size, size as u64);
    let (mut wanted, mut expected) = (Vec::new(), Vec::new());
    for size in sizes {
        served.file(format!("tree/{size}"), &content(size));
        for skip in [0, 1, size.min(MIB) / 2, size.min(MIB) - 1] {
            for digest in [None, Some(Hash::of(b"other").to_string())] {
                if skip > 0 {
                    peer.kept.push_back(content(size)[..skip].to_vec());
                }
                wanted.push(WantedFile { path: size.to_string(), digest, skip: skip as u64 });
                expected.push((size, skip as u64));
            }
        }
    }
    let asked = Files { path: "tree".into(), files: wanted, content: true, largest: None };
    for (answer, (size, skip)) in peer.files(asked).unwrap().iter().zip(expected) {
        let Answer::Whole(head, bytes) = answer else { panic!("{answer:?} for {size}") };
        assert!(*bytes == content(size) && head.skip == skip, "{size} after {skip}");
    }
    let too_much =
        |size: usize| WantedFile { path: size.to_string(), digest: None, skip: size.min(MIB) as u64 };
    let all = Files { files: sizes.map(too_much).to_vec(), ..files("tree", &[]) };
    for answer in &peer.files(all).unwrap() {
        assert_eq!(missed(answer), Code::Range);
    }
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
    // What is left out: a name that is no text, and what is neither file nor directory.
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
        // The same file by another way.
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

    // The served folder itself, and one without anything.
    let (entries, _) = peer.tree("").unwrap();
    assert_eq!(paths(&entries)[..3], ["", "tree", "tree/a b"]);
    assert_eq!(whole(&peer.files(files("", &["tree/z"])).unwrap()[0]).len(), 1025);
    let (entries, totals) = peer.tree("tree/empty/").unwrap();
    assert_eq!((paths(&entries), totals), (vec![""], Totals { directories: 1, ..Totals::default() }));
    assert!(peer.files(files("tree/empty", &[])).unwrap().is_empty());
}

/// Those that stay in the tree are links, other links to files are files, the rest is left out.
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
        // These are links to files of the tree, but might lead elsewhere in a copy of it.
        ("tree/sub/down-and-up", "inner/../other"),
        ("tree/sub/by-its-name", "../../tree/file"),
        ("tree/out", "../outside"),
        // Nothing is left of these.
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
    // Of a smaller tree the same link leads out.
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

/// In pages, and in as few answers as there are requests.
pub fn many_files(arch: Arch) {
    let served = serve(arch);
    let each = effort::at_most(100, 500);
    for directory in 0..20 {
        served.directory(format!("tree/{directory}"));
        for file in 0..each {
            served.file(format!("tree/{directory}/{file}"), format!("{directory}/{file}").as_bytes());
        }
    }
    let mut peer = Peer::connect(served.address);
    let (entries, totals) = peer.tree("tree").unwrap();
    assert_eq!((entries.len(), totals.files, totals.directories), (20 * each + 21, 20 * each as u64, 21));
    let names: Vec<_> = entries
        .iter()
        .filter(|entry| entry.node != TreeNode::Directory)
        .map(|entry| entry.path.as_str())
        .collect();
    let answered = names.len().div_ceil(500) as u64;
    for names in names.chunks(500) {
        let answers = peer.files(files("tree", names)).unwrap();
        assert_eq!(answers.len(), names.len());
        for (name, answer) in names.iter().zip(&answers) {
            assert_eq!(whole(answer), name.as_bytes());
        }
    }
    served.wait_until("idle", |now| now.served == answered && now.rows[0].state == ConnectionState::Idle);
}

/// What the client has already is not sent, whether it is read at once, in blocks, or known.
pub fn known_digests(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    let sizes = [0, 1, 32 * 1024, 32 * 1024 + 1, MIB, MIB + 1, 3 * MIB + 7];
    let name = |size: usize| format!("{size}");
    for size in sizes {
        served.file(format!("tree/{size}"), &noise(size, 3));
    }
    let mut peer = Peer::connect(served.address);
    for _ in 0..2 {
        let same = sizes.map(|size| with_digest(&name(size), &noise(size, 3)));
        let other = sizes.map(|size| with_digest(&name(size), b"another"));
        let none = sizes.map(|size| WantedFile { path: name(size), digest: None, skip: 0 });
        for content in [false, true] {
            let ask = |files: &[WantedFile]| Files {
                path: "tree".into(),
                files: files.to_vec(),
                content,
                largest: None,
            };
            let answers = peer.files(ask(&same)).unwrap();
            assert!(answers.iter().all(|answer| matches!(answer, Answer::Same)), "{answers:?}");
            for files in [&other, &none] {
                let answers = peer.files(ask(files)).unwrap();
                for (size, answer) in sizes.into_iter().zip(&answers) {
                    match answer {
                        Answer::Differs => assert!(!content),
                        answer => assert!(content && whole(answer) == noise(size, 3), "{size}"),
                    }
                }
            }
        }
    }
    let none = sizes.map(|size| WantedFile { path: name(size), digest: None, skip: 0 });
    let largest = Some(MIB as u64);
    let small = Files { path: "tree".into(), files: none.to_vec(), content: true, largest };
    for (size, answer) in sizes.into_iter().zip(&peer.files(small).unwrap()) {
        if size > MIB {
            assert_eq!(missed(answer), Code::Changed);
        } else {
            assert_eq!(whole(answer).len(), size);
        }
    }
}

/// Each file is what it is when it is its turn; what was in the tree and is gone is said of that file alone.
pub fn changed_before(arch: Arch) {
    let served = serve(arch);
    served.directory("tree/sub");
    for name in ["a", "b", "c", "d", "sub/e"] {
        served.file(format!("tree/{name}"), b"first content");
    }
    let mut peer = Peer::connect(served.address);
    let (entries, _) = peer.tree("tree").unwrap();
    served.file("tree/a", b"another");
    File::options().write(true).open(served.path("tree/b")).unwrap().set_len(5).unwrap();
    fs::remove_file(served.path("tree/c")).unwrap();
    fs::remove_file(served.path("tree/d")).unwrap();
    served.directory("tree/d");
    fs::remove_dir_all(served.path("tree/sub")).unwrap();
    served.file("tree/z", b"z");
    let answers = peer.files(files("tree", &["a", "b", "c", "d", "sub/e", "z"])).unwrap();
    assert_eq!((whole(&answers[0]), whole(&answers[1])), (&b"another"[..], &b"first"[..]));
    let Answer::Whole(head, _) = &answers[0] else { unreachable!() };
    let TreeNode::File { identity, .. } = &entries[1].node else { panic!("{entries:?}") };
    assert_ne!(head.identity, *identity, "the client sees that it is another one");
    let codes = [missed(&answers[2]), missed(&answers[3]), missed(&answers[4])];
    assert_eq!(codes, [Code::NotFound, Code::WrongKind, Code::NotFound]);
    assert_eq!(whole(&answers[5]), b"z");
    served.wait_for_failure("tree/c");
}

/// Asks for three files, of which the second is a large one, and reads until some of that has come.
fn begin(peer: &mut Peer) {
    peer.request(&Request::Files(files("tree", &["a", "large", "z"])));
    let mut begun = 0;
    while begun < 2 {
        match peer.next() {
            Came::File(_) => begun += 1,
            Came::Data | Came::Block(_) | Came::Done(_) => {}
            other => panic!("{other:?} among files"),
        }
    }
    while !matches!(peer.next(), Came::Data) {}
}

fn served_large(arch: Arch, limits: Limits) -> Served {
    let served = serve_with(arch, None, limits);
    served.directory("tree");
    served.file("tree/a", b"a");
    served.file("tree/large", &noise(LARGE, 1));
    served.file("tree/z", b"the last one");
    served
}

/// A file that changes while it is sent is given up; the next one comes.
pub fn changed_while_sent(arch: Arch) {
    let changes: [fn(&Served); 4] = [
        |served| File::options().write(true).open(served.path("tree/large")).unwrap().set_len(5).unwrap(),
        |served| {
            let file = OpenOptions::new().append(true).open(served.path("tree/large")).unwrap();
            std::io::Write::write_all(&mut &file, b"more").unwrap();
        },
        |served| fs::remove_file(served.path("tree/large")).unwrap(),
        |served| {
            served.file("new", &noise(LARGE, 2));
            fs::rename(served.path("new"), served.path("tree/large")).unwrap();
        },
    ];
    for change in changes {
        let served = served_large(arch, Limits::default());
        let mut peer = Peer::connect(served.address);
        begin(&mut peer);
        change(&served);
        let answers = peer.receive_files().unwrap();
        let Answer::Missed(failure) = &answers[0] else { panic!("a changed file passed for a whole one") };
        assert_eq!((failure.code, failure.path.as_deref()), (Code::Changed, Some("tree/large")));
        assert_eq!(whole(&answers[1]), b"the last one");
        served.wait_for_failure("tree/large: changed");
    }
}

/// What cannot be read is missing: counted, named to those who ask, and in the way of nothing else.
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

/// No path of a `files` leads out of the served folder, and none is opened for its effects.
pub fn confined(arch: Arch) {
    let served = serve(arch);
    served.directory("tree/sub");
    served.file("tree/sub/file", b"inside");
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), served.path("tree/out")).unwrap();
    symlink(outside.path().join("secret"), served.path("tree/secret")).unwrap();
    let secret = outside.path().join("secret").display().to_string();
    let _socket = std::os::unix::net::UnixListener::bind(served.path("tree/socket")).unwrap();
    let mut peer = Peer::connect(served.address);
    let long = "x/".repeat(3000);
    for path in [
        "..",
        "../secret",
        "sub/../sub/file",
        "out/secret",
        "secret",
        &secret,
        "a\0b",
        "socket",
        "sub/file/x",
        &long,
    ] {
        let answers = peer.files(files("tree", &[path, "sub/file"])).unwrap();
        assert_eq!(missed(&answers[0]), Code::NotFound, "{path}");
        assert_eq!(whole(&answers[1]), b"inside");
    }
    for path in ["", "/", "sub", "./sub/"] {
        assert_eq!(missed(&peer.files(files("tree", &[path])).unwrap()[0]), Code::WrongKind, "{path:?}");
    }
    let answers = peer.files(files("/tree//", &["/sub//./file"])).unwrap();
    assert_eq!(whole(&answers[0]), b"inside", "what means nothing in a path means nothing here");
}

/// Answers come in the order of the requests, whatever they are.
pub fn requests_ahead(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/a", &noise(100_000, 1));
    let mut peer = Peer::connect(served.address);
    for _ in 0..10 {
        peer.machine.request(&stat("tree/a"));
        peer.machine.request(&Request::Tree(fdsp::protocol::message::Tree {
            path: "tree".into(),
            ..Default::default()
        }));
        peer.machine.request(&Request::Files(files("tree", &["a", "b", "a"])));
        peer.machine.request(&Request::Get(get("tree/a")));
    }
    peer.flush();
    for _ in 0..10 {
        assert!(matches!(peer.next(), Came::Meta(_)));
        assert_eq!(paths(&peer.receive_tree().unwrap().0), ["", "a"]);
        let answers = peer.receive_files().unwrap();
        assert!(whole(&answers[0]) == noise(100_000, 1) && whole(&answers[2]) == noise(100_000, 1));
        assert_eq!(missed(&answers[1]), Code::NotFound);
        assert!(peer.receive().unwrap().bytes == noise(100_000, 1));
    }
}

/// The others notice nothing of it that a file is compared that takes for ever, but where there is only one at a time.
pub fn beside_others(arch: Arch) {
    let served = serve(arch);
    served.directory("tree");
    served.file("tree/other", &noise(3 * MIB, 3));
    File::create(served.path("tree/endless")).unwrap().set_len(1 << 40).unwrap();
    let mut comparing = Peer::connect(served.address);
    let wanted = vec![with_digest("endless", b"")];
    let files = Files { path: "tree".into(), files: wanted, content: false, largest: None };
    comparing.request(&Request::Files(files));
    let is_hashing = |now: &fdsp::server::Snapshot| now.rows[0].state == ConnectionState::Hashing;
    let mut ends = 1;
    let row = served.wait_until("comparing", |now| !now.rows.is_empty() && is_hashing(now)).rows.remove(0);
    assert_eq!(row.path.as_str(), "tree (tree)");
    if arch != Arch::Single {
        let mut peer = Peer::connect(served.address);
        for _ in 0..5 {
            let answers = peer.files(crate::conformance::peer::files("tree", &["other"])).unwrap();
            assert!(whole(&answers[0]) == noise(3 * MIB, 3));
        }
        ends += 1;
    }
    // It is not gone on with for a client that has left.
    drop(comparing);
    served.wait_for_ends(ends);
}

/// There are so many places for those who read a whole folder, and for those who compare.
pub fn busy(arch: Arch) {
    let limits = Limits { max_archives: 0, max_hashing: 0, ..Limits::default() };
    let served = served_large(arch, limits);
    let mut peer = Peer::connect(served.address);
    let failure = peer.tree("tree").unwrap_err();
    assert!(failure.code == Code::Busy && failure.retry_after.is_some(), "{failure:?}");
    let files = vec![with_digest("large", b""), with_digest("z", b"")];
    let answers = peer.files(Files { path: "tree".into(), files, content: true, largest: None }).unwrap();
    assert_eq!(missed(&answers[0]), Code::Busy);
    assert_eq!(whole(&answers[1]), b"the last one", "a small one is read anyway");
}

/// An answer that runs is finished.
pub fn drained(arch: Arch) {
    let served = served_large(arch, Limits::default());
    let mut peer = Peer::connect(served.address);
    begin(&mut peer);
    let row = served.snapshot().rows.remove(0);
    assert_eq!((row.state, row.path.as_str()), (ConnectionState::Sending, "tree (tree)"));
    served.server().command(Command::Drain);
    let mut ends = 0;
    loop {
        match peer.next() {
            Came::Data | Came::Block(_) | Came::File(_) => {}
            Came::Done(root) => {
                assert!(root.is_some());
                ends += 1;
            }
            Came::FilesEnd => break,
            other => panic!("{other:?} among files"),
        }
    }
    assert_eq!(ends, 2);
    peer.leave();
}

/// What is cut off is no end, and is told as what it is.
pub fn disconnected(arch: Arch) {
    let served = served_large(arch, Limits::default());
    let mut peer = Peer::connect(served.address);
    begin(&mut peer);
    let id = served.snapshot().rows[0].id.unwrap();
    served.server().command(Command::Disconnect(id));
    served.wait_for_failure("disconnected by the operator");
    assert!(!peer.rest().iter().any(|came| matches!(came, Came::FilesEnd | Came::Missed(_))));
    let mut another = Peer::connect(served.address);
    begin(&mut another);
    drop(another);
    served.wait_for_failure("closed by the client after");
    assert_eq!(served.count(|event| matches!(event, Event::Sent { .. })), 0);
}

/// A client leaves while its answer takes long, with something sent in between or without: the server notices it.
pub fn client_leaves_during_work(arch: Arch) {
    let files = vec![with_digest("endless", b"")];
    let compared = Request::Files(Files { path: "tree".into(), files, content: false, largest: None });
    let path = "tree".into();
    let archived = Request::Get(Get { path, form: Form::Zip, first_block: 1 << 19, ..Get::default() });
    for request in [compared, archived] {
        let served = serve(arch);
        served.directory("tree");
        File::create(served.path("tree/endless")).unwrap().set_len(1 << 40).unwrap();
        let mut peer = Peer::connect(served.address);
        peer.request(&request);
        peer.flush();
        served.wait("request", |event| matches!(event, Event::Request { .. }).then_some(()));
        drop(peer);
        served.wait_for_end("closed by the client");
        Peer::connect(served.address).stat("tree").unwrap();
    }
}

/// What a link that broke has not brought is asked for alone; the pages are small, so that each link brings some.
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
    while let Came::Tree(page) = peer.next() {
        let length = serde_json::to_vec(&page).unwrap().len();
        assert!(length <= 17 * 1024, "{length}");
        if !page.more {
            break;
        }
        pages += 1;
    }
    assert!(pages > 1);
}
