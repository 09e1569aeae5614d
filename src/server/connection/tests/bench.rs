//! A connection without a socket, on virtual time, and the client of it.

use std::{
    net::TcpListener,
    os::fd::AsFd,
    sync::{Arc, Mutex, Weak},
    time::Instant,
};

use tempfile::TempDir;

use crate::{
    protocol::{
        classic::Dialect,
        client::{Client, Event as Received, Request},
        message::{Get, List, Stat},
    },
    server::{
        access::{host_names::HostNames, token_check::TokenCheck},
        api::{arch::Arch, event::Event},
        certificate::TlsSetup,
        connection::{Connection, Want},
        limits::{Limits, MAX_OUTPUT},
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

/// A connection to a folder with a few files.
pub(crate) struct Bench {
    pub folder: TempDir,
    pub shared: Arc<Shared>,
    /// Also stands for the sockets of connections, which are never used.
    pub listener: Arc<TcpListener>,
    pub events: Arc<Mutex<Vec<Event>>>,
    pub start: Instant,
}

pub(crate) fn bench(classic: Option<Dialect>) -> Bench {
    bench_with(classic, Limits { max_per_address: 512, ..Limits::default() })
}

pub(crate) fn bench_with(classic: Option<Dialect>, limits: Limits) -> Bench {
    bench_over(None, classic, limits)
}

/// The same over TLS.
pub(crate) fn secure_bench(tls: TlsSetup) -> Bench {
    bench_over(Some(tls), None, Limits { max_per_address: 512, ..Limits::default() })
}

pub(crate) fn bench_over(tls: Option<TlsSetup>, classic: Option<Dialect>, limits: Limits) -> Bench {
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
    let own = Arc::new(listener.try_clone().unwrap());
    let root = Root::open(folder.path(), Policy::default()).unwrap();
    let (store, tokens) = (Store::Local(root), TokenCheck::new(None));
    let hosts = HostNames::new("localhost", &[]);
    let response_headers = Vec::new();
    let terms =
        Terms { store, arch: Arch::Select, classic, limits, tls, tokens, local, hosts, response_headers };
    let shared = Shared::new(Services::new(terms, sink), Lifecycle::new(listener));
    Bench { folder, shared: Arc::new(shared), listener: own, events, start: Instant::now() }
}

impl Bench {
    pub fn connect(&self) -> Connection {
        let listener: Weak<TcpListener> = Arc::downgrade(&self.listener);
        self.connect_over(listener)
    }

    /// A connection that asks this socket whether its peer is still there.
    pub fn connect_over(&self, socket: Weak<dyn AsFd + Send + Sync>) -> Connection {
        let peer = ([127, 0, 0, 1], 1).into();
        let entry =
            self.shared.registry.enter(socket, peer, &self.shared.services.terms.limits, self.start).unwrap();
        Connection::new(Arc::clone(&self.shared), entry, self.start)
    }

    /// How many events of this kind there were.
    pub fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events.lock().unwrap().iter().filter(|event| which(event)).count()
    }
}

/// Gives the input, cut into pieces, whenever the connection reads, and the end of the stream after it; takes
/// `appetite` bytes at a time of what it writes. Returns all that it wrote.
pub(crate) fn converse(
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
                assert!(connection.output().len() <= MAX_OUTPUT + 8 * 1024, "a turn is bounded");
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

/// What the connection needs, after its tasks have run.
pub(crate) fn next(connection: &mut Connection, now: Instant) -> Want {
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
pub(crate) fn get(path: &str) -> Get {
    Get { path: path.into(), ..Get::default() }
}

pub(crate) fn list(path: &str) -> Request {
    Request::List(List { path: path.into(), limit: Some(1), ..List::default() })
}

pub(crate) fn asking(requests: &[Request]) -> Client {
    let mut client = Client::new("test");
    for request in requests {
        client.request(request);
    }
    client
}

/// Reads the answers to all requests.
pub(crate) fn read_answers(client: &mut Client, mut bytes: &[u8]) -> Vec<String> {
    let mut events = Vec::new();
    while let (used @ 1.., event) = client.receive(bytes).unwrap() {
        events.extend(event.map(|event| match event {
            Received::Failed { failure, .. } => failure.code.to_string(),
            event => format!("{event:?}"),
        }));
        bytes = &bytes[used..];
    }
    events
}

pub(crate) fn client(paths: &[&str]) -> Client {
    let mut client = Client::new("test");
    for path in paths {
        client.request(&Request::Stat(Stat { path: (*path).into() }));
        client.request(&Request::Get(get(path)));
    }
    client.goodbye("done");
    client
}

pub(crate) fn requests(paths: &[&str]) -> Vec<u8> {
    client(paths).outgoing().to_vec()
}
