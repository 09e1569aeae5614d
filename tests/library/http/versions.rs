//! A file that changes on the server while it is fetched, or between two starts of the program: never a mix of two versions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use fdsp::client::{self, Proof};

use super::{OTHER, TAG, assert_content, ended, get, get_again, interrupted, job, once, received};
use crate::{
    engine::support::{self, Client, MIB, content},
    shared::{
        target::MAX_WAIT,
        web::{Answer, Request, Web},
    },
};

#[test]
fn a_file_is_received_in_ranges_on_several_connections() {
    let file = content(30 * MIB + 17, 1);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, TAG, &[]));
    let mut client = Client::quick();
    let finished = get(&mut client, &web, "a.bin").unwrap();
    assert_content(&finished, &file);
    assert_eq!((finished.proof, finished.resumed), (Some(Proof::SameVersion), 0));
    let requests = web.requests();
    let ranges: Vec<_> = requests.iter().filter(|request| request.method == "GET").collect();
    assert!(
        ranges.len() > 2 && ranges[1..].iter().all(|request| request.header("if-range") == TAG),
        "{requests:?}"
    );
    assert!(requests.iter().all(|request| request.header("accept-encoding") == Some("identity")));
    assert_eq!(client.retries(), 0);
}

/// The second request and all after it find another version.
#[test]
fn a_file_that_changes_between_two_ranges_is_received_in_its_new_version() {
    let (old, new) = (content(24 * MIB, 1), content(24 * MIB, 2));
    let served = [old, new.clone()];
    let web = Web::new(move |request| match request.number {
        0 => Answer::of(request, &served[0], TAG, &[]),
        _ => Answer::of(request, &served[1], OTHER, &[]),
    });
    let mut client = Client::quick();
    let finished = get(&mut client, &web, "a.bin").unwrap();
    assert_content(&finished, &new);
}

/// The server sends parts of the new version, whatever the client asks for.
#[test]
fn a_part_with_another_validator_is_not_added() {
    let (old, new) = (content(24 * MIB, 1), content(24 * MIB, 2));
    let served = [old, new.clone()];
    let web = Web::new(move |request| {
        let mut request = request.clone();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("if-range"));
        match request.number {
            0 => Answer::of(&request, &served[0], TAG, &[]),
            _ => Answer::of(&request, &served[1], OTHER, &[]),
        }
    });
    let mut client = Client::quick();
    let finished = get(&mut client, &web, "a.bin").unwrap();
    assert_content(&finished, &new);
}

#[test]
fn the_next_start_resumes_the_same_version() {
    let file = content(6 * MIB, 1);
    let served = file.clone();
    let answer = move |request: &Request| Answer::of(request, &served, TAG, &[]);
    let (web, later) = interrupted(4 * MIB + 5, answer.clone(), answer);
    let mut client = Client::new(once());
    get(&mut client, &web, "a.bin").unwrap_err();
    later.store(true, Ordering::Relaxed);
    let folder = ended(client);
    let before = web.requests().len();
    let finished = get_again(&folder, once(), &web, "a.bin").unwrap();
    assert_content(&finished, &file);
    assert!(finished.resumed >= 4 * MIB as u64, "{finished:?}");
    let later = &web.requests()[before..];
    assert!(
        later.iter().all(|request| request.range().is_none_or(|(first, _)| first == 0 || first >= 4 * MIB))
    );
}

#[test]
fn the_next_start_does_not_mix_two_versions() {
    let (old, new) = (content(6 * MIB, 1), content(6 * MIB, 2));
    let served = new.clone();
    let (web, later) = interrupted(
        4 * MIB,
        move |request| Answer::of(request, &old, TAG, &[]),
        move |request| Answer::of(request, &served, OTHER, &[]),
    );
    let mut client = Client::new(once());
    get(&mut client, &web, "a.bin").unwrap_err();
    later.store(true, Ordering::Relaxed);
    let folder = ended(client);
    let finished = get_again(&folder, once(), &web, "a.bin").unwrap();
    assert_content(&finished, &new);
    assert_eq!(finished.resumed, 0);
}

/// Three starts of the program: the first one gets a part of the old version, the second one a part of the new one.
fn changed_twice(
    last: &[u8],
    tag: Option<&'static str>,
) -> (Result<client::Finished, client::Trouble>, Vec<String>, u64) {
    let (old, new) = (content(6 * MIB, 1), content(7 * MIB, 2));
    let served = [old, new, last.to_vec()];
    let step = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&step);
    let asked = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let web = Web::new(move |request| match now.load(Ordering::Relaxed) {
        2 => Answer::of(request, &served[2], tag, &[]),
        step => {
            let tag = if step == 0 { TAG } else { OTHER };
            let answer = Answer::of(request, &served[step], tag, &[]);
            let is_refused = answer.head.contains("206") && asked[step].fetch_add(1, Ordering::Relaxed) > 0;
            if is_refused { Answer::empty("404 Not Found", &[]) } else { answer.cut((5 - step) * MIB) }
        }
    });
    let mut client = Client::new(once());
    get(&mut client, &web, "a.bin").unwrap_err();
    let folder = ended(client);
    step.store(1, Ordering::Relaxed);
    get_again(&folder, once(), &web, "a.bin").unwrap_err();
    let kept = folder.path().join("a.bin.part.old").metadata().expect("the old version is kept").len();
    assert!(folder.path().join("a.bin.part").exists(), "beside the new one");
    step.store(2, Ordering::Relaxed);
    let finished = get_again(&folder, once(), &web, "a.bin");
    let finished = finished.inspect(|finished| assert_content(finished, last));
    (finished, support::names(folder.path()), kept)
}

