//! What operators see of a server: its access log, its metrics, its health, and the fields that they add to responses.

use std::{fs, net::SocketAddr};

use fdsp::{
    protocol::classic::Dialect,
    server::{AccessLogConfig, AccessLogFormat, Arch, Command, Config, Event, Limits, ResponseHeader},
};
use serde_json::Value;

use super::{LARGE, client::Browser};
use crate::{
    conformance::{
        classic::fetch_classic,
        harness::{Served, is_secure, noise, serve_as},
        peer::{Peer, get},
    },
    shared::folder::temporary,
};

/// The address of the metrics.
fn metrics_of(served: &Served) -> SocketAddr {
    served.wait("address of metrics", |event| match event {
        Event::Listening { metrics, .. } => *metrics,
        _ => None,
    })
}

/// Each request of every dialect is a line, without a secret, in both formats.
pub fn access_log(arch: Arch) {
    for format in [AccessLogFormat::Json, AccessLogFormat::Combined] {
        let place = temporary();
        let path = place.path().join("access.log");
        let classic = Some(Dialect::Classic);
        let mut served = serve_as(|root| {
            let access_log = Some(AccessLogConfig { file: Some(path.clone()), format });
            Config { arch, classic, access_log, ..Config::local(root) }
        });
        served.file("file", b"content");
        let fields = "Referer: https://me:hidden-1@other/?sig=hidden-2\r\nUser-Agent: \"x\"\r\nAuthorization: Bearer hidden-3\r\n";
        Browser::connect(served.address).get_with("/file?a=b", fields);
        Browser::connect(served.address).get_with("/file", "Range: bytes=1-3\r\n");
        Browser::connect(served.address).get("/absent?token=hidden-4");
        Browser::connect(served.address).get("/absent");
        let mut malformed = Browser::connect(served.address);
        malformed.send("GET /x HTTP/1.1\r\nno colon\r\n\r\n");
        assert_eq!(malformed.receive().unwrap().status, 400);
        drop(malformed);
        assert_eq!(Peer::connect(served.address).get(get("file")).unwrap().bytes, b"content");
        assert!(Peer::connect(served.address).get(get("absent")).is_err());
        let mut expected = 7;
        if !is_secure(served.address) {
            assert_eq!(fetch_classic(&served, "file"), b"content");
            expected += 1;
        }
        // What is read is logged once its connection is served to its end.
        served.wait_for_ends(expected);
        let server = served.server.take().unwrap();
        server.command(Command::Stop);
        server.join().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hidden"), "{text}");
        assert_eq!(text.lines().count(), expected, "{text}");
        if format == AccessLogFormat::Combined {
            for part in [
                "\"GET /file?a=b HTTP/1.1\" 200 7 \"https://other/?sig=...\" \"\\x22x\\x22\"\n",
                "\"GET /file HTTP/1.1\" 206 3 \"-\" \"-\"\n",
                "\"GET /absent?token=... HTTP/1.1\" 303 ",
                "\"GET /absent HTTP/1.1\" 404 ",
                "\"-\" 400 ",
                "\"get /file fdsp/1\" 200 7 ",
                "\"get /absent fdsp/1\" 404 0 ",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
            continue;
        }
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |dialect: &str| lines.iter().filter(|line| line["dialect"] == dialect).count();
        assert_eq!((of("http"), of("v1"), of("classic")), (5, 2, expected - 7), "{text}");
        let whole = lines.iter().find(|line| line["target"] == "/file?a=b").unwrap();
        assert_eq!(
            (&whole["status"], &whole["bytes"], &whole["peer"]),
            (&200.into(), &7.into(), &"127.0.0.1".into())
        );
        assert_eq!(whole.get("error"), None);
        assert!(
            lines.iter().any(|line| line["status"] == 404 && line["error"] == "absent: not found"),
            "{text}"
        );
    }
}

/// A download that its client leaves is a line with what was sent, and why it ended.
pub fn access_log_of_a_cut(arch: Arch) {
    let place = temporary();
    let path = place.path().join("access.log");
    let mut served = serve_as(|root| {
        let access_log = Some(AccessLogConfig { file: Some(path.clone()), format: AccessLogFormat::Json });
        Config { arch, access_log, ..Config::local(root) }
    });
    served.file("file", &noise(LARGE, 1));
    let mut browser = Browser::connect(served.address);
    browser.ask("GET", "/file", "");
    assert_eq!(browser.head().unwrap().status, 200);
    drop(browser);
    served.wait_for_ends(1);
    let server = served.server.take().unwrap();
    server.command(Command::Stop);
    server.join().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(line["status"], 200);
    assert!(line["bytes"].as_u64().unwrap() < LARGE as u64 && line["error"].is_string(), "{text}");
}

/// Metrics count by dialect, and the health is that of a server that serves or drains, while its only place is taken.
pub fn metrics(arch: Arch) {
    let mut served = serve_as(|root| {
        let metrics = Some(("127.0.0.1".to_owned(), 0));
        let limits = Limits { drain: std::time::Duration::from_secs(600), ..Limits::default() };
        Config { arch, metrics, limits, ..Config::local(root) }
    });
    served.file("file", &noise(LARGE, 1));
    served.file("small", b"content");
    let monitor = metrics_of(&served);
    let ask = |path: &str| Browser::connect_plainly(monitor).get(path);
    assert_eq!((ask("/healthz").status, ask("/absent").status), (200, 404));
    let mut browser = Browser::connect(served.address);
    browser.get("/absent");
    if arch == Arch::Single {
        browser = Browser::connect(served.address);
    }
    browser.get("/small");
    drop(browser);
    served.wait_for_ends(if arch == Arch::Single { 2 } else { 1 });
    let response = ask("/metrics");
    assert!(response.field("Content-Type").unwrap().starts_with("application/openmetrics-text"));
    let text = response.text();
    let labels = format!("{{dialect=\"http\",arch=\"{arch}\"}}");
    for (name, value) in [
        ("requests_total", "2"),
        ("request_errors_total", "1"),
        ("sent_bytes_total", "7"),
        ("connections", "0"),
        ("request_duration_seconds_count", "2"),
    ] {
        assert!(text.contains(&format!("fdsp_{name}{labels} {value}\n")), "{name} in {text}");
    }
    for part in [
        "fdsp_permits{work=\"hashing\"} 4\n",
        "fdsp_permits_taken{work=\"archives\"} 0\n",
        "fdsp_draining 0\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut rebound = Browser::connect_plainly(monitor);
    rebound.send("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(rebound.receive().unwrap().status, 421);
    let mut posted = Browser::connect_plainly(monitor);
    posted.send("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(posted.receive().unwrap().status, 400);
    // Silent clients of the metrics delay nobody: those beyond the limit are closed.
    let silent: Vec<_> = (0..4).map(|_| Browser::connect_plainly(monitor)).collect();
    let mut busy = Browser::connect(served.address);
    busy.ask("GET", "/file", "");
    let head = busy.head().unwrap();
    let server = served.server.take().unwrap();
    server.command(Command::Drain);
    let draining = ask("/healthz");
    assert_eq!((draining.status, draining.text()), (503, "draining\n"));
    assert!(ask("/metrics").text().contains("fdsp_draining 1\n"));
    assert!(busy.body(head).unwrap().body == noise(LARGE, 1));
    drop((busy, silent));
    server.join().unwrap();
}

/// Fields that the operator adds are in every response; with a token no shared cache is allowed to keep content.
pub fn response_headers(arch: Arch) {
    let headers = ["Access-Control-Allow-Origin: *", "Cache-Control: public, max-age=60", "Vary: Origin"];
    let headers: Vec<_> = headers.iter().map(|text| ResponseHeader::parse(text).unwrap()).collect();
    let served = serve_as(|root| Config { arch, response_headers: headers, ..Config::local(root) });
    served.file("file", b"content");
    for (target, status, cache) in
        [("/file", 200, "public, max-age=60"), ("/", 200, "public, max-age=60"), ("/absent", 404, "no-store")]
    {
        let response = Browser::connect(served.address).get(target);
        assert_eq!((response.status, response.field("Cache-Control")), (status, Some(cache)), "{target}");
        assert_eq!(response.field("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(response.field("Vary"), Some("Origin"));
        assert_eq!(response.field("Server"), Some("fdsp"));
    }
}
