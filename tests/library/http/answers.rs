//! Errors, delays, and answers that are none.

use std::{fs, time::Duration};

use fdsp::client::{Config, TroubleKind};

use super::{TAG, assert_content, get, once, received};
use crate::{
    engine::support::{self, Client, MIB, content},
    shared::web::{Answer, Then, Web},
};

#[test]
fn an_error_of_the_server_has_its_kind() {
    for (status, kind) in [
        ("404 Not Found", TroubleKind::NotFound),
        ("410 Gone", TroubleKind::NotFound),
        ("403 Forbidden", TroubleKind::NotFound),
        ("401 Unauthorized", TroubleKind::Refused),
        ("407 Proxy Authentication Required", TroubleKind::Refused),
        ("400 Bad Request", TroubleKind::Other),
        ("500 Internal Server Error", TroubleKind::Connection),
        ("503 Service Unavailable", TroubleKind::Connection),
        ("304 Not Modified", TroubleKind::Integrity),
    ] {
        let web = Web::new(move |_| Answer::empty(status, &[]));
        let mut client = Client::new(once());
        let trouble = get(&mut client, &web, "a.bin").unwrap_err();
        assert_eq!(trouble.kind, kind, "{status}: {trouble}");
        assert!(client.names().is_empty(), "{status}: {:?}", client.names());
    }
}

#[test]
fn a_busy_server_is_tried_again_after_the_time_that_it_names() {
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let file = content(1000, 1);
        let served = file.clone();
        let web = Web::new(move |request| match request.number {
            0 | 1 => Answer::empty(status, &["Retry-After: 0"]),
            _ => Answer::of(request, &served, TAG, &[]),
        });
        // It costs no attempt.
        let config = Config { retries: 0, ..support::config() };
        received(config, &web, "a.bin", &file);
    }
}

#[test]
fn a_link_that_expires_is_named() {
    let file = content(6 * MIB, 1);
    let web = Web::new(move |request| match request.number {
        0 => Answer::of(request, &file, TAG, &[]).cut(3 * MIB),
        _ => Answer::empty("403 Forbidden", &[]),
    });
    let mut client = Client::quick();
    let trouble = get(&mut client, &web, "a.bin?X-Amz-Signature=s3cret").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::NotFound);
    let message = trouble.message.as_str();
    assert!(message.contains("expired") && !message.contains("s3cret"), "{message}");
    assert!(client.names().contains(&"a.bin.part".to_owned()), "what was received is kept");
}

#[test]
fn a_compressed_answer_that_was_not_asked_for_is_an_error() {
    let web = Web::new(|_| Answer::whole(b"\x1f\x8b", &["Content-Encoding: gzip", "ETag: \"v1\""]));
    let trouble = get(&mut Client::new(once()), &web, "a.bin").unwrap_err();
    assert!(trouble.message.as_str().contains("compressed (gzip)"), "{trouble}");
}

#[test]
fn not_modified_or_no_such_range_in_answer_to_a_resume_starts_over() {
    let file = content(4 * MIB, 1);
    for status in ["304 Not Modified", "416 Range Not Satisfiable"] {
        let served = file.clone();
        let web = Web::new(move |request| match request.range() {
            Some((first, _)) if first > 0 => Answer::empty(status, &["ETag: \"v1\""]),
            _ if request.number == 0 => Answer::of(request, &served, TAG, &[]).cut(2 * MIB),
            _ => Answer::of(request, &served, TAG, &[]),
        });
        received(support::config(), &web, "a.bin", &file);
    }
}

#[test]
fn many_header_fields_are_received_or_an_error() {
    let file = content(1000, 1);
    for size in [30_000, 100_000, 2_000_000] {
        let served = file.clone();
        let web = Web::new(move |request| {
            Answer::of(request, &served, TAG, &[]).field(&format!("X-Filler: {}", "x".repeat(size)))
        });
        let mut client = Client::new(once());
        match get(&mut client, &web, "a.bin") {
            Ok(finished) => assert_content(&finished, &file),
            Err(trouble) => {
                assert!(size > 30_000 && trouble.message.as_str().contains("header"), "{size}: {trouble}")
            }
        }
    }
}

#[test]
fn what_is_not_http_is_an_error() {
    let web = Web::new(|_| Answer { head: "SSH-2.0-x\r\n".to_owned(), body: Vec::new(), then: Then::Close });
    let trouble = get(&mut Client::new(once()), &web, "a.bin").unwrap_err();
    assert!(trouble.message.as_str().contains("HTTP"), "{trouble}");
}

/// Before its answer, and in the middle of it.
#[test]
fn a_server_that_sends_nothing_more_is_lost_and_resumed() {
    let file = content(3 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| {
        let answer = Answer::of(request, &served, TAG, &[]);
        match request.number {
            0 => Answer { head: String::new(), body: Vec::new(), then: Then::Stall },
            1 => answer.cut(2 * MIB).then(Then::Stall),
            _ => answer,
        }
    });
    let config = Config { timeout: Duration::from_millis(500), ..support::config() };
    let finished = received(config, &web, "a.bin", &file);
    assert!(finished.transferred < file.len() as u64 + MIB as u64, "{finished:?}");
}

#[test]
fn the_date_of_modification_is_kept() {
    use std::os::unix::fs::MetadataExt;

    let fields = ["Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "Date: Sun, 06 Nov 1994 08:49:38 GMT"];
    let web = Web::new(move |request| Answer::of(request, b"content", None, &fields));
    let mut client = Client::quick();
    let finished = get(&mut client, &web, "a.txt").unwrap();
    assert_eq!(fs::metadata(&finished.path).unwrap().mtime(), 784_111_777);
    assert_eq!(finished.proof, Some(fdsp::client::Proof::SameVersion));
}
