//! Unreachable and busy servers: their jobs wait, and an attempt that reached no server fails no job.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fdsp::{
    client::{Change, Command, Config, Event, JobId, JobState, SavedJob, Trouble, TroubleKind, resume},
    protocol::{error::Code, message::Failure},
};
use socket2::{Domain, Socket, Type};

use crate::engine::{
    scripted::{answer, file, listen},
    support::{Client, MIB, Served, config, content},
};

/// A reserved port on which no server listens yet.
struct Absent(Socket);

impl Absent {
    fn new() -> Absent {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Absent(socket)
    }

    fn at(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    /// Makes the server reachable on this port.
    fn arrive(self, server: SocketAddr) {
        self.0.listen(128).unwrap();
        let listener = TcpListener::from(self.0);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || pass(stream, server));
            }
        });
    }
}

/// Forwards bytes in both directions until both ends close.
fn pass(client: TcpStream, server: SocketAddr) {
    let server = TcpStream::connect(server).unwrap();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (back, forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || copy(server, back));
    copy(client, forth);
}

fn served() -> Served {
    let served = Served::new();
    for name in ["a", "b", "c"] {
        served.write(name, &content(3000, 1));
    }
    served
}

/// Queues files of a server with one command.
fn add<const COUNT: usize>(client: &mut Client, at: SocketAddr, names: [&str; COUNT]) -> [JobId; COUNT] {
    let jobs = names.map(|name| client.job(at, name)).to_vec();
    client.engine.command(Command::Add(jobs));
    names.map(|_| {
        client.wait("a job in the queue", |event| match event {
            Event::Queued { id, .. } => Some(*id),
            _ => None,
        })
    })
}

/// Waits until a server is reported as unreachable. Returns the reason.
fn unreachable(client: &mut Client) -> String {
    client.wait("an outage", |event| match event {
        Event::Unreachable { reason, .. } => Some(reason.to_string()),
        _ => None,
    })
}

/// The number of reported outages, and of their ends.
fn outages(client: &Client) -> (usize, usize) {
    let count = |which: fn(&Event) -> bool| client.seen.iter().filter(|event| which(event)).count();
    (
        count(|event| matches!(event, Event::Unreachable { .. })),
        count(|event| matches!(event, Event::Reachable { .. })),
    )
}

fn ends(client: &mut Client, jobs: &[JobId]) -> Vec<Result<(), Trouble>> {
    let mut ended: Vec<_> = jobs.iter().map(|_| None).collect();
    while ended.contains(&None) {
        let (id, result) = client.wait("the ends", |event| match event {
            Event::Done { id, .. } => Some((*id, Ok(()))),
            Event::Failed { id, trouble, .. } => Some((*id, Err(trouble.clone()))),
            _ => None,
        });
        let place = jobs.iter().position(|job| *job == id).unwrap();
        ended[place] = Some(result);
    }
    ended.into_iter().flatten().collect()
}

#[test]
fn jobs_resume_when_their_server_is_reachable_again() {
    let (served, absent) = (served(), Absent::new());
    let at = absent.at();
    let mut client = Client::new(Config { retries: 0, jobs: 2, ..config() });
    let jobs = add(&mut client, at, ["a", "b", "c"]);
    let reason = unreachable(&mut client);
    assert_eq!(reason, format!("cannot connect to {at}: connection refused"));
    // All jobs wait for the server, also those that were never started.
    let waits = |id| match client.state(id) {
        JobState::Unreachable { reason: why, .. } => why.as_str() == reason,
        JobState::Connecting => false,
        state => panic!("{state:?}"),
    };
    while !jobs.iter().all(|id| waits(*id)) {
        thread::yield_now();
    }
    assert_eq!(client.engine.snapshot(0..9).totals.waiting, 3);
    absent.arrive(served.at());
    // A user who retries at once.
    client.engine.command(Command::Retry(vec![jobs[2]]));
    assert_eq!(ends(&mut client, &jobs), [Ok(()), Ok(()), Ok(())]);
    assert_eq!((client.retries(), outages(&client)), (0, (1, 1)));
}

#[test]
fn an_unreachable_server_does_not_delay_jobs_of_others() {
    let (served, absent) = (served(), Absent::new());
    let mut client = Client::new(Config { jobs: 1, ..config() });
    let away = client.add(client.job(absent.at(), "a"));
    client.get(served.at(), "b").unwrap();
    client.get(served.at(), "c").unwrap();
    while !matches!(client.state(away), JobState::Unreachable { .. }) {
        thread::yield_now();
    }
}

