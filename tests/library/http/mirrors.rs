//! Several sources of one content: never a mix of two contents, whatever one of them sends, and the loss of one costs only its share.

use std::{
    fs,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use fdsp::client::{Config, Event, Finished, Locator, NewJob, Proof, Trouble};
use sha2::{Digest as _, Sha256};

use super::{OTHER, TAG, assert_content, ended, has_sent, once};
use crate::{
    engine::support::{self, Client, MIB, Served, content},
    shared::{
        target::MAX_WAIT,
        web::{Answer, Web},
    },
};

/// A correct server of a content.
fn web(content: &[u8], tag: Option<&'static str>) -> Web {
    let content = content.to_vec();
    Web::new(move |request| Answer::of(request, &content, tag, &[]))
}

/// A server that answers its first request for content, and others only once the switch is set.
fn waits(content: &[u8]) -> (Web, Arc<AtomicBool>) {
    let (content, switch) = (content.to_vec(), Arc::new(AtomicBool::new(false)));
    let (is_set, asked) = (Arc::clone(&switch), AtomicUsize::new(0));
    let web = Web::new(move |request| {
        let is_first = request.method == "GET" && asked.fetch_add(1, Ordering::Relaxed) == 0;
        let start = Instant::now();
        while !is_first && !is_set.load(Ordering::Relaxed) {
            assert!(start.elapsed() < MAX_WAIT, "the test does not set the switch");
            thread::yield_now();
        }
        Answer::of(request, &content, TAG, &[])
    });
    (web, switch)
}

fn refuses() -> Web {
    Web::new(|_| Answer::empty("404 Not Found", &[]))
}

/// An engine without retries, and with one connection to a source.
fn alone() -> Config {
    Config { segments: 1, ..once() }
}

fn locator(web: &Web) -> Locator {
    Locator::parse(&web.url("a.bin")).unwrap()
}

fn with_mirrors(client: &Client, first: Locator, mirrors: &[&Web]) -> NewJob {
    let mirrors = mirrors.iter().map(|web| locator(web)).collect();
    NewJob { mirrors, ..client.job_at(first) }
}

/// Runs it, and sets the switch as soon as a mirror has joined or is dropped.
fn run(client: &mut Client, job: NewJob, switch: &AtomicBool) -> Result<Finished, Trouble> {
    let id = client.add(job);
    client.wait("a mirror", |event| matches!(event, Event::Source { .. }).then_some(()));
    switch.store(true, Ordering::Relaxed);
    client.end(id)
}

fn sha256(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

#[test]
fn two_mirrors_send_one_file() {
    let file = content(24 * MIB + 17, 1);
    let ((first, switch), second) = (waits(&file), web(&file, OTHER));
    let mut client = Client::quick();
    let job = with_mirrors(&client, locator(&first), &[&second]);
    let finished = run(&mut client, job, &switch).unwrap();
    assert_content(&finished, &file);
    let bytes: Vec<_> = finished.sources.iter().map(|share| share.bytes).collect();
    assert_eq!(bytes.iter().sum::<u64>(), file.len() as u64, "{finished:?}");
    assert!(bytes.iter().all(|bytes| *bytes > 0), "{finished:?}");
    assert_eq!(finished.proof, Some(Proof::Unproven), "only some blocks of both were compared");
}

#[test]
fn a_digest_proves_what_two_mirrors_have_sent() {
    let file = content(24 * MIB, 1);
    let ((first, switch), second) = (waits(&file), web(&file, OTHER));
    let mut client = Client::quick();
    let job = with_mirrors(&client, locator(&first), &[&second]);
    let finished = run(&mut client, NewJob { checksum: sha256(&file).parse().ok(), ..job }, &switch).unwrap();
    assert_content(&finished, &file);
    assert!(matches!(finished.proof, Some(Proof::Verified { .. })), "{finished:?}");
}

/// Of the same size.
#[test]
fn a_mirror_with_other_bytes_is_dropped_and_named() {
    let (file, other) = (content(24 * MIB, 1), content(24 * MIB, 2));
    let ((first, switch), second) = (waits(&file), web(&other, TAG));
    let mut client = Client::quick();
    let job = with_mirrors(&client, locator(&first), &[&second]);
    let finished = run(&mut client, job, &switch).unwrap();
    assert_content(&finished, &file);
    let dropped = finished.sources[1].dropped.as_ref().expect("it is dropped").to_string();
    assert!(dropped.contains("another content: block") && finished.sources[1].bytes == 0, "{finished:?}");
    assert_eq!(finished.proof, Some(Proof::SameVersion), "all of it is from one source");
    let named = client.seen.iter().any(|event| {
        matches!(event, Event::Source { address, dropped: Some(_), .. } if address.as_str() == second.url("a.bin"))
    });
    assert!(named, "{:#?}", client.seen);
}

#[test]
fn a_mirror_of_another_size_or_without_ranges_or_the_file_is_dropped() {
    let file = content(24 * MIB, 1);
    let whole = file.clone();
    let others = [
        (web(&file[1..], TAG), "another content: it is"),
        (Web::new(move |_| Answer::whole(&whole, &["ETag: \"v1\""])), "part"),
        (refuses(), "not found"),
    ];
    for (mirror, why) in others {
        let (first, switch) = waits(&file);
        let mut client = Client::quick();
        let job = with_mirrors(&client, locator(&first), &[&mirror]);
        let finished = run(&mut client, job, &switch).unwrap();
        assert_content(&finished, &file);
        let dropped = finished.sources[1].dropped.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(dropped.contains(why), "{finished:?}");
    }
}

#[test]
fn a_first_address_that_fails_costs_nothing_where_there_is_a_mirror() {
    let file = content(6 * MIB, 1);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for first in [locator(&refuses()), Locator::parse(&format!("http://{closed}/a.bin")).unwrap()] {
        let mirror = web(&file, TAG);
        let mut client = Client::new(once());
        let job = with_mirrors(&client, first, &[&mirror]);
        let finished = client.run(job).unwrap();
        assert_content(&finished, &file);
        assert_eq!((finished.sources[0].bytes, finished.sources[1].bytes), (0, 6 * MIB as u64));
    }
}

/// The first server breaks after some blocks and is gone then; the mirror continues with them.
#[test]
fn a_mirror_continues_what_another_source_has_begun() {
    let file = content(12 * MIB, 1);
    let served = file.clone();
    let first = Web::new(move |request| match request.number {
        0 => Answer::of(request, &served, TAG, &[]).cut(4 * MIB + 5),
        _ => Answer::empty("404 Not Found", &[]),
    });
    let mirror = web(&file, OTHER);
    let mut client = Client::new(alone());
    let job = with_mirrors(&client, locator(&first), &[&mirror]);
    let finished = client.run(job).unwrap();
    assert_content(&finished, &file);
    assert_eq!(finished.sources[0].bytes, 4 * MIB as u64, "{finished:?}");
    assert!(finished.transferred < 15 * MIB as u64, "{finished:?}");
}

#[test]
fn a_mirror_of_another_content_does_not_continue_what_another_source_has_begun() {
    let (file, other) = (content(12 * MIB, 1), content(12 * MIB, 2));
    let served = file.clone();
    let first = Web::new(move |request| match request.number {
        0 => Answer::of(request, &served, TAG, &[]).cut(4 * MIB + 5),
        _ => Answer::empty("404 Not Found", &[]),
    });
    let mirror = web(&other, TAG);
    let mut client = Client::new(alone());
    let job = with_mirrors(&client, locator(&first), &[&mirror]);
    let trouble = client.run(job).unwrap_err();
    assert!(trouble.message.as_str().contains("another content"), "{trouble:?}");
    assert!(client.path("a.bin.part").exists(), "what was received is kept");
}

/// As another start of the program would: the job of the session has the mirrors, too.
#[test]
fn the_next_start_resumes_from_a_mirror() {
    let file = content(12 * MIB, 1);
    let served = file.clone();
    let first = Web::new(move |request| match request.number {
        0 => Answer::of(request, &served, TAG, &[]).cut(4 * MIB + 5),
        _ => Answer::empty("404 Not Found", &[]),
    });
    let mirror = web(&file, OTHER);
    let mut client = Client::new(alone());
    let job = with_mirrors(&client, locator(&first), &[]);
    client.run(job).unwrap_err();
    let folder = ended(client);
    let mut client = Client::new(alone());
    let job = with_mirrors(&client, locator(&first), &[&mirror]);
    let job: NewJob = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
    let finished = client.run(NewJob { folder: folder.path().to_owned(), ..job }).unwrap();
    assert_content(&finished, &file);
    assert!(finished.transferred < 11 * MIB as u64, "{finished:?}");
    assert_eq!(
        finished.proof,
        Some(Proof::Unproven),
        "of the first blocks only the journal knows the source"
    );
}

/// The mirror has the same first blocks, and its size: only the digest shows that its others are wrong.
#[test]
fn the_digest_decides_whose_bytes_are_wrong() {
    let file = content(24 * MIB, 1);
    let mut other = file.clone();
    other[9 * MIB..].fill(7);
    let mirror = web(&other, TAG);
    let (served, asked) = (file.clone(), mirror.clone());
    let count = AtomicUsize::new(0);
    // It is busy until the mirror has sent some blocks.
    let first = Web::new(move |request| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::of(request, &served, TAG, &[]),
        _ if !has_sent(&asked, 8 * MIB) => Answer::empty("503 Service Unavailable", &[]),
        _ => Answer::of(request, &served, TAG, &[]),
    });
    let mut client = Client::quick();
    let job = with_mirrors(&client, locator(&first), &[&mirror]);
    let job = NewJob { checksum: sha256(&file).parse().ok(), ..job };
    let finished = client.run(job).unwrap();
    assert_content(&finished, &file);
    let dropped = finished.sources[1].dropped.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(dropped.contains("wrong bytes") || dropped.contains("digest"), "{finished:?}");
    assert_eq!(finished.sources[0].dropped, None, "{finished:?}");
}

#[test]
fn no_source_with_the_digest_is_an_error_that_keeps_the_bytes() {
    let file = content(3 * MIB, 1);
    let (first, second) = (web(&file, TAG), web(&file, OTHER));
    let mut client = Client::new(once());
    let job = with_mirrors(&client, locator(&first), &[&second]);
    let trouble = client.run(NewJob { checksum: sha256(b"other").parse().ok(), ..job }).unwrap_err();
    assert!(trouble.message.as_str().contains("checksum mismatch"), "{trouble:?}");
    assert!(!client.path("a.bin").exists());
}

/// A server of this program and a web server.
#[test]
fn a_server_of_this_program_and_a_web_server_send_one_file() {
    let file = content(24 * MIB, 1);
    let served = Served::new();
    served.write("a.bin", &file);
    let (first, switch) = waits(&file);
    let mut client = Client::quick();
    let job = client.job_at(locator(&first));
    let job = NewJob { mirrors: vec![support::address(served.at(), "a.bin")], ..job };
    let finished = run(&mut client, job, &switch).unwrap();
    assert_content(&finished, &file);
    assert!(finished.sources.iter().all(|share| share.bytes > 0 && share.dropped.is_none()), "{finished:?}");
    // The other way round, with a mirror that waits.
    let (mirror, switch) = waits(&file);
    switch.store(true, Ordering::Relaxed);
    let mut client = Client::quick();
    let job = with_mirrors(&client, support::address(served.at(), "a.bin"), &[&mirror]);
    let finished = client.run(job).unwrap();
    assert_eq!(fs::read(&finished.path).unwrap(), file);
}
