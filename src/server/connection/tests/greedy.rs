//! What one client may not do at the cost of others, nor the server at the cost of a slow one.

use std::time::Duration;

use super::{Bench, bench, bench_with, get, next, requests, silent};
use crate::{
    protocol::{
        client::{Client, Event as Came, Request},
        error::Code,
        message::{Form, Get, List},
    },
    server::{
        api::event::Event,
        connection::machine::state::Want,
        limits::{LINGER, Limits, MAX_OUTPUTS, MAX_PLANS, TURN},
    },
};

fn list(path: &str) -> Request {
    Request::List(List { path: path.into(), limit: Some(1), ..List::default() })
}

fn asking(requests: &[Request]) -> Client {
    let mut client = Client::new("test");
    for request in requests {
        client.request(request);
    }
    client
}

fn count(bench: &Bench, which: impl Fn(&Event) -> bool) -> usize {
    bench.events.lock().unwrap().iter().filter(|event| which(event)).count()
}

/// Reads the answers to all that was asked.
fn understand(client: &mut Client, mut bytes: &[u8]) -> Vec<String> {
    let mut events = Vec::new();
    while let (used @ 1.., event) = client.receive(bytes).unwrap() {
        events.extend(event.map(|event| match event {
            Came::Failed { failure, .. } => failure.code.to_string(),
            event => format!("{event:?}"),
        }));
        bytes = &bytes[used..];
    }
    events
}

#[test]
fn each_list_of_a_pipeline_has_a_turn_of_its_own() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, asking(&vec![list(""); 16]).outgoing());
    let mut most = 0;
    for _ in 0..1000 {
        let before = count(&bench, |event| matches!(event, Event::Request { .. }));
        match connection.next(bench.start) {
            Want::Write => connection.wrote(bench.start, connection.output().len()),
            Want::Run(task) => connection.done(task.run(), bench.start),
            _ => break,
        }
        most = most.max(count(&bench, |event| matches!(event, Event::Request { .. })) - before);
    }
    assert_eq!(count(&bench, |event| matches!(event, Event::Request { .. })), 16);
    assert_eq!(most, 1, "requests in one turn");
}

