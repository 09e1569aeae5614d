//! The memory of an idle connection of a server without a thread for it. In a separate process,
//! whose memory is measured.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use fdsp::{
    protocol::client::{Client, Event as Incoming, Request},
    server::{self, Arch, Certificate, Config, Limits, Server},
};

use crate::shared::{alone::alone, effort, secure::Secure};

const MAX_WAIT: Duration = Duration::from_secs(60);
/// No deadline of the server passes in a test.
const LONG: Duration = Duration::from_secs(600);

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn serve(arch: Arch, tls: bool, folder: &std::path::Path) -> Server {
    let config = Config {
        arch,
        identity: tls.then_some(Certificate::Temporary),
        limits: Limits {
            max_connections: 2000,
            max_per_address: 2000,
            handshake: LONG,
            idle: LONG,
            ..Limits::default()
        },
        ..Config::local(folder.to_owned())
    };
    server::start(config, Arc::new(|_| {})).unwrap()
}

/// A connection, with TLS or without.
trait Connected: Read + Write {}

impl<T: Read + Write> Connected for T {}

/// Fetches `file` and keeps the connection. Counts the content and drops it.
fn fetch(server: &Server, tls: bool, buffer: &mut [u8]) -> (Box<dyn Connected>, u64) {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(MAX_WAIT)).unwrap();
    let mut stream: Box<dyn Connected> = match tls {
        true => Box::new(Secure::new(stream, &[b"fdsp/1"])),
        false => Box::new(stream),
    };
    let mut client = Client::new("test");
    client.request(&Request::Get(fdsp::protocol::message::Get { path: "file".into(), ..Default::default() }));
    stream.write_all(client.outgoing()).unwrap();
    let mut content = 0;
    loop {
        let count = stream.read(buffer).unwrap();
        assert!(count > 0, "closed");
        let mut rest = &buffer[..count];
        while let (used @ 1.., event) = client.receive(rest).unwrap() {
            match event {
                Some(Incoming::Data { bytes, .. }) => content += bytes.len() as u64,
                Some(Incoming::End { .. }) => return (stream, content),
                Some(Incoming::Failed { failure, .. }) => panic!("{failure:?}"),
                _ => {}
            }
            rest = &rest[used..];
        }
    }
}

#[test]
fn idle_connections_take_little_memory() {
    if !alone("footprint::idle_connections_take_little_memory", |_| {}) {
        return;
    }
    let count: u64 = effort::at_most(100, 400);
    const SIZE: u64 = 2 << 20;
    for (arch, tls) in [Arch::Select, Arch::Async].into_iter().flat_map(|arch| [(arch, false), (arch, true)])
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::File::create(folder.path().join("file")).unwrap().set_len(SIZE).unwrap();
        let server = serve(arch, tls, folder.path());
        let mut buffer = vec![0; 256 * 1024];
        // Memory that is allocated once.
        let mut connections = vec![fetch(&server, tls, &mut buffer).0];
        let before = resident();
        // Each has had a transfer that is larger than its buffers, so that buffers which it keeps would be measured.
        for _ in 0..count {
            let (stream, content) = fetch(&server, tls, &mut buffer);
            assert_eq!(content, SIZE);
            connections.push(stream);
        }
        let start = Instant::now();
        while server.snapshot(0..0).live < connections.len() {
            assert!(start.elapsed() < MAX_WAIT);
            std::thread::sleep(Duration::from_millis(2));
        }
        let each = resident().saturating_sub(before) / count;
        println!("{arch:?}, TLS {tls}: {each} bytes for each idle connection");
        assert!(each < 64 * 1024, "{arch:?}, TLS {tls}: {each} bytes for each idle connection");
    }
}
