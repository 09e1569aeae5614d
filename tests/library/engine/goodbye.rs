//! A server that drains sends a goodbye, and the client resumes after its restart.

use std::{sync::Arc, time::Duration};

use fdsp::server::{self, Arch, Command, Limits};

use crate::engine::support::{Client, MIB, Served, config, content};

#[test]
fn a_download_resumes_when_the_server_restarts() {
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let limits =
            Limits { drain: Duration::from_millis(200), rate: Some(20_000_000), ..Limits::default() };
        let served = Served::with(arch, None, limits);
        let bytes = content(20 * MIB, 1);
        served.write("large", &bytes);
        let address = served.at();
        let mut client = Client::new(fdsp::client::Config { retries: 30, segments: 1, ..config() });
        let id = client.add(client.job(address, "large"));
        client.verified(id, 3 * MIB as u64);
        let Served { folder, server } = served;
        server.command(Command::Drain);
        server.join().unwrap();
        let again = server::Config { arch, port: address.port(), ..server::Config::local(folder.path()) };
        let _next = server::start(again, Arc::new(|_| {})).unwrap();
        let finished = client.end(id).unwrap();
        assert!(std::fs::read(&finished.path).unwrap() == bytes, "{arch}");
        let twice = finished.transferred - finished.bytes;
        assert!(twice <= 1, "{arch}: {twice} bytes were received twice");
    }
}

/// A client without a running request gets the goodbye, too, and does not count it as a lost connection.
#[test]
fn a_goodbye_on_an_idle_connection_is_not_reported() {
    let served = Served::new();
    served.write("a", b"a");
    served.write("b", b"b");
    let address = served.at();
    let mut client = Client::quick();
    client.get(address, "a").unwrap();
    let Served { folder, server } = served;
    server.command(Command::Drain);
    server.join().unwrap();
    let again = server::Config { port: address.port(), ..server::Config::local(folder.path()) };
    let _next = server::start(again, Arc::new(|_| {})).unwrap();
    client.get(address, "b").unwrap();
    assert_eq!(client.retries(), 0);
}
