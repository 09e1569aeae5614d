//! The program without a screen: events, exit codes and signals of both ends, on all four architectures.

mod client;
mod demo;
mod errors;
mod hooks;
mod server;

use std::path::Path;

use serde_json::Value;

use crate::shared::program::{self, Home, Lines, Running, Service};

const ARCHITECTURES: [&str; 4] = ["single", "threads", "select", "async"];

/// Bytes that do not repeat and cannot be deflated.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A home with a folder to serve and one to fetch into.
fn home() -> Home {
    let home = Home::new();
    home.write("served/a b.bin", noise(3_500_000)).write("served/empty", "");
    home.write("served/dir/x.txt", "x".repeat(100_000))
        .write("served/dir/sub/ü.txt", "ü")
        .write("got/.keep", "");
    std::fs::create_dir(home.path().join("served/dir/nothing")).expect("made");
    home
}

fn serve(home: &Home, options: &str) -> Service {
    Service::start(home, &home.path().join("served"), options)
}

fn b3sum(path: &Path) -> String {
    blake3::hash(&std::fs::read(path).expect("read")).to_hex().to_string()
}

/// On a machine without IPv4 and without a default route, and to a link-local address.
#[test]
fn link_local_addresses_are_printed_and_reached_with_their_zone() {
    let home = home();
    let run = |script: &str| {
        let tui = env!("CARGO_BIN_EXE_tui");
        let command = home.other("unshare", ["-rn", "sh", "-ec", script, tui]).spawn();
        command.map(program::finish)
    };
    let interface = "ip link set lo up; ip link add fdsp0 type veth peer name fdsp1
        ip link set fdsp1 up; ip link set fdsp0 up
        ip addr add fd00:1::7/64 dev fdsp0 nodad; ip addr add fe80::7/64 dev fdsp0 nodad";
    if !run(interface).is_ok_and(|outcome| outcome.code == 0) {
        println!("skipped: no network namespace can be made here");
        return;
    }
    let script = r#"
        mkfifo events others
        "$0" --serve -H :: -P 7878 --public --json served >events & server=$!
        exec 3<events; read -r listening <&3; echo "$listening"
        "$0" -q --accept-new -H fe80::7%fdsp0 -d got empty
        "$0" -q -d got "fdsp://[fe80::7%25fdsp0]:7878/dir/x.txt"
        kill $server
        "$0" --serve -H fe80::7%fdsp0 -P 7879 --public --json served >others & server=$!
        exec 4<others; read -r listening <&4; echo "$listening"
        kill $server"#;
    let outcome = run(&format!("{interface}\n{script}")).expect("it starts");
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let [all, one] = outcome.objects().try_into().expect("two servers");
    let address = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert!(address(&all["address"]).starts_with("fdsp://[fd00:1::7]:7878/#"), "{all}");
    assert_eq!(all["others"], serde_json::json!([]), "no link-local one where there is another");
    assert!(address(&one["address"]).starts_with("fdsp://[fe80::7%25fdsp0]:7879/#"), "{one}");
    for file in ["got/empty", "got/x.txt"] {
        assert!(home.path().join(file).exists(), "{file}: {outcome:#?}");
    }
}

/// A client with a low rate that has begun to receive content.
fn slow_client(home: &Home, service: &Service) -> (Running, Lines) {
    let mut client =
        Running::start(home.command(["--json", "--limit", "200k", "-d", "got", &service.at("a%20b.bin")]));
    let mut lines = client.stdout();
    lines.event("progress");
    (client, lines)
}

#[test]
fn classic_files_are_served_and_fetched() {
    let home = home();
    for (arch, dialect) in
        [("single", "classic"), ("threads", "classic"), ("select", "classic-select"), ("async", "classic")]
    {
        let service = serve(&home, &format!("--arch {arch} --classic"));
        let folder = format!("got/{arch}");
        home.write(&format!("{folder}/.keep"), "");
        let port = service.port.to_string();
        let path = ["-H", "127.0.0.1", "-P", &port, "a b.bin"];
        let options = ["--json", "--protocol", dialect, "-d", &folder];
        let outcome = home.run([&options[..], &path].concat());
        assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
        assert_eq!(
            std::fs::read(home.path().join(folder).join("a b.bin")).expect("fetched"),
            noise(3_500_000)
        );
    }
}

#[test]
fn client_and_server_write_log_files() {
    let home = home();
    let service = serve(&home, "");
    assert_eq!(home.run(["-q", "--log-file", "c.log", "-d", "got", &service.at("empty")]).code, 0);
    let log = std::fs::read_to_string(home.path().join("c.log")).expect("a log");
    assert!(log.lines().any(|line| line.contains("INFO") && line.contains("empty")), "{log}");
    let folder = home.path().join(".local/state/fdsp");
    let names: Vec<_> =
        std::fs::read_dir(folder).expect("listed").flatten().map(|it| it.file_name()).collect();
    let logs = names.iter().filter(|name| name.as_encoded_bytes().ends_with(b".log")).count();
    assert_eq!(logs, 1, "the server's, of today: {names:?}");
}
