//! The server as a service: what its manager is told, and the units of `packaging/systemd`.

use std::{fs, os::unix::net::UnixDatagram, path::Path, process::Command};

use rustix::process::Signal;

use crate::shared::program::{Home, Running};

const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/systemd");

#[test]
fn the_service_manager_is_told_that_the_server_listens_and_that_it_stops() {
    let home = Home::new();
    home.write("served/a.txt", "a");
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let told = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).trim_end().to_owned()
    };
    let mut command = home.command(["--serve", "--headless", "--plain", "-P", "0", "served"]);
    command.env("NOTIFY_SOCKET", &path);
    let mut server = Running::start(command);
    assert_eq!(told(), "READY=1");
    server.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_service_manager_that_is_gone_does_not_stop_the_server() {
    let home = Home::new();
    home.write("served/a.txt", "a");
    let mut command = home.command(["--serve", "--headless", "--plain", "-P", "0", "served"]);
    command.env("NOTIFY_SOCKET", home.path().join("nobody"));
    let mut server = Running::start(command);
    assert!(server.stdout().next().starts_with("fdsp+plain://"));
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}

/// The units, with this build's program in the place of the installed one.
fn units(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(UNITS).expect("the units");
    let names: Vec<_> =
        entries.map(|entry| entry.expect("a unit").file_name().into_string().unwrap()).collect();
    for name in &names {
        let unit = fs::read_to_string(Path::new(UNITS).join(name)).expect("a unit");
        let unit = unit.replace("/usr/bin/tui", env!("CARGO_BIN_EXE_tui"));
        fs::write(folder.join(name), unit).expect("written");
    }
    names
}

#[test]
fn the_units_are_right_and_the_server_is_confined() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = units(folder.path());
    assert_eq!(names.len(), 3, "{names:?}");
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).current_dir(folder.path()).output()
    };
    if analyze(&["--version"]).is_err() {
        println!("skipped: systemd-analyze is not installed");
        return;
    }
    for name in &names {
        let scope = if name.starts_with("fdsp-nightly") { "--user" } else { "--system" };
        let found = analyze(&["verify", "--man=no", scope, &format!("./{name}")]).expect("it runs");
        let said = String::from_utf8_lossy(&found.stderr);
        // What it says of other units of this machine is not meant.
        let ours: Vec<_> = said.lines().filter(|line| line.contains("fdsp")).collect();
        assert!(ours.is_empty(), "{name}: {said}");
    }
    let judged =
        analyze(&["security", "--offline=yes", "--threshold=20", "./fdsp.service"]).expect("it runs");
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(
        judged.status.success(),
        "the exposure is above 2.0: {said}{}",
        String::from_utf8_lossy(&judged.stderr)
    );
}

/// What the unit runs, in a folder of its own instead of those of the system.
#[test]
fn the_command_of_the_unit_serves() {
    let home = Home::new();
    home.write("srv/a.txt", "content").write("var/log/.keep", "");
    let unit = fs::read_to_string(Path::new(UNITS).join("fdsp.service")).expect("a unit");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/tui ")).expect("a command");
    let served = home.path().join("srv");
    let words: Vec<_> = line
        .split(' ')
        .map(|word| match word {
            "/srv/fdsp" => served.to_str().expect("UTF-8"),
            // Not every machine has IPv6.
            "::" => "127.0.0.1",
            word => word,
        })
        .collect();
    let mut command = home.command(words.iter().copied().chain(["-P", "0"]));
    let root = home.path().join("var");
    command.env("HOME", root.join("lib/fdsp")).env("XDG_STATE_HOME", root.join("lib"));
    command.env("FDSP_LOG_FOLDER", root.join("log"));
    let mut server = Running::start(command);
    assert!(server.stdout().next().starts_with("fdsp://127.0.0.1:"));
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
    assert!(root.join("lib/fdsp/server").is_dir(), "the key is in the state folder");
    let logs = fs::read_dir(root.join("log")).expect("listed").count();
    assert!(logs > 1, "the log is in its folder");
}
