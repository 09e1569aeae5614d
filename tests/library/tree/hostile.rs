//! Hostile servers: nothing is written outside of the tree, nothing is overwritten, and memory is bounded.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use fdsp::{
    client::{Existing, Form, Names, NewJob, Trouble, TroubleKind},
    protocol::{
        client::Request,
        error::Code,
        message::{Content, FileHead, Kind, Meta, TreeNode},
        server::Filled,
    },
    text::SafeText,
};

use crate::tree::{
    scripted::{Session, file, listen},
    scripts::{Script, WHEN, failure, head, identity, serve},
    support::{Client, MIB, content},
};

fn fetch(client: &mut Client, at: SocketAddr) -> Result<fdsp::client::Finished, Trouble> {
    let job = NewJob { form: Form::Tree, ..client.job(at, "t") };
    client.run(job)
}

/// The missing entries of a tree.
fn named(done: &fdsp::client::Finished) -> Vec<String> {
    assert_eq!(done.missing.count, done.missing.entries.len() as u64);
    done.missing.entries.iter().map(|entry| entry.path.clone()).collect()
}

/// A client without retries.
fn once() -> Client {
    Client::new(fdsp::client::Config { retries: 0, ..crate::tree::support::config() })
}

/// Bytes received again are no progress, of large and of small files.
#[test]
fn a_server_that_always_closes_at_the_same_byte_fails_the_job() {
    let content = content(2 * MIB, 1);
    let script = Script::new().file("large", &content);
    let connections = Arc::new(AtomicUsize::new(0));
    let (count, announced) = (Arc::clone(&connections), identity(&content));
    let at = listen(move |_, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        let mut session = Session::new(stream);
        while let Some((id, request)) = session.request() {
            let Request::Get(get) = &request else {
                script.answer(&mut session, id, &request);
                session.flush();
                continue;
            };
            // The rest of the first block is corrupt, so that all of it is requested; most of that is sent.
            let breaks_off = get.first_block == 0 && get.skip == 0;
            let (first, skip) = (get.first_block as usize, get.skip as usize);
            let begin = first * MIB + skip;
            let end = match get.blocks {
                _ if breaks_off => 600_000,
                Some(blocks) => (first + blocks as usize).min(2) * MIB,
                None => 2 * MIB,
            };
            let head = Content {
                identity: announced.clone(),
                first_block: get.first_block,
                skip: get.skip,
                ..file("large", 2 * MIB as u64)
            };
            let mut writer = session.machine.content(id, &head, &mut session.out);
            writer.skipped(&vec![1; skip]);
            let mut at = begin;
            while at < end {
                let fill = |place: &mut [u8]| -> Result<Filled, std::convert::Infallible> {
                    let bytes = place.len().min(end - at);
                    place[..bytes].fill(7);
                    at += bytes;
                    Ok(Filled { bytes, position: at as u64 })
                };
                writer.data(&mut session.out, fill).unwrap();
            }
            if !breaks_off {
                writer.end(&announced, end as u64, end == 2 * MIB, &mut session.out);
            }
            session.flush();
            if breaks_off {
                return;
            }
        }
    });
    let mut client = Client::new(fdsp::client::Config { retries: 1, ..crate::tree::support::config() });
    fetch(&mut client, at).unwrap_err();
    let connections = connections.load(Ordering::SeqCst);
    assert!(connections <= 8, "{connections}");
}

/// Progress frames without work do not postpone the timeout.
#[test]
fn a_server_that_only_sends_progress_frames_fails_the_job() {
    let script = Script::new().file("a", b"abc");
    let at = serve(move |session, id, request| match request {
        Request::Files(_) => {
            let mut writer = session.machine.files(id, &mut session.out);
            for _ in 0..1000 {
                writer.working(&mut session.out);
            }
            let bytes = session.out.as_slice().to_vec();
            session.out.sent(bytes.len());
            for frame in bytes.chunks(12) {
                session.raw(frame);
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        }
        request => script.answer(session, id, &request),
    });
    let timeout = std::time::Duration::from_millis(500);
    let mut client =
        Client::new(fdsp::client::Config { retries: 0, timeout, ..crate::tree::support::config() });
    let trouble = fetch(&mut client, at).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("sent less than 100 B/s for 0.5 s"), "{trouble}");
}

#[test]
fn a_correct_tree_is_accepted() {
    let at = Script::new()
        .file("a", b"a")
        .directory("d")
        .file("d/large", &content(2 * MIB + 5, 1))
        .link("d/link", "../a")
        .serve();
    let mut client = once();
    let done = fetch(&mut client, at).unwrap();
    assert_eq!((done.files, done.transferred), (Some(2), 2 * MIB as u64 + 6));
    assert_eq!(fs::read(client.path("t/d/link")).unwrap(), b"a");
    assert_eq!(client.names(), ["t"]);
}

