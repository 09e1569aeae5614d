//! The binary under test, isolated from the settings and logs of the user, with a timeout.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything that is tested here takes on the slowest machine.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

/// A home folder of its own, in which programs run.
pub struct Home {
    folder: TempDir,
}

/// The output and exit code of a program.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new() -> Home {
        Home { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Home {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
        self
    }

    /// The binary in this folder, without a terminal.
    pub fn command<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        self.other(env!("CARGO_BIN_EXE_tui"), arguments)
    }

    /// Another program in this folder.
    pub fn other<I: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TMPDIR", std::env::temp_dir());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Outcome {
        finish(self.command(arguments).spawn().expect("the binary starts"))
    }

    /// Runs a command line, split at blanks.
    pub fn line(&self, line: &str) -> Outcome {
        self.run(line.split_whitespace())
    }
}

/// Waits for the end of a process; kills it after a timeout.
pub fn finish(child: Child) -> Outcome {
    let pid = pid(&child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(MAX_WAIT).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("the program did not end");
    });
    let output = output.expect("its output");
    Outcome {
        code: code(output.status),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| panic!("ended by a signal: {status}"))
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

impl Outcome {
    /// The objects on stdout.
    pub fn objects(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The objects of this event.
    pub fn events(&self, name: &str) -> Vec<Value> {
        self.objects().into_iter().filter(|object| object["event"] == name).collect()
    }

    /// Asserts that stderr has one sentence for users, and nothing for developers. Returns it.
    #[track_caller]
    pub fn is_one_sentence(&self) -> &str {
        let sentence = self.stderr.trim_end();
        assert!(sentence.starts_with("tui: ") && !sentence.contains('\n'), "{self:#?}");
        for word in ["panicked", "backtrace", "Location", "os error", "Error {", "\u{1b}"] {
            assert!(!sentence.contains(word), "{self:#?}");
        }
        sentence
    }
}

/// A process that is killed at the end of a test, also of one that fails.
pub struct Running {
    child: Option<Child>,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        Running { child: Some(command.spawn().expect("the binary starts")) }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it runs")
    }

    pub fn stdout(&mut self) -> Lines {
        Lines::of(self.child().stdout.take().expect("a pipe"))
    }

    pub fn stderr(&mut self) -> Lines {
        Lines::of(self.child().stderr.take().expect("a pipe"))
    }

    /// The most memory of its own that it ever had, in bytes: `VmHWM` without `RssFile`, which is the program itself,
    /// and in a debug build is larger than all its data.
    pub fn peak_memory(&mut self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child().id())).expect("it runs");
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("Linux says");
            let number = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
            number.expect("a number")
        };
        (kib("VmHWM:") - kib("RssFile:")) * 1024
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub fn signal(&mut self, signal: Signal) {
        kill_process(pid(self.child()), signal).expect("it runs");
    }

    /// Waits for its end.
    pub fn end(mut self) -> Outcome {
        finish(self.child.take().expect("it runs"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Lines of a pipe; each is waited for with a timeout.
pub struct Lines {
    receiver: mpsc::Receiver<String>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Lines {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines { receiver }
    }

    #[track_caller]
    pub fn next(&mut self) -> String {
        self.receiver.recv_timeout(MAX_WAIT).expect("a line")
    }

    /// The next object of this event.
    #[track_caller]
    pub fn event(&mut self, name: &str) -> Value {
        loop {
            let line = self.next();
            let object: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if object["event"] == name {
                return object;
            }
        }
    }

    /// The remaining lines.
    pub fn rest(self) -> Vec<String> {
        self.receiver.iter().collect()
    }
}

/// `tui --serve --json` on a free port, with the token in its address.
pub struct Service {
    pub process: Running,
    pub lines: Lines,
    pub address: String,
    pub port: u16,
    /// How browsers and curl reach it.
    pub web: Value,
}

impl Service {
    /// Serves `folder` with these further options.
    pub fn start(home: &Home, folder: &Path, options: &str) -> Service {
        let mut command = home.command(["--serve", "--json", "--print-token", "-P", "0"]);
        command.args(options.split_whitespace()).arg(folder).stderr(Stdio::null());
        let mut process = Running::start(command);
        let mut lines = process.stdout();
        let first: Value = serde_json::from_str(&lines.next()).expect("an object");
        assert_eq!(first["event"], "listening", "the first line");
        let port = first["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        let address = first["address"].as_str().expect("an address").to_owned();
        Service { process, lines, address, port, web: first["web"].clone() }
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        at(&self.address, path)
    }
}

/// The address of a path on the server with this address.
pub fn at(address: &str, path: &str) -> String {
    match address.split_once('#') {
        Some((address, pin)) => format!("{address}{path}#{pin}"),
        None => format!("{address}{path}"),
    }
}

/// Reads the first line of a pipe, and closes it.
pub fn close_after_first_line(stdout: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    line
}
