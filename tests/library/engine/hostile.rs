//! Hostile servers that follow the protocol.

use std::{
    fs,
    io::{Cursor, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use fdsp::{
    client::{self, Config, Existing, NewJob, TroubleKind},
    protocol::{
        client::Request,
        error::Code,
        message::{Content, Failure, Form, Kind, Meta, Sources},
    },
};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::engine::{
    scripted::{Session, answer, file, listen},
    support::{Client, MIB, config, content, names},
};

#[test]
fn names_sent_by_the_server_never_become_paths() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("in");
    fs::create_dir(&folder).unwrap();
    let announced =
        ["../x", "/etc/passwd", "..", "a/b", "a\\b", "x\u{1b}[2J", "\u{202e}txt", "aux.txt", ".bashrc", ""];
    for (number, name) in announced.into_iter().enumerate() {
        let at = answer(move |session, id, get| {
            if get.path.is_empty() {
                let (announced, bytes) = archive(name);
                session.send(id, &get, &announced, &bytes);
            } else {
                session.send(id, &get, &file(name, 3), b"abc");
            }
        });
        let mut client = Client::quick();
        for path in ["/", "wanted"] {
            let mut job = client.job(at, path);
            job.folder = folder.join(number.to_string());
            let finished = client.run(job).unwrap();
            assert_eq!(
                finished.path.parent(),
                Some(&*folder.canonicalize().unwrap().join(number.to_string()))
            );
            let saved = finished.path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(!saved.starts_with('.') && !saved.contains(['\u{1b}', '\u{202e}']), "{saved}");
            assert!(path == "/" || saved == "wanted", "the name asked for wins");
            assert!(path != "/" || saved.ends_with(".zip"), "{saved}: an archive is called like one");
        }
        assert_eq!(names(outside.path()), ["in"]);
    }
}

/// The announcement of an archive with one file in it, and its bytes.
fn archive(name: &str) -> (Content, Vec<u8>) {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_directory("d", SimpleFileOptions::default()).unwrap();
    zip.start_file("d/a", SimpleFileOptions::default()).unwrap();
    zip.write_all(&[b'a'; 1000]).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let sources = Some(Sources { bytes: 1000, files: 1, directories: 1, omitted: 0 });
    (Content { form: Form::Zip, sources, ..file(name, bytes.len() as u64) }, bytes)
}

/// If the user has given no name, an existing file belongs to another download.
#[test]
fn a_name_chosen_by_the_server_replaces_no_existing_file() {
    let at = listen(|_, stream| {
        let mut session = Session::new(stream);
        while let Some((id, request)) = session.request() {
            let (announced, bytes) = archive("movie.zip");
            match request {
                Request::Get(get) => session.send(id, &get, &announced, &bytes),
                _ => {
                    let (kind, name) = (Kind::Directory, "movie".to_owned());
                    let meta = Meta {
                        kind,
                        name,
                        size: None,
                        modified: announced.modified,
                        mode: 0,
                        identity: None,
                    };
                    session.machine.meta(id, &meta, &mut session.out);
                }
            }
            session.flush();
        }
    });
    let mut client = Client::quick();
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Update] {
        fs::write(client.path("movie.zip"), "precious").unwrap();
        let job = NewJob { existing, ..client.job(at, "/") };
        let trouble = client.run(job).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Disk, "{existing:?}: {trouble}");
        assert_eq!(fs::read(client.path("movie.zip")).unwrap(), b"precious");
        fs::remove_file(client.path("movie.zip")).unwrap();
        // An interrupted download, with or without a control file.
        for control in [None, Some("nonsense\n")] {
            fs::write(client.path("movie.zip.part"), "unfinished").unwrap();
            if let Some(text) = control {
                fs::write(client.path("movie.zip.part.fdsp"), text).unwrap();
            }
            let trouble = client.run(NewJob { existing, ..client.job(at, "/") }).unwrap_err();
            assert!(trouble.message.as_str().contains("of another download"), "{existing:?}: {trouble}");
            assert_eq!(fs::read(client.path("movie.zip.part")).unwrap(), b"unfinished");
            let _ = fs::remove_file(client.path("movie.zip.part.fdsp"));
        }
        fs::remove_file(client.path("movie.zip.part")).unwrap();
        assert!(client.names().is_empty(), "{:?}", client.names());
    }
    // With a name that the user has given, it may be replaced.
    fs::write(client.path("movie.zip"), "precious").unwrap();
    let save_as = Some("movie.zip".into());
    let job = NewJob { existing: Existing::Overwrite, save_as, ..client.job(at, "/") };
    client.run(job).unwrap();
    assert_eq!(fs::read(client.path("movie.zip")).unwrap(), archive("").1);
}

/// Its length shows how much of it equals the content of the server.
#[test]
fn a_name_chosen_by_the_server_reveals_no_existing_file() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a", SimpleFileOptions::default()).unwrap();
    // Deflated, it is shorter than its sources, as its positions show.
    zip.write_all(&[content(3 * MIB, 1), vec![0; MIB]].concat()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let length = bytes.len();
    let is_enough = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_enough);
    let at = answer(move |session, id, get| {
        let sources = Some(Sources { bytes: 4 * MIB as u64, files: 1, directories: 0, omitted: 0 });
        let announced = Content { form: Form::Zip, sources, size: None, ..file("movie", 0) };
        session.send(id, &get, &announced, &bytes);
        seen.fetch_or(session.is_enough(MIB * 3 / 2), Ordering::Relaxed);
    });
    let mut client = Client::quick();
    fs::write(client.path("movie.zip"), "precious").unwrap();
    let trouble = client.get(at, "/").unwrap_err();
    assert!(!is_enough.load(Ordering::Relaxed), "the server sees that its first block is not what is there");
    assert!(trouble.message.as_str().ends_with("use --rename, or choose a name with --local"), "{trouble}");
    assert_eq!(
        fs::metadata(client.path("movie.zip.part")).unwrap().len(),
        length as u64,
        "all of it was received"
    );
    assert_eq!(fs::read(client.path("movie.zip")).unwrap(), b"precious");
}

