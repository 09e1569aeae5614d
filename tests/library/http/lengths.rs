//! Servers without ranges, contents without a length, and lengths that are wrong.

use fdsp::client::{Proof, TroubleKind};

use super::{TAG, get, once, received};
use crate::{
    engine::support::{self, Client, MIB, content},
    shared::web::{Answer, Then, Web},
};

#[test]
fn files_of_every_size_are_received() {
    for size in [0, 1, MIB - 1, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1, 17 * MIB] {
        let file = content(size, size as u64);
        let served = file.clone();
        let web = Web::new(move |request| Answer::of(request, &served, TAG, &[]));
        let finished = received(support::config(), &web, "a.bin", &file);
        assert_eq!((finished.bytes, finished.transferred), (size as u64, size as u64));
    }
}

#[test]
fn a_server_without_ranges_is_asked_once() {
    let file = content(20 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |_| Answer::whole(&served, &["ETag: \"v1\""]));
    let finished = received(support::config(), &web, "a.bin", &file);
    assert_eq!((web.requests().len(), finished.proof), (1, Some(Proof::SameVersion)));
}

#[test]
fn after_a_cut_a_server_without_ranges_is_asked_for_all_again() {
    let file = content(3 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| {
        let whole = Answer::whole(&served, &["ETag: \"v1\""]);
        if request.number == 0 { whole.cut(2 * MIB) } else { whole }
    });
    received(support::config(), &web, "a.bin", &file);
}

#[test]
fn a_content_in_chunks_has_no_length() {
    let file = content(3 * MIB + 7, 1);
    let served = file.clone();
    let web = Web::new(move |_| chunked(&served, true));
    let finished = received(support::config(), &web, "a.bin", &file);
    assert_eq!(finished.proof, Some(Proof::SameVersion));
}

/// The last chunk is missing: it is not the end of the content.
#[test]
fn chunks_that_are_cut_are_not_complete() {
    let file = content(2 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| chunked(&served, request.number > 0));
    received(support::config(), &web, "a.bin", &file);
}

fn chunked(content: &[u8], complete: bool) -> Answer {
    let mut answer = Answer::new("200 OK", &["Transfer-Encoding: chunked", "ETag: \"v1\""]);
    for chunk in content.chunks(300_000) {
        answer.body.extend(format!("{:x}\r\n", chunk.len()).bytes());
        answer.body.extend(chunk);
        answer.body.extend(b"\r\n");
    }
    if complete {
        answer.body.extend(b"0\r\n\r\n");
    }
    if complete { answer } else { answer.then(Then::Close) }
}

/// As HTTP/1.0 does: nothing shows that it is all of the content.
#[test]
fn a_content_that_ends_with_the_connection_is_unproven() {
    let file = content(2 * MIB + 3, 1);
    let served = file.clone();
    let web = Web::new(move |_| {
        let head = "HTTP/1.0 200 OK\r\nETag: \"v1\"\r\n".to_owned();
        Answer { head, body: served.clone(), then: Then::Close }
    });
    let finished = received(support::config(), &web, "a.bin", &file);
    assert_eq!(finished.proof, Some(Proof::Unproven));
}

#[test]
fn the_rest_of_a_body_that_is_shorter_than_its_length_is_requested() {
    let file = content(MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, TAG, &[]).cut(MIB - 5));
    let finished = received(once(), &web, "a.bin", &file);
    assert_eq!(finished.transferred, MIB as u64 + 1, "the last byte of the part is received again");
}

#[test]
fn a_part_that_is_not_the_one_that_was_asked_for_is_an_error() {
    let file = content(2 * MIB, 1);
    for range in [
        "bytes 1-2097151/2097152",
        "bytes 0-1048575/2097152",
        "bytes 0-2097151/*",
        "bytes 0-2097151/5",
        "",
        "0-5",
    ] {
        let served = file.clone();
        let web = Web::new(move |_| {
            let range = format!("Content-Range: {range}");
            Answer::new("206 Partial Content", &["ETag: \"v1\"", &range]).body(&served)
        });
        let trouble = get(&mut Client::new(once()), &web, "a.bin").unwrap_err();
        assert!(trouble.message.as_str().contains("part"), "{range:?}: {trouble}");
    }
}

#[test]
fn two_different_lengths_are_an_error() {
    let web = Web::new(|_| Answer::whole(b"content", &["Content-Length: 3"]));
    let trouble = get(&mut Client::new(once()), &web, "a.bin").unwrap_err();
    assert!(matches!(trouble.kind, TroubleKind::Connection | TroubleKind::Other), "{trouble}");
}

/// A total that differs from the one that was announced is another version.
#[test]
fn another_total_is_another_version() {
    let file = content(20 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| match request.number {
        0 => {
            let range = format!("Content-Range: bytes 0-{}/{}", 8 * MIB - 1, 21 * MIB);
            Answer::new("206 Partial Content", &["ETag: \"v1\"", &range]).body(&served[..8 * MIB])
        }
        _ => Answer::of(request, &served, TAG, &[]),
    });
    received(support::config(), &web, "a.bin", &file);
}
