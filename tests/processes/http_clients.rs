//! Other programs that download from a server: curl, wget, aria2 and unzip, where they are installed.

use std::{fs, path::Path, process::Command};

use crate::shared::{
    folder::content,
    program::{Home, Outcome, Service, finish},
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
