//! Servers of other protocols: one clear message, and no retries.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

use fdsp::client::{Config, Locator, TroubleKind};

use crate::engine::{
    scripted::listen,
    support::{Client, config},
};

/// The error for a server that answers with `greeting`, and the number of retries.
fn said(greeting: &'static [u8]) -> (String, usize) {
    let at = listen(move |_, mut stream| {
        let _ = stream.write_all(greeting);
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.read(&mut [0; 4096]);
    });
    let mut client = Client::new(Config { retries: 2, ..config() });
    let trouble = client.get(at, "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection, "{trouble}");
    assert!(client.names().is_empty());
    (trouble.message.to_string(), client.retries())
}

#[test]
fn servers_of_other_protocols_are_named_and_not_retried() {
    for (greeting, word) in [
        (&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], "(HTTP)"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "an SSH server"),
        (b"\x15\x03\x01\x00\x02\x02\x32", "TLS"),
        (b"\x8e\x13\x77\x01\xfe\x00\x10random", "an unknown protocol"),
        (b"FILE NOT FOUND", "an unknown protocol"),
    ] {
        let (message, retries) = said(greeting);
        assert!(message.contains(word), "{message}");
        assert!(!message.contains('\n'));
        assert_eq!(retries, 0, "{message}");
    }
}

#[test]
fn servers_of_other_versions_are_named() {
    let (message, retries) = said(b"\x00FDSP\x07\x09\x00");
    assert!(message.contains("speaks versions 7 to 9"), "{message}");
    assert_eq!(retries, 0);
}

#[test]
fn a_server_that_closes_without_an_answer_may_be_overloaded() {
    let at = listen(|_, stream| drop(stream));
    let mut client = Client::new(Config { retries: 1, ..config() });
    let trouble = client.get(at, "a").unwrap_err();
    assert_eq!((trouble.kind, client.retries()), (TroubleKind::Connection, 1));
}

#[test]
fn a_silent_server_is_disconnected_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::new(Config { retries: 0, timeout: Duration::from_millis(300), ..config() });
    let trouble = client.get(listener.local_addr().unwrap(), "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("sent nothing for 0.3 s"), "{trouble}");
}

#[test]
fn a_closed_port_and_an_unknown_host_have_different_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let retry_max_time = Some(Duration::from_millis(100));
    let mut client = Client::new(Config { retry_max_time, ..config() });
    let trouble = client.get(closed, "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("connection refused"), "{trouble}");
    let address = Locator::parse("fdsp+plain://no.such.host.invalid/a").unwrap();
    let trouble = client.run(client.job_at(address)).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().starts_with("cannot find the host no.such.host.invalid"), "{trouble}");
}
