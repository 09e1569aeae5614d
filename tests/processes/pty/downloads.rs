//! The download screen in a pseudo-terminal, with a server in a process of its own.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    pty::harness::{Session, TUI},
    shared::program::{Home, Service},
};

/// The process must end within a second; on a slow machine with other tests some more is allowed.
const GONE: Duration = Duration::from_secs(3);

/// A headless server with its own folder.
pub struct Server {
    service: Service,
    /// Where it listens.
    pub port: String,
    /// It serves the folder `served` in this one.
    home: Home,
}

impl Server {
    /// Serves `readme.txt` and two large files, without TLS.
    pub fn start() -> Server {
        Server::start_with("--plain")
    }

    fn start_with(options: &str) -> Server {
        let home = Home::new();
        let served = home.write("served/readme.txt", "hello\n").path().join("served");
        // Data and not holes, which are not sent.
        for (name, length) in [("large.bin", 96 << 20), ("other.bin", 32 << 20)] {
            let mut file = fs::File::create(served.join(name)).expect("a file");
            io::copy(&mut io::repeat(1).take(length), &mut file).expect("written");
        }
        let service = Service::start(&home, &served, options);
        Server { port: service.port.to_string(), service, home }
    }

    /// Stops it. Returns the requests that it received.
    fn requests(self) -> Vec<String> {
        let Service { mut process, lines, .. } = self.service;
        process.signal(Signal::KILL);
        let lines = lines.rest();
        lines.into_iter().filter(|line| line.contains("\"request\"")).collect()
    }
}

fn open(server: &Server, home: &Path, more: &[&str]) -> Session {
    let mut arguments = vec!["--plain", "-H", "127.0.0.1", "-P", &server.port];
    arguments.extend(more);
    let session = Session::start(TUI, &arguments, home, (80, 24));
    session.wait_for("Fetch");
    session.wait_for("quit");
    session
}

#[test]
fn a_typed_path_is_fetched_and_verified() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = open(&server, home.path(), &[]);
    session.send("readme.txt\r");
    session.wait_for("done");
    session.wait_for("verified");
    assert_eq!(fs::read(home.path().join("readme.txt")).ok().as_deref(), Some(&b"hello\n"[..]));
    session.resize(40, 8);
    session.wait("the compact form", |screen| screen.contents().contains("readme.txt"));
    session.resize(120, 40);
    session
        .wait("the wide form", |screen| screen.rows(0, 120).last().is_some_and(|row| row.contains("quit")));
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
}

#[test]
fn a_target_that_exists_is_kept_beside_the_new_one_by_a_key() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    fs::write(home.path().join("readme.txt"), "of the user\n").expect("a file");
    let mut session = open(&server, home.path(), &[]);
    session.send("readme.txt\r");
    session.wait_for("1 to decide");
    session.send("\x1bOQ");
    session.wait_for("readme.txt exists and differs");
    session.wait_for("k keep both");
    session.send("k");
    session.wait_for("verified");
    let read = |name: &str| fs::read_to_string(home.path().join(name)).ok();
    assert_eq!(read("readme.txt").as_deref(), Some("of the user\n"));
    assert_eq!(read("readme (1).txt").as_deref(), Some("hello\n"));
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
}

/// Signals and keys have one reader, which must distinguish them.
#[test]
fn a_key_during_a_resize_is_not_lost() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = open(&server, home.path(), &[]);
    let mut typed = String::new();
    for round in 0..60_u8 {
        let key = char::from(b'a' + round % 26);
        session.resize(if round % 2 == 0 { 100 } else { 80 }, 24);
        session.send(&key.to_string());
        typed.push(key);
        session.wait_for(&typed);
    }
    session.resize(80, 24);
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
}

