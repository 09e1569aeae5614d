//! Many files of a tree in one answer.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::symlink,
};

use fdsp::{
    protocol::{
        digest::Hash,
        error::Code,
        message::{Files, TreeNode, WantedFile},
    },
    server::{Arch, ConnectionState, Limits},
};

use super::{LARGE, MIB, begin, missed, served_large, whole, with_digest};
use crate::{
    conformance::{
        harness::{Served, noise, serve},
        peer::{Answer, Peer, files},
    },
    shared::effort,
};

/// The skipped bytes of the first block of a file are not sent again, also if the file was compared first.
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

/// In pages, with one answer for each request.
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

/// Files that the client has are not sent, whether the server reads them at once, in blocks, or knows their digests.
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

/// Each file is sent as it is when it is its turn; a missing one is reported for that file alone.
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
    assert_ne!(head.identity, *identity, "the client sees that it is another version");
    let codes = [missed(&answers[2]), missed(&answers[3]), missed(&answers[4])];
    assert_eq!(codes, [Code::NotFound, Code::WrongKind, Code::NotFound]);
    assert_eq!(whole(&answers[5]), b"z");
    served.wait_for_failure("tree/c");
}

/// A file that changes while it is sent is aborted; the next one is sent.
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
        let Answer::Missed(failure) = &answers[0] else { panic!("a changed file was accepted as complete") };
        assert_eq!((failure.code, failure.path.as_deref()), (Code::Changed, Some("tree/large")));
        assert_eq!(whole(&answers[1]), b"the last one");
        served.wait_for_failure("tree/large: changed");
    }
}

/// No path of a `files` leads out of the served folder, and special files are not opened.
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
    assert_eq!(whole(&answers[0]), b"inside", "empty and dot segments are ignored");
}
