//! Errors and interruptions: output that cannot be written, signals, a missing secret, the file size limit.

use std::process::Stdio;

use rustix::process::Signal;

use super::{home, noise, serve, slow_client};
use crate::shared::program::{self, Running};

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = home();
    let service = serve(&home, "");
    let address = service.at("empty");
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let run = |arguments: &[&str], stdout: bool| {
        let mut command = home.command(arguments);
        if stdout {
            command.stdout(full())
        } else {
            command.stderr(full())
        };
        program::finish(command.spawn().expect("the binary starts"))
    };
    for arguments in [&["--json", "-d", "got/1", &address][..], &["--help"], &["--man"]] {
        let outcome = run(arguments, true);
        assert_eq!(outcome.code, 7, "{arguments:?}: {outcome:#?}");
        let said = "tui: cannot write to stdout: no space left on device\n";
        assert_eq!(outcome.stderr, said, "{arguments:?}");
    }
    for arguments in [&["-d", "got/2", &address][..], &["-v", "-d", "got/3", &address]] {
        let outcome = run(arguments, false);
        assert_eq!(outcome.code, 7, "{arguments:?}: {outcome:#?}");
    }
    let outcome = run(&["--json", "-d", "got/4", &service.at("absent")], true);
    assert_eq!(outcome.code, 4, "what failed before that counts: {outcome:#?}");
}

/// Whether this process was started with the signal ignored, which its children inherit.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a line");
    let ignored = u64::from_str_radix(line.trim(), 16).expect("a number");
    ignored & 1 << (signal.as_raw() - 1) != 0
}

#[test]
fn an_interrupted_client_keeps_the_partial_file() {
    let home = home();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        if is_ignored(signal) {
            println!("skipped: {signal:?} is ignored here, as under nohup, and then by the program, too");
            continue;
        }
        let service = serve(&home, "");
        let (mut client, _lines) = slow_client(&home, &service);
        client.signal(signal);
        let outcome = client.end();
        assert_eq!(outcome.code, 130, "{outcome:#?}");
        assert!(outcome.is_one_sentence().contains("kept"));
        assert!(!home.path().join("got/a b.bin").exists());
        let part = std::fs::metadata(home.path().join("got/a b.bin.part")).expect("kept");
        assert!(part.len() > 0);
    }
}

#[test]
fn a_missing_secret_is_reported_once() {
    let home = home();
    let service = serve(&home, "--plain");
    home.write("served/dir/large", noise(3_000_000)).write("served/other", noise(3_000_000));
    let paths = ["a%20b.bin", "other", "dir"].map(|path| service.at(path));
    for face in ["--headless", "--json", "-q", "-v"] {
        let folder = format!("got/{}", face.trim_matches('-'));
        let options = ["--as", "tree", "-d", &folder];
        let all = || options.into_iter().chain(paths.iter().map(String::as_str));
        let mut running = Running::start(home.command(["--limit", "100k"].into_iter().chain(all())));
        for journal in ["a b.bin.part.fdsp", "other.part.fdsp", "dir.part/fdsp-control"] {
            let journal = home.path().join(&folder).join(journal);
            crate::shared::target::until("a journal", || journal.exists());
        }
        running.signal(Signal::INT);
        assert_eq!(running.end().code, 130, "{face}");
        // Its state folder is a file, so there is no secret.
        let mut command = home.command(std::iter::once(face).chain(all()));
        command.env("XDG_STATE_HOME", home.path().join("served/empty"));
        let outcome = program::finish(command.spawn().expect("the binary starts"));
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let said: Vec<_> = outcome.stderr.lines().filter(|line| line.contains("is not believed")).collect();
        assert_eq!(said.len(), 1, "{face}: {outcome:#?}");
        let parts =
            ["the secret that unfinished downloads are sealed with", "/empty/fdsp/secret", "start over"];
        assert!(parts.iter().all(|part| said[0].contains(part)), "{face}: {said:?}");
        assert!(!outcome.stdout.contains("believed"), "{face}: {outcome:#?}");
    }
}

#[test]
fn a_closed_stdout_does_not_stop_a_download() {
    let home = home();
    let service = serve(&home, "");
    let mut command = home.command(["--json", "-d", "got", &service.at("a%20b.bin")]);
    let mut child = command.spawn().expect("the binary starts");
    let first = program::close_after_first_line(child.stdout.take().expect("a pipe"));
    assert!(first.contains("queued"), "{first}");
    let outcome = program::finish(child);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert!(home.path().join("got/a b.bin").exists());

    let mut child =
        home.command(["--serve", "-P", "0", "--print-token", "served"]).spawn().expect("the binary starts");
    let address = program::close_after_first_line(child.stdout.take().expect("a pipe"));
    assert_eq!(home.run(["-q", "-d", "got", &program::at(address.trim(), "empty")]).code, 0);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).expect("it runs");
    let outcome = program::finish(child);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
}

#[test]
fn the_file_size_limit_is_reported_as_an_error() {
    let home = home();
    // The size of this archive is unknown.
    home.write("served/zip/noise", noise(3_000_000)).write("served/zip/text", "x".repeat(100_000));
    let service = serve(&home, "");
    for path in ["a%20b.bin", "zip"] {
        let line = format!("ulimit -f 2000; exec \"$0\" --headless -q -d got '{}'", service.at(path));
        let mut limited = home.other("sh", ["-c", &line, env!("CARGO_BIN_EXE_tui")]);
        let outcome = program::finish(limited.stdin(Stdio::null()).spawn().expect("a shell"));
        assert_eq!(outcome.code, 7, "{outcome:#?}");
        assert!(outcome.is_one_sentence().contains("raise the limit (ulimit -f)"), "{outcome:#?}");
    }
    // The same for the file of a session, the first one that is written.
    let line = format!("ulimit -f 0; exec \"$0\" --headless --session small -d got '{}'", service.at("zip"));
    let outcome =
        program::finish(home.other("sh", ["-c", &line, env!("CARGO_BIN_EXE_tui")]).spawn().expect("a shell"));
    assert_eq!(outcome.code, 7, "{outcome:#?}");
    outcome.is_one_sentence();
}
