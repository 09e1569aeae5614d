//! System calls: a server under attack opens nothing outside of its folder, and a client never uses text of a
//! hostile server as a path.

use std::{
    fs,
    io::{Cursor, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::shared::{
    frames::{self, PREAMBLE, json as control},
    program::{self, Home, MAX_WAIT, Running},
    traversal,
};

/// Whether processes can be traced here.
fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("skipped: strace may not trace here: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(_) => {
            println!("skipped: strace is not installed");
            false
        }
    }
}

/// The binary under `strace`, which records every system call with a path.
fn traced(home: &Home, trace: &Path) -> Command {
    let mut plain = home.command::<&str>([]);
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "8192", "-e", "trace=%file", "-o"]).arg(trace).arg(plain.get_program());
    command.current_dir(home.path()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    plain.stdin(Stdio::null());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A system call of a trace.
struct Call<'a> {
    line: &'a str,
    name: &'a str,
    /// Its arguments that are texts.
    paths: Vec<&'a str>,
    /// The path of the descriptor that it returned.
    opened: Option<&'a str>,
}

fn calls(trace: &str) -> Vec<Call<'_>> {
    trace.lines().filter_map(call).collect()
}

/// `PID openat2(3</srv>, "file", {…}, 24) = 4</srv/file>`; if another thread ran in between, the result is on a line
/// of its own: `PID <... openat2 resumed>) = 4</srv/file>`.
fn call(line: &str) -> Option<Call<'_>> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let name = match rest.strip_prefix("<... ") {
        Some(resumed) => resumed.split(' ').next()?,
        None => rest.split('(').next().filter(|name| !name.is_empty() && !name.contains(' '))?,
    };
    let paths = rest.split('"').skip(1).step_by(2).collect();
    let result = rest.rsplit_once(" = ").map_or("", |(_, result)| result);
    let opened = result.split_once('<').and_then(|(_, path)| path.rsplit_once('>')).map(|(path, _)| path);
    Some(Call { line, name, paths, opened })
}

/// The first request: it marks the begin of the attack in the trace.
const MARK: &str = "the attack begins here";

/// The requests that name one path.
const OF_A_PATH: [u8; 5] = [0x02, 0x03, 0x04, 0x05, 0x06];

fn asked(port: u16, kind: u8, path: &str) -> Vec<u8> {
    ask(port, kind, &json!({ "path": path }))
}

/// Asks for some files of a folder.
fn asked_for_files(port: u16, folder: &str, files: &[&str]) -> Vec<u8> {
    let files: Vec<_> = files.iter().map(|path| json!({ "path": path })).collect();
    ask(port, 0x07, &json!({ "path": folder, "files": files }))
}

fn ask(port: u16, kind: u8, message: &Value) -> Vec<u8> {
    let hello = control(0x01, 0, &json!({ "agent": "strace" }));
    let request = control(kind, 1, message);
    let bye = control(0x0f, 0, &json!({ "reason": "done" }));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    stream.set_read_timeout(Some(MAX_WAIT)).expect("set");
    stream.write_all(&[&PREAMBLE[..], &hello, &request, &bye].concat()).expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A folder with every kind of entry that might lead out, and the files around it.
fn world() -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().expect("a folder");
    let top = temporary.path().canonicalize().expect("there");
    let served = top.join("served");
    fs::create_dir_all(served.join("sub/deep")).expect("made");
    fs::create_dir(top.join("outside")).expect("made");
    for (name, text) in
        [("outside/secret", "secret"), ("served/file", "a file"), ("served/sub/deep/file", "deep")]
    {
        fs::write(top.join(name), text).expect("written");
    }
    for (target, name) in [
        ("../outside/secret", "out"),
        ("../outside", "out directory"),
        ("/etc/passwd", "absolute"),
        ("/proc/self/root", "process"),
        ("/dev/zero", "device"),
        ("loop", "loop"),
        ("file", "inside"),
        ("../../file", "sub/deep/up"),
    ] {
        symlink(target, served.join(name)).expect("made");
    }
    drop(UnixListener::bind(served.join("socket")).expect("made"));
    assert!(Command::new("mkfifo").arg(served.join("fifo")).status().expect("mkfifo").success());
    (temporary, served)
}

