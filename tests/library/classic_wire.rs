//! Both classic dialects in both roles, against transcripts of the original programs.

use fdsp::protocol::{
    classic::{
        Dialect, Header,
        client::{Client, Ended, Event, Unaskable},
        server::{self, Server},
    },
    error::Violation,
};
use proptest::prelude::*;

use Dialect::{Classic, ClassicSelect};

/// A step of a transcript: what one side sends, as the other's one read returns it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Client(&'static [u8]),
    Server(&'static [u8]),
}

use Step::{Client as C, Server as S};

/// A file of 10 bytes.
const FILE: &[Step] = &[
    C(b"docs/a.bin"),
    S(b"file_exist"),
    C(b"start_send_file"),
    S(b"\x40\x00\x00\x00"),
    C(b"header_size_ok"),
    S(br#"{"file_name": "a.bin", "file_size": 10, "file_type": ".bin"}    "#),
    C(b"header_ok"),
    S(b"0123456789"),
];

/// The same as this program writes it: without blanks after the JSON.
const FILE_EXACT: &[Step] = &[
    C(b"docs/a.bin"),
    S(b"file_exist"),
    C(b"start_send_file"),
    S(b"\x3c\x00\x00\x00"),
    C(b"header_size_ok"),
    S(br#"{"file_name": "a.bin", "file_size": 10, "file_type": ".bin"}"#),
    C(b"header_ok"),
    S(b"0123456789"),
];

const UNICODE: &[Step] = &[
    C("Prüfung 😀.tär".as_bytes()),
    S(b"file_exist"),
    C(b"start_send_file"),
    S(b"\x5d\x00\x00\x00"),
    C(b"header_size_ok"),
    S(br#"{"file_name": "Pr\u00fcfung \ud83d\ude00.t\u00e4r", "file_size": 1, "file_type": ".t\u00e4r"}"#),
    C(b"header_ok"),
    S(b"x"),
];

const DIRECTORY: &[Step] = &[
    C(b"d"),
    S(b"file_exist"),
    C(b"start_send_file"),
    S(b"\x3b\x00\x00\x00"),
    C(b"header_size_ok"),
    S(br#"{"file_name": "d.zip", "file_size": 4, "file_type": ".zip"}"#),
    C(b"header_ok"),
    S(b"PK\x05\x06"),
];

const EMPTY: &[Step] = &[
    C(b"none"),
    S(b"file_exist"),
    C(b"start_send_file"),
    S(b"\x36\x00\x00\x00"),
    C(b"header_size_ok"),
    S(br#"{"file_name": "none", "file_size": 0, "file_type": ""}"#),
    C(b"header_ok"),
];

const SELECT: &[Step] = &[C(b"docs/a.bin"), S(b"10"), C(b"start_send_file"), S(b"0123456789")];
const SELECT_EMPTY: &[Step] = &[C(b"none"), S(b"0"), C(b"start_send_file")];
const MISSING: &[Step] = &[C(b"missing"), S(b"FILE NOT FOUND")];

/// Every transcript: its name, dialect, header and steps.
fn transcripts() -> Vec<(&'static str, Dialect, Option<Header>, &'static [Step])> {
    vec![
        ("file", Classic, Some(Header::new("a.bin", 10)), FILE_EXACT),
        ("unicode", Classic, Some(Header::new("Prüfung 😀.tär", 1)), UNICODE),
        ("directory", Classic, Some(Header::new("d.zip", 4)), DIRECTORY),
        ("empty", Classic, Some(Header::new("none", 0)), EMPTY),
        ("missing", Classic, None, MISSING),
        ("select", ClassicSelect, Some(Header::new("a.bin", 10)), SELECT),
        ("select, empty", ClassicSelect, Some(Header::new("none", 0)), SELECT_EMPTY),
        ("select, missing", ClassicSelect, None, MISSING),
    ]
}

fn path_of(steps: &[Step]) -> &'static str {
    match steps.first() {
        Some(C(path)) => str::from_utf8(path).expect("the transcripts are UTF-8"),
        other => panic!("no path in {other:?}"),
    }
}

fn content_of(header: Option<&Header>, steps: &[Step]) -> Vec<u8> {
    match (header, steps.last()) {
        (Some(header), Some(S(content))) if header.file_size > 0 => content.to_vec(),
        _ => Vec::new(),
    }
}

/// The events of a client, with content joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fetched {
    header: Option<Header>,
    content: Vec<u8>,
    not_found: bool,
    ended: bool,
}

impl Fetched {
    /// Passes the client the result of one read.
    fn read(&mut self, client: &mut Client, mut input: &[u8]) -> Result<(), Violation> {
        loop {
            let (used, event) = client.receive(input)?;
            match &event {
                None if used == 0 => return Ok(()),
                None => {}
                Some(Event::NotFound) => self.not_found = true,
                Some(Event::Header(header)) => self.header = Some(header.clone()),
                Some(Event::Data(bytes)) => self.content.extend_from_slice(bytes),
                Some(Event::End) => self.ended = true,
            }
            input = &input[used..];
        }
    }
}

fn take(client: &mut Client) -> Vec<u8> {
    let bytes = client.outgoing().to_vec();
    client.sent(bytes.len());
    bytes
}

/// Plays a transcript's server; `cut` cuts its messages into reads.
fn fetch(dialect: Dialect, steps: &[Step], cut: impl Fn(&'static [u8]) -> Vec<&'static [u8]>) -> Fetched {
    let mut client = Client::new(dialect, path_of(steps)).expect("a path");
    let mut fetched = Fetched::default();
    for step in steps {
        match step {
            C(expected) => {
                assert_eq!(String::from_utf8_lossy(&take(&mut client)), String::from_utf8_lossy(expected))
            }
            S(message) => {
                for read in cut(message) {
                    fetched.read(&mut client, read).expect("the transcript is right");
                }
            }
        }
    }
    fetched.read(&mut client, b"").expect("the transcript is right");
    assert_eq!(take(&mut client), b"", "nothing is said beyond the transcript");
    assert_eq!(client.end_of_stream(), Ok(()));
    fetched
}

fn check(dialect: Dialect, header: Option<&Header>, steps: &[Step], fetched: &Fetched) {
    assert_eq!(fetched.content, content_of(header, steps));
    assert_eq!((fetched.not_found, fetched.ended), (header.is_none(), header.is_some()));
    let expected = header.map(|header| match dialect {
        Classic => header.clone(),
        ClassicSelect => Header { file_size: header.file_size, ..Header::default() },
    });
    assert_eq!(fetched.header, expected);
}

#[test]
fn the_client_matches_every_transcript() {
    for (name, dialect, header, steps) in transcripts() {
        println!("{name}");
        check(dialect, header.as_ref(), steps, &fetch(dialect, steps, |message| vec![message]));
    }
    fetch(Classic, FILE, |message| vec![message]);
}

#[test]
fn the_client_parses_messages_in_any_pieces() {
    for size in [1, 2, 3, 7] {
        for (_, dialect, header, steps) in transcripts() {
            let cut = |message: &'static [u8]| {
                // The size has no end mark: it is the result of one read.
                let whole =
                    dialect == ClassicSelect && message.iter().all(u8::is_ascii_digit) && message.len() < 3;
                if whole { vec![message] } else { message.chunks(size).collect() }
            };
            check(dialect, header.as_ref(), steps, &fetch(dialect, steps, cut));
        }
    }
}

#[test]
fn the_client_parses_messages_received_together() {
    // A server that does not wait: everything in one read.
    for (_, dialect, header, steps) in transcripts() {
        let select_digits =
            dialect == ClassicSelect && header.as_ref().is_some_and(|header| header.file_size > 0);
        let all: Vec<u8> = steps
            .iter()
            .flat_map(|step| match step {
                S(b"0123456789") if select_digits => b"abcdefghij",
                S(message) => *message,
                C(_) => b"",
            })
            .copied()
            .collect();
        let mut client = Client::new(dialect, path_of(steps)).expect("a path");
        let mut fetched = Fetched::default();
        fetched.read(&mut client, &all).expect("the transcript is right");
        assert_eq!((fetched.not_found, fetched.ended), (header.is_none(), header.is_some()));
        let said: Vec<u8> =
            steps.iter().flat_map(|step| if let C(said) = step { *said } else { b"" }).copied().collect();
        assert_eq!(take(&mut client), said, "it acknowledges each step all the same");
    }
}

#[test]
fn a_size_joined_with_content_of_digits_is_never_a_complete_file() {
    // The original select server may send "10" and then "0123456789" without waiting.
    let mut client = Client::new(ClassicSelect, "f").expect("a path");
    let mut fetched = Fetched::default();
    fetched.read(&mut client, b"100123456789").expect("one number");
    assert!(!fetched.ended);
    assert_eq!(client.end_of_stream(), Err(Ended::Short { received: 0, size: 100_123_456_789 }));
}

#[test]
fn the_server_matches_every_transcript() {
    for (name, dialect, header, steps) in transcripts() {
        for size in [usize::MAX, 1, 5] {
            println!("{name}, acknowledgements in pieces of {size}");
            serve(dialect, header.as_ref(), steps, size);
        }
    }
}

/// Plays a transcript's client.
fn serve(dialect: Dialect, header: Option<&Header>, steps: &[Step], size: usize) {
    let mut server = Server::new(dialect);
    let content = content_of(header, steps);
    let mut started = false;
    for (index, step) in steps.iter().enumerate() {
        match step {
            C(path) if index == 0 => {
                let path = str::from_utf8(path).expect("the transcripts are UTF-8").to_owned();
                assert_eq!(server.receive(path.as_bytes()), Ok(Some(server::Event::Path(path))));
                match header {
                    Some(header) => server.found(header.clone()),
                    None => server.not_found(),
                }
            }
            C(message) => {
                for read in message.chunks(size) {
                    started |= server.receive(read) == Ok(Some(server::Event::Start));
                }
            }
            S(message) => {
                let mut written = server.outgoing().to_vec();
                server.sent(written.len());
                if started {
                    written.extend_from_slice(&content);
                }
                assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(message));
            }
        }
    }
    assert_eq!(started, header.is_some());
    assert_eq!(server.outgoing(), b"");
    assert_eq!(server.receive(b"whatever follows"), Ok(None), "the exchange is decided");
}

#[test]
fn the_select_server_accepts_the_other_acknowledgement_and_waits_for_it() {
    let mut server = Server::new(ClassicSelect);
    assert_eq!(server.receive(b"f"), Ok(Some(server::Event::Path("f".to_owned()))));
    server.found(Header::new("f", 3));
    assert_eq!(server.outgoing(), b"3");
    server.sent(1);
    assert_eq!(server.receive(b""), Ok(None));
    assert_eq!(server.receive(b"file_size"), Ok(None));
    assert_eq!(server.receive(b"_ok"), Ok(Some(server::Event::Start)));
    // In `classic` it has no meaning.
    let mut server = Server::new(Classic);
    let _ = server.receive(b"f");
    server.found(Header::new("f", 3));
    assert!(matches!(server.receive(b"file_size_ok"), Err(Violation::Classic(_))));
}

#[test]
fn the_server_accepts_acknowledgements_received_together() {
    let mut server = Server::new(Classic);
    let _ = server.receive(b"docs/a.bin");
    server.found(Header::new("a.bin", 10));
    let together = b"start_send_fileheader_size_okheader_ok";
    assert_eq!(server.receive(together), Ok(Some(server::Event::Start)));
    let all: Vec<u8> = FILE_EXACT[..7]
        .iter()
        .flat_map(|step| if let S(message) = step { *message } else { b"" })
        .copied()
        .collect();
    assert_eq!(server.outgoing(), all);
}

#[test]
fn the_server_rejects_invalid_requests() {
    for path in [&b"\xff\xfe"[..], &[b'x'; 1025]] {
        assert!(Server::new(Classic).receive(path).is_err());
    }
    assert!(matches!(Server::new(Classic).receive(&[b'x'; 1024]), Ok(Some(server::Event::Path(_)))));
    for acknowledgements in
        [&[&b"header_ok"[..]][..], &[b"start_send_file", b"header_ok"], &[b"start_send_fileX"], &[b"no"]]
    {
        let mut server = Server::new(Classic);
        let _ = server.receive(b"f");
        server.found(Header::new("f", 3));
        let answers: Vec<_> = acknowledgements.iter().map(|bytes| server.receive(bytes)).collect();
        assert!(matches!(answers.last(), Some(Err(Violation::Classic(_)))), "{acknowledgements:?}");
        assert!(server.receive(b"start_send_file").is_err(), "a violation is final");
    }
    let mut server = Server::new(Classic);
    let _ = server.receive(b"f");
    assert!(server.receive(b"start_send_file").is_err(), "not before the answer to the path");
}

#[test]
fn the_client_rejects_names_that_the_dialect_cannot_send() {
    for dialect in [Classic, ClassicSelect] {
        assert_eq!(Client::new(dialect, "").err(), Some(Unaskable));
        assert_eq!(Client::new(dialect, &"x".repeat(1025)).err(), Some(Unaskable));
        assert!(Client::new(dialect, &"x".repeat(1024)).is_ok());
    }
}

#[test]
fn the_client_rejects_invalid_answers() {
    let answers: [(Dialect, &[&[u8]]); 15] = [
        (Classic, &[b"HTTP/1.1 400"]),
        (Classic, &[b"1048576"]),
        (Classic, &[b"FILE NOT FOUND."]),
        (Classic, &[b"file_exist", &0i32.to_le_bytes()]),
        (Classic, &[b"file_exist", &(-1i32).to_le_bytes()]),
        (Classic, &[b"file_exist", &i32::MAX.to_le_bytes()]),
        (Classic, &[b"file_exist", &65_537i32.to_le_bytes()]),
        (Classic, &[b"file_exist", &2i32.to_le_bytes(), b"{}"]),
        (Classic, &[b"file_exist", &4i32.to_le_bytes(), b"null"]),
        (Classic, &[b"file_exist", &4i32.to_le_bytes(), b"\xff\xff\xff\xff"]),
        (
            Classic,
            &[
                b"file_exist",
                &54i32.to_le_bytes(),
                br#"{"file_name": "a", "file_size": -1, "file_type": ".t"}"#,
            ],
        ),
        (
            Classic,
            &[
                b"file_exist",
                &53i32.to_le_bytes(),
                br#"{"file_name": "a", "file_size": 1, "file_type": ".t"}XY"#,
            ],
        ),
        (ClassicSelect, &[b"file_exist"]),
        (ClassicSelect, &[b"99999999999999999999999"]),
        (ClassicSelect, &[b"2", b"abc"]),
    ];
    for (dialect, reads) in answers {
        let mut client = Client::new(dialect, "f").expect("a path");
        let mut fetched = Fetched::default();
        let answer = reads.iter().try_for_each(|read| fetched.read(&mut client, read));
        assert!(answer.is_err(), "{dialect:?} {:?}", reads.last());
        assert!(client.receive(b"").is_err(), "a violation is final");
    }
}

#[test]
fn the_short_answer_of_an_original_server_is_reported_in_bytes() {
    // They send whole KiB only: of 2500 bytes the last 452 are never sent.
    for dialect in [Classic, ClassicSelect] {
        let mut client = Client::new(dialect, "f").expect("a path");
        let mut fetched = Fetched::default();
        let mut read = |bytes: &[u8]| fetched.read(&mut client, bytes).expect("right so far");
        match dialect {
            Classic => {
                let header = br#"{"file_name": "f", "file_size": 2500, "file_type": ""}"#;
                read(b"file_exist");
                read(&i32::try_from(header.len()).expect("short").to_le_bytes());
                read(header);
            }
            ClassicSelect => read(b"2500"),
        }
        read(&[7; 1024]);
        read(&[7; 1024]);
        assert_eq!((fetched.content.len(), fetched.ended), (2048, false));
        let ended = client.end_of_stream().expect_err("it is short");
        assert_eq!(ended, Ended::Short { received: 2048, size: 2500 });
        assert_eq!(
            ended.to_string(),
            "never sent the last 452 of 2500 bytes (the original servers send whole KiB only)"
        );
    }
    let cut = Ended::Short { received: 1000, size: 2500 };
    assert_eq!(cut.to_string(), "never sent the last 1500 of 2500 bytes");
}

#[test]
fn a_server_that_closes_early_is_reported() {
    let client = Client::new(Classic, "f").expect("a path");
    let ended = client.end_of_stream().expect_err("no answer");
    assert_eq!(
        ended.to_string(),
        "closed the connection without an answer; a classic asyncio server does this for a missing file"
    );
    for reads in [
        &[&b"file_"[..]][..],
        &[b"file_exist"],
        &[b"file_exist", b"\x10\0"],
        &[b"file_exist", b"\x10\0\0\0", b"{"],
    ] {
        let mut client = Client::new(Classic, "f").expect("a path");
        for read in reads {
            Fetched::default().read(&mut client, read).expect("right so far");
        }
        assert_eq!(client.end_of_stream(), Err(Ended::Handshake), "{reads:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_the_client(select: bool, begin in 0..4usize, bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1..50usize) {
        let dialect = if select { ClassicSelect } else { Classic };
        let mut client = Client::new(dialect, "f").expect("a path");
        let begin: &[u8] = [&b""[..], b"file_exist", b"file_exist\x10\0\0\0{\"file_name\"", b"12"][begin];
        let mut fetched = Fetched::default();
        let reads = std::iter::once(begin).chain(bytes.chunks(size));
        for read in reads {
            if fetched.read(&mut client, read).is_err() {
                break;
            }
        }
        let _ = client.end_of_stream();
    }

    #[test]
    fn no_bytes_panic_the_server(select: bool, path in prop::collection::vec(any::<u8>(), 0..50), bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1..50usize) {
        let mut server = Server::new(if select { ClassicSelect } else { Classic });
        if let Ok(Some(_)) = server.receive(&path) {
            server.found(Header::new("f", 5));
        }
        let violated = bytes.chunks(size).any(|read| server.receive(read).is_err());
        prop_assert!(server.outgoing().len() < 200);
        let _ = violated;
    }
}

/// The header that our server sends for a name.
fn header_of(name: &str, size: u64) -> String {
    let mut server = Server::new(Classic);
    let _ = server.receive(b"f");
    server.found(Header::new(name, size));
    for word in [&b"start_send_file"[..], b"header_size_ok"] {
        server.sent(server.outgoing().len());
        let _ = server.receive(word);
    }
    String::from_utf8(server.outgoing().to_vec()).expect("ASCII")
}

#[test]
fn the_header_equals_the_one_of_python() {
    // All of the basic plane in one name, and special cases of `splitext`.
    let every: String =
        (1..0x2_0000u32).step_by(7).filter_map(char::from_u32).filter(|c| *c != '/').collect();
    let names = ["a.tar.gz", ".bashrc", "..a.b", "a.", "...", " ", "\"\\\u{7f}\n.\t", "😀.ü", &every];
    let script = "import json, os, sys\n\
        for name in json.load(sys.stdin):\n    \
        print(json.dumps({'file_name': name, 'file_size': 1 << 63, 'file_type': os.path.splitext(name)[1]}))";
    let python = std::process::Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut python) = python else {
        println!("skipped: python3 is not installed");
        return;
    };
    let input = python.stdin.take().expect("it is piped");
    serde_json::to_writer(input, &names).expect("python3 reads");
    let output = python.wait_with_output().expect("python3 runs");
    let lines = String::from_utf8(output.stdout).expect("ASCII");
    assert_eq!(lines.lines().count(), names.len());
    for (name, line) in names.iter().zip(lines.lines()) {
        assert_eq!(header_of(name, 1 << 63), line);
    }
}
