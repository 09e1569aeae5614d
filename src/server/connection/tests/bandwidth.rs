//! Limits of bandwidth.

use std::time::Duration;

use super::bench::{Bench, asking, bench_with, get, next, requests};
use crate::{
    protocol::client::{Client, Request},
    server::{api::event::Event, connection::Want, limits::Limits},
};

/// Serves some connections on a virtual clock until all have their answers; each receives everything at once.
/// Returns the times and the total bytes of the writes of each.
fn paced(bench: &Bench, path: &str, count: usize) -> Vec<Vec<(Duration, usize)>> {
    let request = requests(&[path]);
    let mut connections: Vec<_> = (0..count).map(|_| Some((bench.connect(), bench.start))).collect();
    let mut written = vec![vec![(Duration::ZERO, 0)]; count];
    for (connection, at) in connections.iter_mut().flatten() {
        connection.received(*at, &request);
    }
    // The connection that may continue first does so, as in a loop with timers.
    while let Some(next) =
        (0..count).filter(|&n| connections[n].is_some()).min_by_key(|&n| connections[n].as_ref().map(|c| c.1))
    {
        let Some((connection, now)) = &mut connections[next] else { break };
        connection.timed_out(*now);
        match connection.next(*now) {
            Want::Write => {
                let (length, before) = (connection.output().len(), written[next].last().map_or(0, |w| w.1));
                connection.wrote(*now, length);
                written[next].push((now.duration_since(bench.start), before + length));
            }
            Want::Run(task) => connection.done(task.run(), *now),
            Want::Pause => {
                let due = connection.deadline().expect("a pause has an end");
                assert!(due > *now, "a pause must end later than now");
                *now = due;
            }
            Want::Read | Want::Close => connections[next] = None,
        }
    }
    written
}

#[test]
fn a_connection_stays_below_its_bandwidth_limit() {
    let limits = Limits { rate_each: Some(500_000), ..Limits::default() };
    let bench = bench_with(None, limits);
    for written in paced(&bench, "large", 3) {
        let &(end, bytes) = written.last().unwrap();
        let rate = bytes as f64 / end.as_secs_f64();
        assert!(bytes > 3_000_000 && (rate - 500_000.0).abs() < 20_000.0, "{bytes} bytes in {end:?}");
        let most = written.windows(2).map(|pair| pair[1].1 - pair[0].1).max().unwrap();
        assert!(most <= 5_000, "{most} bytes at once are no even flow");
    }
}

#[test]
fn connections_share_the_bandwidth_evenly() {
    let limits = Limits { rate: Some(1_000_000), ..Limits::default() };
    let bench = bench_with(None, limits);
    let all = paced(&bench, "large", 5);
    let sum: usize = all.iter().map(|written| written.last().unwrap().1).sum();
    let end = all.iter().map(|written| written.last().unwrap().0).max().unwrap();
    assert!((sum as f64 / end.as_secs_f64() - 1_000_000.0).abs() < 20_000.0, "{sum} bytes in {end:?}");
    let half = |written: &Vec<(Duration, usize)>| {
        written.iter().rev().find(|(at, _)| *at <= end / 2).map_or(0, |(_, bytes)| *bytes)
    };
    let (least, most) = (all.iter().map(half).min().unwrap(), all.iter().map(half).max().unwrap());
    assert!(most - least <= 20_000, "at half time one has {least} bytes, another {most}");
}

/// A peer that the server delays is never too slow.
#[test]
fn a_client_that_is_paced_is_not_too_slow() {
    let limits = Limits { rate_each: Some(2_000), min_rate: 1_000_000, ..Limits::default() };
    let bench = bench_with(None, limits);
    let written = paced(&bench, "large", 1);
    assert!(written[0].last().unwrap().1 > 3_000_000);
    let events = bench.events.lock().unwrap();
    assert!(!events.iter().any(|event| matches!(event, Event::Failed { .. })), "{events:?}");
}

/// Nothing is reserved before a request, and a closed connection releases its reservation.
#[test]
fn clients_without_output_get_no_bandwidth() {
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
    assert_eq!(wait(&requests(&["large"])), Duration::ZERO, "no other connection is left");
    let mut others: Vec<_> = (0..50).map(|_| bench.connect()).collect();
    for other in &mut others {
        other.received(bench.start, &requests(&["large"]));
        next(other, bench.start);
    }
    assert!(
        wait(&requests(&["large"])) > Duration::from_millis(300),
        "the remaining connections are served first"
    );
}

/// A goodbye after a small request does not exempt the answer from the limit.
#[test]
fn a_goodbye_after_a_request_does_not_raise_the_bandwidth() {
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
