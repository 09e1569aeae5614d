//! Both ends as processes that can be killed.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Folder, until};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tui"));
    command.env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// A server.
pub struct Server {
    child: Child,
    folder: PathBuf,
    arch: &'static str,
    at: SocketAddr,
}

impl Server {
    /// Serves a folder on a free port.
    pub fn start(folder: &Path, arch: &'static str) -> Server {
        let (child, at) = serve(folder, arch, 0).expect("a server");
        Server { child, folder: folder.to_owned(), arch, at }
    }

    pub fn at(&self) -> SocketAddr {
        self.at
    }

    pub fn arch(&self) -> &'static str {
        self.arch
    }

    /// Kills it, and starts another one, which knows nothing of the first: on the same port if it is wanted and nobody has
    /// taken it meanwhile.
    pub fn kill_and_start_again(&mut self, same_port: bool) {
        end(&mut self.child);
        let again = if same_port { serve(&self.folder, self.arch, self.at.port()) } else { None };
        let (child, at) = again.or_else(|| serve(&self.folder, self.arch, 0)).expect("a server");
        (self.child, self.at) = (child, at);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// `None`: the port is taken.
fn serve(folder: &Path, arch: &str, port: u16) -> Option<(Child, SocketAddr)> {
    let mut child = program()
        .args(["--serve", "--json", "--arch", arch, "-P", &port.to_string()])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("a pipe");
    let Ok(listening) = serde_json::from_str::<Value>(&first) else {
        end(&mut child);
        return None;
    };
    // It must not come to wait for somebody who reads.
    thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    let port = listening["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    Some((child, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// A client with one job.
pub struct Client {
    child: Child,
    output: File,
}

impl Client {
    /// Fetches an address into a folder.
    pub fn start(folder: &Folder, address: &str, retries: u32) -> Client {
        Client::with(folder, address, &["--retries", &retries.to_string()])
    }

    /// The same with these options.
    pub fn with(folder: &Folder, address: &str, options: &[&str]) -> Client {
        let output = tempfile::tempfile().expect("a file");
        let said = || output.try_clone().expect("a descriptor");
        let child = program()
            .args(["--json", "--no-sync", "-d", "."])
            .args(options)
            .arg(address)
            .current_dir(folder.folder.path())
            .stdout(said())
            .stderr(said())
            .spawn()
            .expect("the binary starts");
        Client { child, output }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Stops it where it is, until it is killed.
    pub fn stop(&self) {
        let pid = Pid::from_child(&self.child);
        // It may have come to its end meanwhile.
        let _ = kill_process(pid, Signal::STOP);
        until("it has stopped", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            matches!(state, None | Some('T' | 'Z' | 'X'))
        });
    }

    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Waits for its end; its exit code, and all that it said.
    pub fn end(&mut self) -> (i32, String) {
        until("its end", || self.has_ended());
        let code = self.child.wait().expect("it is ours").code().unwrap_or(-1);
        let mut said = String::new();
        self.output.rewind().and_then(|()| self.output.read_to_string(&mut said)).expect("text");
        (code, said)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
