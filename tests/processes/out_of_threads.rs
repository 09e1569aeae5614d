//! A server without free threads keeps serving its connections, logs it, and accepts new clients as soon as
//! it can.

use std::{
    fs::{self, Permissions},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
};

use crate::shared::program::{Home, Running, at, close_after_first_line, finish};
use rustix::process::{Pid, Signal, kill_process};

/// A user without other threads.
const NOBODY: u32 = 65_534;
/// The maximum number of its threads.
const THREADS: usize = 32;

/// The binary, as a user with that limit, in a home with a file to serve. `None` if such a user is not available.
fn limited(home: &Home, threads: usize) -> Option<Command> {
    home.write("served/file", "content");
    fs::set_permissions(home.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let command = || {
        let mut command = Command::new("prlimit");
        command.current_dir(home.path()).env("HOME", home.path()).uid(NOBODY).gid(NOBODY);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.args([&format!("--nproc={threads}:{threads}"), "--", env!("CARGO_BIN_EXE_tui")]);
        command
    };
    if command().arg("--version").status().is_ok_and(|status| status.success()) {
        return Some(command());
    }
    println!("skipped: another user with few threads cannot be had here");
    None
}

/// Libraries that start threads of their own hang, or report no clear error, if no thread can be started.
#[test]
fn a_program_that_cannot_start_threads_reports_it() {
    for threads in 1..=6 {
        for arch in ["single", "threads", "select", "async"] {
            let home = Home::new();
            let Some(mut command) = limited(&home, threads) else { return };
            command.args(["--serve", "--headless", "--plain", "--arch", arch, "-P", "0", "served"]);
            let mut server = command.spawn().expect("the binary starts");
            let address = close_after_first_line(server.stdout.take().expect("a pipe"));
            let _ = kill_process(Pid::from_child(&server), Signal::TERM);
            let outcome = finish(server);
            let says = outcome.stderr.lines().any(|line| line.starts_with("tui: cannot start the server"));
            let expected = if address.is_empty() { (1, true) } else { (0, false) };
            assert_eq!((outcome.code, says), expected, "{arch} with {threads}: {outcome:#?}");
            assert!(!outcome.stderr.contains("panicked"), "{arch} with {threads}: {outcome:#?}");
        }
        let home = Home::new();
        let Some(mut command) = limited(&home, threads) else { return };
        command.args(["--headless", "fdsp+plain://127.0.0.1:1/file", "--retry-max-time", "0.1"]);
        let outcome = finish(command.spawn().expect("the binary starts"));
        assert!([1, 3].contains(&outcome.code), "a client with {threads}: {outcome:#?}");
        assert!(!outcome.stderr.contains("panicked"), "a client with {threads}: {outcome:#?}");
    }
}

#[test]
fn a_server_without_free_threads_recovers() {
    let home = Home::new();
    let Some(mut command) = limited(&home, THREADS) else { return };
    command.args(["--serve", "--json", "--plain", "--public", "--arch", "threads", "-P", "0", "served"]);
    let mut server = Running::start(command);
    let (mut lines, mut warnings) = (server.stdout(), server.stderr());
    let listening = lines.event("listening");
    let (address, port) = (listening["address"].as_str().expect("an address"), &listening["port"]);
    let port = port.as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");

    let clients: Vec<_> =
        (0..THREADS).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("the kernel accepts")).collect();
    assert_eq!(warnings.next(), "warning: new clients have to wait: resource temporarily unavailable");
    drop(clients);

    let outcome = home.run(["-q", "-d", "got", &at(address, "file")]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(fs::read(home.path().join("got/file")).expect("fetched"), b"content");
}
