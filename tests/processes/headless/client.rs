//! Downloads: events, lines, bars, existing targets, checksums.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use super::{ARCHITECTURES, b3sum, home, noise, serve};
use crate::shared::program::{self, Running};

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
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
fn addresses_are_read_from_a_file_or_from_stdin() {
    let home = home();
    let service = serve(&home, "");
    let digest = b3sum(&home.path().join("served/a b.bin"));
    let address = service.at("a%20b.bin");
    home.write(
        "list",
        format!("# two\n{address}\n  out=c.bin\n  checksum=blake3:{digest}\n\n{}\n", service.at("empty")),
    );
    let outcome = home.line("--json -d got -i list");
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let names: BTreeSet<_> = outcome.events("done").iter().map(|done| done["path"].to_string()).collect();
    assert!(names.len() == 2 && names.iter().all(|path| path.contains("/got/")), "{names:?}");
    assert_eq!(b3sum(&home.path().join("got/c.bin")), digest);
    let list = std::fs::File::open(home.path().join("list")).expect("a file");
    let mut command = home.command(["--json", "-d", "again", "-i", "-"]);
    let outcome = program::finish(command.stdin(list).spawn().expect("the binary starts"));
    assert_eq!((outcome.code, outcome.events("done").len()), (0, 2), "{outcome:#?}");
    home.write("wrong", format!("{address}\n  outt=x\n"));
    let outcome = home.line("-d never -i wrong");
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.is_one_sentence().contains("'wrong', line 2: 'outt' is not an option here"),
        "{outcome:#?}"
    );
    assert!(!home.path().join("never").exists(), "nothing is started");
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
    // A terminal without a process is reported as an error, not as an end.
    let _ = std::io::Read::read_to_end(&mut reader, &mut shown);
    assert!(child.wait().expect("ended").success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains('█') && shown.contains(" MB/s"), "{shown}");
    assert!(shown.contains("a b.bin: done, 3.5 MB in"), "{shown}");
}
