//! The dashboard in a pseudo-terminal.

use std::{
    fs,
    io::{self, Read},
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::pty::harness::{Session, TUI};

/// The process must end within a second; on a slow machine with other tests some more is allowed.
const GONE: Duration = Duration::from_secs(3);

fn served() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("served")).expect("a folder in it");
    fs::write(folder.path().join("served/readme.txt"), "hello\n").expect("a file");
    folder
}

fn serve(folder: &TempDir) -> Session {
    let session =
        Session::start(TUI, &["--serve", "--plain", "--port", "0", "served"], folder.path(), (80, 24));
    session.wait_for("0 clients ");
    session.wait_for("q quit");
    session
}

#[test]
fn the_dashboard_shows_its_address_and_restores_the_terminal() {
    let folder = served();
    let mut session = serve(&folder);
    session.wait_for("fdsp+plain://127.0.0.1:");
    session.send("?");
    session.wait_for("Everywhere");
    session.send("G");
    session.wait_for("Server dashboard");
    session.send("q");
    session.wait_for("0 clients ");
    session.send("q");
    let end = session.end();
    assert_eq!(end.code, 0);
    session.assert_restored();
}

#[test]
fn a_client_is_listed_and_logged() {
    let folder = served();
    let mut session = serve(&folder);
    let address = address(&session);
    let target = tempfile::tempdir().expect("a folder");
    let status = std::process::Command::new(TUI)
        .args(["--headless", "-q", "-d"])
        .arg(target.path())
        .arg(format!("{address}readme.txt"))
        .env("XDG_STATE_HOME", target.path())
        .status()
        .expect("a client");
    assert!(status.success());
    session.wait_for("6 B sent");
    session.wait_for("readme.txt");
    session.send("q");
    session.send("y");
    assert_eq!(session.end().code, 0);
}

/// Fetches a file with this much patience for a busy server. Returns the exit code.
fn fetch(address: &str, name: &str, seconds: &str) -> Option<i32> {
    let target = tempfile::tempdir().expect("a folder");
    let status = std::process::Command::new(TUI)
        .args(["--headless", "-q", "--retry-max-time", seconds, "-d"])
        .arg(target.path())
        .arg(format!("{address}{name}"))
        .env("XDG_STATE_HOME", target.path())
        .stderr(std::process::Stdio::null())
        .status();
    status.expect("a client").code()
}

#[test]
fn a_client_is_disconnected_and_its_address_blocked_until_the_block_is_lifted() {
    let folder = served();
    let mut file = fs::File::create(folder.path().join("served/large.bin")).expect("a file");
    // Data and no holes, which would not be sent; more than the system takes in advance.
    io::copy(&mut io::repeat(1).take(64 << 20), &mut file).expect("written");
    let mut session = serve(&folder);
    let address = address(&session);
    let target = tempfile::tempdir().expect("a folder");
    let mut client = std::process::Command::new(TUI)
        .args(["--headless", "-q", "--limit", "200k", "-d"])
        .arg(target.path())
        .arg(format!("{address}large.bin"))
        .env("XDG_STATE_HOME", target.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("a client");
    session.wait_for("1 client ");
    session.wait_for("large.bin");
    session.send("d");
    session.wait_for("Disconnect 127.0.0.1");
    session.send("\r");
    session.send("b");
    session.wait_for("127.0.0.1: blocked for 10 m");
    session.wait_for("disconnected by the operator");
    client.kill().expect("it runs");
    client.wait().expect("it ran");
    session.wait("the block alone", |screen| {
        screen.contents().contains("0 clients ") && screen.contents().contains("blocked  9 m ")
    });
    assert_eq!(fetch(&address, "readme.txt", "1"), Some(3));
    session.wait_for("its address is blocked");
    session.send("u");
    session.wait_for("127.0.0.1: no longer blocked");
    assert_eq!(fetch(&address, "readme.txt", "60"), Some(0));
    session.send("q");
    session.send("y");
    session.wait_for("stopped after ");
    session.wait_for("1 client, ");
    assert_eq!(session.end().code, 0);
}

#[test]
fn the_address_is_shown_as_a_qr_code() {
    let folder = served();
    let mut session = serve(&folder);
    session.wait_for("only this machine can reach it");
    session.resize(80, 40);
    session.send("Q");
    session.wait("a code", |screen| screen.contents().matches(['\u{2588}', '#']).count() > 100);
    session.send("Q");
    session.wait_for("0 clients ");
    session.send("q");
    assert_eq!(session.end().code, 0);
}

fn address(session: &Session) -> String {
    let text = session.contents();
    let start = text.find("fdsp+plain://").expect("an address");
    text[start..].split_whitespace().next().expect("an address").to_owned()
}

#[test]
fn the_address_is_copied_to_the_clipboard_of_the_terminal() {
    let folder = served();
    let mut session = serve(&folder);
    let address = address(&session);
    session.send("c");
    session.wait_for("sent to the terminal's clipboard");
    let bytes = session.bytes();
    let text = String::from_utf8_lossy(&bytes);
    // OSC 52: the clipboard, and its new content in Base64 (RFC 4648).
    let (_, rest) = text.split_once("\u{1b}]52;c;").expect("the sequence");
    let coded = &rest[..rest.find(['\u{7}', '\u{1b}']).expect("its end")];
    assert_eq!(coded.trim_end_matches('='), base64(address.as_bytes()));
    session.send("q");
    assert_eq!(session.end().code, 0);
}

/// Base64 without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let number =
            (0..3).fold(0, |number, at| number << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        let digits = (0..=chunk.len()).map(move |at| char::from(DIGITS[number >> (18 - 6 * at) & 63]));
        digits.collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn the_dashboard_adapts_to_every_size() {
    let folder = served();
    let mut session = serve(&folder);
    session.resize(40, 8);
    session.wait("the compact form", |screen| screen.contents().starts_with(" 0 clients"));
    session.resize(20, 2);
    session.wait("a line", |screen| screen.contents().trim() == "0 clients  0 B/s");
    session.resize(1, 1);
    session.resize(200, 60);
    session.wait("everything again", |screen| {
        screen.contents().contains("0 clients ")
            && screen.rows(0, 200).last().is_some_and(|row| row.contains("q quit"))
    });
    session.send("q");
    assert_eq!(session.end().code, 0);
}

#[test]
fn an_idle_dashboard_writes_nothing() {
    let folder = served();
    let session = serve(&folder);
    session.wait_for("listening on");
    // The first frame is complete when nothing follows for a moment.
    while !session.bytes_within(Duration::from_millis(300)).is_empty() {}
    let bytes = session.bytes_within(Duration::from_secs(3));
    assert_eq!(String::from_utf8_lossy(&bytes), "");
}

#[test]
fn signals_quit_the_dashboard() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let folder = served();
        let mut session = serve(&folder);
        session.signal(signal);
        let end = session.end();
        assert_eq!(end.code, 130, "{signal:?}");
        assert!(end.after < GONE, "{signal:?}: {end:?}");
        session.assert_restored();
    }
}