#[test]
fn a_server_under_attack_opens_nothing_outside_its_folder() {
    if !can_trace() {
        return;
    }
    for arch in ["single", "threads", "select", "async"] {
        let (_temporary, served) = world();
        let home = Home::new();
        let trace = home.path().join("trace");
        let mut command = traced(&home, &trace);
        command.args([
            "--serve",
            "--plain",
            "--json",
            "-P",
            "0",
            "--classic",
            "--log-file",
            "log",
            "--arch",
            arch,
        ]);
        command.arg(&served).stderr(Stdio::null());
        let mut server = Running::start(command);
        let mut lines = server.stdout();
        let port = lines.event("listening")["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.expect("a port");
        asked(port, 0x02, MARK);
        let links = [
            "out",
            "out directory/secret",
            "absolute",
            "process/etc/passwd",
            "device",
            "loop",
            "fifo",
            "socket",
        ];
        let outward = traversal::spellings().into_iter().chain(links.map(str::to_owned));
        for path in outward {
            for kind in OF_A_PATH {
                asked(port, kind, &path);
            }
            asked_for_files(port, "", &["file", &path, "sub/deep/file"]);
            asked_for_files(port, &path, &["secret", "file"]);
            let mut classic = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
            classic.set_read_timeout(Some(MAX_WAIT)).expect("set");
            let _ = classic.write_all(path.as_bytes());
            let _ = classic.shutdown(Shutdown::Write);
            let _ = classic.read_to_end(&mut Vec::new());
        }
        // Files inside are served meanwhile, and whole folders are walked.
        for path in ["", "sub", "file", "inside", "sub/deep/up"] {
            for kind in OF_A_PATH {
                asked(port, kind, path);
            }
        }
        let answer = asked_for_files(port, "", &["file", "sub/deep/file", "inside"]);
        let holds = |text: &[u8]| answer.windows(text.len()).any(|part| part == text);
        assert!(holds(b"a file") && holds(b"deep"), "{arch}: {}", String::from_utf8_lossy(&answer));
        // The traced process: the tracer waits for it, and does not forward signals.
        let pid = fs::read_to_string(&trace).expect("a trace");
        let pid = pid.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a process");
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("one"), Signal::TERM)
            .expect("it runs");
        assert_eq!(server.end().code, 0, "{arch}");
        check_server(arch, &fs::read_to_string(&trace).expect("a trace"), &served);
    }
}

fn check_server(arch: &str, trace: &str, served: &Path) {
    let begin = trace.find(MARK).expect("the mark is looked for");
    let root = served.to_str().expect("text");
    // Waiting connections are read from the tables of the kernel. The C library reads the policy of memory allocation before it frees
    // memory.
    let harmless = |path: &str| {
        path == "/proc/sys/vm/overcommit_memory"
            || path.starts_with("/proc/") && (path.ends_with("/net/tcp") || path.ends_with("/net/tcp6"))
    };
    let (mut opened, mut refused) = (0, 0);
    for call in calls(&trace[begin..]) {
        if let Some(path) = call.opened {
            let path = path.strip_suffix(" (deleted)").unwrap_or(path);
            let inside = path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
            assert!(inside || harmless(path), "{arch}: {}", call.line);
            opened += usize::from(inside);
        } else if call.name == "openat2" {
            refused += 1;
        }
        // Every path is relative to a handle inside the folder.
        let from = call.line.split_once('<').and_then(|(_, path)| path.split_once('>')).map(|(path, _)| path);
        let from_inside = from.is_some_and(|path| path.starts_with(root));
        // An empty path means the handle itself, whose opening was checked. The server checks whether the
        // folder is still the one at its path.
        let own = call.paths.iter().all(|path| path.is_empty() || *path == root || harmless(path));
        assert!(from_inside || own, "{arch}: {}", call.line);
    }
    assert!(opened > 20 && refused > 20, "{arch}: {opened} opened, {refused} refused: the attack was seen");
}

/// Texts that no path may contain, except as one name in the folder of downloads.
const EVIL: &str = "EVIL";