#[test]
fn what_was_received_of_the_old_version_stays_until_the_new_one_is_complete() {
    let (finished, names, kept) = changed_twice(&content(7 * MIB, 2), OTHER);
    let finished = finished.unwrap();
    assert!(kept >= 4 * MIB as u64 && finished.resumed >= 3 * MIB as u64, "{kept} {finished:?}");
    assert_eq!(names, ["a.bin"]);
}

#[test]
fn the_old_version_is_resumed_if_the_server_has_it_again() {
    let (finished, names, _) = changed_twice(&content(6 * MIB, 1), TAG);
    let finished = finished.unwrap();
    assert!(finished.resumed >= 4 * MIB as u64, "{finished:?}");
    assert_eq!(names, ["a.bin"]);
}

#[test]
fn a_third_version_is_mixed_with_neither() {
    let (finished, names, _) = changed_twice(&content(6 * MIB, 3), Some("\"v3\""));
    assert_eq!((finished.unwrap().resumed, names), (0, vec!["a.bin".to_owned()]));
}

#[test]
fn cancelling_deletes_what_is_kept_of_the_old_version() {
    let (old, new) = (content(6 * MIB, 1), content(6 * MIB, 2));
    let web = Web::new(move |request| match request.number {
        0 => Answer::of(request, &old, TAG, &[]).cut(4 * MIB),
        1 => Answer::of(request, &new, OTHER, &[]),
        2 => Answer::of(request, &new, OTHER, &[]).cut(2 * MIB),
        _ => Answer::empty("404 Not Found", &[]),
    });
    let mut client = Client::new(client::Config { retries: 1, ..once() });
    let job = job(&client, &web, "a.bin");
    let id = client.add(job);
    client.end(id).unwrap_err();
    assert!(client.path("a.bin.part.old").exists(), "{:?}", support::names(client.folder.path()));
    client.engine.command(client::Command::Cancel(vec![id]));
    client.changed(id, client::Change::Cancelled);
    let start = Instant::now();
    while !support::names(client.folder.path()).is_empty() {
        assert!(start.elapsed() < MAX_WAIT, "{:?}", support::names(client.folder.path()));
        std::thread::yield_now();
    }
}

/// The content at another address may have the same validator: many are made of size and time, or are numbers.
#[test]
fn an_equal_validator_at_another_address_is_no_proof() {
    let (old, new) = (content(6 * MIB, 1), content(6 * MIB, 2));
    let first = Web::new(move |request| match request.number {
        0 => Answer::of(request, &old, TAG, &[]).cut(4 * MIB),
        _ => Answer::empty("403 Forbidden", &[]),
    });
    let served = new.clone();
    let second = Web::new(move |request| Answer::of(request, &served, TAG, &[]));
    let mut client = Client::new(client::Config { retries: 2, ..once() });
    let id = client.add(job(&client, &first, "a.bin"));
    client.end(id).unwrap_err();
    let address = client::Locator::parse(&second.url("a.bin")).unwrap();
    client.engine.command(client::Command::Edit(id, client::Edit::Address(address)));
    assert_content(&client.end(id).unwrap(), &new);
}

/// As some CDNs do: `If-Range` is not understood, and everything is sent.
#[test]
fn a_server_that_sends_all_of_the_same_version_is_asked_for_the_part_alone() {
    let file = content(6 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| match request.number {
        0 => Answer::of(request, &served, TAG, &[]).cut(4 * MIB),
        _ if request.header("if-range").is_some() => Answer::whole(&served, &["ETag: \"v1\""]),
        _ => Answer::of(request, &served, TAG, &[]),
    });
    received(support::config(), &web, "a.bin", &file);
    let last = web.requests().pop().unwrap();
    assert!(last.header("if-range").is_none() && last.range().unwrap().0 >= 3 * MIB, "{last:?}");
}

#[test]
fn a_link_that_is_cut_every_400_kilobytes_finishes() {
    let file = content(5 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, TAG, &[]).cut(400_000));
    let mut client = Client::quick();
    let finished = get(&mut client, &web, "a.bin").unwrap();
    assert_content(&finished, &file);
    // The last byte of each part is received again.
    assert!(finished.transferred <= file.len() as u64 + 1000, "{finished:?}");
}

/// Without a validator the last block and one at random are compared before anything is added.
#[test]
fn a_file_without_a_validator_is_compared_before_it_is_resumed() {
    let file = content(6 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| match request.number {
        0 => Answer::of(request, &served, None, &[]).cut(4 * MIB),
        _ => Answer::of(request, &served, None, &[]),
    });
    let finished = received(support::config(), &web, "a.bin", &file);
    assert_eq!(finished.proof, Some(Proof::Unproven));
    let ranges: Vec<_> = web.requests().iter().filter_map(Request::range).collect();
    let later = ranges.iter().filter(|(first, _)| *first > 0).count();
    assert!(later >= 2, "the overlap, and the rest: {ranges:?}");
}

#[test]
fn a_file_without_a_validator_that_changed_starts_over() {
    let (old, new) = (content(6 * MIB, 1), content(6 * MIB, 2));
    let served = [old, new.clone()];
    let web = Web::new(move |request| match request.number {
        0 => Answer::of(request, &served[0], None, &[]).cut(4 * MIB),
        _ => Answer::of(request, &served[1], None, &[]),
    });
    received(support::config(), &web, "a.bin", &new);
}

/// One answer has all of it: nothing shows that the answers to two requests are of one version.
#[test]
fn a_file_without_a_validator_is_requested_on_one_connection() {
    let file = content(24 * MIB, 1);
    let served = file.clone();
    let web = Web::new(move |request| Answer::of(request, &served, None, &[]));
    received(support::config(), &web, "a.bin", &file);
    assert_eq!(web.requests().len(), 2, "a part, which shows that there is no validator, and all of it");
}