#[test]
fn unportable_names_are_substituted_on_request() {
    let portable = || {
        Client::new(fdsp::client::Config {
            names: Names::Portable,
            retries: 0,
            ..crate::tree::support::config()
        })
    };
    for (name, substitute) in [
        ("CON", "_CON"),
        ("aux.c", "_aux.c"),
        ("apache.", "apache_"),
        ("a ", "a_"),
        ("C:", "C_"),
        ("a\\b", "a_b"),
        ("a\u{200d}b", "a_b"),
        ("a\u{202e}b", "a_b"),
        ("e\u{301}", "é"),
    ] {
        let at = Script::new()
            .directory("d")
            .file(&format!("d/{name}"), b"a")
            .link("l", &format!("d/{name}"))
            .serve();
        let mut client = portable();
        let done = fetch(&mut client, at).unwrap();
        assert_eq!((done.files, done.missing.count), (Some(1), 0), "{done:?}");
        assert_eq!(fs::read(client.path("t/d").join(substitute)).unwrap(), b"a");
        assert_eq!(fs::read_link(client.path("t/l")).unwrap(), std::path::Path::new("d").join(substitute));
        // It is found again, and is the same.
        let done = fetch(&mut client, at).unwrap();
        assert_eq!((done.transferred, fs::read_dir(client.path("t/d")).unwrap().count()), (0, 1));
        if name.contains('\u{202e}') {
            continue;
        }
        let mut client = once();
        fetch(&mut client, at).unwrap();
        assert_eq!(fs::read(client.path("t/d").join(name)).unwrap(), b"a");
    }
    let at = Script::new().file("README", b"a").file("readme", b"b").serve();
    let mut client = portable();
    let done = fetch(&mut client, at).unwrap();
    assert_eq!((done.files, done.missing.count), (Some(2), 0));
    let mut contents: Vec<_> = fs::read_dir(client.path("t"))
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    contents.sort();
    assert_eq!(
        (contents, fs::read(client.path("t/README")).unwrap()),
        (vec![b"a".to_vec(), b"b".to_vec()], b"a".to_vec())
    );
}

/// Without a name given by the user, existing files are neither touched nor reported to the server.
#[test]
fn an_existing_folder_with_the_name_chosen_by_the_server_is_not_touched() {
    let asked = Arc::new(AtomicUsize::new(0));
    let script = Script::new().file("pin.txt", b"00000");
    let at = serve({
        let asked = Arc::clone(&asked);
        move |session, id, request| match request {
            Request::Stat(_) => {
                let name = "Documents".to_owned();
                let meta = Meta {
                    kind: Kind::Directory,
                    name,
                    size: None,
                    modified: WHEN,
                    mode: 0o755,
                    identity: None,
                };
                session.machine.meta(id, &meta, &mut session.out);
            }
            Request::Tree(_) => script.answer(session, id, &request),
            request => {
                asked.fetch_add(1, Ordering::Relaxed);
                script.answer(session, id, &request);
            }
        }
    });
    let mut client = once();
    let job = |client: &Client, existing| NewJob { form: Form::Tree, existing, ..client.job(at, "/") };
    fs::create_dir(client.path("Documents")).unwrap();
    fs::write(client.path("Documents/pin.txt"), "12345").unwrap();
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Update] {
        let trouble = client.run(job(&client, existing)).unwrap_err();
        assert!(trouble.message.as_str().contains("the server that chose this name"), "{trouble}");
        assert_eq!(client.names(), ["Documents"]);
        assert_eq!(fs::read(client.path("Documents/pin.txt")).unwrap(), b"12345");
    }
    fs::rename(client.path("Documents"), client.path("mine")).unwrap();
    // The unfinished tree of another server.
    let part = client.path("Documents.part");
    fs::create_dir_all(part.join("fdsp-tree")).unwrap();
    fs::write(part.join("fdsp-tree/a"), "unfinished").unwrap();
    let trouble = client.run(job(&client, Existing::Keep)).unwrap_err();
    assert!(trouble.message.as_str().contains("of another download"), "{trouble}");
    assert_eq!(fs::read(part.join("fdsp-tree/a")).unwrap(), b"unfinished");
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing was requested from the server");
    fs::remove_dir_all(&part).unwrap();
    client.run(job(&client, Existing::Keep)).unwrap();
    assert_eq!(fs::read(client.path("Documents/pin.txt")).unwrap(), b"00000");
}

