//! The server: its events, and the signals that stop it.

use rustix::process::Signal;
use serde_json::Value;

use super::{ARCHITECTURES, home, serve, slow_client};
use crate::shared::program::Running;

#[test]
fn a_server_prints_its_events_in_order() {
    let home = home();
    for arch in ARCHITECTURES {
        let mut service = serve(&home, &format!("--arch {arch}"));
        assert_eq!(home.run(["-q", "-d", "got", "--overwrite", &service.at("empty")]).code, 0);
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != "disconnected") {
            let object: Value = serde_json::from_str(&service.lines.next()).expect("an object");
            names.push(object["event"].as_str().expect("a name").to_owned());
        }
        names.retain(|name| name != "request");
        assert_eq!(names, ["connected", "sent", "disconnected"], "{arch}");
    }
}

#[test]
fn a_server_drains_at_sigterm() {
    let home = home();
    for arch in ARCHITECTURES {
        let mut service = serve(&home, &format!("--arch {arch}"));
        service.process.signal(Signal::TERM);
        assert_eq!(service.process.end().code, 0, "{arch}");
        assert!(std::net::TcpStream::connect(("127.0.0.1", service.port)).is_err(), "{arch} listens no more");
    }
}

#[test]
fn a_second_signal_stops_a_server_at_once() {
    let home = home();
    for arch in ARCHITECTURES {
        let mut service = serve(&home, &format!("--arch {arch}"));
        let (_client, _lines) = slow_client(&home, &service);
        service.process.signal(Signal::TERM);
        service.process.signal(Signal::INT);
        // The second signal differs: two equal ones at once could be merged.
        assert_eq!(service.process.end().code, 0, "{arch}");
    }
}

/// Until the end of a server, its lines on stdout and what it wrote to stderr.
fn whole_run(options: &[&str]) -> (Vec<String>, String) {
    let home = home();
    let mut command = home.command(["--serve", "-P", "0", "--plain"]);
    command.args(options).arg("served").env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
    let mut server = Running::start(command);
    let mut lines = server.stdout();
    let first = lines.next();
    let port = first.rsplit(':').next().unwrap_or_default().trim_end_matches('/').to_owned();
    let address = match serde_json::from_str::<Value>(&first) {
        Ok(object) => object["address"].as_str().expect("an address").to_owned(),
        Err(_) => format!("fdsp+plain://127.0.0.1:{port}/"),
    };
    assert_eq!(
        // One connection for both.
        home.run(["-q", "-j", "1", "-d", "got", &format!("{address}empty"), &format!("{address}dir/x.txt")])
            .code,
        0
    );
    assert_eq!(home.run(["-q", "-d", "got", &format!("{address}missing")]).code, 4);
    server.signal(Signal::TERM);
    let rest = lines.rest();
    let outcome = server.end();
    assert_eq!(outcome.code, 0);
    ([vec![first], rest].concat(), outcome.stderr)
}

#[test]
fn a_server_ends_with_a_summary() {
    let (_, stderr) = whole_run(&[]);
    let summary = stderr.lines().last().expect("a line");
    assert!(summary.starts_with("stopped after ") && summary.contains(": 1 client, "), "{stderr}");
    assert!(summary.ends_with("100 kB sent, 1 error"), "{stderr}");
    let (lines, _) = whole_run(&["--json"]);
    let last: Value = serde_json::from_str(lines.last().expect("a line")).expect("an object");
    assert_eq!(
        (&last["event"], &last["clients"], &last["errors"]),
        (&"stopped".into(), &1.into(), &1.into())
    );
    assert_eq!(last["bytes"], 100_000);
    assert!(last["requests"].as_u64() >= Some(3) && last["seconds"].as_f64() > Some(0.0), "{last}");
    let (_, quiet) = whole_run(&["--quiet"]);
    assert_eq!(quiet, "");
}

#[test]
fn a_server_prints_one_line_for_each_thing_that_matters() {
    let (_, stderr) = whole_run(&[]);
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("127.0.0.1:")).collect();
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((count(": sent "), count("missing: "), count(": disconnected after ")), (2, 1, 2), "{stderr}");
    assert_eq!(lines.len(), 5, "{stderr}");
    assert!(stderr.lines().any(|line| line.starts_with("draining: ")), "{stderr}");
}

#[test]
fn a_server_says_that_only_this_machine_can_reach_it() {
    let (_, stderr) = whole_run(&[]);
    let hint = stderr.lines().find(|line| line.contains("only this machine")).expect("a hint");
    assert!(hint.contains("-H 0.0.0.0"), "{hint}");
}

#[test]
fn a_server_prints_its_address_as_a_qr_code() {
    let (lines, _) = whole_run(&["--qr"]);
    let code: Vec<_> = lines[1..].iter().filter(|line| line.contains('\u{2588}')).collect();
    assert!(
        code.len() > 10 && code.iter().all(|line| line.chars().count() == code[0].chars().count()),
        "{lines:#?}"
    );
    let (lines, _) = whole_run(&["--qr", "--ascii"]);
    assert!(lines.len() > 20 && lines.iter().all(|line| line.is_ascii()), "{lines:#?}");
    assert_eq!(whole_run(&[]).0.len(), 1, "nothing but the address without the option");
}
