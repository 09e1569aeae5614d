//! Ten thousand idle connections, or as many as the descriptors of this machine allow: a server still serves the next one.
//! In a separate process, because it uses all descriptors.

use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::shared::{
    alone::alone,
    program::{Home, Service},
};

/// Connections.
const CONNECTIONS: u64 = 10_000;
/// Connections of a server with a thread for each.
const THREADS: u64 = 2_000;
/// Descriptors that each side needs for other things.
const OTHERS: u64 = 200;

/// Raises the limit on descriptors of this process, and of those that it starts, and says how many connections it allows.
fn connections() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(CONNECTIONS + OTHERS);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }).expect("within the hard limit");
    let count = most.saturating_sub(OTHERS);
    if count < CONNECTIONS {
        eprintln!("only {count} connections, because a process may have no more than {most} descriptors");
    }
    count
}

/// Fetches a file as an ordinary client.
fn fetch(home: &Home, service: &Service) {
    let outcome = home.line(&format!("-q --no-sync --overwrite -d got {}", service.at("file")));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(std::fs::read(home.path().join("got/file")).expect("fetched") == [7; 300_000]);
}

fn beside(arch: &str, count: u64) {
    let home = Home::new();
    home.write("served/file", [7; 300_000]);
    home.write(
        "settings.toml",
        format!(
            "[server]\nmax_connections = {}\nmax_per_address = {0}\nhandshake_timeout = 600\n",
            count + 10
        ),
    );
    let options = format!("--config {} --arch {arch}", home.path().join("settings.toml").display());
    let service = Service::start(&home, &home.path().join("served"), &options);
    let connect = |_| TcpStream::connect(("127.0.0.1", service.port)).expect("connected");
    let idle: Vec<_> = (0..count).map(connect).collect();
    fetch(&home, &service);
    drop(idle);
    fetch(&home, &service);
}

/// One after the other: each uses all descriptors. The single-threaded server serves one connection at a time.
#[test]
fn idle_connections_do_not_prevent_downloads() {
    if !alone("ten_thousand::idle_connections_do_not_prevent_downloads", |_| {}) {
        return;
    }
    let count = connections();
    for (arch, most) in [("select", CONNECTIONS), ("async", CONNECTIONS), ("threads", THREADS)] {
        beside(arch, count.min(most));
    }
}
