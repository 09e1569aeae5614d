//! The tasks of answers, and results that are not computed twice.

use std::time::Duration;

use super::bench::{Bench, asking, bench, converse, get, list, read_answers, requests};
use crate::{
    protocol::{
        client::{Client, Event as Received, Request},
        error::Code,
        message::{Form, Get, List, Tree},
    },
    server::connection::Want,
};

/// The tasks of an answer: how many bytes are to be written after each.
fn tasks(bench: &Bench, request: &Request) -> Vec<usize> {
    let mut connection = bench.connect();
    let mut client = Client::new("test");
    client.request(request);
    connection.received(bench.start, client.outgoing());
    let mut tasks = Vec::new();
    loop {
        match connection.next(bench.start) {
            Want::Write => {
                let count = connection.output().len();
                connection.wrote(bench.start, count);
            }
            Want::Run(task) => {
                connection.done(task.run(), bench.start);
                tasks.push(connection.stage.output().unwrap().out.len());
            }
            Want::Read | Want::Pause | Want::Close => return tasks,
        }
    }
}

/// The tasks of an answer after which there is nothing to write.
fn silent(bench: &Bench, request: &Request) -> usize {
    tasks(bench, request).into_iter().filter(|bytes| *bytes == 0).count()
}

/// How often the server says that it works on a request, on a disk so slow that each slice of work takes a second, and what it sends last.
fn said_to_work(bench: &Bench, request: &Request) -> (usize, String) {
    let (mut connection, mut now) = (bench.connect(), bench.start);
    let mut client = Client::new("test");
    client.request(request);
    connection.received(now, client.outgoing());
    let (mut said, mut last) = (0, String::new());
    while client.pending() > 0 {
        match connection.next(now) {
            Want::Write => {
                let mut rest = connection.output();
                while let (used @ 1.., event) = client.receive(rest).unwrap() {
                    said += usize::from(matches!(event, Some(Received::Working { .. })));
                    last = format!("{event:?}");
                    rest = &rest[used..];
                }
                connection.wrote(now, connection.output().len());
            }
            Want::Run(task) => {
                connection.done(task.run(), now);
                now += Duration::from_secs(1);
            }
            want => panic!("{want:?}"),
        }
    }
    (said, last)
}

/// While the server reads a large folder, it sends `working` frames to a client that requests them, and to no other.
#[test]
fn working_frames_are_sent_while_a_folder_is_read() {
    let bench = bench(None);
    let folder = bench.folder.path().join("many");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..2500 {
        std::fs::write(folder.join(format!("{number:04}")), b"").unwrap();
    }
    let path = || "many".to_owned();
    for working in [false, true] {
        let get = Get { path: path(), form: Form::Zip, blocks: Some(0), working, ..Get::default() };
        let tree = Tree { path: path(), after: Some("2499".into()), working, ..Tree::default() };
        for request in [
            Request::Get(get),
            Request::List(List { path: path(), working, ..List::default() }),
            // All entries are before the ones that are asked for.
            Request::Tree(tree),
        ] {
            let (said, last) = said_to_work(&bench, &request);
            assert_eq!(said > 1, working, "{said} times for {request:?}, then {last}");
            assert!(!last.contains("Failed"), "{last}");
        }
    }
}

/// The index of an archive that was sent, even in part, is used again.
#[test]
fn an_archive_resumes_from_its_index() {
    let bench = bench(None);
    for name in ["a.png", "b.png"] {
        std::fs::write(bench.folder.path().join("tree").join(name), vec![9; 20_000_000]).unwrap();
    }
    let get = |first_block, blocks| {
        let path = "tree".into();
        Request::Get(Get { path, first_block, blocks, ..Get::default() })
    };
    let from_the_begin = silent(&bench, &get(30, Some(1)));
    assert!(from_the_begin > 400, "{from_the_begin} slices without an index");
    // That was far enough to know the first file, and as much of the second. A slice also ends after some time: on a slow machine the
    // rest up to the block takes more than one.
    let known = silent(&bench, &get(30, Some(1)));
    assert!(known < 10, "{known} slices with an index");
    let further = silent(&bench, &get(36, Some(1)));
    assert!((10..200).contains(&further), "{further}");
    silent(&bench, &get(0, None));
    let known = silent(&bench, &get(36, Some(1)));
    assert!(known < 10, "{known} slices with an index");
}

/// Hashes that were computed for an earlier answer are used again.
#[test]
fn known_hashes_are_not_computed_again() {
    let bench = bench(None);
    let get = get("large");
    let tasks = |request: Request| tasks(&bench, &request).len();
    // One to open the file and one to end, beside one for each block.
    assert_eq!(tasks(Request::Hashes(Get { first_block: 1, ..get.clone() })), 4);
    assert_eq!(tasks(Request::Hashes(get.clone())), 3, "two of three were known");
    assert_eq!(tasks(Request::Hashes(get.clone())), 1, "all were known");
    std::fs::write(bench.folder.path().join("large"), vec![8; 3_000_001]).unwrap();
    tasks(Request::Get(get.clone()));
    assert_eq!(tasks(Request::Hashes(get)), 1, "all were sent");
}

/// An archive is created in several tasks.
#[test]
fn an_archive_is_several_tasks() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &requests(&["tree"]));
    let (mut tasks, mut written) = (0, 0);
    loop {
        match connection.next(bench.start) {
            Want::Write => {
                let count = connection.output().len();
                written += count;
                connection.wrote(bench.start, count);
            }
            Want::Run(task) => {
                tasks += 1;
                connection.done(task.run(), bench.start);
            }
            Want::Read => connection.received(bench.start, &[]),
            Want::Close => break,
            want => panic!("{want:?}"),
        }
    }
    assert!(written > 1000 && tasks > 1, "{written} bytes in {tasks} tasks");
}

#[test]
fn a_large_directory_is_read_in_several_tasks() {
    let bench = bench(None);
    let few = silent(&bench, &list(""));
    let first = bench.folder.path().join("0");
    std::fs::write(&first, "").unwrap();
    // Links cost less than files.
    for number in 1..10_000 {
        std::fs::hard_link(&first, bench.folder.path().join(number.to_string())).unwrap();
    }
    let many = silent(&bench, &list(""));
    assert!(many >= few + 5, "{many} slices instead of {few}");
}

/// A range that no archive of this plan can have is refused without creating it.
#[test]
fn a_range_after_the_largest_possible_archive_is_refused_without_work() {
    let bench = bench(None);
    // To make this archive takes over 200 slices; to plan it, one, and on a slow machine a few.
    std::fs::write(bench.folder.path().join("tree/a.png"), vec![9; 20_000_000]).unwrap();
    let far = |first_block| {
        Request::Get(Get { path: "tree".into(), form: Form::Zip, first_block, ..Get::default() })
    };
    for first_block in [40, 1 << 40, u64::MAX] {
        let slices = silent(&bench, &far(first_block));
        assert!(slices < 10, "{slices} slices for block {first_block}");
        let mut client = asking(&[far(first_block)]);
        let answer = converse(&mut bench.connect(), client.outgoing(), &[], usize::MAX, bench.start);
        let events = read_answers(&mut client, &answer);
        assert!(events.contains(&Code::Range.to_string()), "{events:?}");
    }
}
