//! No text of a peer and no file name controls the terminal: all output of whole programs, with and without a screen,
//! and their logs.

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
    thread,
};

use fdsp::{protocol::digest::BlockHasher, text::is_unsafe};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::shared::{
    frames::{self, PREAMBLE, json as control},
    program::{self, Home, Lines, MAX_WAIT, Running},
};

/// Sequences that control a terminal: a title, colours, moved lines, reversed and invisible text; and the characters that may not be in the output.
fn evil() -> String {
    let all: String =
        ('\u{1}'..='\u{ffff}').chain('\u{e0000}'..='\u{e0010}').filter(|c| is_unsafe(*c)).collect();
    format!("\u{1b}]0;evil\u{7}\u{1b}[2J\u{9b}31m\r\n12:00:00 INFO forged\u{8}\u{202e}txt.exe\u{200b}{all}")
}

#[track_caller]
fn assert_harmless(what: &str, output: &[u8]) {
    let text = String::from_utf8_lossy(output);
    let found = text.lines().find(|line| line.contains(is_unsafe));
    assert!(found.is_none(), "{what}: {found:?}");
}

/// All files below a folder: their names, and the content of text files.
fn assert_harmless_folder(what: &str, folder: &Path) {
    for entry in fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry")) {
        // A name keeps characters that emoji and some scripts need.
        let is_joiner = |c| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        let name = entry.file_name().to_string_lossy().replace(is_joiner, "");
        assert_harmless(what, name.as_bytes());
        if entry.path().is_dir() {
            assert_harmless_folder(what, &entry.path());
        } else {
            assert_harmless(what, &fs::read(entry.path()).expect("readable"));
        }
    }
}

/// Starts a server that sends the same answer to every client and request.
fn scripted(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    // Ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, &answer));
        }
    });
    port
}

fn serve(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.set_read_timeout(Some(MAX_WAIT));
    // The preamble, the greeting and the first request are received in one or several pieces.
    let mut got = Vec::new();
    while frames::frames(got.get(PREAMBLE.len()..).unwrap_or_default()).len() < 2 {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => got.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let _ = stream.write_all(answer);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut got);
}

fn welcome() -> Vec<u8> {
    let message = json!({ "agent": evil(), "pipeline": 64, "parallel": 8 });
    [&PREAMBLE[..], &control(0x81, 0, &message)].concat()
}

fn content(name: &str, form: &str) -> Value {
    let mut content = json!({
        "form": form, "name": name, "size": 8, "modified": { "s": 0, "ns": 0 }, "mode": 0o644, "identity": "i",
        "first_block": 0,
    });
    if form == "zip" {
        content["sources"] = json!({ "bytes": 8, "files": 1, "directories": 0, "omitted": 2 });
    }
    content
}

/// A whole answer with a right content.
fn file(name: &str, form: &str) -> Vec<u8> {
    let bytes = b"harmless";
    let mut hasher = BlockHasher::new(0);
    hasher.update(bytes);
    let digest = hasher.finish();
    let block = [&0_u64.to_le_bytes()[..], &8_u64.to_le_bytes(), &digest.chaining.0].concat();
    let root = blake3::hash(bytes).to_hex().to_string();
    [
        control(0x84, 1, &content(name, form)),
        frames::frame(0x90, 1, bytes),
        frames::frame(0x91, 1, &block),
        control(0x92, 1, &json!({ "size": 8, "root": root, "identity": "i" })),
    ]
    .concat()
}

/// Answers of hostile servers.
fn answers() -> Vec<(&'static str, Vec<u8>)> {
    let evil = evil();
    let after = |frame: Vec<u8>| [welcome(), frame].concat();
    let failure = |code: &str| control(0x9f, 1, &json!({ "code": code, "message": evil, "path": evil }));
    let mut answers = vec![
        ("a goodbye", after(control(0x8f, 0, &json!({ "reason": evil })))),
        ("a goodbye of the right kind", after(control(0x0f, 0, &json!({ "reason": evil })))),
        ("an unknown code", after(failure(&evil))),
        (
            "an error for the connection",
            after(control(0x9f, 0, &json!({ "code": "internal", "message": evil }))),
        ),
        ("an invalid form", after(control(0x84, 1, &content("x", &evil)))),
        ("hostile members", after(control(0x84, 1, &json!({ evil.clone(): evil })))),
        ("no JSON", after(frames::frame(0x84, 1, evil.as_bytes()))),
        ("a file", after(file(&evil, "file"))),
        ("an invalid archive", after(file(&evil, "zip"))),
        ("a web server", format!("HTTP/1.1 200 {evil}\r\n\r\n").into_bytes()),
        ("an SSH server", format!("SSH-2.0-{evil}\r\n").into_bytes()),
        ("noise", evil.clone().into_bytes()),
    ];
    for code in ["internal", "unreadable", "not_found", "changed", "busy", "violation", "unsupported"] {
        answers.push(("an error", after(failure(code))));
    }
    answers
}

