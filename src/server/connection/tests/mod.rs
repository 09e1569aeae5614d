//! A connection without a socket, on virtual time.

mod greedy;

use std::{
    io::ErrorKind,
    net::TcpListener,
    os::fd::AsFd,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{machine::state::Stage, *};
use crate::{
    protocol::{
        classic::Dialect,
        client::{Client, Event as Came, Request},
        error::Code,
        frame::outgoing::Outgoing,
        message::{Form, Get, List, Stat, Tree},
    },
    server::{
        access::token_check::TokenCheck,
        api::{arch::Arch, event::Event},
        certificate::TlsSetup,
        control::drain::drain,
        limits::{LINGER, Limits, TURN},
        shared::{
            Shared,
            lifecycle::Lifecycle,
            services::{Services, Terms},
        },
    },
    storage::{
        Store,
        root::{Policy, Root},
    },
};

/// A connection to a folder with a few things in it.
pub(super) struct Bench {
    folder: TempDir,
    shared: Arc<Shared>,
    /// Stands for the socket; it is never used.
    socket: Arc<dyn AsFd + Send + Sync>,
    pub(super) events: Arc<Mutex<Vec<Event>>>,
    pub(super) start: Instant,
}

pub(super) fn bench(classic: Option<Dialect>) -> Bench {
    bench_with(classic, Limits { max_per_address: 512, ..Limits::default() })
}

fn bench_with(classic: Option<Dialect>, limits: Limits) -> Bench {
    bench_over(None, classic, limits)
}

/// The same over TLS.
pub(super) fn secure_bench(tls: TlsSetup) -> Bench {
    bench_over(Some(tls), None, Limits { max_per_address: 512, ..Limits::default() })
}

fn bench_over(tls: Option<TlsSetup>, classic: Option<Dialect>, limits: Limits) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tree")).unwrap();
    std::fs::write(folder.path().join("tree/text"), "text ".repeat(200_000)).unwrap();
    std::fs::write(folder.path().join("large"), vec![7; 3_000_000]).unwrap();
    std::fs::write(folder.path().join("small"), b"small").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let events = Arc::clone(&events);
        Arc::new(move |event: &Event| events.lock().unwrap().push(event.clone()))
    };
    let socket = Arc::new(listener.try_clone().unwrap());
    let root = Root::open(folder.path(), Policy::default()).unwrap();
    let (store, tokens) = (Store::Local(root), TokenCheck::new(None));
    let terms = Terms { store, arch: Arch::Select, classic, limits, tls, tokens, local };
    let shared = Shared::new(Services::new(terms, sink), Lifecycle::new(listener));
    Bench { folder, shared: Arc::new(shared), socket, events, start: Instant::now() }
}

impl Bench {
    pub(super) fn connect(&self) -> Connection {
        let weak = Arc::downgrade(&self.socket);
        let peer = ([127, 0, 0, 1], 1).into();
        let entry = self.shared.registry.enter(weak, peer, &self.shared.services.limits, self.start).unwrap();
        Connection::new(Arc::clone(&self.shared), entry, self.start)
    }
}

/// Gives the input, cut into pieces, whenever the connection reads, and the end of the stream after it; takes
/// `appetite` bytes at a time of what it writes. Returns all that it wrote.
pub(super) fn converse(
    connection: &mut Connection,
    input: &[u8],
    cuts: &[usize],
    appetite: usize,
    now: Instant,
) -> Vec<u8> {
    let (mut at, mut cut, mut written) = (0, 0, Vec::new());
    loop {
        match connection.next(now) {
            Want::Write => {
                assert!(connection.output().len() <= TURN + 8 * 1024, "a turn is bounded");
                let count = connection.output().len().min(appetite);
                written.extend_from_slice(&connection.output()[..count]);
                connection.wrote(now, count);
            }
            Want::Read => {
                let length = cuts.get(cut).copied().unwrap_or(usize::MAX).min(input.len() - at).max(1);
                let piece = &input[at..input.len().min(at + length)];
                (at, cut) = (at + piece.len(), cut + 1);
                connection.received(now, piece);
            }
            Want::Run(task) => connection.done(task.run(), now),
            Want::Pause => panic!("there is no limit of bandwidth"),
            Want::Close => return written,
        }
    }
}

