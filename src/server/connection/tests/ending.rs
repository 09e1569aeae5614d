//! How connections end: errors, goodbyes, drains and panics.

use std::{
    io::ErrorKind,
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::Arc,
    time::{Duration, Instant},
};

use super::bench::{asking, bench, get, next, read_answers, requests};
use crate::{
    protocol::{
        classic::Dialect,
        client::{Client, Event as Received, Request},
        error::Code,
        message::{Get, Stat},
    },
    server::{
        api::event::Event,
        connection::{Connection, Want, machine::state::Stage},
        control::drain::drain,
        limits::{LINGER_TIMEOUT, Limits},
    },
};

#[test]
fn a_classic_file_that_changes_is_sent_short() {
    let bench = bench(Some(Dialect::ClassicSelect));
    let mut connection = bench.connect();
    let now = bench.start;
    let mut content = 0;
    connection.received(now, b"large");
    assert_eq!(next(&mut connection, now), Want::Write);
    assert_eq!(connection.output(), b"3000000");
    connection.wrote(now, 7);
    assert_eq!(next(&mut connection, now), Want::Read);
    connection.received(now, b"start_send_file");
    while next(&mut connection, now) == Want::Write {
        std::fs::write(bench.folder.path().join("large"), vec![8; 3_000_000]).unwrap();
        content += connection.output().len();
        connection.wrote(now, connection.output().len());
    }
    assert_eq!(next(&mut connection, now), Want::Close);
    assert!(content < 3_000_000);
    drop(connection);
    let events = bench.events.lock().unwrap();
    assert!(!events.iter().any(|event| matches!(event, Event::Sent { .. })));
    assert!(events.iter().any(|event| matches!(event, Event::Failed { .. })));
}

/// A slow client receives the reason for the end after the pending output.
#[test]
fn a_slow_client_receives_the_error_after_the_pending_output() {
    let bench = bench(None);
    let mut connection = bench.connect();
    let mut client = Client::new("test");
    let get = get("large");
    client.request(&Request::Get(get));
    connection.received(bench.start, client.outgoing());
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let window = connection.deadline().unwrap();
    assert_eq!(window, bench.start + Limits::default().rate_window);
    // The window becomes as long as the kernel's buffer makes it.
    connection.timed_out(window);
    let late = connection.deadline().unwrap();
    assert!(late > window);
    connection.timed_out(late - Duration::from_millis(1));
    assert!(!matches!(connection.stage, Stage::Lingering { .. }));
    connection.timed_out(late);
    assert_eq!(next(&mut connection, late), Want::Write);
    let mut rest = connection.output();
    let mut reported = None;
    while let (used @ 1.., event) = client.receive(rest).unwrap() {
        rest = &rest[used..];
        if let Some(Received::Failed { request: 0, failure }) = event {
            reported = Some(failure.code);
        }
    }
    assert_eq!(reported, Some(Code::TooSlow));
    // The wait for it is limited.
    connection.timed_out(late + LINGER_TIMEOUT);
    assert_eq!(next(&mut connection, late + LINGER_TIMEOUT), Want::Close);
}

#[test]
fn a_limited_amount_is_discarded_after_the_end() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &[&requests(&[])[..8], &[0xff; 100]].concat());
    let mut read = 0;
    loop {
        match connection.next(bench.start) {
            Want::Write => {
                let count = connection.output().len();
                connection.wrote(bench.start, count);
            }
            Want::Read => {
                connection.received(bench.start, &[0; 16 * 1024]);
                read += 16 * 1024;
                assert!(read < 8 << 20, "it discards without end");
            }
            Want::Close => break,
            want => panic!("{want:?}"),
        }
    }
    assert!(read >= 64 * 1024, "a client that has sent a little ahead still reads the error");
}

