//! When there is no memory to be had: the server goes on with those it has, says so, and takes new clients as soon as it can.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpStream},
};

use crate::shared::{
    frames,
    program::{Home, Running, at, finish},
};
use serde_json::json;

/// More clients than it has memory for.
const CLIENTS: usize = 600;

/// What the system may limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Space,
    Data,
}

/// Starts a server with so many bytes, and waits until it listens: its address and port. `None` if it may not have as many.
fn serve(home: &Home, arch: &str, limit: Limit, bytes: u64) -> Option<(Running, String, u16)> {
    let option = if limit == Limit::Space { "-v" } else { "-d" };
    let set = format!("ulimit {option} {} || exit 99", bytes / 1024);
    if finish(home.other("sh", ["-c", &set]).spawn().expect("a shell")).code == 99 {
        return None;
    }
    let limited = ["-c", &format!("{set}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_tui")];
    let options = format!(
        "--serve --json --plain --max-connections 1000 --max-per-address 1000 --arch {arch} -P 0 served"
    );
    let mut server = Running::start(home.other("sh", limited.into_iter().chain(options.split(' '))));
    let listening = server.stdout().event("listening");
    let address = listening["address"].as_str().expect("an address").to_owned();
    let port = listening["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    Some((server, address, port))
}

/// Questions with long answers, of which nobody reads one.
fn questions() -> Vec<u8> {
    let ask = |number| frames::json(0x03, number, &json!({"path": "many"}));
    let hello = frames::json(0x01, 0, &json!({"agent": "many"}));
    [frames::PREAMBLE.to_vec(), hello, (1..=50).flat_map(ask).collect()].concat()
}

fn runs_out(home: &Home, arch: &str, limit: Limit) {
    // To start, it wants as much as the heaps of its threads take for a moment; and with a thread for each connection, one is
    // taken only as long as there is address space for its heap.
    let more = if limit == Limit::Space { 192 << 20 } else { 8 << 20 };
    // With a limit that is none, to learn what it has under one.
    let Some((mut server, ..)) = serve(home, arch, limit, 1 << 40) else {
        return println!("skipped: {limit:?} is limited already");
    };
    let own = if limit == Limit::Space { server.address_space() } else { server.data() };
    drop(server);
    let (mut server, address, port) = serve(home, arch, limit, own + more).expect("less than before");
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

    let got = format!("{arch} {limit:?}");
    let outcome = home.run(["-q", "--plain", "-d", &got, &at(&address, "file")]);
    assert_eq!(outcome.code, 0, "{got}: {outcome:#?}");
    assert_eq!(fs::read(home.path().join(&got).join("file")).expect("fetched"), b"content", "{got}");
    if limit == Limit::Data {
        let refused = loop {
            let outcome = home.run([
                "-q",
                "--plain",
                "--retries",
                "0",
                "--retry-max-time",
                "0.1",
                "-d",
                &got,
                &at(&address, "many"),
            ]);
            // As long as some of the crowd are still about to leave, not everybody is taken.
            if !outcome.stderr.contains("was lost") {
                break outcome;
            }
        };
        assert!(refused.is_one_sentence().contains("busy"), "{got}: {refused:#?}");
    }
}

#[test]
fn memory_runs_out_and_comes_back() {
    let home = Home::new();
    home.write("served/file", "content");
    for number in 0..1000 {
        home.write(&format!("served/many/{number:050}"), "");
    }
    for limit in [Limit::Space, Limit::Data] {
        for arch in ["threads", "select", "async"] {
            runs_out(&home, arch, limit);
        }
    }
}