/// It is an archive, whatever the server calls it.
#[test]
fn the_served_folder_is_not_accepted_as_a_file() {
    let at = answer(|session, id, get| session.send(id, &get, &file("Makefile", 3), b"abc"));
    let mut client = Client::new(Config { retries: 0, ..config() });
    client.get(at, "/").unwrap_err();
    let job = NewJob { form: client::Form::Tree, ..client.job(at, "/") };
    client.run(job).unwrap_err();
    assert!(client.names().is_empty(), "{:?}", client.names());
}

#[test]
fn a_wrong_size_is_an_error() {
    // A larger size, a smaller one, and one larger than any disk.
    for size in [2, 4, 2 * MIB as u64, u64::MAX, i64::MAX as u64] {
        let at = answer(move |session, id, get| session.send(id, &get, &file("a", size), b"abc"));
        let mut client = Client::new(Config { retries: 1, ..config() });
        let trouble = client.get(at, "a").unwrap_err();
        let kind = if size > 1 << 40 { TroubleKind::Disk } else { TroubleKind::Connection };
        assert_eq!(trouble.kind, kind, "{size}: {trouble}");
        assert!(!client.path("a").exists());
    }
}

#[test]
fn blocks_under_a_wrong_root_are_not_kept_for_the_next_attempt() {
    let bytes = content(3 * MIB, 1);
    let (right, wrong) = (blake3::hash(&bytes).to_hex(), blake3::hash(b"other").to_hex());
    let at = answer(move |session, id, get| {
        session.send(id, &get, &file("a", 3 * MIB as u64), &bytes);
        let mut sent = session.out.as_slice().to_vec();
        session.out.sent(sent.len());
        if let Some(at) = sent.windows(64).position(|text| text == right.as_bytes()) {
            sent[at..at + 64].copy_from_slice(wrong.as_bytes());
        }
        session.raw(&sent);
    });
    let mut client = Client::new(Config { retries: 1, ..config() });
    let trouble = client.get(at, "a").unwrap_err();
    assert_eq!((trouble.kind, client.retries()), (TroubleKind::Integrity, 1), "{trouble}");
    assert!(!client.path("a").exists());
}

#[test]
fn blocks_that_are_always_corrupt_fail_the_job() {
    let at = answer(|session, id, get| {
        session.send(id, &get, &file("a", 3 * MIB as u64), &content(3 * MIB, 1));
        let mut bytes = session.out.as_slice().to_vec();
        session.out.sent(bytes.len());
        // At an offset in the first block of the answer.
        bytes[5000] ^= 1;
        session.raw(&bytes);
    });
    let mut client = Client::new(Config { retries: 3, ..config() });
    let trouble = client.get(at, "a").unwrap_err();
    assert_eq!((trouble.kind, client.retries()), (TroubleKind::Integrity, 3), "{trouble}");
    assert!(trouble.message.as_str().contains("block 0"), "{trouble}");
    assert!(!client.path("a").exists());
}

#[test]
fn a_source_that_always_changes_fails_the_job() {
    let at = answer(|session, id, get| {
        let code = if get.identity.is_some() { Code::Changed } else { Code::Internal };
        session.send(id, &get, &file("a", MIB as u64), &content(MIB, 1));
        let failure = Failure { code, message: "x".into(), path: None, retry_after: None };
        // The answer ends with an error.
        let sent = session.out.len();
        session.refuse(id, &failure);
        let bytes = session.out.as_slice().to_vec();
        session.out.sent(bytes.len());
        let end = bytes[..sent]
            .windows(12)
            .rposition(|window| window[0] == 0x92 && window[1..4] == [0; 3])
            .unwrap();
        session.raw(&bytes[..end]);
        session.raw(&bytes[sent..]);
    });
    let mut client = Client::new(Config { retries: 2, ..config() });
    let trouble = client.get(at, "a").unwrap_err();
    assert!(matches!(trouble.kind, TroubleKind::Integrity | TroubleKind::Other), "{trouble}");
    assert!(!client.path("a").exists());
}

#[test]
fn messages_of_a_server_are_sanitized() {
    let at = answer(|session, id, _| {
        let message = "\u{1b}]0;title\u{7} trouble".into();
        session.refuse(id, &Failure { code: Code::Unreadable, message, path: None, retry_after: None });
    });
    let mut client = Client::quick();
    let trouble = client.get(at, "a").unwrap_err();
    assert!(!trouble.message.as_str().contains(['\u{1b}', '\u{7}']));
}

/// Single bytes are not progress: the rest of the answer would take years.
#[test]
fn a_server_below_the_minimum_rate_is_disconnected() {
    let at = answer(|session, id, get| {
        session.send(id, &get, &file("a", MIB as u64), &content(MIB, 1));
        let bytes = session.out.as_slice().to_vec();
        session.out.sent(bytes.len());
        for byte in bytes {
            session.raw(&[byte]);
            thread::sleep(Duration::from_millis(200));
        }
    });
    let mut client = Client::new(Config { retries: 0, timeout: Duration::from_secs(1), ..config() });
    let trouble = client.get(at, "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("sent less than 100 B/s for 1 s"), "{trouble}");
}