#[test]
fn a_write_that_fails_after_a_stop_is_logged_as_the_stop() {
    let bench = bench(None);
    let mut connection = bench.connect();
    bench.shared.stop();
    connection.after_write(bench.start, Err(ErrorKind::BrokenPipe.into()));
    drop(connection);
    let events = bench.events.lock().unwrap();
    let Some(event @ Event::Disconnected { reason, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(reason.as_str(), "the server was stopped");
    assert_eq!(event.level(), tracing::Level::DEBUG, "one line of the log says it for all connections");
}

#[test]
fn an_answer_that_fails_with_its_connection_is_one_line_of_the_log() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &requests(&["large"]));
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    connection.after_write(bench.start, Err(ErrorKind::BrokenPipe.into()));
    drop(connection);
    let events = bench.events.lock().unwrap();
    let logged: Vec<_> = events.iter().filter(|event| event.level() <= tracing::Level::INFO).collect();
    assert!(
        matches!(logged.as_slice(), [Event::Failed { path, .. }] if path.as_str() == "large"),
        "{events:?}"
    );
}

/// An answer has failed also if its connection ends while a task has it.
#[test]
fn an_answer_fails_when_its_connection_ends_while_a_task_runs() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &requests(&["large"]));
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    connection.wrote(bench.start, connection.output().len());
    let Want::Run(task) = connection.next(bench.start) else { panic!("more content") };
    assert_eq!(connection.next(bench.start), Want::Pause);
    assert!(connection.deadline().is_none() && !connection.is_idle());
    connection.entry.disconnect();
    assert_eq!(connection.next(bench.start), Want::Close);
    drop((connection, task.run()));
    let events = bench.events.lock().unwrap();
    let failed = events.iter().filter(|event| matches!(event, Event::Failed { .. }));
    let reasons: Vec<_> = failed.map(ToString::to_string).collect();
    let [reason] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(reason.contains("disconnected by the operator"), "{reason}");
    let snapshot = bench.shared.snapshot(0..0);
    assert!(snapshot.errors == 0 && snapshot.last_error.is_none(), "the operator ended it: that is no error");
    assert!(events.iter().all(|event| event.level() > tracing::Level::WARN), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::Sent { .. })));
}

/// The end of the last answer and a goodbye: a slow reader has the time that it has for any other output.
#[test]
fn a_goodbye_does_not_truncate_the_answer_before_it() {
    let bench = bench(None);
    let mut client = asking(&[Request::Get(get("small"))]);
    client.goodbye("done");
    let mut connection = bench.connect();
    connection.received(bench.start, client.outgoing());
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let mut answer = connection.output()[..10].to_vec();
    connection.wrote(bench.start, 10);
    let later = bench.start + 3 * LINGER_TIMEOUT;
    connection.timed_out(later);
    assert_eq!(next(&mut connection, later), Want::Write);
    answer.extend_from_slice(connection.output());
    connection.wrote(later, connection.output().len());
    assert_eq!(next(&mut connection, later), Want::Read, "it is waited for to close");
    assert_eq!(connection.deadline(), Some(later + LINGER_TIMEOUT), "and not for ever");
    let events = read_answers(&mut client, &answer);
    assert!(events.iter().any(|event| event.starts_with("End")), "{events:?}");
    assert_eq!(bench.count(|event| matches!(event, Event::Sent { .. })), 1, "and it counts as sent");
    connection.timed_out(later + LINGER_TIMEOUT);
    assert_eq!(next(&mut connection, later), Want::Close);
    drop(connection);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 0);
}

/// The same reader has no more time than that, and bytes that it did not receive do not count as sent.
#[test]
fn a_client_that_reads_nothing_is_closed_after_its_goodbye() {
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
    assert_eq!(bench.count(|event| matches!(event, Event::Sent { .. })), 0);
    assert_eq!(bench.count(|event| matches!(event, Event::Failed { .. })), 1);
}