#[test]
fn a_file_of_another_size_than_announced_is_an_error() {
    for (said, length) in [(0, 10_000), (10_000, 0), (2 * MIB, 100), (100, 2 * MIB)] {
        let mut script = Script::new().file("a", &content(length, 1));
        for entry in &mut script.entries {
            if let TreeNode::File { size, .. } = &mut entry.node {
                *size = said as u64;
            }
        }
        let mut client = once();
        let trouble = fetch(&mut client, script.serve()).unwrap_err();
        assert!(!client.path("t").exists(), "{said} and {length}: {trouble}");
    }
}

#[test]
fn paths_out_of_the_tree_are_protocol_errors() {
    for path in ["../x", "/etc/x", "a/../../x", "..", ".", "a//b", "a/", "nul\0"] {
        let mut client = once();
        let trouble = fetch(&mut client, Script::new().file(path, b"evil").serve()).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Connection, "{path}: {trouble}");
        assert!(client.names().is_empty(), "{path}");
    }
}

#[test]
fn names_with_control_characters_are_skipped() {
    let odd = [
        "\u{1b}[2J",
        "a\nb",
        "\u{202e}gpj.exe",
        "\u{85}",
        "\u{7f}",
        "a\u{200e}",
        "a\u{ad}b",
        "\u{feff}a",
        "\u{e0041}",
    ];
    for name in odd {
        let mut client = once();
        let files = [("good", &b"good"[..]), (name, b"evil")];
        let [one, other] = if name < "good" { [files[1], files[0]] } else { files };
        let at = Script::new().file(one.0, one.1).file(other.0, other.1).serve();
        let done = fetch(&mut client, at).unwrap();
        assert_eq!(
            (done.files, done.bytes, named(&done)),
            (Some(1), 4, vec![SafeText::new(name).to_string()])
        );
        assert!(done.missing.entries[0].reason.contains("a terminal obeys"), "{name:?}: {done:?}");
        assert_eq!(fs::read_dir(client.path("t")).unwrap().count(), 1, "{name:?}");
        assert_eq!(client.names(), ["t"]);
    }
}

#[test]
fn links_to_names_with_control_characters_are_skipped() {
    let mut client = once();
    let done = fetch(&mut client, Script::new().link("link", "a/\u{1b}[2J").serve()).unwrap();
    assert_eq!(named(&done), ["link"]);
    assert!(fs::symlink_metadata(client.path("t/link")).is_err());
}

#[test]
fn links_out_of_the_tree_are_protocol_errors() {
    for target in ["/etc/passwd", "..", "../x", "a/../../x", "", "d/.."] {
        let at = Script::new().directory("d").link("link", target).serve();
        let mut client = once();
        let trouble = fetch(&mut client, at).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Connection, "{target}: {trouble}");
        assert!(client.names().is_empty(), "{target}");
    }
}

#[test]
fn a_tree_without_its_end_is_an_error() {
    let at = serve(|session, id, request| {
        let Request::Tree(_) = request else { return };
        let script = Script::new().file("a", b"a");
        let mut writer = session.machine.tree(id, &mut session.out);
        script.entries.iter().for_each(|entry| writer.push(entry, &mut session.out));
        writer.flush(&mut session.out);
        session.refuse(id, &failure(Code::Internal));
    });
    let mut client = once();
    fetch(&mut client, at).unwrap_err();
    assert!(client.names().is_empty());
}

#[test]
fn a_file_with_a_wrong_digest_is_not_kept() {
    let script = Script::new().file("a", b"aaaa").file("b", b"bbbb");
    let at = serve(move |session, id, request| match request {
        Request::Files(files) => {
            let mut writer = session.machine.files(id, &mut session.out);
            for wanted in &files.files {
                let content = script.contents[&wanted.path].clone();
                let begin = session.out.as_slice().len();
                writer.whole(&head(&content), &content, &mut session.out);
                if wanted.path == "b" {
                    // The bytes are altered, and size and time are kept.
                    let mut sent = session.out.as_slice().to_vec();
                    let at = begin + sent[begin..].windows(4).position(|four| four == b"bbbb").unwrap();
                    sent[at] = b'x';
                    let length = sent.len();
                    session.raw(&sent);
                    session.out.sent(length);
                }
            }
            writer.end(&mut session.out);
        }
        request => script.answer(session, id, &request),
    });
    let mut client = once();
    let trouble = fetch(&mut client, at).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity, "{trouble}");
    assert!(trouble.message.as_str().contains("block 0 of /t/b"), "{trouble}");
    assert_eq!(fs::read(client.path("t.part/fdsp-tree/a")).unwrap(), b"aaaa");
    assert!(!client.path("t.part/fdsp-tree/b").exists());
}

