//! Both classic dialects, byte by byte as in their specification, spoken here without the program's own machine.

use std::{
    io::{Cursor, Read, Write},
    net::TcpStream,
};

use fdsp::{
    protocol::classic::Dialect,
    server::{Arch, Event, Limits},
};
use zip::ZipArchive;

use crate::conformance::harness::{MAX_WAIT, Served, noise, serve_with};

fn classic(arch: Arch) -> Served {
    serve_with(arch, Some(Dialect::Classic), Limits::default())
}

fn select(arch: Arch) -> Served {
    serve_with(arch, Some(Dialect::ClassicSelect), Limits::default())
}

/// The content of a path, as a client of the original programs receives it.
pub fn fetch_classic(served: &Served, path: &str) -> Vec<u8> {
    Original::connect(served).fetch(path).1
}

/// As the original programs do: send bytes, and take the result of one read as the answer.
struct Original(TcpStream);

impl Original {
    fn connect(served: &Served) -> Original {
        let stream = TcpStream::connect(served.address).unwrap();
        stream.set_read_timeout(Some(MAX_WAIT)).unwrap();
        Original(stream)
    }

    fn say(&mut self, text: &str) -> Vec<u8> {
        self.0.write_all(text.as_bytes()).unwrap();
        let mut buffer = [0; 1024];
        let count = self.0.read(&mut buffer).unwrap();
        buffer[..count].to_vec()
    }

    fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The whole exchange of `classic`: the header's JSON and the content.
    fn fetch(mut self, path: &str) -> (String, Vec<u8>) {
        assert_eq!(self.say(path), b"file_exist");
        let length = self.say("start_send_file");
        let length = i32::from_le_bytes(length.try_into().unwrap());
        let header = self.say("header_size_ok");
        assert_eq!(header.len() as i32, length);
        self.0.write_all(b"header_ok").unwrap();
        (String::from_utf8(header).unwrap(), self.rest())
    }

    /// The whole exchange of `classic-select`: the size and the content.
    fn fetch_select(mut self, path: &str, go_ahead: &str) -> (u64, Vec<u8>) {
        let size = String::from_utf8(self.say(path)).unwrap().parse().unwrap();
        self.0.write_all(go_ahead.as_bytes()).unwrap();
        (size, self.rest())
    }
}

const SIZES: [usize; 6] = [0, 1, 1023, 1024, 1025, 3_000_000];

