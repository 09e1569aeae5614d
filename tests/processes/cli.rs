//! Invalid input to the program: one clear sentence and the right exit code.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use crate::shared::program::{self, Home};

/// Runs `line`, expects `code` and a sentence that has all of `parts`.
#[track_caller]
fn refused(home: &Home, line: &str, code: i32, parts: &[&str]) {
    let outcome = home.line(line);
    assert_eq!(outcome.code, code, "tui {line}: {outcome:#?}");
    let sentence = outcome.is_one_sentence();
    for part in parts {
        assert!(sentence.contains(part), "tui {line}: {sentence}");
    }
    assert_eq!(outcome.stdout, "", "tui {line}");
}

#[test]
fn wrong_options_and_arguments_are_reported() {
    let home = Home::new();
    home.write("file", "x").write("dir/file", "x");
    let cases: &[(&str, &[&str])] = &[
        ("", &["nothing to fetch", "-H HOST"]),
        ("--frobnicate", &["unexpected argument '--frobnicate'"]),
        ("--headles -H h a", &["'--headless'"]),
        ("--as tar -H h a", &["'tar'", "auto, zip, tree"]),
        ("--serve --arch fork", &["'fork'", "single, threads, select, async"]),
        ("--serve -P 65536", &["'65536'", "from 0 to 65535"]),
        ("--serve -P -1", &["'-1'"]),
        ("-H h -P 0 a", &["port 0", "--serve"]),
        ("-H h:1 a", &["'h:1'", "-P"]),
        ("-H h -j 65 a", &["'65'", "from 1 to 64"]),
        ("-H h --limit quick a", &["'quick'", "500k"]),
        ("-H h --timeout never a", &["'never'", "seconds"]),
        ("-H h --checksum sha1:00 a", &["blake3:, sha256:, sha512: or md5:"]),
        ("-H h --checksum md5:xyz a", &["32 hex digits"]),
        ("-H h --overwrite --rename a", &["--overwrite", "--rename"]),
        ("-H h --update --rename a", &["--update", "--rename"]),
        ("-H h -l x a b", &["--local", "exactly one"]),
        ("a", &["'a' names no server", "-H HOST"]),
        ("-H h ../a", &["'../a'", "'..'"]),
        ("ftp://h/a", &["ftp:// is not supported", "fdsp://"]),
        ("fdsp+plain://h:x/a", &["'x' is not a port"]),
        ("fdsp+plain:///a", &["no host"]),
        ("fdsp+plain://h/%zz", &["%25"]),
        ("--serve -r a", &["--remote", "--serve"]),
        ("--serve --jobs 2", &["--jobs", "--serve"]),
        ("--serve a b", &["only one folder", "'b'"]),
        ("--serve nowhere", &["/nowhere'", "No such file or directory", "existing folder"]),
        ("--serve file", &["/file'", "not a folder"]),
        ("--demo nowhere", &["/nowhere'", "existing folder"]),
        ("--serve --classic-dialect classic", &["--classic"]),
        ("--max-connections 3 -H h a", &["--max-connections", "--serve"]),
        ("--demo --serve", &["--demo", "--serve"]),
        ("--demo -H h", &["--host", "--demo"]),
        ("--completions ksh", &["'ksh'", "bash"]),
        ("--config nowhere.toml --serve", &["'nowhere.toml'", "No such file or directory"]),
        ("--log-file no/where.log --serve dir", &["'no/where.log'", "No such file or directory"]),
        ("--serve -H nowhere.invalid dir", &["nowhere.invalid", "-H"]),
        ("--serve -H 192.0.2.1 dir", &["192.0.2.1:7878", "-H"]),
    ];
    for (line, parts) in cases {
        refused(&home, line, 2, parts);
    }
}

#[test]
fn an_argument_that_is_not_utf8_is_reported() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let outcome =
        Home::new().run([OsStr::new("-H"), OsStr::new("h"), OsStr::from_bytes(b"fdsp://h/a\xff\x1b")]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.is_one_sentence().contains("'fdsp://h/a‹xFF›␛' is not UTF-8"));
}

