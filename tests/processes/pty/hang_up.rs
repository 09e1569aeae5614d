//! The terminal hangs up, as it does when an SSH connection breaks.
//!
//! A separate process holds the terminal's other end, and is killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::pty::harness::{Session, TUI, figures, watch_end};

const HOLDER: &str = "pty::hang_up::holder";
/// The command line that the holder runs.
const SCRIPT: &str = "PTY_TEST_SCRIPT";
/// Whether downloads continue in the background.
const BACKGROUND: &str = "PTY_TEST_BACKGROUND";
/// Text of the first frame.
const SHOWN: &str = "PTY_TEST_SHOWN";

/// The process must end within a second; on a slow machine with other tests some more is allowed.
const GONE: Duration = Duration::from_secs(3);
/// A program that spins until its deadline uses more than this.
const LITTLE: Duration = Duration::from_millis(500);

/// Starts a holder in `home`. Returns it and the process id that the program wrote to `pid`.
fn hold(script: &str, shown: &str, home: &Path) -> (Child, i32) {
    hold_with("never", script, shown, home)
}

/// The same with this setting of what becomes of downloads that run when the terminal is lost.
pub fn hold_with(background: &str, script: &str, shown: &str, home: &Path) -> (Child, i32) {
    let mut holder = Command::new(std::env::current_exe().expect("a path"))
        .args(["--ignored", "--exact", HOLDER, "--nocapture", "--test-threads=1"])
        .env(SCRIPT, script)
        .env(BACKGROUND, background)
        .env(SHOWN, shown)
        .current_dir(home)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a holder");
    let lines = BufReader::new(holder.stdout.take().expect("its output")).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains("holding"));
    assert!(ready, "the first frame was not drawn");
    let pid = fs::read_to_string(home.join("pid")).expect("the program wrote its number");
    (holder, pid.trim().parse().expect("a number"))
}

#[test]
#[ignore = "run by the other tests, as a process to be killed"]
fn holder() {
    let script = std::env::var(SCRIPT).expect("a script");
    let shown = std::env::var(SHOWN).expect("a text");
    let home = std::env::current_dir().expect("a folder");
    let background = std::env::var(BACKGROUND).unwrap_or_else(|_| "never".to_owned());
    let session = Session::start_with(&background, Some("xterm"), "sh", &["-c", &script], &home, (80, 24));
    session.wait_for(&shown);
    println!("holding");
    // A holder that is not killed ends by itself.
    session.bytes_within(Duration::from_secs(60));
}

/// Kills the holder and asserts that the program ends in time, with little processor time.
fn assert_gone(mut holder: Child, pid: i32) {
    let (_, before) = figures(pid).expect("it runs");
    holder.kill().and_then(|()| holder.wait()).expect("the holder is ours");
    let (after, processor) = watch_end(pid);
    assert!(after < GONE, "{after:?}");
    assert!(processor.saturating_sub(before) < LITTLE, "{:?}", processor - before);
}

#[test]
fn the_dashboard_quits_with_its_terminal() {
    let home = tempfile::tempdir().expect("a folder");
    let script = format!("mkdir served; echo $$ > pid; exec '{TUI}' --serve --port 0 served");
    let (holder, pid) = hold(&script, "q quit", home.path());
    assert_gone(holder, pid);
}

/// If the shell survives the hang-up, no signal is sent: the program must notice the end of the terminal.
#[test]
fn a_hang_up_without_a_signal_is_detected() {
    let home = tempfile::tempdir().expect("a folder");
    let script = format!(
        "trap '' HUP; set -m; mkdir served; sh -c 'echo $$ > pid; exec \"{TUI}\" --serve --port 0 served'; echo $? > ended; sleep 60"
    );
    let (holder, pid) = hold(&script, "q quit", home.path());
    assert_gone(holder, pid);
}

#[test]
fn the_download_screen_quits_with_its_terminal() {
    let home = tempfile::tempdir().expect("a folder");
    let server = crate::pty::downloads::Server::start();
    let script =
        format!("echo $$ > pid; exec '{TUI}' --plain -H 127.0.0.1 -P {} --limit 1M large.bin", server.port);
    let (holder, pid) = hold(&script, "kB/s", home.path());
    assert_gone(holder, pid);
    assert!(home.path().join("large.bin.part").exists(), "the received bytes are kept");
}