#[test]
fn an_unknown_server_is_trusted_after_yes() {
    let (server, home) = (Server::start_with(""), tempfile::tempdir().expect("a folder"));
    let arguments = ["-H", "127.0.0.1", "-P", &server.port, "readme.txt"];
    let mut session = Session::start(TUI, &arguments, home.path(), (80, 24));
    session.wait_for("is not known yet. Does it show");
    session.answer("yes\r");
    session.wait_for("verified");
    assert_eq!(fs::read(home.path().join("readme.txt")).ok().as_deref(), Some(&b"hello\n"[..]));
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
    // Once is enough.
    fs::remove_file(home.path().join("readme.txt")).expect("removed");
    let arguments = ["--session", "other", "-H", "127.0.0.1", "-P", &server.port, "readme.txt"];
    let mut session = Session::start(TUI, &arguments, home.path(), (80, 24));
    session.wait_for("verified");
    session.send("\x03");
    assert_eq!(session.end().code, 0);
}

#[test]
fn a_missing_token_can_be_pasted_with_the_address() {
    let token = "sesame-sesame-sesame";
    let (server, home) =
        (Server::start_with(&format!("--plain --token {token}")), tempfile::tempdir().expect("a folder"));
    let mut session = open(&server, home.path(), &["readme.txt"]);
    session.wait_for("wants its token");
    session.send(&format!("fdsp+plain://{token}@127.0.0.1:{}/\r", server.port));
    session.wait_for("verified");
    assert_eq!(fs::read(home.path().join("readme.txt")).ok().as_deref(), Some(&b"hello\n"[..]));
    session.wait("the listing", |screen| screen.contents().contains("large.bin"));
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
}

#[test]
fn a_listing_that_wants_a_token_asks_for_it_and_opens() {
    let token = "sesame-sesame-sesame";
    let (server, home) =
        (Server::start_with(&format!("--plain --token {token}")), tempfile::tempdir().expect("a folder"));
    let mut session = open(&server, home.path(), &[]);
    session.send("\x0f");
    session.wait_for("wants its token");
    session.send("not-the-token-of-it");
    session.wait_for("\u{2022}\u{2022}\u{2022}");
    session.send("\r");
    session.wait("the question once more", |screen| {
        let shown = screen.contents();
        shown.contains("wants its token") && !shown.contains("\u{2022}\u{2022}\u{2022}")
    });
    session.send(&format!("{token}\r"));
    session.wait_for("large.bin");
    assert!(!String::from_utf8_lossy(&session.bytes()).contains(token), "it is not shown");
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
}

/// The server has another certificate, so nothing may be sent to it.
#[test]
fn a_wrong_pin_in_the_address_line_sends_no_request() {
    let server = Server::start_with("--token sesame-sesame-sesame");
    let home = tempfile::tempdir().expect("a folder");
    let (address, right) = server.service.address.split_once('#').expect("a pin");
    let wrong = format!("sha256:{}", "a5".repeat(32));
    let (left, up) = ("\x1b[D".repeat(wrong.len() + 1), "\x1b[A");
    // As if the server had been accepted before: without the pin it would be trusted.
    let open = |session| {
        let session = Session::start(TUI, &["--accept-new", "--session", session], home.path(), (80, 24));
        session.wait_for("quit");
        session
    };
    for keys in [
        format!("{address}#{wrong}\x0f"),
        format!("{address}#{wrong}\r"),
        format!("{address}readme.txt#{wrong}\x0f"),
        format!("{address}readme.txt#{wrong}\r"),
        format!("{address}#{wrong}\t"),
        format!("{address}rea#{wrong}{left}\t"),
        format!("\x1b[200~{address}readme.txt#{wrong}\n{address}large.bin#{wrong}\n\x1b[201~y"),
        // The history has the typed address with its pin.
        format!("{up}\x0f"),
    ] {
        let mut session = open("wrong");
        session.send(&keys);
        session.wait_for("SERVER IDENTITY CHANGED");
        assert!(!session.contents().contains("hello"), "{}", session.contents());
        session.signal(Signal::TERM);
        session.end();
    }
    let mut session = open("right");
    session.send(&format!("{address}#{right}\x0f"));
    session.wait_for("large.bin");
    // An open listing follows the server that is typed next.
    session.send(&format!("i\x15{address}#{wrong}\x0f"));
    session.wait_for("SERVER IDENTITY CHANGED");
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "that of the right pin only: {requests:#?}");
}

