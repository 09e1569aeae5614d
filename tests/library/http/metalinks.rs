//! Metalinks: what they name is fetched, and each piece and digest of theirs is held against what arrives.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use fdsp::client::{Described, DigestBy, Event, Locator, NewJob, PieceDigest, Pieces, Proof};
use sha2::{Digest as _, Sha256};

use super::{OTHER, TAG, assert_content, get, has_sent, once};
use crate::{
    engine::support::{Client, MIB, content},
    shared::web::{Answer, Web},
};

fn hex(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn metalink(files: &str) -> String {
    format!("<?xml version=\"1.0\"?><metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">{files}</metalink>")
}

fn pieces(content: &[u8], length: usize) -> Pieces {
    let digests = content.chunks(length).flat_map(|piece| Sha256::digest(piece).to_vec()).collect();
    Pieces::new(PieceDigest::Sha256, length as u64, digests).unwrap()
}

#[test]
fn each_file_of_a_metalink_is_a_download() {
    let contents = [content(2 * MIB, 1), content(MIB + 5, 2)];
    for (path, kind) in [("x.meta4", "text/plain"), ("list", "application/metalink4+xml; charset=utf-8")] {
        let served = contents.clone();
        let web = Web::new(move |request| match request.path.as_str() {
            "/a" => Answer::of(request, &served[0], TAG, &[]),
            "/b" => Answer::of(request, &served[1], TAG, &[]),
            _ => {
                let host = request.header("host").unwrap();
                let file = |name: &str, path: &str, content: &[u8]| {
                    format!(
                        "<file name=\"{name}\"><size>{}</size><hash type=\"sha-256\">{}</hash>\
                         <url>http://{host}/{path}</url></file>",
                        content.len(),
                        hex(content)
                    )
                };
                let text =
                    metalink(&(file("one.bin", "a", &served[0]) + &file("dir/two.bin", "b", &served[1])));
                Answer::whole(text.as_bytes(), &[&format!("Content-Type: {kind}")])
            }
        });
        let mut client = Client::new(once());
        let job = client.job_at(Locator::parse(&web.url(path)).unwrap());
        client.add(job);
        let mut done = Vec::new();
        while done.len() < 2 {
            done.push(client.wait("both files", |event| match event {
                Event::Done { finished, .. } => Some(finished.clone()),
                Event::Failed { trouble, .. } => panic!("{trouble}"),
                _ => None,
            }));
        }
        done.sort_by_key(|finished| finished.bytes);
        assert!(done[0].path.ends_with("dir/two.bin") && done[1].path.ends_with("one.bin"), "{done:?}");
        assert_content(&done[0], &contents[1]);
        assert_content(&done[1], &contents[0]);
        let by_metalink = |proof| matches!(proof, Some(Proof::Verified { by: DigestBy::Metalink, .. }));
        assert!(done.iter().all(|finished| by_metalink(finished.proof)), "{done:?}");
    }
}

#[test]
fn what_is_called_a_metalink_and_is_none_is_an_error() {
    for (text, why) in [
        ("not a metalink".to_owned(), "not a metalink"),
        (metalink("<file name=\"a\"><url>ftp://h/a</url></file>"), "no address"),
        (format!("<!DOCTYPE m [<!ENTITY a \"b\">]>{}", metalink("")), "document type"),
    ] {
        let web = Web::new(move |_| Answer::whole(text.as_bytes(), &[]));
        let trouble = get(&mut Client::new(once()), &web, "x.meta4").unwrap_err();
        assert!(trouble.message.as_str().contains(why), "{trouble}");
    }
    let web = Web::new(|_| Answer::whole(&vec![b' '; 17 * MIB], &[]));
    let trouble = get(&mut Client::new(once()), &web, "x.meta4").unwrap_err();
    assert!(trouble.message.as_str().contains("larger than"), "{trouble}");
}

#[test]
fn a_file_of_another_size_or_digest_than_the_metalink_says_is_not_done() {
    let file = content(2 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, TAG, &[]));
    let digest = format!("sha256:{}", hex(b"other")).parse().ok();
    for described in [
        Described { size: Some(5), ..Described::default() },
        Described { digest, ..Described::default() },
        Described { pieces: Some(pieces(&content(2 * MIB, 2), MIB / 4)), ..Described::default() },
    ] {
        let mut client = Client::new(once());
        let job = client.job_at(Locator::parse(&web.url("a.bin")).unwrap());
        let trouble = client.run(NewJob { described: Some(Box::new(described)), ..job }).unwrap_err();
        assert!(!client.path("a.bin").exists(), "{trouble}");
    }
}

#[test]
fn pieces_prove_a_file() {
    let file = content(3 * MIB + 5, 1);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, TAG, &[]));
    for length in [1000, MIB / 4, MIB, 3 * MIB / 2, 2 * MIB] {
        let mut client = Client::new(once());
        let job = client.job_at(Locator::parse(&web.url("a.bin")).unwrap());
        let described = Described { pieces: Some(pieces(&file, length)), ..Described::default() };
        let finished = client.run(NewJob { described: Some(Box::new(described)), ..job }).unwrap();
        assert_content(&finished, &file);
        assert!(
            matches!(finished.proof, Some(Proof::Verified { by: DigestBy::Metalink, .. })),
            "{finished:?}"
        );
    }
}

/// The mirror has the same first blocks and the same size.
#[test]
fn the_mirror_that_sends_a_wrong_piece_is_dropped_and_named() {
    let file = content(24 * MIB, 1);
    let mut other = file.clone();
    other[9 * MIB..].fill(7);
    for length in [MIB / 4, 2 * MIB] {
        let wrong = other.clone();
        let mirror = Web::new(move |request| Answer::of(request, &wrong, OTHER, &[]));
        let (served, asked, count) = (file.clone(), mirror.clone(), AtomicUsize::new(0));
        // It is busy until the mirror has sent some blocks.
        let first = Web::new(move |request| match count.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::of(request, &served, TAG, &[]),
            _ if !has_sent(&asked, 8 * MIB) => Answer::empty("503 Service Unavailable", &[]),
            _ => Answer::of(request, &served, TAG, &[]),
        });
        let mut client = Client::quick();
        let job = client.job_at(Locator::parse(&first.url("a.bin")).unwrap());
        let described = Described { pieces: Some(pieces(&file, length)), ..Described::default() };
        let mirrors = vec![Locator::parse(&mirror.url("a.bin")).unwrap()];
        let finished = client.run(NewJob { mirrors, described: Some(Box::new(described)), ..job }).unwrap();
        assert!(fs::read(&finished.path).unwrap() == file);
        let dropped = finished.sources[1].dropped.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(dropped.contains("piece"), "{finished:?}");
        assert!(
            matches!(finished.proof, Some(Proof::Verified { by: DigestBy::Metalink, .. })),
            "{finished:?}"
        );
    }
}
