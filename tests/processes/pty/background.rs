//! Downloads that continue in the background after the screen was left or lost, and return to the next run.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    pty::{
        hang_up::hold_with,
        harness::{Session, TUI, watch_end},
    },
    shared::{
        program::{Home, MAX_WAIT, Outcome, Service},
        proxy::Proxy,
        target::until,
    },
};

/// Bytes of the file that is fetched.
const SIZE: usize = 6_000_000;
/// Bytes that pass before the screen is left.
const FIRST: usize = 2_000_000;

/// A server whose bytes are held back, and a folder to download into.
struct Place {
    home: Home,
    proxy: Proxy,
    port: String,
    content: Vec<u8>,
    _service: Service,
}

impl Place {
    fn new() -> Place {
        let home = Home::new();
        let content: Vec<u8> = (0..SIZE).map(|at| (at / 5) as u8 ^ (at >> 11) as u8).collect();
        let served = home.write("served/large.bin", &content).path().join("served");
        fs::create_dir(home.path().join("downloads")).expect("made");
        let service = Service::start(&home, &served, "--plain");
        let proxy = Proxy::gate(SocketAddr::from((Ipv4Addr::LOCALHOST, service.port)), FIRST);
        let port = proxy.at().port().to_string();
        Place { home, proxy, port, content, _service: service }
    }

    fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// A screen that has received the first bytes of a file.
    fn begun(&self, background: &str) -> Session {
        let arguments = ["--plain", "--timeout", "600", "-H", "127.0.0.1", "-P", &self.port, "large.bin"];
        let session = self.screen(background, &arguments);
        self.first_bytes();
        session.wait_for("1 running");
        session
    }

    fn first_bytes(&self) {
        assert!(self.proxy.wait(FIRST, MAX_WAIT), "the first bytes did not come");
        until("the client has them", || self.proxy.unread() == 0);
    }

    fn screen(&self, background: &str, arguments: &[&str]) -> Session {
        let session = Session::start_with(
            background,
            Some("xterm-256color"),
            TUI,
            arguments,
            &self.downloads(),
            (80, 24),
        );
        session
            .wait("the screen", |screen| screen.alternate_screen() && !screen.contents().trim().is_empty());
        session
    }

    /// Runs the program without a screen on the same state.
    fn run(&self, line: &str) -> Outcome {
        let mut command = self.home.command(line.split_whitespace());
        command.env("XDG_STATE_HOME", self.downloads());
        crate::shared::program::finish(command.spawn().expect("the binary starts"))
    }

    fn status(&self) -> Value {
        let outcome = self.run("--status --json");
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        outcome.objects().pop().expect("an object")
    }

    /// The background process, once it downloads.
    fn process(&self) -> i32 {
        let mut process = 0;
        until("a background process", || {
            let status = self.status();
            process = status["process"].as_i64().unwrap_or_default();
            status["running"] == 1
        });
        i32::try_from(process).expect("a process id")
    }

    fn file(&self) -> PathBuf {
        self.downloads().join("large.bin")
    }

