//! Other programs that download from a server: curl, wget, aria2, lftp, Python and unzip, where they are installed.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::shared::{
    folder::content,
    program::{Home, Outcome, Running, Service, finish},
};

const ARCHITECTURES: [&str; 4] = ["single", "threads", "select", "async"];
/// Bytes of the file.
const SIZE: usize = 5_000_001;
/// Bytes of it that a client has before it resumes.
const HAS: usize = 1_234_567;

/// Whether a program is installed; says so if it is not.
fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

/// A folder with a large file and a folder.
fn folder(home: &Home) {
    home.write("served/file.bin", content(SIZE, 1)).write("served/folder/text.txt", "text ".repeat(100_000));
    home.write("served/folder/b.bin", content(300_000, 2));
}

fn run(home: &Home, program: &str, line: &str) -> Outcome {
    finish(home.other(program, line.split_whitespace()).spawn().expect("it starts"))
}

/// Whether a file has all of the content of the large one.
fn is_whole(path: &Path) -> bool {
    fs::read(path).is_ok_and(|found| found == content(SIZE, 1))
}

/// Downloads the file whole, and resumes it, with a command that has `FILE` and `URL` in it.
fn downloads_and_resumes(program: &str, command: &str) {
    if !is_installed(program) {
        return;
    }
    for (arch, options) in ARCHITECTURES.iter().flat_map(|arch| [(arch, ""), (arch, " --plain")]) {
        let home = Home::new();
        folder(&home);
        let line = format!("--arch {arch} --token the-right-token-of-all{options}");
        let options = if options.is_empty() { line } else { format!("--arch {arch} --public{options}") };
        let service = Service::start(&home, &home.path().join("served"), &options);
        let scheme = if options.contains("--plain") { "http" } else { "https" };
        let url = format!("{scheme}://127.0.0.1:{}/file.bin", service.port);
        for has in [None, Some(HAS)] {
            let name = format!("got-{}", has.is_some());
            if let Some(has) = has {
                home.write(&name, &content(SIZE, 1)[..has]);
            }
            let outcome = run(&home, program, &command.replace("FILE", &name).replace("URL", &url));
            assert_eq!(outcome.code, 0, "{arch} {url}: {outcome:#?}");
            assert!(is_whole(&home.path().join(name)), "{arch} {url}, resumed: {}", has.is_some());
        }
    }
}

#[test]
fn curl_downloads_and_resumes() {
    downloads_and_resumes("curl", "-sS -k -u any:the-right-token-of-all -C - -o FILE URL");
}

#[test]
fn wget_downloads_and_resumes() {
    let command =
        "-q --no-proxy --no-check-certificate --user any --password the-right-token-of-all -c -O FILE URL";
    downloads_and_resumes("wget", command);
}

#[test]
fn aria2_downloads_and_resumes() {
    let command = "-q --no-conf --check-certificate=false --http-user=any --http-passwd=the-right-token-of-all -c -x4 -s4 -k1M \
                   --allow-overwrite=true -o FILE URL";
    downloads_and_resumes("aria2c", command);
}

#[test]
fn lftp_downloads_and_resumes() {
    // Its program of one word cannot have blanks in it.
    if !is_installed("lftp") {
        return;
    }
    for arch in ARCHITECTURES {
        let home = Home::new();
        folder(&home);
        let options = format!("--arch {arch} --plain --public");
        let service = Service::start(&home, &home.path().join("served"), &options);
        for has in [None, Some(HAS)] {
            let name = format!("got-{}", has.is_some());
            if let Some(has) = has {
                home.write(&name, &content(SIZE, 1)[..has]);
            }
            let url = format!("http://127.0.0.1:{}/file.bin", service.port);
            let script = format!("set net:max-retries 2; get -c {url} -o {name}");
            let outcome = finish(home.other("lftp", ["-c", &script]).spawn().expect("it starts"));
            assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
            assert!(is_whole(&home.path().join(name)), "{arch}, resumed: {}", has.is_some());
        }
    }
}

/// A session of `requests`, or of the standard library where that is missing: whole, by range with a condition, and several on one connection.
#[test]
fn python_requests_downloads_by_range() {
    let has = Command::new("python3").args(["-c", "import requests"]).output();
    if !has.is_ok_and(|outcome| outcome.status.success()) {
        println!("skipped: requests of Python is not installed");
        return;
    }
    const SCRIPT: &str = "
import sys, requests
url, size, has = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
session = requests.Session()
session.trust_env = False
whole = session.get(url)
assert whole.status_code == 200 and len(whole.content) == size, whole
tag = whole.headers['ETag']
for first, last in [(0, 0), (has, has + 99), (has, size - 1)]:
    part = session.get(url, headers={'Range': f'bytes={first}-{last}', 'If-Range': tag})
    assert part.status_code == 206 and part.content == whole.content[first:last + 1], part
assert session.get(url, headers={'If-None-Match': tag}).status_code == 304
assert session.get(url, headers={'Range': f'bytes={size}-'}).status_code == 416
assert session.head(url).headers['Content-Length'] == str(size)
assert session.get(url + '.absent').status_code == 404
open('got', 'wb').write(whole.content)
";
    for arch in ARCHITECTURES {
        let home = Home::new();
        folder(&home);
        let options = format!("--arch {arch} --plain --public");
        let service = Service::start(&home, &home.path().join("served"), &options);
        let url = format!("http://127.0.0.1:{}/file.bin", service.port);
        let arguments = ["-c", SCRIPT, &url, &SIZE.to_string(), &HAS.to_string()];
        let outcome = finish(home.other("python3", arguments).spawn().expect("it starts"));
        assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
        assert!(is_whole(&home.path().join("got")), "{arch}");
    }
}