#[test]
fn a_large_directory_is_read_in_slices() {
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

/// Until something is asked for, nothing is reserved; and who leaves gives back.
#[test]
fn those_who_take_nothing_have_no_part_of_the_bandwidth() {
    let bench = bench_with(None, Limits { rate: Some(1_000_000), ..Limits::default() });
    let wait = |input: &[u8]| {
        let mut connection = bench.connect();
        connection.received(bench.start, input);
        match next(&mut connection, bench.start) {
            Want::Pause => connection.deadline().unwrap() - bench.start,
            want => {
                assert_eq!(want, Want::Write);
                Duration::ZERO
            }
        }
    };
    let greeting = Client::new("test").outgoing().to_vec();
    for _ in 0..50 {
        let mut connection = bench.connect();
        connection.received(bench.start, &greeting);
        assert_eq!(next(&mut connection, bench.start), Want::Write);
        connection.wrote(bench.start, 1);
        assert_eq!(next(&mut connection, bench.start), Want::Write, "a welcome does not wait");
    }
    for _ in 0..50 {
        wait(&requests(&["large"]));
    }
    assert_eq!(wait(&requests(&["large"])), Duration::ZERO, "nobody is there any more");
    let mut others: Vec<_> = (0..50).map(|_| bench.connect()).collect();
    for other in &mut others {
        other.received(bench.start, &requests(&["large"]));
        next(other, bench.start);
    }
    assert!(
        wait(&requests(&["large"])) > Duration::from_millis(300),
        "those who stay have their turns first"
    );
}

/// A goodbye behind a small request makes its answer no word that need not wait.
#[test]
fn what_is_asked_for_with_a_goodbye_has_no_more_of_the_bandwidth() {
    let bench = bench_with(None, Limits { rate: Some(1_000_000), ..Limits::default() });
    std::fs::write(bench.folder.path().join("some"), vec![7; 10_000]).unwrap();
    let mut client = asking(&[Request::Get(get("some"))]);
    client.goodbye("done");
    let mut connections: Vec<_> = (0..50).map(|_| bench.connect()).collect();
    let mut at_once = 0;
    for connection in &mut connections {
        connection.received(bench.start, client.outgoing());
        at_once += usize::from(next(connection, bench.start) == Want::Write);
    }
    assert!(at_once <= 2, "{at_once} of 50 did not wait");
}

/// What cannot be there is not looked for by making an archive up to its end.
#[test]
fn a_range_behind_all_that_an_archive_can_have_takes_no_work() {
    let bench = bench(None);
    let far = |first_block| {
        Request::Get(Get { path: "tree".into(), form: Form::Zip, first_block, ..Get::default() })
    };
    for first_block in [40, 1 << 40, u64::MAX] {
        assert_eq!(silent(&bench, &far(first_block)), 0, "only the planning, for block {first_block}");
        let mut client = asking(&[far(first_block)]);
        let answer = super::converse(&mut bench.connect(), client.outgoing(), &[], usize::MAX, bench.start);
        let events = understand(&mut client, &answer);
        assert!(events.contains(&Code::Range.to_string()), "{events:?}");
    }
}

/// The end of the last answer and a goodbye: a slow reader has the time that it has for any other output.
#[test]
fn a_goodbye_does_not_cut_what_was_answered_before() {
    let bench = bench(None);
    let mut client = asking(&[Request::Get(get("small"))]);
    client.goodbye("done");
    let mut connection = bench.connect();
    connection.received(bench.start, client.outgoing());
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let mut answer = connection.output()[..10].to_vec();
    connection.wrote(bench.start, 10);
    let later = bench.start + 3 * LINGER;
    connection.timed_out(later);
    assert_eq!(next(&mut connection, later), Want::Write);
    answer.extend_from_slice(connection.output());
    connection.wrote(later, connection.output().len());
    assert_eq!(next(&mut connection, later), Want::Read, "it is waited for to close");
    assert_eq!(connection.deadline(), Some(later + LINGER), "and not for ever");
    let events = understand(&mut client, &answer);
    assert!(events.iter().any(|event| event.starts_with("End")), "{events:?}");
    assert_eq!(count(&bench, |event| matches!(event, Event::Sent { .. })), 1, "and it counts as sent");
    connection.timed_out(later + LINGER);
    assert_eq!(next(&mut connection, later), Want::Close);
    drop(connection);
    assert_eq!(count(&bench, |event| matches!(event, Event::Failed { .. })), 0);
}

/// The same reader has no more time than that, and what it did not take was not sent.
#[test]
fn a_reader_that_takes_nothing_is_left_also_after_its_goodbye() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &requests(&["small"]));
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let mut now = bench.start;
    for _ in 0..3 {
        let Some(deadline) = connection.deadline() else { break };
        now = now.max(deadline);
        connection.timed_out(now);
        if next(&mut connection, now) == Want::Close {
            break;
        }
    }
    assert_eq!(next(&mut connection, now), Want::Close);
    assert!(now <= bench.start + 2 * Limits::default().rate_window);
    drop(connection);
    assert_eq!(count(&bench, |event| matches!(event, Event::Sent { .. })), 0);
    assert_eq!(count(&bench, |event| matches!(event, Event::Failed { .. })), 1);
}

/// What a brisk client gets at once, and what is planned of a folder, come out of budgets for all.
#[test]
fn memory_has_a_budget_of_which_one_origin_has_half() {
    let bench = bench(None);
    let own = [127, 0, 0, 1].into();
    let largest = |bench: &Bench| {
        let mut connection = bench.connect();
        connection.received(bench.start, &requests(&["large", "large", "large"]));
        let mut largest = 0;
        while next(&mut connection, bench.start) == Want::Write {
            largest = largest.max(connection.output().len());
            connection.wrote(bench.start, connection.output().len());
        }
        largest
    };
    let is_planned = |bench: &Bench| {
        let mut client = asking(&[Request::Get(Get { form: Form::Zip, ..get("tree") })]);
        let mut connection = bench.connect();
        connection.received(bench.start, client.outgoing());
        let mut answer = Vec::new();
        while next(&mut connection, bench.start) == Want::Write {
            answer.extend_from_slice(connection.output());
            connection.wrote(bench.start, connection.output().len());
        }
        !understand(&mut client, &answer).contains(&Code::Busy.to_string())
    };
    assert!(largest(&bench) >= TURN && is_planned(&bench));
    let mut outputs = bench.shared.services.outputs.reserve(own);
    let mut plans = bench.shared.services.plans.reserve(own);
    assert!(outputs.resize(MAX_OUTPUTS / 2) && plans.resize(MAX_PLANS / 2), "half of all");
    assert!(largest(&bench) <= TURN / 8 + 4096, "a small turn needs no budget");
    assert!(!is_planned(&bench));
    outputs.resize(MAX_OUTPUTS / 4);
    plans.resize(MAX_PLANS / 4);
    assert!(largest(&bench) >= TURN && is_planned(&bench), "what is given back is there again");
}
