//! One file over several connections of a fixed rate: the bytes of each are counted, nothing is
//! timed.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use fdsp::{
    client::{Change, Command, Config, Event, Existing, Finished, JobState},
    server::{Arch, Limits},
};

use crate::engine::{
    proxy::{Fault, Proxy},
    scripted::{self, Session},
    support::{Client, MIB, Served, config, content},
};

const SIZE: usize = 40 * MIB + 4321;
/// Bytes a second of one connection.
const RATE: usize = 12 * MIB;

fn served() -> Served {
    let served = Served::new();
    served.write("a", &content(SIZE, 7));
    served
}

/// A connection of this rate with another fault.
fn slow(fault: Fault) -> Vec<Fault> {
    vec![Fault::Rate(RATE), fault]
}

/// Fetches a file over connections with these faults. Returns the client, the result and the bytes of each connection.
fn fetch(served: &Served, config: Config, faults: Vec<Vec<Fault>>) -> (Client, Finished, Vec<usize>) {
    let proxy = Proxy::start(served.at(), faults);
    let mut client = Client::new(config);
    let finished = client.get(proxy.at(), "a").unwrap_or_else(|trouble| panic!("{trouble}"));
    let expected = fs::read(served.folder.path().join("a")).unwrap();
    assert!(fs::read(&finished.path).unwrap() == expected);
    assert_eq!(finished.blake3, blake3::hash(&expected).to_hex().as_str());
    assert_eq!(client.names(), ["a"]);
    (client, finished, proxy.received())
}

/// How many connections received a block or more. Another one may have asked for the digest alone.
fn sharing(received: &[usize]) -> usize {
    received.iter().filter(|bytes| **bytes > MIB).count()
}

fn over(segments: usize) -> Config {
    Config { segments, ..config() }
}

#[test]
fn each_connection_fetches_a_share_and_no_block_is_fetched_twice() {
    let (client, finished, received) = fetch(&served(), over(4), vec![slow(Fault::None); 4]);
    assert_eq!(finished.transferred, SIZE as u64);
    assert_eq!(client.retries(), 0);
    assert_eq!(sharing(&received), 4, "{received:?}");
    // The first one begins before the others are connected.
    assert!(received[..4].iter().all(|bytes| (4 * MIB..=20 * MIB).contains(bytes)), "{received:?}");
}

#[test]
fn small_files_and_a_limit_of_one_use_one_connection() {
    let served = Served::new();
    served.write("a", &content(15 * MIB, 7));
    let (_, finished, received) = fetch(&served, over(4), vec![slow(Fault::None); 4]);
    assert_eq!((finished.transferred as usize, sharing(&received)), (15 * MIB, 1));
    served.write("a", &content(16 * MIB, 7));
    let (_, finished, received) = fetch(&served, over(4), vec![slow(Fault::None); 4]);
    assert_eq!(finished.transferred as usize, 16 * MIB);
    // Two begin with a half each. If one is slow at that time, others take over a part of its half. How much depends on the machine.
    assert!((2..=4).contains(&sharing(&received)), "{received:?}");
    served.write("a", &content(SIZE, 7));
    let (_, finished, received) = fetch(&served, over(1), vec![]);
    assert_eq!((finished.transferred as usize, sharing(&received)), (SIZE, 1));
}

#[test]
fn blocks_of_a_slow_connection_are_reassigned() {
    let crawling = vec![Fault::Rate(300_000)];
    let faults = vec![slow(Fault::None), crawling, slow(Fault::None), slow(Fault::None)];
    let (client, finished, received) = fetch(&served(), over(4), faults);
    assert_eq!(client.retries(), 0);
    assert!(received[1] < 4 * MIB, "{received:?}");
    assert!(finished.transferred <= (SIZE + 2 * MIB) as u64, "{}", finished.transferred);
}