#[test]
fn wrong_sizes_allocate_neither_memory_nor_disk_space() {
    for (said, sent) in [(u64::MAX, 4), (1 << 50, 4)] {
        let node = TreeNode::File { size: said, identity: identity(b"aaaa") };
        let script = Script::new().entry("a", node);
        let at = serve(move |session, id, request| match request {
            Request::Tree(_) => script.tree(session, id),
            _ => session.refuse(id, &failure(Code::NotFound)),
        });
        let mut client = once();
        let trouble = fetch(&mut client, at).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
        assert!(!client.path("t").exists(), "{sent}");
    }
    // A file that grows during the transfer, to more than is kept in memory.
    let script = Script::new().file("a", b"aaaa");
    let at = serve(move |session, id, request| match request {
        Request::Files(_) => {
            let mut writer = session.machine.files(id, &mut session.out);
            let head = FileHead { size: 1 << 40, ..head(b"aaaa") };
            writer.begin(&head, &mut session.out);
            session.refuse(id, &failure(Code::Internal));
        }
        request => script.answer(session, id, &request),
    });
    let mut client = once();
    let trouble = fetch(&mut client, at).unwrap_err();
    assert!(trouble.message.as_str().contains("larger than asked for"), "{trouble}");
}

#[test]
fn a_server_without_trees_is_reported() {
    let at = serve(|session, id, _| session.refuse(id, &failure(Code::Unsupported)));
    let mut client = Client::quick();
    let trouble = fetch(&mut client, at).unwrap_err();
    assert!(trouble.message.as_str().contains("zip archive"), "{trouble}");
    assert_eq!(client.retries(), 0);
}

#[test]
fn a_file_that_changes_once_is_fetched_in_its_new_version() {
    let asked = AtomicUsize::new(0);
    let at = serve(move |session, id, request| {
        let before = Script::new().file("a", b"old").file("b", b"b");
        let after = Script::new().file("a", b"newer").file("b", b"b");
        // The entries are sent as they were, and the files as they are.
        match request {
            Request::Tree(_) if asked.fetch_add(1, Ordering::SeqCst) == 0 => before.tree(session, id),
            request => after.answer(session, id, &request),
        }
    });
    let mut client = Client::quick();
    let done = fetch(&mut client, at).unwrap();
    assert_eq!(fs::read(client.path("t/a")).unwrap(), b"newer");
    assert_eq!((done.transferred, client.retries()), (6, 1), "the bytes of the newer version are kept");
}

#[test]
fn a_file_that_keeps_changing_is_reported_and_the_others_are_kept() {
    let asked = AtomicUsize::new(0);
    let at = serve(move |session, id, request| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let now = Script::new().file("a", format!("{number}").as_bytes()).file("b", b"b").file("gone", b"");
        now.answer(session, id, &request);
    });
    let mut client = Client::new(fdsp::client::Config { retries: 2, ..crate::tree::support::config() });
    let trouble = fetch(&mut client, at).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity, "{trouble}");
    assert!(trouble.message.as_str().contains("/t/a changed on the server"), "{trouble}");
    assert_eq!(fs::read(client.path("t.part/fdsp-tree/b")).unwrap(), b"b");
    assert!(!client.path("t").exists());
}

#[test]
fn an_unreadable_file_is_skipped_and_the_others_are_received() {
    let script = Script::new().file("a", b"a").file("b", b"b").file("c", b"c");
    let at = serve(move |session, id, request| match request {
        Request::Files(files) => {
            let mut writer = session.machine.files(id, &mut session.out);
            for wanted in &files.files {
                match wanted.path.as_str() {
                    "b" => writer.missed(&failure(Code::Unreadable), &mut session.out),
                    path => {
                        let content = &script.contents[path];
                        writer.whole(&head(content), content, &mut session.out);
                    }
                }
            }
            writer.end(&mut session.out);
        }
        request => script.answer(session, id, &request),
    });
    let mut client = Client::quick();
    let done = fetch(&mut client, at).unwrap();
    assert_eq!((done.files, done.bytes, named(&done)), (Some(2), 2, vec!["b".to_owned()]));
    assert!(done.missing.entries[0].reason.contains("could not read it"), "{done:?}");
    assert_eq!(fs::read(client.path("t/c")).unwrap(), b"c");
    assert!(!client.path("t/b").exists() && client.retries() == 0);
}
