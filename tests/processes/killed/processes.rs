//! Both ends as processes that can be killed.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::killed::{
    proxy::Proxy,
    support::{Folder, home, until},
};

fn program(home: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tui"));
    command.env_clear().env("HOME", home.path()).stdin(Stdio::null());
    command
}

/// A server.
pub struct Server {
    child: Child,
    folder: PathBuf,
    home: TempDir,
    arch: &'static str,
    /// The pin of its certificate; `None` without TLS.
    pin: Option<String>,
    at: SocketAddr,
}

impl Server {
    /// Serves a folder on a free port, without TLS.
    pub fn start(folder: &Path, arch: &'static str) -> Server {
        Server::run(folder, arch, false)
    }

    /// The same with TLS.
    pub fn secure(folder: &Path, arch: &'static str) -> Server {
        Server::run(folder, arch, true)
    }

    fn run(folder: &Path, arch: &'static str, secure: bool) -> Server {
        let home = home();
        let (child, address) = serve(&home, folder, arch, secure, 0).expect("a server");
        let pin = address.split_once('#').map(|(_, pin)| pin.to_owned());
        Server { child, folder: folder.to_owned(), home, arch, pin, at: host(&address) }
    }

    /// The address of a path, as seen through a proxy.
    pub fn through(&self, proxy: &Proxy, path: &str) -> String {
        self.address(proxy.at(), path)
    }

    /// The address of a path.
    pub fn serves(&self, path: &str) -> String {
        self.address(self.at, path)
    }

    fn address(&self, at: SocketAddr, path: &str) -> String {
        match &self.pin {
            Some(pin) => format!("fdsp://{at}/{path}#{pin}"),
            None => format!("fdsp+plain://{at}/{path}"),
        }
    }

    pub fn at(&self) -> SocketAddr {
        self.at
    }

    pub fn arch(&self) -> &'static str {
        self.arch
    }

    /// Kills it, and starts another one without its memory: on the same port if requested and not
    /// in use by another process.
    pub fn kill_and_start_again(&mut self, same_port: bool) {
        end(&mut self.child);
        let start = |port| serve(&self.home, &self.folder, self.arch, self.pin.is_some(), port);
        let again = if same_port { start(self.at.port()) } else { None };
        let (child, address) = again.or_else(|| start(0)).expect("a server");
        (self.child, self.at) = (child, host(&address));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The host and port of an address.
fn host(address: &str) -> SocketAddr {
    let host = address.split("://").nth(1).and_then(|rest| rest.split('/').next());
    host.and_then(|host| host.parse().ok()).expect("an address with a port")
}

/// Starts a server and returns its address. `None`: the port is in use.
fn serve(home: &TempDir, folder: &Path, arch: &str, secure: bool, port: u16) -> Option<(Child, String)> {
    let mut child = program(home)
        .args(["--serve", "--json", "--public", "--arch", arch, "-P", &port.to_string()])
        .args((!secure).then_some("--plain"))
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
    // It must not block because its output is not read.
    thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    Some((child, listening["address"].as_str().expect("an address").to_owned()))
}

/// A client with one job.
pub struct Client {
    child: Child,
    output: File,
}

impl Client {
    /// Fetches an address into a folder.
    pub fn start(folder: &Folder, address: &str, retries: u32) -> Client {
        let time = if retries == 0 { "0.1" } else { "0" };
        Client::with(folder, address, &["--retries", &retries.to_string(), "--retry-max-time", time])
    }

    /// The same with these options.
    pub fn with(folder: &Folder, address: &str, options: &[&str]) -> Client {
        Client::prepared(folder, address, options, |_| {}).expect("the binary starts")
    }

    /// The same after a change of the command; `None` if it then cannot be started.
    pub fn prepared(
        folder: &Folder,
        address: &str,
        options: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Option<Client> {
        let output = tempfile::tempfile().expect("a file");
        let said = || output.try_clone().expect("a descriptor");
        let mut command = program(&folder.home);
        command.args(["--json", "--no-sync", "-d", "."]).args(options).arg(address);
        command.current_dir(folder.folder.path()).stdout(said()).stderr(said());
        prepare(&mut command);
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => None,
            child => Some(Client { child: child.expect("the binary starts"), output }),
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Suspends it, until it is killed.
    pub fn stop(&self) {
        let pid = Pid::from_child(&self.child);
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::STOP);
        until("it has stopped", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            matches!(state, None | Some('T' | 'Z' | 'X'))
        });
    }

    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Waits for its end. Returns its exit code and its output.
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