pub fn files(arch: Arch) {
    let served = classic(arch);
    for size in SIZES {
        served.file(format!("{size}.bin"), &noise(size, 1));
        let (header, content) = Original::connect(&served).fetch(&format!("{size}.bin"));
        let expected = format!(r#"{{"file_name": "{size}.bin", "file_size": {size}, "file_type": ".bin"}}"#);
        assert_eq!(header, expected);
        assert!(content == noise(size, 1), "{size} bytes");
    }
    served.wait_for_ends(SIZES.len());
    assert_eq!(served.snapshot().served, SIZES.len() as u64);
    served.file("größe", b"x");
    let (header, _) = Original::connect(&served).fetch("größe");
    assert_eq!(header, r#"{"file_name": "gr\u00f6\u00dfe", "file_size": 1, "file_type": ""}"#);
}

/// The original client counts each read as 1024 bytes, however short it was.
pub fn whole_pieces(arch: Arch) {
    for served in [classic(arch), select(arch)] {
        let content = noise(6_000_100, 2);
        served.file("file", &content);
        for _ in 0..3 {
            let mut client = Original::connect(&served);
            match client.say("file").as_slice() {
                b"file_exist" => {
                    client.say("start_send_file");
                    client.say("header_size_ok");
                    client.0.write_all(b"header_ok").unwrap();
                }
                _ => client.0.write_all(b"start_send_file").unwrap(),
            }
            for (index, expected) in content.chunks(1024).enumerate() {
                let mut buffer = [0; 1024];
                let count = client.0.read(&mut buffer).unwrap();
                assert!(buffer[..count] == *expected, "read {index} of {count} bytes");
            }
        }
    }
}

fn check_zip(bytes: Vec<u8>, size: u64) {
    assert_eq!(bytes.len() as u64, size, "the size was announced");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    archive.by_name("d/sub/x.txt").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "x".repeat(3_000_000));
    let mut noisy = Vec::new();
    archive.by_name("d/noise").unwrap().read_to_end(&mut noisy).unwrap();
    assert!(noisy == noise(2_000_000, 3));
}

fn directory(served: &Served) {
    served.directory("d/sub");
    served.file("d/sub/x.txt", "x".repeat(3_000_000).as_bytes());
    served.file("d/noise", &noise(2_000_000, 3));
}

pub fn directories(arch: Arch) {
    let served = classic(arch);
    directory(&served);
    let (header, content) = Original::connect(&served).fetch("d");
    let size = content.len() as u64;
    let expected = format!(r#"{{"file_name": "d.zip", "file_size": {size}, "file_type": ".zip"}}"#);
    assert_eq!(header, expected);
    check_zip(content, size);
}

pub fn select_files(arch: Arch) {
    let served = select(arch);
    for size in SIZES {
        served.file("file", &noise(size, 1));
        for go_ahead in ["start_send_file", "file_size_ok"] {
            let (announced, content) = Original::connect(&served).fetch_select("file", go_ahead);
            assert_eq!(announced, size as u64);
            assert!(content == noise(size, 1), "{size} bytes");
        }
    }
}

pub fn select_directories(arch: Arch) {
    let served = select(arch);
    directory(&served);
    let (size, content) = Original::connect(&served).fetch_select("d", "start_send_file");
    check_zip(content, size);
}

fn is_refused(served: &Served) {
    std::os::unix::fs::symlink("/etc/passwd", served.path("out")).unwrap();
    for path in ["absent", "../up", "/etc/passwd", "out"] {
        let mut client = Original::connect(served);
        assert_eq!(client.say(path), b"FILE NOT FOUND", "{path}");
        assert_eq!(client.rest(), b"", "{path}");
    }
    served.wait_for_failure("not found");
    // An invalid path gets no answer.
    for nonsense in [&[0xff; 10][..], &[b'a'; 1025][..]] {
        let mut client = Original::connect(served);
        client.0.write_all(nonsense).unwrap();
        assert_eq!(client.rest(), b"");
    }
    served.wait_for_end("broke the classic");
}

pub fn not_found(arch: Arch) {
    is_refused(&classic(arch));
}

pub fn select_not_found(arch: Arch) {
    is_refused(&select(arch));
}

/// The original clients count every read as 1024 bytes and close when their count reaches the size.
pub fn early_close(arch: Arch) {
    const SIZE: usize = 48 << 20;
    let served = select(arch);
    served.file("file", &noise(SIZE, 1));
    let mut client = Original::connect(&served);
    assert_eq!(client.say("file"), SIZE.to_string().as_bytes());
    assert!(!client.say("start_send_file").is_empty());
    drop(client);
    served.wait_for_end("closed by the client after");
    served.wait_for_failure(&format!("of {SIZE} bytes"));
    assert_eq!(served.count(|event| matches!(event, Event::Sent { .. })), 0);
    served.file("small", b"small");
    assert_eq!(Original::connect(&served).fetch_select("small", "start_send_file").1, b"small");
}

/// A client that disconnects at any step of the handshake.
pub fn vanished(arch: Arch) {
    let served = classic(arch);
    served.file("file", b"content");
    let steps = ["file", "start_send_file", "header_size_ok"];
    for count in 1..=steps.len() {
        let mut client = Original::connect(&served);
        steps[..count].iter().for_each(|step| drop(client.say(step)));
    }
    served.wait_for_ends(steps.len());
    assert_eq!(served.snapshot().served, 0);
    assert_eq!(Original::connect(&served).fetch("file").1, b"content");
    // Both protocols are served on one port.
    let mut peer = crate::conformance::peer::Peer::connect(served.address);
    assert_eq!(peer.get(crate::conformance::peer::get("file")).unwrap().bytes, b"content");
}
