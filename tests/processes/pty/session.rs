//! The session of the download screen: how the program ends, and what the next start resumes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    pty::{
        downloads::Server,
        harness::{Session, TUI},
    },
    shared::target::until,
};

/// Starts the screen and waits for its first frame.
fn open(home: &Path, arguments: &[&str]) -> Session {
    open_in(home, arguments, (80, 24))
}

fn open_in(home: &Path, arguments: &[&str], size: (u16, u16)) -> Session {
    let session = Session::start(TUI, arguments, home, size);
    session.wait("the screen", |screen| screen.alternate_screen() && !screen.contents().trim().is_empty());
    session
}

/// A screen that fetches the large file slowly, with another file in the queue.
fn started(server: &Server, home: &Path) -> Session {
    let port = server.port.as_str();
    let session = open(
        home,
        &["-H", "127.0.0.1", "-P", port, "--plain", "-j", "1", "--limit", "3M", "large.bin", "readme.txt"],
    );
    session.wait_for("3.0 MB/s");
    until("a block is listed", || listed(home) > 0);
    session
}

/// Blocks that the control file of the large file lists.
fn listed(home: &Path) -> usize {
    let text = fs::read_to_string(home.join("large.bin.part.fdsp")).unwrap_or_default();
    text.lines().filter(|line| line.contains(" block ")).count()
}

fn file(home: &Path) -> PathBuf {
    home.join("fdsp/sessions/default.json")
}

fn saved(home: &Path) -> String {
    fs::read_to_string(file(home)).unwrap_or_default()
}

/// A start without any argument loads the queue and its limits, and resumes after the verified blocks.
fn goes_on(home: &Path) -> Session {
    let before = listed(home);
    assert!(before > 0);
    let session = open(home, &[]);
    session.wait("the queue", |screen| {
        let text = screen.contents();
        text.contains("large.bin") && text.contains("readme.txt")
    });
    session.wait_for("limit 3 MB/s");
    session.wait_for("large.bin: resuming at ");
    until("more blocks are received", || listed(home) > before);
    session
}

#[test]
fn downloads_resume_after_quitting() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = started(&server, home.path());
    session.send("\x03");
    session.wait_for("1 running, 1 waiting. Quit? Downloads resume at the next start.");
    session.send("y");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
    session.wait_for("2 downloads are not finished; the next start resumes them");
    goes_on(home.path());
}

#[test]
fn signals_keep_the_queue() {
    for signal in [Signal::TERM, Signal::HUP, Signal::KILL] {
        let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
        let mut session = started(&server, home.path());
        // A moment later it is on the disk.
        until("the queue is kept", || saved(home.path()).contains("readme.txt"));
        session.signal(signal);
        session.end();
        drop(session);
        goes_on(home.path());
    }
}

#[test]
fn the_typed_text_is_restored() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = open(home.path(), &["-H", "127.0.0.1", "-P", &server.port, "--plain"]);
    session.send("readme.txt\r");
    session.wait_for("verified");
    session.signal(Signal::HUP);
    assert_eq!(session.end().code, 130);
    let mut session = open(home.path(), &[]);
    session.wait_for("verified");
    session.send("\x1b[A");
    session
        .wait("the entry", |screen| screen.rows(0, 80).nth(1).is_some_and(|row| row.contains("readme.txt")));
}

#[test]
fn every_job_keeps_its_place_in_the_queue() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = open(
        home.path(),
        &[
            "-H",
            "127.0.0.1",
            "-P",
            &server.port,
            "--plain",
            "readme.txt",
            "absent.txt",
            "--limit",
            "3M",
            "large.bin",
        ],
    );
    session.wait_for("failed");
    session.wait_for("3.0 MB/s");
    session.send("\tP");
    session.wait_for("paused");
    session.send("q");
    assert_eq!(session.end().code, 0, "nothing would stop, so nothing is asked");
    let session = open_in(home.path(), &[], (100, 30));
    session.wait("all of them", |screen| {
        let text = screen.contents();
        ["readme.txt", "verified", "done", "absent.txt", "failed", "large.bin", "paused", "idle"]
            .iter()
            .all(|word| text.contains(word))
    });
    let before = listed(home.path());
    let drawn = session.bytes_within(Duration::from_millis(1500));
    assert_eq!((String::from_utf8_lossy(&drawn).as_ref(), listed(home.path())), ("", before), "it rests");
}

#[test]
fn the_queue_waits_with_paused() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let mut session = started(&server, home.path());
    session.signal(Signal::TERM);
    session.end();
    let before = listed(home.path());
    let mut session = open(home.path(), &["--paused"]);
    session.wait_for("2 paused");
    session.wait_for("P resumes them");
    assert_eq!(listed(home.path()), before);
    session.send("P");
    until("it resumes", || listed(home.path()) > before);
}

#[test]
fn a_session_can_be_open_only_once() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let first = started(&server, home.path());
    let mut second = Session::start(TUI, &[], home.path(), (200, 24));
    assert_eq!(second.end().code, 1);
    second.wait_for(&format!("is open in process {} on /dev/pts/", first.pid().as_raw_nonzero()));
    second.wait_for("--session NAME");
    assert!(!String::from_utf8_lossy(&second.bytes()).contains("1049"), "the terminal is left alone");
    let other = open(home.path(), &["--session", "other"]);
    other.wait_for("nothing queued");
}

#[test]
fn an_unreadable_session_is_set_aside_and_reported() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    fs::create_dir_all(file(home.path()).parent().expect("a folder")).expect("made");
    fs::write(file(home.path()), "{\"fdsp-session\": 1, \"queue\": [").expect("written");
    let mut session = open(home.path(), &["-H", "127.0.0.1", "-P", &server.port, "--plain"]);
    session.wait_for("cannot be used");
    session.wait_for("default.json.aside-1");
    session.send("readme.txt\r");
    session.wait_for("verified");
    until("the new queue is kept", || saved(home.path()).contains("\"done\""));
    let aside = fs::read_to_string(home.path().join("fdsp/sessions/default.json.aside-1"));
    assert_eq!(aside.expect("kept"), "{\"fdsp-session\": 1, \"queue\": [");
}

#[test]
fn the_screen_works_without_a_session_and_reports_it() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    fs::create_dir_all(home.path().join("fdsp")).expect("made");
    fs::write(home.path().join("fdsp/sessions"), "no folder").expect("written");
    let mut session = open(home.path(), &["-H", "127.0.0.1", "-P", &server.port, "--plain"]);
    session.wait_for("the queue cannot be kept");
    session.send("readme.txt\r");
    session.wait_for("verified");
    session.send("\x03");
    assert_eq!(session.end().code, 0);
}
