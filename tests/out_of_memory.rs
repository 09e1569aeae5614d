//! When there is no memory to be had: the server goes on with those it has, says so, and takes new clients as soon as it can.

#[allow(dead_code, reason = "each suite uses its part")]
mod frames;
mod program;

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpStream},
};

use program::{Home, Running, at};
use serde_json::json;

/// Bytes that it may take beside what it has when it listens.
const MORE: u64 = 8 << 20;
/// More clients than it has memory for.
const CLIENTS: usize = 64;

/// Starts a server with so much address space, and waits until it listens: its address and port.
fn serve(home: &Home, arch: &str, space: u64) -> (Running, String, u16) {
    let space = (space / 1024).to_string();
    let limited = ["-c", "ulimit -v $0 && exec \"$@\"", &space, env!("CARGO_BIN_EXE_tui")];
    let options = ["--serve", "--json", "--plain", "--arch", arch, "-P", "0", "served"];
    let mut server = Running::start(home.other("sh", limited.into_iter().chain(options)));
    let listening = server.stdout().event("listening");
    let address = listening["address"].as_str().expect("an address").to_owned();
    let port = listening["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    (server, address, port)
}

/// Questions with long answers, of which nobody reads one.
fn questions() -> Vec<u8> {
    let ask = |number| frames::json(0x03, number, &json!({"path": "many"}));
    let hello = frames::json(0x01, 0, &json!({"agent": "many"}));
    [frames::PREAMBLE.to_vec(), hello, (1..=50).flat_map(ask).collect()].concat()
}

fn runs_out(home: &Home, arch: &str) {
    // With a limit that is none, to learn what it has under one.
    let own = serve(home, arch, 1 << 40).0.address_space();
    let (mut server, address, port) = serve(home, arch, own + MORE);
    let mut warnings = server.stderr();
    let questions = questions();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the kernel accepts");
            // Who is not taken is told so by a reset.
            let _ = client.write_all(&questions);
            client
        })
        .collect();
    while warnings.next() != "warning: new clients have to wait: out of memory" {}
    drop(clients);

    let outcome = home.run(["-q", "--plain", "-d", arch, &at(&address, "file")]);
    assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
    assert_eq!(fs::read(home.path().join(arch).join("file")).expect("fetched"), b"content", "{arch}");
}

#[test]
fn memory_runs_out_and_comes_back() {
    let home = Home::new();
    home.write("served/file", "content");
    for number in 0..1000 {
        home.write(&format!("served/many/{number:050}"), "");
    }
    for arch in ["threads", "select", "async"] {
        runs_out(&home, arch);
    }
}
