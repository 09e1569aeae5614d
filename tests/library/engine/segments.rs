//! One file over several connections, of which each is held to a rate: what each of them brings is counted, nothing is
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
/// So much comes over one connection in a second.
const RATE: usize = 12 * MIB;

fn served() -> Served {
    let served = Served::new();
    served.write("a", &content(SIZE, 7));
    served
}

/// A connection of such a rate, to which this happens as well.
fn slow(fault: Fault) -> Vec<Fault> {
    vec![Fault::Rate(RATE), fault]
}

/// Fetches a file over connections to which this happens in turn; what came of it, and what each of them brought.
fn fetch(served: &Served, config: Config, faults: Vec<Vec<Fault>>) -> (Client, Finished, Vec<usize>) {
    let proxy = Proxy::start(served.at(), faults);
    let mut client = Client::new(config);
    let finished = client.get(proxy.at(), "a").unwrap_or_else(|trouble| panic!("{trouble}"));
    let expected = fs::read(served.folder.path().join("a")).unwrap();
    assert!(fs::read(&finished.path).unwrap() == expected);
    assert_eq!(finished.blake3, blake3::hash(&expected).to_hex().as_str());
    assert_eq!(client.names(), ["a"]);
    (client, finished, proxy.brought())
}

/// How many connections brought a block or more. Another one may have asked for the digest alone.
fn sharing(brought: &[usize]) -> usize {
    brought.iter().filter(|bytes| **bytes > MIB).count()
}

fn over(segments: usize) -> Config {
    Config { segments, ..config() }
}

#[test]
fn each_connection_brings_its_share_and_no_block_comes_twice() {
    let (client, finished, brought) = fetch(&served(), over(4), vec![slow(Fault::None); 4]);
    assert_eq!(finished.transferred, SIZE as u64);
    assert_eq!(client.retries(), 0);
    assert_eq!(sharing(&brought), 4, "{brought:?}");
    // The first one begins before the others are there.
    assert!(brought[..4].iter().all(|bytes| (4 * MIB..=20 * MIB).contains(bytes)), "{brought:?}");
}

#[test]
fn a_small_file_and_who_wants_only_one_connection_get_one() {
    let served = Served::new();
    served.write("a", &content(15 * MIB, 7));
    let (_, finished, brought) = fetch(&served, over(4), vec![slow(Fault::None); 4]);
    assert_eq!((finished.transferred as usize, sharing(&brought)), (15 * MIB, 1));
    served.write("a", &content(16 * MIB, 7));
    let (_, finished, brought) = fetch(&served, over(4), vec![slow(Fault::None); 4]);
    assert_eq!(finished.transferred as usize, 16 * MIB);
    // Two begin with a half each. Where one is slow just then, others take over a part of its half. How much depends on the machine.
    assert!((2..=4).contains(&sharing(&brought)), "{brought:?}");
    served.write("a", &content(SIZE, 7));
    let (_, finished, brought) = fetch(&served, over(1), vec![]);
    assert_eq!((finished.transferred as usize, sharing(&brought)), (SIZE, 1));
}

#[test]
fn a_slow_connection_leaves_its_work_to_the_others() {
    let crawling = vec![Fault::Rate(300_000)];
    let faults = vec![slow(Fault::None), crawling, slow(Fault::None), slow(Fault::None)];
    let (client, finished, brought) = fetch(&served(), over(4), faults);
    assert_eq!(client.retries(), 0);
    assert!(brought[1] < 4 * MIB, "{brought:?}");
    assert!(finished.transferred <= (SIZE + 2 * MIB) as u64, "{}", finished.transferred);
}

#[test]
fn what_a_connection_did_not_bring_when_it_broke_the_others_bring() {
    for fault in [Fault::ResetAfter(2 * MIB + 1234), Fault::CutAfter(0), Fault::StallAfter(MIB + 999)] {
        let faults = vec![slow(Fault::None), slow(fault), slow(Fault::None), slow(Fault::None)];
        let (client, finished, _) = fetch(&served(), over(4), faults);
        assert_eq!(client.retries(), 0, "{fault:?} is no fault of the download");
        assert!(finished.transferred < (SIZE + MIB) as u64, "{fault:?}: {}", finished.transferred);
    }
}