/// Gives the input, and takes what the connection writes, until it waits for more input, or has ended.
fn answered(connection: &mut Connection, mut input: &[u8], now: Instant) -> Vec<u8> {
    let mut written = Vec::new();
    loop {
        match connection.next(now) {
            Want::Write => {
                written.extend_from_slice(connection.output());
                connection.wrote(now, connection.output().len());
            }
            Want::Read if !input.is_empty() => connection.received(now, std::mem::take(&mut input)),
            Want::Run(task) => connection.done(task.run(), now),
            Want::Read | Want::Close => return written,
            Want::Pause => panic!("there is no limit of bandwidth"),
        }
    }
}

/// A slow client reads from its receive buffer for long before it requests the next part.
#[test]
fn a_drain_serves_further_requests_of_a_transfer() {
    let bench = bench(None);
    let later = bench.start + Duration::from_secs(9);
    let ask = |client: &mut Client, request: &Request| {
        client.request(request);
        let bytes = client.outgoing().to_vec();
        client.sent(bytes.len());
        bytes
    };
    let (content, meta) = (Request::Get(get("small")), Request::Stat(Stat { path: "small".into() }));
    let (mut client, mut other) = (Client::new("test"), Client::new("test"));
    let (mut transfer, mut idle) = (bench.connect(), bench.connect());
    let is_content = |written: &[u8]| written.windows(5).any(|bytes| bytes == b"small");
    assert!(is_content(&answered(&mut transfer, &ask(&mut client, &content), bench.start)));
    answered(&mut idle, &ask(&mut other, &meta), bench.start);
    drain(&bench.shared);
    assert!(is_content(&answered(&mut transfer, &ask(&mut client, &content), later)));
    let last = answered(&mut idle, &[], later);
    assert!(String::from_utf8_lossy(&last).contains("the server is stopping"));
    bench.shared.lifecycle.stopped();
}

/// The bytes that a client receives which has closed its sending side after a request for the end of an archive. To make the
/// archive up to there takes some hundred slices of work, and each of them this time.
fn received_by_a_half_closed_client(slice: Duration) -> usize {
    let bench = bench(None);
    std::fs::write(bench.folder.path().join("tree/a.png"), vec![9; 20_000_000]).unwrap();
    let (client, server) = UnixStream::pair().unwrap();
    let server: Arc<dyn AsFd + Send + Sync> = Arc::new(server);
    client.shutdown(Shutdown::Write).unwrap();
    let (mut connection, mut now) = (bench.connect_over(Arc::downgrade(&server)), bench.start);
    let asked = asking(&[Request::Get(Get { path: "tree".into(), first_block: 18, ..Get::default() })]);
    connection.received(now, asked.outgoing());
    let mut received = 0;
    loop {
        match connection.next(now) {
            Want::Write => {
                received += connection.output().len();
                connection.wrote(now, connection.output().len());
            }
            Want::Read => connection.received(now, &[]),
            Want::Run(task) => {
                connection.done(task.run(), now);
                now += slice;
            }
            Want::Close => return received,
            Want::Pause => panic!("there is no limit of bandwidth"),
        }
    }
}

#[test]
fn a_half_closed_client_is_answered_unless_that_takes_long() {
    let quick = received_by_a_half_closed_client(Duration::from_millis(1));
    assert!(quick > 1_000_000, "{quick} bytes");
    let slow = received_by_a_half_closed_client(Duration::from_secs(1));
    assert!(slow < 1_000, "{slow} bytes");
}

#[test]
fn a_panic_ends_one_connection() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &requests(&["large"]));
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    assert_eq!(connection.guarded(|_| panic!("a defect")), None::<()>);
    assert_eq!(next(&mut connection, bench.start), Want::Close);
    drop(connection);
    let events = bench.events.lock().unwrap();
    let Some(Event::Disconnected { reason, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(reason.as_str(), "an internal error of the server");
    assert!(events.iter().any(|event| matches!(event, Event::Warning { .. })));
    assert!(bench.shared.registry.len() == 0, "and leaves no entry");
}
