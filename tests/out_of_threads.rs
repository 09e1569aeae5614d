//! When there are no threads to be had: the server goes on with those it has, says so, and takes new clients as soon as
//! it can.

mod program;

use std::{
    fs::{self, Permissions},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
};

use program::{Home, Running, at};

/// Whose threads nobody else needs.
const NOBODY: u32 = 65_534;
/// Threads that it may have.
const THREADS: usize = 32;

#[test]
fn threads_run_out_and_come_back() {
    let home = Home::new();
    home.write("served/file", "content");
    fs::set_permissions(home.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let tui = env!("CARGO_BIN_EXE_tui");
    let as_nobody = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(home.path()).env("HOME", home.path()).uid(NOBODY).gid(NOBODY);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let limited = |program: &str| {
        let mut command = as_nobody("prlimit");
        command.args([&format!("--nproc={THREADS}:{THREADS}"), "--", program]);
        command
    };
    if !limited(tui).arg("--version").status().is_ok_and(|status| status.success()) {
        println!("skipped: another user with few threads cannot be had here");
        return;
    }
    let mut command = limited(tui);
    command.args(["--serve", "--json", "--plain", "--arch", "threads", "-P", "0", "served"]);
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