#[test]
fn waiting_jobs_fail_after_the_maximum_wait() {
    let absent = Absent::new();
    let retry_max_time = Some(Duration::from_millis(300));
    let mut client = Client::new(Config { jobs: 1, retry_max_time, ..config() });
    let start = Instant::now();
    let jobs = add(&mut client, absent.at(), ["a", "b"]);
    for ended in ends(&mut client, &jobs) {
        let trouble = ended.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Connection);
        assert!(trouble.message.as_str().contains("connection refused (tried for "), "{trouble}");
    }
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!((client.retries(), outages(&client)), (0, (1, 0)));
}

#[test]
fn jobs_that_wait_for_a_server_can_be_paused_resumed_and_cancelled() {
    let (served, absent) = (served(), Absent::new());
    let mut client = Client::new(Config { retries: 0, ..config() });
    let [a, b] = add(&mut client, absent.at(), ["a", "b"]);
    unreachable(&mut client);
    client.engine.command(Command::Pause(vec![a, b]));
    client.changed(b, Change::Paused);
    absent.arrive(served.at());
    client.engine.command(Command::Cancel(vec![b]));
    client.changed(b, Change::Cancelled);
    client.engine.command(Command::Resume(vec![a]));
    client.end(a).unwrap();
    assert_eq!(client.names(), ["a"]);
}

/// A proxy that accepts connections for the server.
#[test]
fn a_silent_server_that_answered_before_counts_as_unreachable() {
    let served = served();
    served.write("big", &content(3 * MIB, 2));
    let server = served.at();
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    let at = listen(move |number, stream| {
        connections.fetch_add(1, Ordering::Relaxed);
        match number {
            // The connection breaks within the second block, and then the server is unreachable for a while.
            0 => {
                let server = TcpStream::connect(server).unwrap();
                let (mut back, mut forth) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
                let mut up = stream.try_clone().unwrap();
                thread::spawn(move || io::copy(&mut up, &mut forth));
                let _ = io::copy(&mut io::Read::take(server, 3 << 19), &mut back);
                let _ = stream.shutdown(Shutdown::Both);
            }
            1..3 => drop(stream),
            _ => pass(stream, server),
        }
    });
    let mut client = Client::new(Config { retries: 1, segments: 1, ..config() });
    client.get(at, "big").unwrap();
    assert_eq!((client.retries(), outages(&client)), (0, (1, 1)), "{:#?}", client.seen);
    assert!(count.load(Ordering::Relaxed) >= 4);
}

/// The next run resumes a queue while the server is unreachable.
#[test]
fn a_resumed_queue_waits_for_its_server() {
    let (served, at) = (served(), listen(|_, stream| drop(stream)));
    drop(served);
    let client = Client::quick();
    let left = SavedJob { size: Some(3000), received: 1, ..client.job(at, "a").into() };
    let (engine, mut events) = resume(Config { retries: 0, ..config() }, vec![left]).unwrap();
    let outage = std::iter::from_fn(|| events.blocking_recv())
        .find(|event| matches!(event, Event::Unreachable { .. } | Event::Failed { .. }));
    assert!(matches!(outage, Some(Event::Unreachable { .. })), "{outage:?}");
    drop(engine);
}

fn busy(retry_after: Option<u32>) -> Failure {
    Failure { code: Code::Busy, message: "busy".into(), path: None, retry_after }
}

#[test]
fn a_busy_answer_does_not_count_as_an_attempt() {
    let asked = AtomicUsize::new(0);
    let at = answer(move |session, id, get| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => session.refuse(id, &busy(None)),
        _ => session.send(id, &get, &file("a", 3), b"abc"),
    });
    let mut client = Client::new(Config { retries: 0, ..config() });
    client.get(at, "a").unwrap();
    let attempts: Vec<_> = client
        .seen
        .iter()
        .filter_map(|event| match event {
            Event::Retry { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [0]);
}

#[test]
fn a_server_that_is_always_busy_fails_the_job_after_the_maximum_wait() {
    let at = answer(|session, id, _| session.refuse(id, &busy(Some(3600))));
    let retry_max_time = Some(Duration::from_millis(200));
    let mut client = Client::new(Config { retries: 0, retry_max_time, ..config() });
    let trouble = client.get(at, "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("(tried for "), "{trouble}");
}