#[test]
fn a_newline_in_a_paste_queues_nothing() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = open(&server, home.path(), &[]);
    session.send("\x1b[200~readme.txt\nlarge.bin\n\x1b[201~");
    session.wait("a question", |screen| {
        let rows: Vec<String> = screen.rows(0, 80).collect();
        rows.last().is_some_and(|row| row.contains("y queue") && row.contains('2'))
    });
    session.send("n");
    session.wait_for("browse");
    assert!(!home.path().join("readme.txt").exists());
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
}

#[test]
fn pasted_lines_say_what_they_are_before_they_are_queued() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = open(&server, home.path(), &[]);
    let address = format!("127.0.0.1:{}", server.port);
    let lines = format!("readme.txt\n{address}/readme.txt\n{address}\nme@nas:films\n");
    session.send(&format!("\x1b[200~{lines}\x1b[201~"));
    session.wait_for("Queue 1 of 4 lines and list");
    let shown = session.contents();
    for words in [
        &format!("file or folder of {address}"),
        "skipped: the same as line 1",
        "server: its files are listed",
        "skipped: that is the form of scp",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!home.path().join("readme.txt").exists());
    session.send("y");
    session.wait_for("verified");
    session.wait_for("large.bin");
    // What is done is marked in the listing.
    session.wait_for("✓ local");
    session.send("\x03");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
}

#[test]
fn signals_quit_the_screen_during_a_transfer() {
    for signal in [Signal::TERM, Signal::HUP] {
        let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
        let mut session = open(&server, home.path(), &["--limit", "1M", "large.bin"]);
        session.wait_for(" kB/s");
        session.signal(signal);
        let end = session.end();
        assert_eq!(end.code, 130, "{signal:?}");
        assert!(end.after < GONE, "{signal:?}: {end:?}");
        session.assert_restored();
        assert!(home.path().join("large.bin.part").exists(), "the received bytes are kept");
    }
}

#[test]
fn the_screen_continues_after_a_stop() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let script = format!(
        "set -m; '{TUI}' --plain -H 127.0.0.1 -P {} --limit 4M large.bin; echo in the shell; read line; fg >/dev/null; echo left $?",
        server.port
    );
    let mut session = Session::start("sh", &["-c", &script], home.path(), (80, 24));
    session.wait_for("MB/s");
    session.send("\x1a");
    session.wait_for("in the shell");
    session.assert_restored();
    session.send("\n");
    session.wait("the screen again", |screen| {
        screen.alternate_screen() && screen.contents().contains("large.bin")
    });
    session.wait_for("MB/s");
    session.send("\x03");
    session.wait_for("y quit");
    session.send("y");
    session.wait_for("left 0");
    session.assert_restored();
}

/// A shell sends no signal when it moves a running job to the foreground.
#[test]
fn downloads_continue_in_the_background() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let script = format!(
        "set -m; '{TUI}' --plain -H 127.0.0.1 -P {} --limit 4M large.bin; echo in the shell; bg; read line; fg >/dev/null; echo left $?",
        server.port
    );
    let mut session = Session::start("sh", &["-c", &script], home.path(), (80, 24));
    session.wait_for("MB/s");
    session.send("\x1a");
    session.wait_for("in the shell");
    let part = home.path().join("large.bin.part");
    let written = || fs::metadata(&part).and_then(|file| file.modified()).ok();
    let (before, start) = (written(), Instant::now());
    while written() <= before {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing is received in the background");
        session.bytes_within(Duration::from_millis(50));
    }
    assert!(!session.contents().contains("Fetch"), "nothing is drawn meanwhile");
    session.send("\n");
    session.wait("the screen again", |screen| {
        screen.alternate_screen() && screen.contents().contains("large.bin")
    });
    session.send("\x03");
    session.wait_for("y quit");
    session.send("y");
    session.wait_for("left 0");
    session.assert_restored();
}

#[test]
fn a_file_of_addresses_is_added_to_the_queue() {
    let server = Server::start();
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("list"), "readme.txt\n  out=first.txt\nreadme.txt\n  out=second.txt\n")
        .expect("a list");
    let mut session = open(&server, home.path(), &["-i", "list"]);
    session.wait_for("2 of 2 done");
    for name in ["first.txt", "second.txt"] {
        assert_eq!(fs::read_to_string(home.path().join(name)).expect("fetched"), "hello\n");
    }
    session.send("\x03");
    assert_eq!(session.end().code, 0);
}

