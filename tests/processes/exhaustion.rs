//! A server without free descriptors keeps serving its connections, logs it once, does not spin, and accepts
//! new clients as soon as it can. In a separate process, because the limit holds for all of it.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::FileExt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fdsp::{
    protocol::client::{Client, Event as Incoming, Request},
    server::{self, Arch, Config, Event},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::shared::alone::alone;

const MAX_WAIT: Duration = Duration::from_secs(60);

/// Fetches `file` on a new connection.
fn fetch(stream: &mut TcpStream) -> Vec<u8> {
    let mut client = Client::new("test");
    client.request(&Request::Get(fdsp::protocol::message::Get { path: "file".into(), ..Default::default() }));
    stream.write_all(client.outgoing()).unwrap();
    let (mut buffer, mut content) = (vec![0; 64 * 1024], Vec::new());
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed");
        let mut rest = &buffer[..count];
        while let (used @ 1.., event) = client.receive(rest).unwrap() {
            match event {
                Some(Incoming::Data { bytes, .. }) => content.extend_from_slice(bytes),
                Some(Incoming::End { .. }) => return content,
                Some(Incoming::Failed { failure, .. }) => panic!("{failure:?}"),
                _ => {}
            }
            rest = &rest[used..];
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(MAX_WAIT)).unwrap();
    stream
}

/// CPU time of this process, from its `stat` file, which was opened before.
fn cpu_time(stat: &File) -> Duration {
    let mut buffer = [0; 1024];
    let count = stat.read_at(&mut buffer, 0).unwrap();
    let text = str::from_utf8(&buffer[..count]).unwrap();
    let fields: Vec<_> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn runs_out(arch: Arch) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"content").unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let events = Arc::clone(&events);
        Arc::new(move |event: &Event| events.lock().unwrap().push(event.clone()))
    };
    let warnings =
        || events.lock().unwrap().iter().filter(|event| matches!(event, Event::Warning { .. })).count();
    let config = Config { arch, ..Config::local(folder.path().to_owned()) };
    let server = server::start(config, sink).unwrap();
    let mut first = connect(server.local_addr());
    assert_eq!(fetch(&mut first), b"content");

    // From here on no descriptor is free. A thread that waits in `accept` has reserved the next one already, so
    // two clients connect; the single-threaded server accepts after the first one has closed.
    let stat = File::open("/proc/self/stat").unwrap();
    let sockets = [(); 2].map(|()| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit }).unwrap();
    let others = sockets.map(|socket| {
        socket.connect(&server.local_addr().into()).unwrap();
        socket.set_read_timeout(Some(MAX_WAIT)).unwrap();
        TcpStream::from(socket)
    });
    drop(first);
    let start = Instant::now();
    while warnings() == 0 {
        assert!(start.elapsed() < MAX_WAIT, "{arch:?} says nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (before, start) = (cpu_time(&stat), Instant::now());
    std::thread::sleep(Duration::from_millis(1500));
    let spent = cpu_time(&stat) - before;
    assert!(spent < start.elapsed() / 4, "{arch:?} spins: {spent:?}");
    assert_eq!(warnings(), 1, "{arch:?} says it once an interval");

    // And it recovers by itself.
    setrlimit(Resource::Nofile, limit).unwrap();
    for mut other in others {
        assert_eq!(fetch(&mut other), b"content", "{arch:?}");
    }
}

/// One after the other: the limit is that of the process.
#[test]
fn a_server_without_free_descriptors_recovers() {
    if !alone("exhaustion::a_server_without_free_descriptors_recovers", |_| {}) {
        return;
    }
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        runs_out(arch);
    }
}
