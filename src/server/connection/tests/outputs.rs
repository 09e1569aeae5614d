//! The size of one output.

use std::time::Duration;

use super::bench::{asking, bench, get, list, next, requests};
use crate::{
    protocol::{
        client::{Client, Request},
        frame::outgoing::Outgoing,
    },
    server::{
        api::event::Event,
        connection::{Connection, Want},
        limits::MAX_OUTPUT,
    },
};

#[test]
fn an_idle_connection_keeps_no_buffers() {
    let bench = bench(None);
    let mut connection = bench.connect();
    let mut client = Client::new("test");
    let get = get("large");
    client.request(&Request::Get(get));
    connection.received(bench.start, client.outgoing());
    while next(&mut connection, bench.start) == Want::Write {
        let mut rest = connection.output();
        while let (used @ 1.., _) = client.receive(rest).unwrap() {
            rest = &rest[used..];
        }
        connection.wrote(bench.start, connection.output().len());
    }
    assert_eq!(next(&mut connection, bench.start), Want::Read);
    assert!(connection.is_idle());
    assert_eq!(client.pending(), 0);
    assert_eq!(format!("{:?}", connection.stage.output().unwrap().out), format!("{:?}", Outgoing::new()));
}

#[test]
fn a_pipeline_of_small_requests_is_answered_in_several_outputs() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &requests(&["small"; 100]));
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let asked =
        bench.events.lock().unwrap().iter().filter(|event| matches!(event, Event::Request { .. })).count();
    assert!(asked < 20, "{asked} requests in one turn");
}

#[test]
fn each_list_of_a_pipeline_is_answered_in_its_own_output() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, asking(&vec![list(""); 16]).outgoing());
    let mut most = 0;
    for _ in 0..1000 {
        let before = bench.count(|event| matches!(event, Event::Request { .. }));
        match connection.next(bench.start) {
            Want::Write => connection.wrote(bench.start, connection.output().len()),
            Want::Run(task) => connection.done(task.run(), bench.start),
            _ => break,
        }
        most = most.max(bench.count(|event| matches!(event, Event::Request { .. })) - before);
    }
    assert_eq!(bench.count(|event| matches!(event, Event::Request { .. })), 16);
    assert_eq!(most, 1, "requests in one turn");
}

/// A slow peer gets small outputs, and a fast one large outputs.
#[test]
fn a_slow_client_gets_small_outputs() {
    let bench = bench(None);
    let mut connection = bench.connect();
    let mut now = bench.start;
    connection.received(now, &requests(&["large"; 4]));
    let mut turn = |connection: &mut Connection, took: Duration| {
        assert_eq!(next(connection, now), Want::Write);
        let length = connection.output().len();
        now += took;
        connection.wrote(now, length);
        length
    };
    let first = turn(&mut connection, Duration::ZERO);
    assert!(first < MAX_OUTPUT / 4, "{first} bytes at first");
    let fast = (0..40).map(|_| turn(&mut connection, Duration::from_millis(1))).max();
    assert!(fast >= Some(MAX_OUTPUT), "{fast:?} bytes for a fast peer");
    turn(&mut connection, Duration::from_secs(1));
    let slow = turn(&mut connection, Duration::from_secs(1));
    assert!(slow < MAX_OUTPUT / 4, "{slow} bytes for a slow peer");
}