#[test]
fn names_sent_by_a_server_never_become_paths() {
    if !can_trace() {
        return;
    }
    let names = [
        format!("../{EVIL}"),
        format!("/etc/{EVIL}"),
        format!("sub/{EVIL}"),
        format!("..\\{EVIL}"),
        format!("{EVIL}\0x"),
        format!("\u{1b}[2J{EVIL}\u{202e}"),
        format!("{EVIL}/../../x"),
        format!(".{EVIL}"),
        format!("{EVIL}{}", "x".repeat(5000)),
    ];
    for name in names {
        let port = announcing(&name);
        let line =
            format!("--headless --retries 0 --retry-max-time 0.1 --timeout 5 fdsp+plain://127.0.0.1:{port}/");
        let (home, trace) = run_traced(&line);
        check_client(&name, &trace, home.path());
    }
}

#[test]
fn only_checked_names_of_an_archive_become_paths() {
    if !can_trace() {
        return;
    }
    let served = tempfile::tempdir().expect("a folder");
    for (number, name) in
        [format!("../{EVIL}"), format!("/etc/{EVIL}"), format!("a/../../{EVIL}"), format!("{EVIL}\u{1b}")]
            .into_iter()
            .enumerate()
    {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["right", &name] {
            zip.start_file(name, SimpleFileOptions::default()).expect("written");
        }
        let zip = zip.finish().expect("written").into_inner();
        fs::write(served.path().join(format!("{number}.zip")), zip).expect("written");
    }
    let home = Home::new();
    let service = program::Service::start(&home, served.path(), "--plain");
    for number in 0..4 {
        let (home, trace) =
            run_traced(&format!("--headless --extract {}", service.at(&format!("{number}.zip"))));
        assert!(!trace.contains(EVIL), "{number}");
        // The valid entries are extracted, and the archive is kept.
        let [folder, archive] =
            [number.to_string(), format!("{number}.zip")].map(|name| home.path().join(name));
        assert!(archive.exists() && folder.join("right").exists(), "{number}");
        assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1, "{number}");
    }
}

/// A server that announces a content with a name, and sends nothing more.
fn announcing(name: &str) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let content = json!({
        "form": "zip", "name": name, "size": 8, "modified": { "s": 0, "ns": 0 }, "mode": 0o644, "identity": "i",
        "first_block": 0, "sources": { "bytes": 8, "files": 1, "directories": 1, "omitted": 0 },
    });
    let welcome = control(0x81, 0, &json!({ "agent": name, "pipeline": 64, "parallel": 8 }));
    let answer =
        [&PREAMBLE[..], &welcome, &control(0x84, 1, &content), &frames::frame(0x90, 1, b"half")].concat();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.set_read_timeout(Some(MAX_WAIT));
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

/// Runs the binary to its end. Returns its system calls.
fn run_traced(line: &str) -> (Home, String) {
    let home = Home::new();
    let trace = home.path().join("trace");
    let mut command = traced(&home, &trace);
    command.args(line.split_whitespace()).args(["--log-file", "log"]);
    let outcome = program::finish(command.spawn().expect("strace starts"));
    assert_ne!(outcome.code, 0, "{outcome:?}");
    (home, fs::read_to_string(trace).expect("a trace"))
}

fn check_client(name: &str, trace: &str, folder: &Path) {
    let folder = folder.canonicalize().expect("there");
    let folder = folder.to_str().expect("text");
    let mut seen = 0;
    for call in calls(trace) {
        for path in call.paths.iter().filter(|path| path.contains(EVIL)) {
            seen += 1;
            let within = path.strip_prefix(folder).map_or(*path, |path| path.trim_start_matches('/'));
            // The trace shows a backslash as two, and a byte that cannot be seen after one.
            let plain = within.replace(r"\\", "");
            let single = !plain.contains(['/', '\\']) && within != ".." && within.len() <= 255;
            assert!(single && !within.starts_with('.'), "{name:?}: {}", call.line);
        }
        if let Some(path) = call.opened.filter(|path| path.contains(EVIL)) {
            assert!(
                path.strip_prefix(folder).is_some_and(|rest| rest.matches('/').count() == 1),
                "{}",
                call.line
            );
        }
    }
    assert!(seen > 0, "{name:?}: its download was started");
}