/// aria2 verifies the pieces of a metalink, and resumes with it.
#[test]
fn aria2_verifies_with_a_metalink() {
    if !is_installed("aria2c") || !is_installed("curl") {
        return;
    }
    for arch in ARCHITECTURES {
        let home = Home::new();
        folder(&home);
        let options = format!("--arch {arch} --plain --public");
        let service = Service::start(&home, &home.path().join("served"), &options);
        let url = format!("http://127.0.0.1:{}/file.bin?meta4", service.port);
        assert_eq!(run(&home, "curl", &format!("-sS -o it.meta4 {url}")).code, 0);
        let outcome = run(&home, "aria2c", "-q --no-conf --check-integrity=true -M it.meta4");
        assert_eq!(outcome.code, 0, "{arch}: {outcome:#?}");
        assert!(is_whole(&home.path().join("file.bin")), "{arch}");
    }
}

/// The options of operators: a log that names no token, metrics beside it, and a field of the operator's.
#[test]
fn operators_have_a_log_metrics_and_fields() {
    if !is_installed("curl") {
        return;
    }
    let home = Home::new();
    folder(&home);
    let mut command = home.command(["--serve", "--json", "--print-token", "-P", "0", "--plain"]);
    command.args([
        "--token",
        "the-right-token-of-all",
        "--access-log",
        "access.log",
        "--metrics",
        "127.0.0.1:0",
    ]);
    command.args(["--response-header", "Access-Control-Allow-Origin: *"]).arg("served");
    command.current_dir(home.path()).stderr(Stdio::null());
    let mut process = Running::start(command);
    let first: Value = serde_json::from_str(&process.stdout().next()).expect("an object");
    let (port, metrics) = (&first["port"], first["metrics"].as_str().expect("an address"));
    let url = format!("http://127.0.0.1:{port}/file.bin");
    let outcome = run(&home, "curl", &format!("-sS -D head -o got -u any:the-right-token-of-all {url}"));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(is_whole(&home.path().join("got")));
    let head = fs::read_to_string(home.path().join("head")).expect("a head");
    assert!(head.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{head}");
    assert_eq!(run(&home, "curl", &format!("-sS -f -o health http://{metrics}/healthz")).code, 0);
    assert_eq!(run(&home, "curl", &format!("-sS -f -o metrics http://{metrics}/metrics")).code, 0);
    let text = fs::read_to_string(home.path().join("metrics")).expect("metrics");
    assert!(text.contains("fdsp_connections{dialect=\"http\",arch=\"async\"}"), "{text}");
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, 0);
    let log = fs::read_to_string(home.path().join("access.log")).expect("a log");
    assert!(log.contains("\"GET /file.bin HTTP/1.1\" 200 5000001 ") && !log.contains("the-right"), "{log}");
}

#[test]
fn a_folder_is_a_zip_that_other_programs_read() {
    if !is_installed("curl") || Command::new("unzip").arg("-v").output().is_err() {
        println!("skipped: curl or unzip is not installed");
        return;
    }
    for arch in ARCHITECTURES {
        let home = Home::new();
        folder(&home);
        let service =
            Service::start(&home, &home.path().join("served"), &format!("--arch {arch} --plain --public"));
        let outcome = run(&home, "curl", &format!("-sS -OJ http://localhost:{}/folder?zip", service.port));
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let tested = run(&home, "unzip", "-t folder.zip");
        assert_eq!(tested.code, 0, "{arch}: {tested:#?}");
        let outcome = run(&home, "curl", &format!("-sS -OJ http://localhost:{}/folder?tar", service.port));
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        // Another implementation than that of the tests of the library.
        const READ: &str = "import tarfile; print(sorted(tarfile.open('folder.tar').getnames()))";
        let listed = finish(home.other("python3", ["-c", READ]).spawn().expect("it starts"));
        assert_eq!(
            listed.stdout.trim(),
            "['folder', 'folder/b.bin', 'folder/text.txt']",
            "{arch}: {listed:#?}"
        );
    }
}

/// The command that a server prints pins its key: it downloads from this server, and not from another one.
#[test]
fn curl_pins_the_key_of_the_server() {
    if !is_installed("curl") {
        return;
    }
    let home = Home::new();
    folder(&home);
    let service = Service::start(&home, &home.path().join("served"), "--arch async --public");
    let url = format!("https://127.0.0.1:{}/file.bin", service.port);
    let key = service.web["public_key"].as_str().expect("a key");
    for (key, accepted) in [(key, true), ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false)] {
        let outcome = run(&home, "curl", &format!("-sS -k --pinnedpubkey sha256//{key} -o got {url}"));
        assert_eq!(outcome.code == 0, accepted, "{outcome:#?}");
    }
    assert!(is_whole(&home.path().join("got")));
}