#[test]
fn a_wrong_configuration_is_reported_with_its_line_and_key() {
    let home = Home::new();
    home.write(".config/fdsp/config.toml", "[client]\njobs = 3\n\n[server]\narch = \"fork\"\n");
    refused(&home, "--serve", 2, &[".config/fdsp/config.toml, line 5:", "'server.arch'", "\"fork\""]);
    home.write("typo.toml", "[client]\njbos = 3\n");
    refused(&home, "--config typo.toml -H h a", 2, &["typo.toml, line 2:", "'client.jbos'", "jobs"]);
    home.write("broken.toml", "[client]\n\n\njobs 3\n");
    refused(&home, "--config broken.toml -H h a", 2, &["broken.toml, line 4:"]);
    home.write("bytes.toml", b"[client]\nhost = \"\xff\x1b[2J\"\n");
    refused(&home, "--config bytes.toml a", 2, &["bytes.toml, line 2"]);
}

#[test]
fn a_wrong_variable_is_reported() {
    let home = Home::new();
    for (name, reason) in [
        ("FDSP_SERVER_PORT", "must be a whole number from 0 to 65535, not 'x'"),
        ("FDSP_CLIENT_JOSB", "'client.josb' is not a setting; [client] has host, port, "),
    ] {
        let mut command = home.command(["--serve"]);
        let outcome = program::finish(command.env(name, "x").spawn().expect("the binary starts"));
        assert_eq!(outcome.code, 2, "{outcome:#?}");
        assert!(outcome.is_one_sentence().contains(&format!("{name}: {reason}")), "{outcome:#?}");
    }
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let home = Home::new();
    home.write("dir/file", "x");
    refused(&home, &format!("--serve -P {port} dir"), 1, &["Address already in use", "-P 0"]);
}

#[test]
fn a_log_folder_without_write_permission_is_a_warning() {
    let home = Home::new();
    home.write(".local/state", "a file where a folder should be");
    let outcome = home.line("--retry-max-time 0.1 -H 127.0.0.1 -P 1 a");
    assert_eq!(outcome.code, 3);
    let first = outcome.stderr.lines().next().expect("a line");
    assert!(first.starts_with("tui: warning: nothing is logged to a file: the folder"), "{outcome:#?}");
}

#[test]
fn unreachable_hosts_are_reported() {
    let home = Home::new();
    // A port that was free a moment ago: the system does not assign it again so soon.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    refused(
        &home,
        &format!("-q --retry-max-time 0.1 -H 127.0.0.1 -P {port} a"),
        3,
        &["127.0.0.1", "refused"],
    );
    refused(&home, "--retries 0 fdsp+plain://nowhere.invalid/a", 3, &["nowhere.invalid"]);
}

#[test]
fn a_download_folder_that_is_not_a_directory_is_reported() {
    let home = Home::new();
    home.write("served/a", "x").write("file", "x");
    let service = program::Service::start(&home, &home.path().join("served"), "");
    for dir in ["file", "file/below", "/proc/below"] {
        refused(&home, &format!("-q -d {dir} {}", service.at("a")), 7, &[dir]);
    }
}

#[test]
fn a_missing_path_is_reported() {
    let home = Home::new();
    home.write("served/a", "x");
    for arch in ["single", "threads", "select", "async"] {
        let service = program::Service::start(&home, &home.path().join("served"), &format!("--arch {arch}"));
        refused(&home, &service.at("b/c.txt"), 4, &["c.txt"]);
    }
}

/// Starts a peer that runs `act` for each connection. Returns its port.
fn peer(act: impl Fn(&mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            act(&mut stream);
        }
    });
    port
}