    /// The rest passes; the file is complete, and was received once.
    fn complete(&self) {
        self.proxy.let_pass(usize::MAX / 2);
        until("the file is complete", || self.file().exists());
        assert!(fs::read(self.file()).expect("a file") == self.content);
        let received = self.proxy.passed();
        assert!(received < SIZE + SIZE / 20, "{received} bytes for {SIZE}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that fails leaves no process behind.
        self.run("--stop");
    }
}

fn command_line(process: i32) -> String {
    let line = fs::read(format!("/proc/{process}/cmdline")).expect("it runs");
    String::from_utf8_lossy(&line).replace('\0', " ")
}

#[test]
fn downloads_continue_after_b_and_end_by_themselves() {
    let place = Place::new();
    let mut session = place.begun("ask");
    session.send("\x03");
    session.wait_for("1 running. Quit?");
    session.wait_for("b keep downloading");
    session.send("b");
    assert_eq!(session.end().code, 0);
    session.assert_restored();
    session.wait_for("1 download continues in the background, in process ");
    let process = place.process();
    assert_eq!(command_line(process).trim(), "/proc/self/exe --background-process", "no token is in it");
    let text = place.run("--status").stdout;
    assert!(
        text.starts_with(&format!(
            "session default: downloads in the background, in process {process}\n1 running"
        )),
        "{text}"
    );
    assert!(text.contains("large.bin"), "{text}");
    place.complete();
    watch_end(process);
    let status = place.status();
    assert_eq!((&status["process"], &status["done"]), (&Value::Null, &1.into()), "{status}");
    let files: Vec<_> = crate::shared::target::names(&place.downloads().join("fdsp/sessions"));
    assert_eq!(files, ["default.json", "default.lock"], "the socket is gone");
}

#[test]
fn the_next_screen_takes_them_over() {
    let place = Place::new();
    let mut session = place.begun("always");
    session.send("\x03");
    assert_eq!(session.end().code, 0, "it is not asked");
    let process = place.process();
    let session = place.screen("always", &[]);
    let (after, _) = watch_end(process);
    assert!(after < Duration::from_secs(5), "{after:?}");
    session.wait_for("large.bin");
    session.wait_for("1 running");
    place.complete();
    session.wait_for("verified");
}

#[test]
fn they_stop_when_they_are_told_to() {
    let place = Place::new();
    let mut session = place.begun("always");
    session.send("\x03");
    session.end();
    let process = place.process();
    let stopped = place.run("--stop");
    assert_eq!(stopped.code, 0);
    assert_eq!(
        stopped.stderr.trim_end(),
        format!(
            "session default: process {process} has stopped; 1 download is not finished, the next start resumes it"
        )
    );
    watch_end(process);
    assert_eq!(place.status()["waiting"], 1);
    let again = place.run("--stop");
    assert_eq!(
        (again.code, again.stderr.trim_end()),
        (0, "session default: nothing is downloaded in the background")
    );
}

/// The socket of a killed process has no listener, and its lock is free.
#[test]
fn a_killed_background_process_leaves_a_session_that_can_be_opened() {
    let place = Place::new();
    let mut session = place.begun("always");
    session.send("\x03");
    session.end();
    let process = place.process();
    until("the bytes are in the session", || {
        fs::read_to_string(place.downloads().join("fdsp/sessions/default.json"))
            .is_ok_and(|text| text.contains("large.bin"))
    });
    kill_process(Pid::from_raw(process).expect("not zero"), Signal::KILL).expect("it runs");
    watch_end(process);
    assert_eq!(place.status()["process"], Value::Null);
    let session = place.screen("never", &[]);
    session.wait_for("1 running");
    place.proxy.let_pass(usize::MAX / 2);
    until("the file is complete", || place.file().exists());
    assert!(fs::read(place.file()).expect("a file") == place.content);
}

#[test]
fn a_signal_that_ends_the_screen_does_not_start_one() {
    for (signal, background) in [(Signal::TERM, "always"), (Signal::HUP, "never")] {
        let place = Place::new();
        let mut session = place.begun(background);
        session.signal(signal);
        assert_eq!(session.end().code, 130);
        let status = place.status();
        assert_eq!((&status["process"], &status["waiting"]), (&Value::Null, &1.into()), "{signal:?}");
    }
}

fn lose_the_terminal(lose: impl FnOnce(i32)) {
    let place = Place::new();
    let script = format!("echo $$ > pid; exec '{TUI}' --plain -H 127.0.0.1 -P {} large.bin", place.port);
    let home = place.downloads();
    let (mut holder, screen) = hold_with("ask", &script, "1 running", &home);
    place.first_bytes();
    lose(screen);
    let _ = holder.kill();
    holder.wait().expect("the holder is ours");
    watch_end(screen);
    let process = place.process();
    place.complete();
    watch_end(process);
}

#[test]
fn downloads_survive_the_terminal() {
    lose_the_terminal(|_| ());
}

/// A shell sends SIGHUP to the group of each job when it is hung up itself.
#[test]
fn downloads_survive_a_hang_up_of_the_process_group() {
    lose_the_terminal(|screen| {
        let group = Pid::from_raw(screen).expect("not zero");
        // The shell of the script is the screen itself after `exec`, and leads the group.
        rustix::process::kill_process_group(group, Signal::HUP).expect("it runs");
        watch_end(screen);
    });
}
