//! The program without a screen: events, exit codes and signals of both ends, on all four architectures.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use crate::shared::program::{self, Home, Lines, Running, Service};
use rustix::process::Signal;
use serde_json::Value;

const ARCHITECTURES: [&str; 4] = ["single", "threads", "select", "async"];

/// Bytes that do not repeat and cannot be deflated.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A home with a folder to serve and one to fetch into.
fn home() -> Home {
    let home = Home::new();
    home.write("served/a b.bin", noise(3_500_000)).write("served/empty", "");
    home.write("served/dir/x.txt", "x".repeat(100_000))
        .write("served/dir/sub/ü.txt", "ü")
        .write("got/.keep", "");
    std::fs::create_dir(home.path().join("served/dir/nothing")).expect("made");
    home
}

fn serve(home: &Home, options: &str) -> Service {
    Service::start(home, &home.path().join("served"), options)
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn b3sum(path: &Path) -> String {
    blake3::hash(&std::fs::read(path).expect("read")).to_hex().to_string()
}

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

#[test]
fn a_new_version_of_a_file_starts_without_the_bytes_of_the_old_one() {
    let home = home();
    let mut service = serve(&home, "--plain --limit 4M");
    let address = service.at("dir.bin");
    home.write("served/dir.bin", noise(16_000_000));
    let running = Running::start(home.command(["--json", "-s", "1", "-d", "got", &address]));
    let part = home.path().join("got/dir.bin.part.fdsp");
    crate::shared::target::until("a verified block", || {
        std::fs::read_to_string(&part).is_ok_and(|text| text.contains(" block "))
    });
    let mut running = running;
    running.signal(Signal::INT);
    running.end();
    home.write("served/dir.bin", "hello\n");
    let outcome = home.run(["--json", "-d", "got", &address]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let started = outcome.events("started").remove(0);
    assert_eq!((started["size"].as_u64(), started["here"].as_u64()), (Some(6), Some(0)), "{started}");
    service.lines.event("sent");
}

/// On a machine without IPv4 and without a default route, and to a link-local address.
#[test]
fn link_local_addresses_are_printed_and_reached_with_their_zone() {
    let home = home();
    let run = |script: &str| {
        let tui = env!("CARGO_BIN_EXE_tui");
        let command = home.other("unshare", ["-rn", "sh", "-ec", script, tui]).spawn();
        command.map(program::finish)
    };
    let interface = "ip link set lo up; ip link add fdsp0 type veth peer name fdsp1
        ip link set fdsp1 up; ip link set fdsp0 up
        ip addr add fd00:1::7/64 dev fdsp0 nodad; ip addr add fe80::7/64 dev fdsp0 nodad";
    if !run(interface).is_ok_and(|outcome| outcome.code == 0) {
        println!("skipped: no network namespace can be made here");
        return;
    }
    let script = r#"
        mkfifo events others
        "$0" --serve -H :: -P 7878 --public --json served >events & server=$!
        exec 3<events; read -r listening <&3; echo "$listening"
        "$0" -q --accept-new -H fe80::7%fdsp0 -d got empty
        "$0" -q -d got "fdsp://[fe80::7%25fdsp0]:7878/dir/x.txt"
        kill $server
        "$0" --serve -H fe80::7%fdsp0 -P 7879 --public --json served >others & server=$!
        exec 4<others; read -r listening <&4; echo "$listening"
        kill $server"#;
    let outcome = run(&format!("{interface}\n{script}")).expect("it starts");
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let [all, one] = outcome.objects().try_into().expect("two servers");
    let address = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert!(address(&all["address"]).starts_with("fdsp://[fd00:1::7]:7878/#"), "{all}");
    assert_eq!(all["others"], serde_json::json!([]), "no link-local one where there is another");
    assert!(address(&one["address"]).starts_with("fdsp://[fe80::7%25fdsp0]:7879/#"), "{one}");
    for file in ["got/empty", "got/x.txt"] {
        assert!(home.path().join(file).exists(), "{file}: {outcome:#?}");
    }
}

#[test]
fn events_of_a_download_have_exactly_their_fields() {
    let home = home();
    for arch in ARCHITECTURES {
        let mut service = serve(&home, &format!("--arch {arch} --public"));
        let address = format!("fdsp://127.0.0.1:{}/#sha256:", service.port);
        assert!(service.address.starts_with(&address), "{}", service.address);
        let folder = format!("got/{arch}");
        home.write(&format!("{folder}/.keep"), "");
        let outcome = home.run(["--json", "-d", &folder, &service.at("a%20b.bin")]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{arch}: {outcome:#?}");

        let names: Vec<_> = outcome.objects().iter().map(|object| object["event"].to_string()).collect();
        assert_eq!(names.first().map(String::as_str), Some("\"queued\""), "{names:?}");
        assert_eq!(names.last().map(String::as_str), Some("\"done\""), "{names:?}");
        assert_eq!(outcome.events("started").len(), 1);
        let done = outcome.events("done").remove(0);
        let path = home.path().join(&folder).join("a b.bin");
        for key in ["path", "bytes", "transferred", "resumed", "blake3", "origins", "seconds"] {
            assert!(keys(&done).contains(key), "{key} of {done}");
        }
        assert_eq!(done["path"], path.to_str().expect("plain"));
        assert_eq!(
            (&done["bytes"], &done["transferred"], &done["resumed"]),
            (&3_500_000.into(), &3_500_000.into(), &0.into())
        );
        assert_eq!(done["blake3"], b3sum(&path), "{arch}");
        assert!(done["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{done}");
        assert_eq!(std::fs::read(&path).expect("fetched"), noise(3_500_000), "{arch}");

        let sent = service.lines.event("sent");
        assert_eq!((&sent["path"], &sent["bytes"]), (&"a b.bin".into(), &3_500_000.into()), "{sent}");
        service.lines.event("disconnected");
    }
}

#[test]
fn a_server_prints_its_events_in_order() {
    let home = home();
    for arch in ARCHITECTURES {
        let mut service = serve(&home, &format!("--arch {arch}"));
        assert_eq!(home.run(["-q", "-d", "got", "--overwrite", &service.at("empty")]).code, 0);
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != "disconnected") {
            let object: Value = serde_json::from_str(&service.lines.next()).expect("an object");
            names.push(object["event"].as_str().expect("a name").to_owned());
        }
        names.retain(|name| name != "request");
        assert_eq!(names, ["connected", "sent", "disconnected"], "{arch}");
    }
}

#[test]
fn a_folder_is_fetched_as_a_zip() {
    let home = home();
    for arch in ARCHITECTURES {
        let service = serve(&home, &format!("--arch {arch}"));
        let outcome = home.run(["--json", "-l", &format!("got/{arch}.zip"), &service.at("dir")]);
        assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
        let path = home.path().join(format!("got/{arch}.zip"));
        let done = outcome.events("done").remove(0);
        assert_eq!(done["blake3"], b3sum(&path));
        assert_eq!(done["bytes"], std::fs::metadata(&path).expect("there").len());
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).expect("there")).expect("a zip");
        let names: BTreeSet<_> = archive.file_names().map(|name| name.expect("UTF-8").into_owned()).collect();
        for name in ["dir/x.txt", "dir/sub/ü.txt", "dir/nothing/"] {
            assert!(names.contains(name), "{name} in {names:?}");
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut archive.by_name("dir/sub/ü.txt").expect("there"), &mut text)
            .expect("read");
        assert_eq!(text, "ü");
    }
}

#[test]
fn one_missing_path_does_not_stop_the_other_downloads() {
    let home = home();
    let service = serve(&home, "");
    let outcome =
        home.run(["--json", "-d", "got", &service.at("empty"), &service.at("nowhere"), &service.at("dir")]);
    assert_eq!(outcome.code, 4, "{outcome:#?}");
    assert_eq!((outcome.events("queued").len(), outcome.events("done").len()), (3, 2));
    let failed = outcome.events("failed").remove(0);
    assert_eq!((&failed["name"], &failed["kind"]), (&"nowhere".into(), &"not_found".into()), "{failed}");
    assert!(outcome.is_one_sentence().contains("nowhere"));
}

#[test]
fn plain_lines_are_printed_to_stderr_only() {
    let home = home();
    let service = serve(&home, "");
    let outcome = home.run(["-d", "got", &service.at("a%20b.bin")]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{outcome:#?}");
    let last = outcome.stderr.lines().last().expect("lines");
    assert!(last.starts_with("a b.bin: done, 3.5 MB in ") && last.contains("BLAKE3 "), "{outcome:#?}");
    let outcome = home.run(["-q", "-d", "got", &service.at("empty")]);
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (0, "", ""));
}

#[test]
fn existing_targets_are_kept_replaced_or_numbered() {
    let home = home();
    let service = serve(&home, "");
    let fetch = |options: &[&str]| {
        let address = service.at("a%20b.bin");
        home.run(options.iter().copied().chain(["-d", "got", &address]))
    };
    assert_eq!(fetch(&[]).code, 0);
    let again = fetch(&["--json"]);
    assert_eq!(again.code, 0, "the same: {again:#?}");
    home.write("got/a b.bin", "mine");
    let refused = fetch(&[]);
    assert_eq!(refused.code, 7);
    assert!(refused.stderr.lines().last().is_some_and(|line| line.contains("a b.bin")), "{refused:#?}");
    assert_eq!(std::fs::read(home.path().join("got/a b.bin")).expect("kept"), b"mine");
    assert_eq!(fetch(&["--rename"]).code, 0);
    assert_eq!(std::fs::read(home.path().join("got/a b (1).bin")).expect("beside"), noise(3_500_000));
    assert_eq!(fetch(&["--overwrite"]).code, 0);
    assert_eq!(std::fs::read(home.path().join("got/a b.bin")).expect("replaced"), noise(3_500_000));
}

#[test]
fn checksums_are_verified() {
    let home = home();
    let service = serve(&home, "");
    let right = format!("blake3:{}", b3sum(&home.path().join("served/a b.bin")).to_uppercase());
    let cases = [
        ("md5:d41d8cd98f00b204e9800998ecf8427e", "empty", 0),
        ("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "empty", 0),
        (&right, "a%20b.bin", 0),
        ("md5:00000000000000000000000000000000", "dir/x.txt", 6),
    ];
    for (checksum, path, code) in cases {
        let outcome = home.run(["-d", "got", "--checksum", checksum, &service.at(path)]);
        assert_eq!(outcome.code, code, "{checksum}: {outcome:#?}");
    }
    assert!(!home.path().join("got/x.txt").exists(), "what is wrong is not put in place");
}

#[test]
fn a_server_drains_at_sigterm() {
    let home = home();
    for arch in ARCHITECTURES {
        let mut service = serve(&home, &format!("--arch {arch}"));
        service.process.signal(Signal::TERM);
        assert_eq!(service.process.end().code, 0, "{arch}");
        assert!(std::net::TcpStream::connect(("127.0.0.1", service.port)).is_err(), "{arch} listens no more");
    }
}

/// A client that takes its time, up to the moment when content comes.
fn slow_client(home: &Home, service: &Service) -> (Running, Lines) {
    let mut client =
        Running::start(home.command(["--json", "--limit", "200k", "-d", "got", &service.at("a%20b.bin")]));
    let mut lines = client.stdout();
    lines.event("progress");
    (client, lines)
}

/// Whether this process was started with the signal ignored, which those that it starts inherit.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a line");
    let ignored = u64::from_str_radix(line.trim(), 16).expect("a number");
    ignored & 1 << (signal.as_raw() - 1) != 0
}

#[test]
fn a_second_signal_stops_a_server_at_once() {
    let home = home();
    for arch in ARCHITECTURES {
        let mut service = serve(&home, &format!("--arch {arch}"));
        let (_client, _lines) = slow_client(&home, &service);
        service.process.signal(Signal::TERM);
        service.process.signal(Signal::INT);
        // Two signals that come together are still two: the second one is another.
        assert_eq!(service.process.end().code, 0, "{arch}");
    }
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
        let mut begun = Running::start(home.command(["--limit", "100k"].into_iter().chain(all())));
        for journal in ["a b.bin.part.fdsp", "other.part.fdsp", "dir.part/fdsp-control"] {
            let journal = home.path().join(&folder).join(journal);
            crate::shared::target::until("a journal", || journal.exists());
        }
        begun.signal(Signal::INT);
        assert_eq!(begun.end().code, 130, "{face}");
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
fn the_demo_without_a_terminal_fetches_verifies_and_cleans_up() {
    let home = home();
    let scratch = Home::new();
    for arch in ARCHITECTURES {
        let mut command = home.command(["--demo", "served", "--arch", arch]);
        command.env("TMPDIR", scratch.path());
        let outcome = program::finish(command.spawn().expect("the binary starts"));
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let verified = outcome.stdout.lines().find(|line| line.starts_with("Verified: ")).expect("a report");
        assert!(
            verified.starts_with("Verified: 4 files and 4 folders, 3.6 MB, equal to the source"),
            "{verified}"
        );
        assert_eq!(std::fs::read_dir(scratch.path()).expect("listed").count(), 0, "{arch} left something");
    }
}

#[test]
fn the_demo_serves_the_current_folder_by_default() {
    let home = home();
    let mut command = home.command(["--demo"]);
    // Its own temporary files and logs lie in there, too: neither may end up in the archive.
    command.env("TMPDIR", home.path());
    let outcome = program::finish(command.spawn().expect("the binary starts"));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stdout.contains("Verified: 5 files"), "{outcome:#?}");
    assert!(!home.path().join(".local").exists(), "no log in what is served");
}

#[test]
fn an_interrupted_demo_cleans_up() {
    let home = home();
    let scratch = Home::new();
    let mut command = home.command(["--demo", "served", "--limit", "100k"]);
    command.env("TMPDIR", scratch.path());
    let mut demo = Running::start(command);
    let mut lines = demo.stderr();
    assert!(lines.next().contains("served.zip: fetching"));
    demo.signal(Signal::INT);
    assert_eq!(demo.end().code, 130);
    assert_eq!(std::fs::read_dir(scratch.path()).expect("listed").count(), 0);
}

#[test]
fn progress_bars_are_shown_on_a_terminal() {
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    let home = home();
    let service = serve(&home, "");
    let pty = native_pty_system()
        .openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() })
        .expect("a terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tui"));
    command.args(["--headless", "--limit", "3M", "-d", "got", &service.at("a%20b.bin")]);
    command.cwd(home.path());
    command.env_clear();
    for (name, value) in
        [("HOME", home.path().to_str().expect("plain")), ("TERM", "xterm"), ("LANG", "C.UTF-8")]
    {
        command.env(name, value);
    }
    let mut child = pty.slave.spawn_command(command).expect("the binary starts");
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().expect("a reader");
    let mut shown = Vec::new();
    // A terminal whose last user has gone is an error, not an end.
    let _ = std::io::Read::read_to_end(&mut reader, &mut shown);
    assert!(child.wait().expect("ended").success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains('█') && shown.contains(" MB/s"), "{shown}");
    assert!(shown.contains("a b.bin: done, 3.5 MB in"), "{shown}");
}

