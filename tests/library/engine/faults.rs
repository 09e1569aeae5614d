//! Connections that break, and their messages. See `fault_table` for every fault in front of every architecture.

use std::{fs, time::Duration};

use fdsp::{
    client::{Change, Command, Config, Event, TroubleKind},
    server::{Arch, Limits},
};

use crate::engine::{
    proxy::{Fault, Proxy},
    support::{Client, MIB, Served, config, content},
};

const SIZE: usize = 4 * MIB + 4321;
/// Bytes of preamble, greeting and announcement, roughly.
const HEAD: usize = 600;

/// For faults with a stalled side: a slow machine is mistaken for one, too.
fn impatient() -> Config {
    Config { timeout: Duration::from_millis(400), retries: 8, ..config() }
}

/// Fetches through the faults. Returns the client, and the number of bytes and connections.
fn fetch(served: &Served, config: Config, faults: Vec<Fault>) -> (Client, u64, usize) {
    let proxy = Proxy::start(served.at(), faults.clone());
    let mut client = Client::new(config);
    let finished = client.get(proxy.at(), "a").unwrap_or_else(|trouble| panic!("{faults:?}: {trouble}"));
    let expected = fs::read(served.folder.path().join("a")).unwrap();
    assert!(fs::read(&finished.path).unwrap() == expected, "{faults:?}");
    assert_eq!(finished.blake3, blake3::hash(&expected).to_hex().as_str());
    assert_eq!(client.names(), ["a"]);
    (client, finished.transferred, proxy.carrying())
}

fn served() -> Served {
    let served = Served::new();
    served.write("a", &content(SIZE, 7));
    served
}

#[test]
fn a_download_over_a_connection_that_keeps_breaking_fetches_nothing_twice() {
    let served = served();
    // Each connection receives one block and a bit.
    let faults = vec![Fault::CutAfter(MIB + MIB / 4); 3];
    let (client, transferred, connections) = fetch(&served, Config { retries: 1, ..config() }, faults);
    assert_eq!((connections, client.retries()), (4, 0), "after progress the client reconnects at once");
    assert!(transferred <= (SIZE + 3) as u64, "{transferred}");
}

#[test]
fn only_the_corrupt_block_is_fetched_again() {
    let served = served();
    let (client, transferred, connections) = fetch(&served, config(), vec![Fault::Flip(MIB + MIB / 2)]);
    assert_eq!(connections, 1, "the connection is still good");
    assert_eq!(transferred, (SIZE + MIB) as u64);
    let reason = client.seen.iter().find_map(|event| match event {
        Event::Retry { reason, .. } => Some(reason.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("block 1 arrived corrupt; it is fetched again"));
}

#[test]
fn a_corrupt_last_block_is_fetched_again() {
    let served = served();
    let (_, transferred, connections) = fetch(&served, config(), vec![Fault::Flip(SIZE)]);
    assert_eq!((transferred, connections), ((SIZE + 4321) as u64, 1));
}

#[test]
fn a_flipped_byte_anywhere_is_detected_and_fetched_again() {
    let served = Served::new();
    served.write("a", &content(MIB + 1000, 3));
    // Everything before the content, then offsets all over the rest.
    let spread = (0..24).map(|n| HEAD + (n * 104_729 * 7) % (MIB + 1000));
    for place in (0..HEAD).step_by(13).chain(spread) {
        let proxy = Proxy::start(served.at(), vec![Fault::Flip(place)]);
        let mut client = Client::new(impatient());
        match client.get(proxy.at(), "a") {
            Ok(finished) => {
                let expected = fs::read(served.folder.path().join("a")).unwrap();
                assert!(fs::read(&finished.path).unwrap() == expected, "byte {place}");
            }
            // After a greeting of another protocol or version, the client does not retry.
            Err(trouble) => assert!(place < 8, "byte {place}: {trouble}"),
        }
    }
}

#[test]
fn a_stalled_connection_is_closed_after_the_timeout() {
    let served = served();
    let mut client = Client::new(Config { retries: 1, ..impatient() });
    let proxy = Proxy::start(served.at(), vec![Fault::StallAfter(0); 5]);
    let trouble = client.get(proxy.at(), "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    let said = format!("{} sent nothing for 0.4 s (tried 2 times)", proxy.at());
    assert_eq!(trouble.message.as_str(), said);
}

#[test]
fn a_busy_server_is_retried_after_the_delay_that_it_names() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let served = Served::with(Arch::Threads, None, limits);
    served.write("a", &content(SIZE, 7));
    let proxy = Proxy::start(served.at(), vec![Fault::StallAfter(MIB)]);
    let mut first = Client::quick();
    let job = first.job(proxy.at(), "a");
    let id = first.add(job);
    first.started(id);
    let mut second = Client::quick();
    let job = second.job(served.at(), "a");
    let waiting = second.add(job);
    let (reason, seconds) = second.wait("the answer that it is busy", |event| match event {
        Event::Retry { reason, seconds, .. } => Some((reason.clone(), *seconds)),
        Event::Failed { trouble, .. } => panic!("{trouble}"),
        _ => None,
    });
    assert_eq!(reason.as_str(), "the server is busy");
    assert!(seconds >= 1.0, "the server says when: {seconds}");
    drop((first, proxy));
    assert!(second.end(waiting).is_ok());
}

#[test]
fn a_retried_job_has_all_its_retries_again() {
    let served = served();
    let proxy = Proxy::link(served.at(), vec![Fault::Flip(MIB / 2), Fault::Flip(MIB + MIB / 2)]);
    let mut client = Client::new(Config { retries: 1, segments: 1, ..config() });
    let job = client.job(proxy.at(), "a");
    let id = client.add(job);
    assert_eq!(client.end(id).unwrap_err().kind, TroubleKind::Integrity);
    proxy.suffer(vec![Fault::Flip(MIB / 2)]);
    client.engine.command(Command::Retry(vec![id]));
    client.changed(id, Change::Resumed);
    let finished = client.end(id).unwrap();
    assert!(fs::read(&finished.path).unwrap() == content(SIZE, 7));
}