#[test]
fn a_terminal_without_cursor_movement_gets_plain_lines() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    for term in [None, Some(""), Some("dumb")] {
        let start = |arguments: &[&str]| Session::start_on(term, TUI, arguments, home.path(), (80, 24));
        let mut session = start(&["--plain", "-H", "127.0.0.1", "-P", &server.port, "readme.txt"]);
        assert_eq!(session.end().code, 0, "{term:?}");
        session.wait_for("readme.txt: done");
        assert!(!session.bytes().contains(&0x1b), "{term:?}: {}", session.contents());
        let mut session = start(&[]);
        assert_eq!(session.end().code, 2, "{term:?}");
        session.wait_for("set TERM");
        assert!(!session.bytes().contains(&0x1b), "{term:?}: {}", session.contents());
    }
}

/// Names whose width terminals disagree on, above and below others.
#[test]
fn a_scrolled_listing_leaves_no_letters_of_other_names() {
    let server = Server::start();
    let served = server.home.path().join("served");
    for number in 0..40 {
        let name = ["👨\u{200d}👩\u{200d}👧 x", "🇩🇪 yy", "กำ zzz", "plain name w", "文件 vv"][number % 5];
        fs::write(served.join(format!("{number:02} {name}")), "").expect("a file");
    }
    for more in [&[][..], &["--ascii"]] {
        let home = tempfile::tempdir().expect("a folder");
        let mut session = open(&server, home.path(), more);
        session.send("\x0f");
        session.wait_for("43 entries");
        for down in 1..=40 {
            session.send("j");
            session.wait("the next row is selected", |screen| {
                let glyph = if more.is_empty() { '▸' } else { '>' };
                let row = |row: &String| row.trim_start().starts_with(glyph);
                screen.rows(0, 80).filter(row).any(|row| row.contains(&format!(" {down:02} "))) || down == 40
            });
            // Each row shows its own letters only.
            for row in session.contents().lines() {
                let Some(number) = row.trim_start_matches(['▸', '>', ' ']).get(..2) else { continue };
                let Ok(number) = number.parse::<usize>() else { continue };
                if row.contains("0 B") {
                    let letters: String = row.chars().filter(char::is_ascii_lowercase).collect();
                    assert_eq!(letters, ["x", "yy", "zzz", "plainnamew", "vv"][number % 5], "{row}");
                }
            }
        }
        session.signal(Signal::TERM);
        session.end();
    }
}

#[test]
fn undo_restores_a_cancelled_job_with_its_partial_file() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = open(&server, home.path(), &["--limit", "3M", "large.bin"]);
    let part = home.path().join("large.bin.part");
    session.wait("a block is there", |_| fs::metadata(&part).is_ok_and(|found| found.len() > 1_000_000));
    // A deletion is confirmed by its own key only.
    session.send("\tx\r");
    session.wait_for("delete the partial file?");
    session.send("y");
    session.wait_for("u undoes that");
    session.wait("it has stopped", |screen| screen.contents().contains("large.bin: cancelled"));
    session.wait("nothing runs", |screen| !screen.contents().contains("1 running"));
    assert!(part.exists());
    session.send("u");
    session.wait_for("large.bin: restored");
    session.wait_for("1 running");
    session.signal(Signal::TERM);
    session.end();
}

#[test]
fn an_idle_screen_writes_nothing() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let session = open(&server, home.path(), &["readme.txt"]);
    session.wait_for("verified");
    while !session.bytes_within(Duration::from_millis(1500)).is_empty() {}
    let bytes = session.bytes_within(Duration::from_secs(3));
    assert_eq!(String::from_utf8_lossy(&bytes), "");
}

#[test]
fn a_transfer_writes_few_bytes_to_the_terminal() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let session = open(&server, home.path(), &["--limit", "20M", "large.bin"]);
    session.wait_for("MB/s");
    let seconds = 4;
    let bytes = session.bytes_within(Duration::from_secs(seconds)).len() as u64;
    println!("{} bytes a second", bytes / seconds);
    assert!(bytes > 0 && bytes <= seconds * 1024, "{bytes}");
}