#[test]
fn when_all_connections_break_others_are_made_at_once() {
    let faults = vec![slow(Fault::ResetAfter(4 * MIB + 999)); 4];
    let (client, finished, _) = fetch(&served(), over(4), faults);
    assert_eq!(client.retries(), 0, "each had brought something");
    assert!(finished.transferred <= (SIZE + 4) as u64, "{}", finished.transferred);
}

#[test]
fn a_corrupt_block_is_fetched_again_alone() {
    let faults = vec![slow(Fault::None), slow(Fault::Flip(MIB / 2)), slow(Fault::None), slow(Fault::None)];
    let (client, finished, _) = fetch(&served(), over(4), faults);
    assert_eq!((finished.transferred, client.retries()), ((SIZE + MIB) as u64, 1));
}

#[test]
fn a_server_is_asked_for_no_more_connections_than_it_wants() {
    for (arch, max_connections, most) in [(Arch::Single, 256, 1), (Arch::Threads, 2, 2)] {
        let served = Served::with(arch, None, Limits { max_connections, ..Limits::default() });
        served.write("a", &content(SIZE, 7));
        let (client, finished, brought) = fetch(&served, over(4), vec![slow(Fault::None); 4]);
        assert_eq!((sharing(&brought), client.retries()), (most, 0), "{arch:?}");
        assert_eq!(finished.transferred, SIZE as u64);
    }
}

#[test]
fn a_server_that_is_too_busy_for_another_connection_is_no_fault_and_left_in_peace() {
    // It serves two, and somebody else has the second place.
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
fn a_server_that_closes_further_connections_is_left_in_peace() {
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
fn a_paused_download_goes_on_with_all_that_its_connections_brought() {
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
    // Each connection loses the block that was coming, each time.
    assert!(finished.transferred < (SIZE + 3 * 4 * MIB) as u64, "{}", finished.transferred);
    assert_eq!(client.retries(), 0);
}

#[test]
fn a_cancelled_download_stops_on_all_connections() {
    let served = served();
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 4]);
    let mut client = Client::new(over(4));
    let job = client.job(proxy.at(), "a");
    let id = client.add(job);
    client.verified(id, 12 * MIB as u64);
    assert!(client.view(id).segments.is_some_and(|segments| segments > 1));
    client.engine.command(Command::Cancel(vec![id]));
    client.changed(id, Change::Cancelled);
    // Its `.part` goes once nothing runs any more.
    let begun = std::time::Instant::now();
    while !client.names().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", client.names());
        std::thread::yield_now();
    }
    assert_eq!(client.state(id), JobState::Cancelled);
}

#[test]
fn scattered_blocks_of_an_update_come_over_several_connections() {
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
    // Two, and others where one of them is slow just then.
    assert!((2..=4).contains(&sharing(&proxy.brought())), "{:?}", proxy.brought());
}

#[test]
fn a_file_that_changes_under_way_is_never_spliced() {
    let served = served();
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 64]);
    let mut client = Client::new(over(4));
    // Made beforehand: it takes as long as the rest of the download on a slow machine.
    let other = content(SIZE, 8);
    let job = client.job(proxy.at(), "a");
    let id = client.add(job);
    client.verified(id, 16 * MIB as u64);
    served.write("a", &other);
    let finished = client.end(id).unwrap();
    assert!(fs::read(&finished.path).unwrap() == other);
}

#[test]
fn a_download_that_waits_goes_before_the_further_connections_of_one_that_runs() {
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
fn an_archive_comes_over_one_connection() {
    let served = Served::new();
    served.write("d/a.jpg", &content(SIZE, 1));
    let proxy = Proxy::start(served.at(), vec![slow(Fault::None); 1]);
    let mut client = Client::new(over(4));
    let finished = client.get(proxy.at(), "d").unwrap();
    assert_eq!((finished.transferred, proxy.carrying()), (finished.bytes, 1));
}