/// Sends these bytes, then waits until the other side closes.
fn saying(words: &'static [u8]) -> u16 {
    peer(move |stream| {
        let _ = stream.write_all(words);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

#[test]
fn servers_of_other_protocols_are_reported() {
    let home = Home::new();
    let cases: [(&str, u16, &[&str]); 6] = [
        ("an HTTP server", saying(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), &["HTTP"]),
        ("an SSH server", saying(b"SSH-2.0-OpenSSH_9.9\r\n"), &["SSH"]),
        ("TLS", saying(b"\x15\x03\x03\x00\x02\x02\x46"), &["TLS"]),
        ("random bytes", saying(b"\x8a\x1b]0;\x07\xff\xfe\x00\x13\x37 nonsense of many bytes"), &[]),
        ("silence", saying(b""), &[]),
        ("a connection that closes", peer(|_| ()), &[]),
    ];
    for (plain, (who, port, parts)) in
        ["", "--plain "].into_iter().flat_map(|plain| cases.map(|case| (plain, case)))
    {
        let outcome = home.line(&format!("{plain}--retries 0 --timeout 0.5 -H 127.0.0.1 -P {port} a"));
        assert_eq!(outcome.code, 3, "{who}: {outcome:#?}");
        let sentence = outcome.is_one_sentence();
        for part in [&format!("127.0.0.1:{port}")[..]].iter().chain(parts) {
            assert!(sentence.contains(part), "{who}: {sentence}");
        }
        let left: Vec<_> =
            std::fs::read_dir(home.path()).expect("listed").flatten().map(|e| e.file_name()).collect();
        assert!(left.iter().all(|name| name == ".local"), "{who} leaves no file: {left:?}");
    }
}

#[test]
fn a_closed_stdout_is_no_error() {
    let home = Home::new();
    for option in ["--help", "--man", "--completions=bash", "--version"] {
        let mut command = home.command([option]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        drop(child.stdout.take());
        let outcome = program::finish(child);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{option}");
    }
}

#[test]
fn help_manual_and_completions_are_printed_to_stdout() {
    let home = Home::new();
    for (line, part) in [
        ("--version", "tui "),
        ("--help", "--serve"),
        ("--man", ".TH tui 1"),
        ("--completions bash", "complete"),
        ("--completions zsh", "#compdef tui"),
        ("--completions fish", "complete -c tui"),
    ] {
        let outcome = home.line(line);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{line}");
        assert!(outcome.stdout.contains(part), "{line}");
    }
}

#[test]
fn the_settings_are_printed_with_their_sources_and_can_be_used_again() {
    let home = Home::new();
    home.write("c.toml", "[client]\njobs = 5\nretries = 3\n");
    let mut command = home.command(["--config", "c.toml", "--print-config", "--segments", "9"]);
    command.env("FDSP_CLIENT_RETRIES", "4");
    let outcome = program::finish(command.spawn().expect("the binary starts"));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = outcome.stdout.lines().map(words).collect();
    for line in [
        "jobs = 5 # file",
        "retries = 4 # FDSP_CLIENT_RETRIES",
        "segments = 9 # command line",
        "timeout = 30 # default",
        "[server]",
    ] {
        assert!(lines.iter().any(|other| other == line), "{line}: {}", outcome.stdout);
    }
    home.write("again.toml", &outcome.stdout);
    let again = home.line("--config again.toml --config-check");
    assert_eq!((again.code, again.stderr.as_str()), (0, ""));
    assert_eq!(again.stdout, "the settings are right; the file is 'again.toml'\n");
}

#[test]
fn wrong_settings_are_found_by_a_check() {
    let home = Home::new();
    home.write("wrong.toml", "[client]\njobs = 99\n").write("key.toml", "[keys]\nfly = [\"x\"]\n");
    home.write("gone.toml", "[client]\nca_file = \"/nowhere/ca.pem\"\n");
    for (line, message) in [
        ("--config wrong.toml --config-check", "wrong.toml, line 2: 'client.jobs' must be"),
        ("--config key.toml --config-check", "key.toml, line 2: "),
        (
            "--config gone.toml --config-check",
            "'client.ca_file': cannot read '/nowhere/ca.pem': No such file",
        ),
        ("--config none.toml --config-check", "cannot read the configuration 'none.toml'"),
        ("--config-check --print-config", "cannot be used with"),
        ("--config-check --serve --jobs 3", "--jobs is for fetching"),
    ] {
        let outcome = home.line(line);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""), "{line}");
        assert!(outcome.stderr.contains(message), "{line}: {}", outcome.stderr);
    }
}