#[test]
fn blocks_of_a_broken_connection_are_reassigned() {
    for fault in [Fault::ResetAfter(2 * MIB + 1234), Fault::CutAfter(0), Fault::StallAfter(MIB + 999)] {
        let faults = vec![slow(Fault::None), slow(fault), slow(Fault::None), slow(Fault::None)];
        let (client, finished, _) = fetch(&served(), over(4), faults);
        assert_eq!(client.retries(), 0, "{fault:?} is no fault of the download");
        assert!(finished.transferred < (SIZE + MIB) as u64, "{fault:?}: {}", finished.transferred);
    }
}

#[test]
fn broken_connections_are_replaced_at_once() {
    let faults = vec![slow(Fault::ResetAfter(4 * MIB + 999)); 4];
    let (client, finished, _) = fetch(&served(), over(4), faults);
    assert_eq!(client.retries(), 0, "each had received something");
    assert!(finished.transferred <= (SIZE + 4) as u64, "{}", finished.transferred);
}

#[test]
fn only_the_corrupt_block_is_fetched_again() {
    let faults = vec![slow(Fault::None), slow(Fault::Flip(MIB / 2)), slow(Fault::None), slow(Fault::None)];
    let (client, finished, _) = fetch(&served(), over(4), faults);
    assert_eq!((finished.transferred, client.retries()), ((SIZE + MIB) as u64, 1));
}

#[test]
fn no_more_connections_are_opened_than_the_server_allows() {
    for (arch, max_connections, most) in [(Arch::Single, 256, 1), (Arch::Threads, 2, 2)] {
        let served = Served::with(arch, None, Limits { max_connections, ..Limits::default() });
        served.write("a", &content(SIZE, 7));
        let (client, finished, received) = fetch(&served, over(4), vec![slow(Fault::None); 4]);
        assert_eq!((sharing(&received), client.retries()), (most, 0), "{arch:?}");
        assert_eq!(finished.transferred, SIZE as u64);
    }
}

#[test]
fn a_busy_answer_to_another_connection_is_not_an_error_and_not_retried() {
    // The server accepts two connections, and another client has one of them.
    let served = Served::with(Arch::Threads, None, Limits { max_connections: 2, ..Limits::default() });
    served.write("a", &content(SIZE, 7));
    let gate = Proxy::gate(served.at(), MIB);
    let mut other = Client::new(over(1));
    let job = other.job(gate.at(), "a");
    let held = other.add(job);
    other.started(held);
    let (client, finished, _) = fetch(&served, over(4), vec![slow(Fault::None); 3]);
    assert_eq!(client.retries(), 0);
    assert_eq!(finished.transferred, SIZE as u64);
    let refused = served.server.snapshot(0..0).refused;
    assert!((1..=2).contains(&refused), "{refused}");
}

#[test]
fn a_server_that_closes_additional_connections_is_not_asked_for_more() {
    let bytes = Arc::new(content(SIZE, 7));
    let tried = Arc::new(AtomicUsize::new(0));
    let (sent, counted) = (Arc::clone(&bytes), Arc::clone(&tried));
    // It serves one connection at a time. On a slow machine the first one may end before the download does.
    let is_busy = AtomicBool::new(false);
    let at = scripted::listen(move |_, stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        if is_busy.swap(true, Ordering::SeqCst) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        let mut session = Session::new(stream);
        while let Some((id, fdsp::protocol::client::Request::Get(get))) = session.request() {
            session.send(id, &get, &scripted::file("a", SIZE as u64), &sent);
            session.flush();
        }
        is_busy.store(false, Ordering::SeqCst);
    });
    let proxy = Proxy::start(at, vec![slow(Fault::None); 40]);
    let mut client = Client::new(over(4));
    let finished = client.get(proxy.at(), "a").unwrap();
    assert!(fs::read(&finished.path).unwrap() == *bytes);
    assert_eq!((finished.transferred, client.retries()), (SIZE as u64, 0));
    let tried = tried.load(Ordering::SeqCst);
    assert!(tried <= 6, "{tried} connections");
}