#[test]
fn classic_files_are_served_and_fetched() {
    let home = home();
    for (arch, dialect) in
        [("single", "classic"), ("threads", "classic"), ("select", "classic-select"), ("async", "classic")]
    {
        let service = serve(&home, &format!("--arch {arch} --classic"));
        let folder = format!("got/{arch}");
        home.write(&format!("{folder}/.keep"), "");
        let port = service.port.to_string();
        let path = ["-H", "127.0.0.1", "-P", &port, "a b.bin"];
        let options = ["--json", "--protocol", dialect, "-d", &folder];
        let outcome = home.run([&options[..], &path].concat());
        assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
        assert_eq!(
            std::fs::read(home.path().join(folder).join("a b.bin")).expect("fetched"),
            noise(3_500_000)
        );
    }
}

#[test]
fn client_and_server_write_log_files() {
    let home = home();
    let service = serve(&home, "");
    assert_eq!(home.run(["-q", "--log-file", "c.log", "-d", "got", &service.at("empty")]).code, 0);
    let log = std::fs::read_to_string(home.path().join("c.log")).expect("a log");
    assert!(log.lines().any(|line| line.contains("INFO") && line.contains("empty")), "{log}");
    let folder = home.path().join(".local/state/fdsp");
    let names: Vec<_> =
        std::fs::read_dir(folder).expect("listed").flatten().map(|it| it.file_name()).collect();
    let logs = names.iter().filter(|name| name.as_encoded_bytes().ends_with(b".log")).count();
    assert_eq!(logs, 1, "the server's, of today: {names:?}");
}

#[test]
fn the_file_size_limit_is_reported_as_an_error() {
    let home = home();
    // The size of this archive is not known beforehand.
    home.write("served/zip/noise", noise(3_000_000)).write("served/zip/text", "x".repeat(100_000));
    let service = serve(&home, "");
    for path in ["a%20b.bin", "zip"] {
        let line = format!("ulimit -f 2000; exec \"$0\" --headless -q -d got '{}'", service.at(path));
        let mut limited = home.other("sh", ["-c", &line, env!("CARGO_BIN_EXE_tui")]);
        let outcome = program::finish(limited.stdin(Stdio::null()).spawn().expect("a shell"));
        assert_eq!(outcome.code, 7, "{outcome:#?}");
        assert!(outcome.is_one_sentence().contains("raise the limit (ulimit -f)"), "{outcome:#?}");
    }
    // Nor is it for the file of a session, the first one that is written.
    let line = format!("ulimit -f 0; exec \"$0\" --headless --session small -d got '{}'", service.at("zip"));
    let outcome =
        program::finish(home.other("sh", ["-c", &line, env!("CARGO_BIN_EXE_tui")]).spawn().expect("a shell"));
    assert_eq!(outcome.code, 7, "{outcome:#?}");
    outcome.is_one_sentence();
}
