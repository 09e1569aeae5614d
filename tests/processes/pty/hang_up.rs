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
/// What the holder is to run, a line for a shell.
const SCRIPT: &str = "PTY_TEST_SCRIPT";
/// Text that tells that the screen is there.
const SHOWN: &str = "PTY_TEST_SHOWN";

/// The process must be gone within a second; a slow machine that runs other tests gets some more to notice.
const GONE: Duration = Duration::from_secs(3);
/// A program that spins until its deadline uses up more than this.
const LITTLE: Duration = Duration::from_millis(500);

/// Starts a holder in `home`; gives it and the number of the program that wrote its own into `pid`.
fn hold(script: &str, shown: &str, home: &Path) -> (Child, i32) {
    let mut holder = Command::new(std::env::current_exe().expect("a path"))
        .args(["--ignored", "--exact", HOLDER, "--nocapture", "--test-threads=1"])
        .env(SCRIPT, script)
        .env(SHOWN, shown)
        .current_dir(home)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a holder");
    let lines = BufReader::new(holder.stdout.take().expect("its output")).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains("holding"));
    assert!(ready, "the screen did not come");
    let pid = fs::read_to_string(home.join("pid")).expect("the program wrote its number");
    (holder, pid.trim().parse().expect("a number"))
}

#[test]
#[ignore = "run by the other tests, as a process to be killed"]
fn holder() {
    let script = std::env::var(SCRIPT).expect("a script");
    let shown = std::env::var(SHOWN).expect("a text");
    let home = std::env::current_dir().expect("a folder");
    let session = Session::start("sh", &["-c", &script], &home, (80, 24));
    session.wait_for(&shown);
    println!("holding");
    // A holder that nobody kills ends by itself.
    session.bytes_within(Duration::from_secs(60));
}

/// Kills the holder and asserts that the program is gone in time, without having used the processor much.
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

/// In a shell that survives the hang-up nobody sends a signal: the terminal itself must be watched.
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
    assert!(home.path().join("large.bin.part").exists(), "what came is kept");
}
