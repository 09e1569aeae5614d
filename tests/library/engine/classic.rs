//! The dialects of the original programs, spoken to our server and to servers that behave like the originals.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use fdsp::{
    client::{Config, Finished, NewJob, Speak, Trouble, TroubleKind},
    protocol::classic::Dialect,
    server::{Arch, Limits},
};

use crate::engine::{
    proxy::{Fault, Proxy},
    scripted::listen,
    support::{Client, MIB, Served, config, content},
};

fn get(client: &mut Client, at: SocketAddr, path: &str, dialect: Dialect) -> Result<Finished, Trouble> {
    let job = NewJob { speak: Speak::Classic(dialect), ..client.job(at, path) };
    client.run(job)
}

#[test]
fn both_dialects_fetch_files_from_this_server() {
    for dialect in [Dialect::Classic, Dialect::ClassicSelect] {
        let served = Served::with(Arch::Async, Some(dialect), Limits::default());
        let mut client = Client::quick();
        for size in [0, 1, 1023, 1024, 1025, 2 * MIB + 77] {
            let name = format!("f{size}.bin");
            let bytes = content(size, 3);
            served.write(&name, &bytes);
            let finished = get(&mut client, served.at(), &name, dialect).unwrap();
            assert!(fs::read(&finished.path).unwrap() == bytes, "{dialect:?} {size}");
            assert_eq!(finished.blake3, blake3::hash(&bytes).to_hex().as_str());
        }
        let trouble = get(&mut client, served.at(), "absent", dialect).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::NotFound);
        assert_eq!(client.retries(), 0);
    }
}

#[test]
fn a_directory_is_received_as_an_archive() {
    let served = Served::with(Arch::Threads, Some(Dialect::Classic), Limits::default());
    served.write("d/sub/x.txt", b"hello");
    let mut client = Client::quick();
    let finished = get(&mut client, served.at(), "d", Dialect::Classic).unwrap();
    assert_eq!(finished.path, client.path("d.zip"));
    let mut archive = zip::ZipArchive::new(fs::File::open(finished.path).unwrap()).unwrap();
    assert!(archive.by_name("d/sub/x.txt").is_ok());
}

#[test]
fn a_broken_connection_restarts_the_download() {
    let served = Served::with(Arch::Async, Some(Dialect::Classic), Limits::default());
    let bytes = content(MIB + 500, 1);
    served.write("a", &bytes);
    for fault in [Fault::ResetAfter(5), Fault::CutAfter(MIB / 2), Fault::StallAfter(MIB / 3)] {
        let proxy = Proxy::start(served.at(), vec![fault]);
        // Where nothing stalls, a slow machine must not be mistaken for a stalled server.
        let timeout = Duration::from_secs(if matches!(fault, Fault::StallAfter(_)) { 2 } else { 30 });
        let mut client = Client::new(Config { timeout, ..config() });
        let finished = get(&mut client, proxy.at(), "a", Dialect::Classic).unwrap();
        assert!(fs::read(finished.path).unwrap() == bytes, "{fault:?}");
        assert_eq!(client.retries(), 1);
    }
}

/// A server that behaves like an original one: whole KiB only; afterwards it closes, or leaves the connection open.
fn original(size: usize, closes: bool) -> SocketAddr {
    listen(move |_, mut stream| {
        let hear = |stream: &mut TcpStream| {
            let count = stream.read(&mut [0; 1024]).unwrap_or(0);
            assert!(count > 0, "the client speaks");
        };
        let header = format!(r#"{{"file_name": "a.bin", "file_size": {size}, "file_type": ".bin"}}"#);
        hear(&mut stream);
        stream.write_all(b"file_exist").unwrap();
        hear(&mut stream);
        stream.write_all(&(header.len() as i32).to_le_bytes()).unwrap();
        hear(&mut stream);
        stream.write_all(header.as_bytes()).unwrap();
        hear(&mut stream);
        stream.write_all(&content(size, 9)[..size / 1024 * 1024]).unwrap();
        if !closes {
            let _ = stream.read(&mut [0; 1]);
        }
    })
}

#[test]
fn the_missing_end_of_a_short_answer_is_reported_in_bytes() {
    let size = 10 * 1024 + 77;
    for closes in [true, false] {
        let at = original(size, closes);
        // Where it closes, a slow machine must not be mistaken for a server that has sent everything.
        let timeout = Duration::from_secs(if closes { 30 } else { 2 });
        let mut client = Client::new(Config { timeout, ..config() });
        let trouble = get(&mut client, at, "a.bin", Dialect::Classic).unwrap_err();
        assert_eq!((trouble.kind, client.retries()), (TroubleKind::Integrity, 0));
        let message = trouble.message.as_str();
        assert!(message.contains("never sent the last 77 of 10317 bytes"), "{message}");
        assert!(message.contains("whole KiB only"), "{message}");
        assert_eq!(client.names(), ["a.bin.part", "a.bin.part.fdsp"]);
        assert!(fs::read(client.path("a.bin.part")).unwrap() == content(size, 9)[..10 * 1024]);
    }
}

#[test]
fn a_truncated_size_never_makes_a_short_file() {
    let at = listen(|_, mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(b"1").unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"0").and_then(|()| stream.write_all(&[7; 10]));
    });
    let mut client = Client::new(Config { retries: 0, ..config() });
    let trouble = get(&mut client, at, "a.bin", Dialect::ClassicSelect).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    assert!(trouble.message.as_str().contains("more than the size that it announced"), "{trouble}");
    assert!(!client.path("a.bin").exists());
}

#[test]
fn a_file_of_whole_kib_is_received_from_an_original_server() {
    let mut client = Client::quick();
    get(&mut client, original(4096, false), "a.bin", Dialect::Classic).unwrap();
    assert!(fs::read(client.path("a.bin")).unwrap() == content(4096, 9));
}

#[test]
fn a_close_without_an_answer_means_not_found() {
    let at = listen(|_, mut stream| {
        let _ = stream.read(&mut [0; 1024]);
    });
    let mut client = Client::quick();
    let trouble = get(&mut client, at, "absent", Dialect::Classic).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Connection);
    let message = trouble.message.as_str();
    assert!(message.contains("a classic asyncio server does this for a missing file"), "{message}");
    assert_eq!(client.retries(), 0);
}

#[test]
fn a_server_of_the_other_dialect_is_reported() {
    let served = Served::with(Arch::Async, Some(Dialect::ClassicSelect), Limits::default());
    served.write("a", b"abc");
    let mut client = Client::quick();
    let trouble = get(&mut client, served.at(), "a", Dialect::Classic).unwrap_err();
    assert_eq!((trouble.kind, client.retries()), (TroubleKind::Connection, 0));
    assert!(trouble.message.as_str().contains("does not speak this classic dialect"), "{trouble}");
}
