//! Servers that send too much, too slowly, or in a form that was not asked for: the right file, or a clear error, and never a hang.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fdsp::client::{Config, Event, Locator, TroubleKind};
use rustls::{ServerConfig, ServerConnection, pki_types::PrivatePkcs8KeyDer};

use super::{TAG, get, once, received};
use crate::{
    engine::support::{self, Client, MIB, content},
    shared::web::{Answer, Then, Web},
};

/// A server that handles each connection on a thread of its own.
fn raw(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, handle) = (listener.local_addr().unwrap(), Arc::new(handle));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(stream));
        }
    });
    at
}

fn fetch(config: Config, url: &str) -> String {
    let mut client = Client::new(config);
    let job = client.job_at(Locator::parse(url).unwrap());
    client.run(job).unwrap_err().message.to_string()
}

#[test]
fn what_follows_the_announced_length_is_not_added() {
    let file = content(MIB + 5, 1);
    let served = file.clone();
    let web = Web::new(move |request| {
        let mut answer = Answer::of(request, &served, TAG, &[]);
        answer.body.extend(b"more than was announced".repeat(1000));
        answer.then(Then::Close)
    });
    received(support::config(), &web, "a.bin", &file);
}

/// The bytes would not be those of the file.
#[test]
fn a_transfer_coding_that_was_not_asked_for_is_an_error() {
    for coding in ["gzip, chunked", "deflate", "chunked, chunked", "x"] {
        let web = Web::new(move |_| {
            let field = format!("Transfer-Encoding: {coding}");
            let mut answer = Answer::new("200 OK", &[&field, "ETag: \"v1\""]).then(Then::Close);
            answer.body = b"3\r\nabc\r\n0\r\n\r\n".to_vec();
            answer
        });
        let mut client = Client::new(once());
        let trouble = get(&mut client, &web, "a.bin").unwrap_err();
        assert!(!client.path("a.bin").exists(), "{coding}: {trouble}");
    }
}

/// One of them is wrong, and a peer that reads the other one than a proxy before it sees another content.
#[test]
fn a_length_together_with_chunks_is_an_error() {
    for length in [3, 10, 100_000] {
        let web = Web::new(move |_| {
            let fields = ["Transfer-Encoding: chunked", &format!("Content-Length: {length}"), "ETag: \"v1\""];
            let mut answer = Answer::new("200 OK", &fields).then(Then::Close);
            answer.body = b"5\r\nabcde\r\n0\r\n\r\n".to_vec();
            answer
        });
        let mut client = Client::new(once());
        let trouble = get(&mut client, &web, "a.bin").unwrap_err();
        assert!(!client.path("a.bin").exists(), "{length}: {trouble}");
    }
}

/// One byte after the other, for ever.
#[test]
fn a_header_that_never_ends_is_given_a_time() {
    let at = raw(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Filler: ");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let (config, start) = (Config { timeout: Duration::from_millis(500), ..once() }, Instant::now());
    let message = fetch(config, &format!("http://{at}/a.bin"));
    assert!(message.contains("sent nothing") && start.elapsed() < Duration::from_secs(60), "{message}");
}

#[test]
fn chunks_without_an_end_fill_no_memory() {
    let stop = Arc::new(AtomicBool::new(false));
    let is_stopped = Arc::clone(&stop);
    let at = raw(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"v1\"\r\n\r\n");
        // The size of a chunk that never ends.
        while !is_stopped.load(Ordering::Relaxed) && stream.write_all(&[b'0'; 1024]).is_ok() {}
    });
    let message = fetch(once(), &format!("http://{at}/a.bin"));
    stop.store(true, Ordering::Relaxed);
    let is_named = ["lost", "HTTP", "sent nothing"].iter().any(|part| message.contains(part));
    assert!(is_named, "{message}");
}

/// As it would be with prior knowledge, without TLS and with it.
#[test]
fn a_server_that_speaks_only_http_2_is_a_clear_error() {
    let at = raw(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        // SETTINGS, and GOAWAY with a protocol error.
        let _ = stream.write_all(b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01");
    });
    let message = fetch(once(), &format!("http://{at}/a.bin"));
    assert!(message.contains("does not answer with HTTP"), "{message}");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tls = Arc::new(tls);
    let at = raw(move |mut stream| {
        let mut connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
        while connection.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
        let _ = connection.complete_io(&mut stream);
    });
    let message = fetch(once(), &format!("https://{at}/a.bin"));
    assert!(message.contains("HTTP/2"), "{message}");
}

/// The server asks for a year, and for a time beyond all numbers.
#[test]
fn no_server_asks_for_more_than_ten_minutes() {
    for after in ["31536000", "99999999999999999999999", "Sun, 06 Nov 2089 08:49:37 GMT"] {
        let field = format!("Retry-After: {after}");
        let web = Web::new(move |_| Answer::empty("503 Service Unavailable", &[&field]));
        let mut client = Client::new(Config { retry_max_time: None, ..once() });
        let job = client.job_at(Locator::parse(&web.url("a.bin")).unwrap());
        client.add(job);
        let seconds = client.wait("a retry", |event| match event {
            Event::Retry { seconds, .. } => Some(*seconds),
            Event::Failed { trouble, .. } => panic!("{trouble}"),
            _ => None,
        });
        assert!(seconds <= 660.0, "{after}: {seconds}");
    }
}

#[test]
fn a_redirect_to_itself_ends() {
    let web = Web::new(|request| Answer::empty("302 Found", &[&format!("Location: {}", request.path)]));
    let trouble = get(&mut Client::new(once()), &web, "a.bin").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Other, "{trouble}");
    assert!(web.requests().len() < 30 && trouble.message.as_str().contains("redirects"), "{trouble}");
}