/// What the connection wants, after its tasks have run.
fn next(connection: &mut Connection, now: Instant) -> Want {
    loop {
        match connection.next(now) {
            Want::Run(task) => connection.done(task.run(), now),
            want => return want,
        }
    }
}

/// Two tasks are not compared.
impl PartialEq for Want {
    fn eq(&self, other: &Want) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// A `get` of everything.
fn get(path: &str) -> Get {
    Get { path: path.into(), ..Get::default() }
}

fn client(paths: &[&str]) -> Client {
    let mut client = Client::new("test");
    for path in paths {
        client.request(&Request::Stat(Stat { path: (*path).into() }));
        client.request(&Request::Get(get(path)));
    }
    client.goodbye("done");
    client
}

fn requests(paths: &[&str]) -> Vec<u8> {
    client(paths).outgoing().to_vec()
}

/// What a client makes of an answer: its events, and its content without the cuts between frames.
fn understand(paths: &[&str], answer: &[u8]) -> (Vec<String>, Vec<u8>) {
    let (mut client, mut rest) = (client(paths), answer);
    let (mut events, mut content) = (Vec::new(), Vec::new());
    while let (used @ 1.., event) = client.receive(rest).unwrap() {
        match event {
            Some(Came::Data { bytes, .. }) => content.extend_from_slice(bytes),
            Some(event) => events.push(format!("{event:?}")),
            None => {}
        }
        rest = &rest[used..];
    }
    assert_eq!(client.end_of_stream(), Ok(()));
    (events, content)
}

proptest! {
    #![proptest_config(crate::fuzzing::cases(32))]

    /// However the stream is cut, both ways, the answers say the same.
    #[test]
    fn cutting_changes_nothing(
        cuts in prop::collection::vec(1_usize..200, 0..40),
        appetite in 1_000_usize..400_000,
    ) {
        let bench = bench(None);
        let paths = ["small", "large", "absent", "tree"];
        let input = requests(&paths);
        let whole = converse(&mut bench.connect(), &input, &[], usize::MAX, bench.start);
        let cut = converse(&mut bench.connect(), &input, &cuts, appetite, bench.start);
        let same = understand(&paths, &whole) == understand(&paths, &cut);
        prop_assert!(same);
    }

    /// Whatever comes: no panic, an end, and little said.
    #[test]
    fn noise_ends_in_a_close(
        input in prop::collection::vec(any::<u8>(), 0..3_000),
        preamble in any::<bool>(),
        classic in prop::option::of(Just(Dialect::Classic)),
        cuts in prop::collection::vec(1_usize..200, 0..40),
    ) {
        let bench = bench(classic);
        let mut bytes = if preamble { requests(&[]) } else { Vec::new() };
        bytes.extend(input);
        let answer = converse(&mut bench.connect(), &bytes, &cuts, usize::MAX, bench.start);
        prop_assert!(answer.len() < 10_000);
        let events = bench.events.lock().unwrap();
        let ended = matches!(events.last(), Some(Event::Disconnected { .. }));
        prop_assert!(ended);
    }
}

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
    assert_eq!(format!("{:?}", connection.output.out), format!("{:?}", Outgoing::new()));
}

#[test]
fn a_pipeline_of_tiny_requests_is_cut_into_turns() {
    let bench = bench(None);
    let mut connection = bench.connect();
    connection.received(bench.start, &requests(&["small"; 100]));
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let asked =
        bench.events.lock().unwrap().iter().filter(|event| matches!(event, Event::Request { .. })).count();
    assert!(asked < 20, "{asked} requests in one turn");
}