#[test]
fn a_client_prints_no_control_sequences_of_a_server() {
    for (what, answer) in answers() {
        let port = scripted(answer);
        for (face, path) in [("--headless -vv", "x"), ("--json", ""), ("--headless", "")] {
            let home = Home::new();
            fs::create_dir(home.path().join("got")).expect("made");
            let line = format!(
                "{face} --extract --retries 0 --retry-max-time 0.1 --timeout 5 -d got --log-file log fdsp+plain://127.0.0.1:{port}/{path}"
            );
            let outcome = home.line(&line);
            assert_harmless(what, outcome.stdout.as_bytes());
            assert_harmless(what, outcome.stderr.as_bytes());
            assert!(home.path().join("log").exists());
            assert_harmless_folder(what, home.path());
        }
    }
}

/// A local folder may have any name: it is reported, and no event is lost because of it.
#[test]
fn a_folder_with_control_characters_in_its_name_is_reported() {
    for (name, shown) in
        [(&b"g\xc2\x9b31m\xe2\x80\xaet"[..], Some("g\u{9b}31m\u{202e}t")), (b"caf\xe9", None)]
    {
        let port = scripted([welcome(), file("x", "file")].concat());
        let home = Home::new();
        let mut command =
            home.command(["--json", "--retries", "0", "--retry-max-time", "0.1", "--log-file", "log", "-d"]);
        command.arg(OsStr::from_bytes(name)).arg(format!("fdsp+plain://127.0.0.1:{port}/x"));
        let outcome = program::finish(command.spawn().expect("the binary starts"));
        assert_eq!(outcome.code, 0, "{outcome:?}");
        for output in [&outcome.stdout, &outcome.stderr] {
            assert_harmless("an odd folder", output.as_bytes());
        }
        let done = outcome.events("done");
        let path = done[0]["path"].as_str().expect("a path");
        assert!(path.ends_with("/x") && shown.is_none_or(|shown| path.contains(shown)), "{path:?}");
        assert_harmless("the log", &fs::read(home.path().join("log")).expect("a log"));
    }
}

/// What hostile clients send.
fn requests() -> Vec<Vec<u8>> {
    let evil = evil();
    let hello = [&PREAMBLE[..], &control(0x01, 0, &json!({ "agent": evil }))].concat();
    let after = |frame: Vec<u8>| [&hello[..], &frame].concat();
    let mut all = vec![
        after(control(0x0f, 0, &json!({ "reason": evil }))),
        after(control(0x04, 1, &json!({ evil.clone(): evil }))),
        after(frames::frame(0x04, 1, evil.as_bytes())),
        after(control(0x03, 1, &json!({ "path": "", "after": evil }))),
        after(control(0x04, 1, &json!({ "path": "file", "identity": evil }))),
        format!("GET /{evil} HTTP/1.1\r\n\r\n").into_bytes(),
        format!(
            "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            percent_encode(evil.as_bytes(), NON_ALPHANUMERIC)
        )
        .into_bytes(),
        format!("SSH-2.0-{evil}\r\n").into_bytes(),
        evil.clone().into_bytes(),
    ];
    let short: String = evil.chars().take(60).collect();
    for path in [evil, short.clone(), format!("folder/{short}"), "folder".into(), "\u{1b}[2Jname".into()] {
        for kind in [0x02, 0x03, 0x04, 0x05, 0x06] {
            all.push(after(control(kind, 1, &json!({ "path": path }))));
        }
    }
    all
}

#[test]
fn a_server_prints_no_control_sequences_of_clients_or_file_names() {
    for options in ["--headless -vv", "--json", "--headless --classic -vv", "--json --classic"] {
        let home = Home::new();
        let served = tempfile::tempdir().expect("a folder");
        fs::create_dir(served.path().join("folder")).expect("made");
        for name in ["\u{1b}[2Jname", "folder/\u{202e}\u{9b}\u{7}", "file"] {
            fs::write(served.path().join(name), "x").expect("written");
        }
        let mut command: Command = home.command(["--serve", "--plain", "-P", "0", "--log-file", "log"]);
        command.args(options.split_whitespace()).arg(served.path());
        let mut server = Running::start(command);
        let (mut stdout, mut stderr) = (server.stdout(), server.stderr());
        let is_json = options.contains("--json");
        let port = port_of(if is_json { &mut stdout } else { &mut stderr });
        for request in requests() {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
            stream.set_read_timeout(Some(MAX_WAIT)).expect("set");
            // It may have closed already.
            let _ = stream.write_all(&request);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        server.signal(Signal::TERM);
        for lines in [stdout, stderr] {
            for line in lines.rest() {
                assert_harmless(options, line.as_bytes());
            }
        }
        assert_harmless(options, &fs::read(home.path().join("log")).expect("a log"));
    }
}

/// The port that a server says it listens on, in JSON or in a sentence.
fn port_of(lines: &mut Lines) -> u16 {
    loop {
        let line = lines.next();
        assert_harmless("the first lines", line.as_bytes());
        if let Some(port) =
            serde_json::from_str::<Value>(&line).ok().and_then(|object| object["port"].as_u64())
        {
            return u16::try_from(port).expect("a port");
        }
        let Some((_, rest)) = line.split_once("127.0.0.1:") else { continue };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse().expect("a port");
    }
}