#[test]
fn the_dashboard_is_stopped_and_continued_by_the_shell() {
    let folder = served();
    let script = format!(
        "set -m; '{TUI}' --serve --port 0 served ; echo in the shell; read line; fg >/dev/null; echo left $?"
    );
    let mut session = Session::start("sh", &["-c", &script], folder.path(), (80, 24));
    session.wait_for("0 clients ");
    session.wait_for("q quit");
    session.send("\x1a");
    session.wait_for("in the shell");
    session.assert_restored();
    session.send("\n");
    session.wait("the dashboard again", |screen| {
        screen.alternate_screen() && screen.bracketed_paste() && screen.contents().contains("q quit")
    });
    session.send("q");
    session.wait_for("left 0");
    session.assert_restored();
    assert_eq!(session.end().code, 0);
}

/// Without a shell no program could continue it.
#[test]
fn the_dashboard_does_not_stop_without_a_shell() {
    let folder = served();
    let mut session = serve(&folder);
    session.send("\x1a");
    session.wait_for("not stopped");
    session.send("q");
    assert_eq!(session.end().code, 0);
}

#[test]
fn the_dashboard_redraws_everything_after_a_stop_by_a_signal() {
    let folder = served();
    let mut session = serve(&folder);
    let before = session.bytes().len();
    session.signal(Signal::STOP);
    session.signal(Signal::CONT);
    session.wait("a whole frame", |screen| screen.contents().contains("0 clients "));
    while !String::from_utf8_lossy(&session.bytes()[before..]).contains("connections") {
        session.bytes_within(Duration::from_millis(20));
    }
    session.send("q");
    assert_eq!(session.end().code, 0);
}

/// A stalled terminal blocks neither the work nor the exit, and frames do not queue up.
#[test]
fn a_stalled_terminal_blocks_neither_the_server_nor_the_exit() {
    let folder = served();
    let mut session = serve(&folder);
    session.resize(200, 60);
    session
        .wait("a large frame", |screen| screen.rows(0, 200).last().is_some_and(|row| row.contains("q quit")));
    session.stall(true);
    let before = session.bytes().len();
    for _ in 0..200 {
        session.send("?");
        std::thread::sleep(Duration::from_millis(5));
        session.send("q");
        std::thread::sleep(Duration::from_millis(5));
    }
    session.stall(false);
    session.send("?");
    session.wait_for("Everywhere");
    session.send("q");
    session.wait_for("0 clients ");
    let bytes = session.bytes().len() - before;
    assert!(bytes < 200 * 1024, "{bytes} bytes: frames were queued");
    session.stall(true);
    for _ in 0..100 {
        session.send("?");
        std::thread::sleep(Duration::from_millis(5));
        session.send("q");
        std::thread::sleep(Duration::from_millis(5));
    }
    session.signal(Signal::TERM);
    let end = session.end();
    assert!(end.after < GONE, "{end:?}");
}
