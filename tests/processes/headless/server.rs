//! The server: its events, and the signals that stop it.

use rustix::process::Signal;
use serde_json::Value;

use super::{ARCHITECTURES, home, serve, slow_client};

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