#[test]
fn a_paused_download_resumes_with_the_blocks_of_all_connections() {
    let served = served();
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 64]);
    let mut client = Client::new(over(4));
    let job = client.job(proxy.at(), "a");
    let id = client.add(job);
    for pause in 1..4 {
        client.verified(id, (pause * 8 * MIB) as u64);
        client.engine.command(Command::Pause(vec![id]));
        client.changed(id, Change::Paused);
        client.engine.command(Command::Resume(vec![id]));
        client.changed(id, Change::Resumed);
    }
    let finished = client.end(id).unwrap();
    assert!(fs::read(&finished.path).unwrap() == content(SIZE, 7));
    // Each connection loses the block that it was receiving, each time.
    assert!(finished.transferred < (SIZE + 3 * 4 * MIB) as u64, "{}", finished.transferred);
    assert_eq!(client.retries(), 0);
}

#[test]
fn a_cancelled_download_stops_all_its_connections() {
    let served = served();
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 4]);
    let mut client = Client::new(over(4));
    let job = client.job(proxy.at(), "a");
    let id = client.add(job);
    client.verified(id, 12 * MIB as u64);
    assert!(client.view(id).segments.is_some_and(|segments| segments > 1));
    client.engine.command(Command::Cancel(vec![id]));
    client.changed(id, Change::Cancelled);
    // Its `.part` is deleted once no connection runs.
    let start = std::time::Instant::now();
    while !client.names().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", client.names());
        std::thread::yield_now();
    }
    assert_eq!(client.state(id), JobState::Cancelled);
}

#[test]
fn scattered_blocks_of_an_update_are_fetched_over_several_connections() {
    let served = served();
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 4]);
    let mut client = Client::new(over(4));
    fs::write(client.path("a"), content(SIZE, 7)).unwrap();
    let mut file = fs::File::options().read(true).write(true).open(client.path("a")).unwrap();
    for block in (0..40).step_by(2) {
        let mut byte = [0];
        file.seek(SeekFrom::Start((block * MIB + 17) as u64)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek_relative(-1).unwrap();
        file.write_all(&[!byte[0]]).unwrap();
    }
    let job = client.job(proxy.at(), "a");
    let finished = client.run(fdsp::client::NewJob { existing: Existing::Update, ..job }).unwrap();
    assert!(fs::read(&finished.path).unwrap() == content(SIZE, 7));
    assert_eq!(finished.transferred, 20 * MIB as u64);
    // Two, and more if one of them is slow at that time.
    assert!((2..=4).contains(&sharing(&proxy.received())), "{:?}", proxy.received());
}

#[test]
fn a_file_changed_during_a_download_is_never_spliced() {
    let served = served();
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 64]);
    let mut client = Client::new(over(4));
    // Generated before: on a slow machine it takes as long as the rest of the download.
    let other = content(SIZE, 8);
    let job = client.job(proxy.at(), "a");
    let id = client.add(job);
    client.verified(id, 16 * MIB as u64);
    served.write("a", &other);
    let finished = client.end(id).unwrap();
    assert!(fs::read(&finished.path).unwrap() == other);
}

#[test]
fn a_queued_download_takes_precedence_over_additional_connections() {
    let limits = Limits { max_connections: 4, ..Limits::default() };
    let served = Served::with(Arch::Threads, None, limits);
    served.write("a", &content(3 * SIZE, 7));
    served.write("b", &content(MIB, 8));
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 64]);
    let mut client = Client::new(over(4));
    let job = client.job(proxy.at(), "a");
    let large = client.add(job);
    client.verified(large, 20 * MIB as u64);
    assert_eq!(client.view(large).segments, Some(4));
    let job = client.job(proxy.at(), "b");
    client.run(job).unwrap();
    assert_eq!(client.state(large), JobState::Running);
    client.end(large).unwrap();
    assert!(!client.seen.iter().any(|event| matches!(event, Event::Retry { .. })), "{:?}", client.seen);
}

#[test]
fn an_archive_uses_one_connection() {
    let served = Served::new();
    served.write("d/a.jpg", &content(SIZE, 1));
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 1]);
    let mut client = Client::new(over(4));
    let finished = client.get(proxy.at(), "d").unwrap();
    assert_eq!((finished.transferred, proxy.carrying()), (finished.bytes, 1));
}
