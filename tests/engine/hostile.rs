//! Servers that speak correctly and mean harm.

use std::fs;

use fdsp::{
    client::{Config, TroubleKind},
    protocol::{
        error::Code,
        message::{Failure, Form, Sources},
    },
};

use crate::{
    scripted::{answer, file},
    support::{Client, MIB, config, content, names},
};

#[test]
fn names_from_the_server_make_no_paths() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("in");
    fs::create_dir(&folder).unwrap();
    let announced =
        ["../x", "/etc/passwd", "..", "a/b", "a\\b", "x\u{1b}[2J", "\u{202e}txt", "aux.txt", ".bashrc", ""];
    for (number, name) in announced.into_iter().enumerate() {
        let at = answer(move |session, id, get| session.send(id, &get, &file(name, 3), b"abc"));
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
            assert!(!saved.starts_with('.') && !saved.contains(['\u{1b}', '\u{202e}', '\\']), "{saved}");
            assert!(path == "/" || saved == "wanted", "the name asked for wins");
        }
        assert_eq!(names(outside.path()), ["in"]);
    }
}

#[test]
fn lying_sizes_are_no_success() {
    // More, less, and more than any disk has.
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
fn blocks_whose_whole_has_another_digest_are_not_kept_for_the_next_try() {
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
fn blocks_that_are_always_corrupt_end_it() {
    let at = answer(|session, id, get| {
        session.send(id, &get, &file("a", 3 * MIB as u64), &content(3 * MIB, 1));
        let mut bytes = session.out.as_slice().to_vec();
        session.out.sent(bytes.len());
        // Somewhere in the first block of the answer.
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
fn a_source_that_always_changes_is_given_up() {
    let at = answer(|session, id, get| {
        let code = if get.identity.is_some() { Code::Changed } else { Code::Internal };
        session.send(id, &get, &file("a", MIB as u64), &content(MIB, 1));
        let failure = Failure { code, message: "x".into(), path: None, retry_after: None };
        // Instead of its end the answer has an error.
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
fn an_archive_that_is_none_is_no_success() {
    let at = answer(|session, id, get| {
        let sources = Sources { bytes: 3, files: 1, directories: 1, omitted: 0 };
        let announced =
            fdsp::protocol::message::Content { form: Form::Zip, sources: Some(sources), ..file("a.zip", 3) };
        session.send(id, &get, &announced, b"abc");
    });
    let mut client = Client::quick();
    let trouble = client.get(at, "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity);
    assert!(trouble.message.as_str().contains("no zip archive"), "{trouble}");
    assert_eq!(client.names(), ["a.zip.part", "a.zip.part.fdsp"]);
}

#[test]
fn what_a_server_says_is_made_safe() {
    let at = answer(|session, id, _| {
        let message = "\u{1b}]0;title\u{7} trouble".into();
        session.refuse(id, &Failure { code: Code::Unreadable, message, path: None, retry_after: None });
    });
    let mut client = Client::quick();
    let trouble = client.get(at, "a").unwrap_err();
    assert!(!trouble.message.as_str().contains(['\u{1b}', '\u{7}']));
}