#[test]
fn a_classic_file_that_changes_comes_out_short() {
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

/// A slow peer is told why it is closed, behind what it was being sent.
#[test]
fn too_slow_is_said_behind_what_waits() {
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
    let mut told = None;
    while let (used @ 1.., event) = client.receive(rest).unwrap() {
        rest = &rest[used..];
        if let Some(Came::Failed { request: 0, failure }) = event {
            told = Some(failure.code);
        }
    }
    assert_eq!(told, Some(Code::TooSlow));
    // And it is not waited for for ever.
    connection.timed_out(late + LINGER);
    assert_eq!(next(&mut connection, late + LINGER), Want::Close);
}

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
                tasks.push(connection.output.out.len());
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
                    said += usize::from(matches!(event, Some(Came::Working { .. })));
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

/// A client that asks for it hears of the server while that reads a large folder, and no other client does.
#[test]
fn reading_a_folder_is_said_to_be_work() {
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

/// What was learned of an archive while it was sent, even if not to its end, is not made again.
#[test]
fn an_archive_goes_on_where_it_was() {
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

/// What was hashed while it was sent, or for somebody else, is not read again.
#[test]
fn hashes_that_are_known_cost_no_work() {
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

/// Drives a request until something of its answer is to be written that had to be computed.
fn computed(bench: &Bench, request: &Request) -> Connection {
    let mut connection = bench.connect();
    let mut client = Client::new("test");
    client.request(request);
    connection.received(bench.start, client.outgoing());
    // First what is said of it, then what was computed.
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let count = connection.output().len();
    connection.wrote(bench.start, count);
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    connection
}

/// What a client receives slowly, or not at all, keeps no other one out.
#[test]
fn a_permit_is_held_only_while_something_is_computed() {
    let limits = Limits { max_per_address: 512, max_archives: 1, max_hashing: 1, ..Limits::default() };
    let bench = bench_with(None, limits);
    let other = [192, 0, 2, 1].into();
    let get = |path: &str| Get { path: path.into(), ..get("") };
    let tree = Request::Tree(serde_json::from_str(r#"{"path": "tree"}"#).unwrap());
    for request in [Request::Get(get("tree")), tree, Request::Hashes(get("large"))] {
        let _slow = computed(&bench, &request);
        assert!(bench.shared.services.archives.take(other).is_some(), "{request:?}");
        assert!(bench.shared.services.hashing.take(other).is_some(), "{request:?}");
    }
}

/// An answer that has begun continues when there is a permit again.
#[test]
fn an_answer_that_has_begun_waits_for_its_permit() {
    let bench = bench_with(None, Limits { max_per_address: 512, max_hashing: 1, ..Limits::default() });
    let mut connection = computed(&bench, &Request::Hashes(get("large")));
    let held = bench.shared.services.hashing.take([192, 0, 2, 1].into());
    let count = connection.output().len();
    connection.wrote(bench.start, count);
    assert_eq!(next(&mut connection, bench.start), Want::Pause);
    assert!(connection.deadline() > Some(bench.start));
    drop(held);
    let later = connection.deadline().unwrap();
    assert!(matches!(connection.next(later), Want::Run(_)));
}

/// More of them than fit into an output, or are kept together.
#[test]
fn known_hashes_need_no_permit() {
    const BLOCKS: u64 = 10_000;
    let bench = bench_with(None, Limits { max_per_address: 512, max_hashing: 0, ..Limits::default() });
    let sparse = std::fs::File::create(bench.folder.path().join("sparse")).unwrap();
    sparse.set_len(BLOCKS << 20).unwrap();
    let path = crate::protocol::path::RemotePath::parse("sparse").unwrap();
    let Ok(crate::storage::root::Node::File(source)) = bench.shared.services.open(&path) else {
        panic!("a file")
    };
    let digest = crate::protocol::digest::BlockDigest {
        chaining: crate::protocol::digest::Hash([7; 32]),
        alone: None,
    };
    for index in 0..BLOCKS {
        bench.shared.services.hashes.put(source.identity(), BLOCKS, index, &digest);
    }
    let mut client = Client::new("test");
    client.request(&Request::Hashes(get("sparse")));
    let wanted: crate::protocol::message::WantedFile =
        serde_json::from_str(&format!(r#"{{"path": "sparse", "digest": "{}"}}"#, "0".repeat(64))).unwrap();
    client.request(&Request::Files(crate::protocol::message::Files {
        path: String::new(),
        files: vec![wanted],
        content: false,
        largest: None,
    }));
    client.goodbye("done");
    let answer = converse(&mut bench.connect(), client.outgoing(), &[], usize::MAX, bench.start);
    let (mut rest, mut hashes, mut ended) = (&*answer, 0, 0);
    while let (used @ 1.., event) = client.receive(rest).unwrap() {
        match event {
            Some(Came::Hashes { hashes: some, .. }) => hashes += some.len() as u64,
            Some(Came::Failed { failure, .. } | Came::Missed { failure, .. }) => panic!("{failure:?}"),
            Some(Came::End { .. } | Came::Differs { .. }) => ended += 1,
            _ => {}
        }
        rest = &rest[used..];
    }
    assert_eq!((hashes, ended), (BLOCKS, 2));
}

#[test]
fn little_is_read_after_the_end() {
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

/// An archive is made in as many tasks as it takes.
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
fn a_write_that_fails_because_the_server_was_stopped_is_not_the_clients_doing() {
    let bench = bench(None);
    let mut connection = bench.connect();
    bench.shared.stop();
    connection.after_write(bench.start, Err(ErrorKind::BrokenPipe.into()));
    drop(connection);
    let events = bench.events.lock().unwrap();
    let Some(Event::Disconnected { reason, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(reason.as_str(), "the server was stopped");
}

/// An answer has failed also if its connection ends while a task has it.
#[test]
fn a_connection_that_ends_while_a_task_runs_reports_its_answer() {
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
    assert!(!events.iter().any(|event| matches!(event, Event::Sent { .. })));
}

/// A peer that takes its time over a turn is given small ones; one that does not, large ones.
#[test]
fn little_waits_for_a_slow_peer() {
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
    assert!(first < TURN / 4, "{first} bytes at first");
    let fast = (0..40).map(|_| turn(&mut connection, Duration::from_millis(1))).max();
    assert!(fast >= Some(TURN), "{fast:?} bytes for a fast peer");
    turn(&mut connection, Duration::from_secs(1));
    let slow = turn(&mut connection, Duration::from_secs(1));
    assert!(slow < TURN / 4, "{slow} bytes for a slow peer");
}

/// Serves some connections on a clock of its own until all have had their answers; each takes what it is given at once.
/// Returns when each had written how much, in all.
fn paced(bench: &Bench, path: &str, count: usize) -> Vec<Vec<(Duration, usize)>> {
    let request = requests(&[path]);
    let mut connections: Vec<_> = (0..count).map(|_| Some((bench.connect(), bench.start))).collect();
    let mut written = vec![vec![(Duration::ZERO, 0)]; count];
    for (connection, at) in connections.iter_mut().flatten() {
        connection.received(*at, &request);
    }
    // Whoever may go on first does so, as in a loop with timers.
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
                assert!(due > *now, "a pause is none");
                *now = due;
            }
            Want::Read | Want::Close => connections[next] = None,
        }
    }
    written
}

#[test]
fn a_connection_keeps_to_its_bandwidth() {
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
fn all_connections_share_the_bandwidth_evenly() {
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

/// A peer that is held back by us is not too slow, however long it takes.
#[test]
fn a_pause_is_not_held_against_the_peer() {
    let limits = Limits { rate_each: Some(2_000), min_rate: 1_000_000, ..Limits::default() };
    let bench = bench_with(None, limits);
    let written = paced(&bench, "large", 1);
    assert!(written[0].last().unwrap().1 > 3_000_000);
    let events = bench.events.lock().unwrap();
    assert!(!events.iter().any(|event| matches!(event, Event::Failed { .. })), "{events:?}");
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

/// A slow client reads for long what is in its kernel's buffer, before it requests the next part.
#[test]
fn a_drain_waits_for_the_requests_of_a_transfer() {
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
    assert!(bench.shared.registry.len() == 0, "and leaves nothing behind");
}
