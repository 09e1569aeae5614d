//! The wire specification is complete: a client in another language, written from it alone, works with the
//! machine here and with the server.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use fdsp::{
    protocol::{
        frame::outgoing::Outgoing,
        message::{Entries, Entry, Kind},
        trust::token::Token,
    },
    server::{self, Access, Arch, Certificate},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shared::memory::{MODIFIED, Memory, Stored};

const MIB: usize = 1 << 20;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/second_client.py");

fn python_is_missing() -> bool {
    let missing =
        !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if missing {
        println!("skipped: python3 is not installed");
    }
    missing
}

/// Runs the client and returns the lines that it printed.
fn run(address: &str, commands: &[String]) -> Vec<Value> {
    let output = ran(address, commands);
    let (lines, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{lines}{errors}");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn ran(address: &str, commands: &[String]) -> Output {
    let mut python = Command::new("python3");
    python.args([SCRIPT, address]).args(commands).stdin(Stdio::null()).output().expect("python3 runs")
}

/// A server made of the machine and a socket, for one connection.
fn serve(stored: &[(&str, Stored)], listing: Option<Entries>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let stored = stored.iter().map(|(path, stored)| ((*path).to_owned(), stored.clone())).collect();
    let mut memory = Memory::new(stored, listing);
    thread::spawn(move || {
        let Ok((mut socket, _)) = listener.accept() else { return };
        let _ = socket.set_read_timeout(Some(Duration::from_secs(60)));
        let _ = exchange(&mut socket, &mut memory);
    });
    format!("fdsp+plain://{address}/")
}

fn exchange(socket: &mut TcpStream, memory: &mut Memory) -> std::io::Result<()> {
    let (mut buffer, mut out) = (vec![0; 4096], Outgoing::new());
    loop {
        let count = socket.read(&mut buffer)?;
        let served = memory.serve(&buffer[..count], &mut out);
        socket.write_all(out.as_slice())?;
        out.sent(out.len());
        if count == 0 || served.is_err() || memory.said_goodbye {
            return Ok(());
        }
    }
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8 ^ (i >> 20) as u8).collect()
}

fn file(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("UTF-8").to_owned()
}

#[test]
fn the_python_client_understands_the_server_machine() {
    if python_is_missing() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let large = pattern(MIB + 5);
    let entries = ["a", "b"].map(|name| Entry {
        name: name.to_owned(),
        kind: Kind::Directory,
        size: None,
        modified: MODIFIED,
    });
    let mut broken = Stored::file(pattern(MIB));
    broken.breaks_at = Some(256 * 1024);
    let address = serve(
        &[
            ("large", Stored::file(large.clone())),
            ("zip", Stored::archive(pattern(5000))),
            ("empty", Stored::file(Vec::new())),
            ("tiny", Stored::archive(pattern(1))),
            ("broken", broken),
        ],
        Some(Entries { entries: entries.to_vec(), more: false }),
    );
    let out = |name| file(&folder, name);
    let (digest, other) = (blake3::hash(&pattern(5000)), blake3::hash(b"other"));
    let partial = |name, size| {
        fs::write(folder.path().join(name), pattern(size)).expect("it is written");
        out(name)
    };
    let lines = run(
        &address,
        &[
            "stat:large".to_owned(),
            "list:".to_owned(),
            format!("get:large:{}", out("large")),
            format!("get:large:{}:1", out("tail")),
            format!("get:large:{}:0:0", out("nothing")),
            format!("get:zip:{}:0:7:v1", out("zip")),
            format!("get:empty:{}", out("empty")),
            format!("get:tiny:{}", out("tiny")),
            format!("get:absent:{}", out("absent")),
            format!("get:zip:{}:0:7:v2", out("changed")),
            format!("get:zip:{}:1", out("range")),
            format!("get:broken:{}", out("broken")),
            "reserved:".to_owned(),
            "stat:tiny".to_owned(),
            "hashes:large".to_owned(),
            "hashes:large:1:1:v1".to_owned(),
            "hashes:empty".to_owned(),
            "hashes:zip".to_owned(),
            "hashes:broken".to_owned(),
            "tree:zip".to_owned(),
            "tree:absent".to_owned(),
            format!("files:zip:{}:a:b:a={digest}:a={other}", out("")),
            format!("compare:zip:a:b:a={digest}:a={other}"),
            format!("files:broken:{}:a:b", out("")),
            format!("files:empty:{}", out("")),
            format!("rest:zip:{}", partial("rest", 4000)),
            format!("rest:zip:{}", partial("enough", 5000)),
        ],
    );
    let read = |name| fs::read(folder.path().join(name)).expect("it was written");
    assert_eq!(lines[0]["welcome"]["pipeline"], 8);
    assert_eq!(lines[1]["meta"]["size"], large.len());
    assert_eq!(lines[2]["entries"]["entries"][1]["name"], "b");
    assert_eq!(lines[3]["end"]["root"], blake3::hash(&large).to_string());
    assert_eq!(lines[3]["positions"], json!([MIB, MIB + 5]));
    assert!(read("large") == large);
    assert_eq!((read("tail"), &lines[4]["end"]["root"]), (large[MIB..].to_vec(), &Value::Null));
    assert_eq!((read("nothing"), &lines[5]["end"]["size"]), (vec![], &Value::Null));
    assert_eq!((read("zip"), &lines[6]["end"]["size"]), (pattern(5000), &json!(5000)));
    assert_eq!((read("empty"), &lines[7]["end"]["size"]), (vec![], &json!(0)));
    assert_eq!(read("tiny"), pattern(1));
    for (line, code) in
        [(9, "not_found"), (10, "changed"), (11, "range"), (12, "changed"), (13, "unsupported")]
    {
        assert_eq!(lines[line]["error"]["code"], code);
        assert_eq!(lines[line]["request"], line);
    }
    assert_eq!(lines[14]["meta"]["name"], "tiny");
    assert_eq!(lines[15]["end"]["root"], blake3::hash(&large).to_string());
    assert_eq!(lines[15]["hashes"].as_array().map(Vec::len), Some(2));
    assert_eq!(lines[16]["hashes"], json!([lines[15]["hashes"][1]]));
    assert_eq!((&lines[17]["hashes"], &lines[17]["end"]["size"]), (&json!([]), &json!(0)));
    assert_eq!(lines[18]["error"]["code"], "wrong_kind");
    assert_eq!(lines[19]["error"]["code"], "changed");
    let kinds = lines[20]["entries"].as_array().expect("entries").iter().map(|entry| &entry["kind"]);
    assert_eq!(kinds.collect::<Vec<_>>(), ["directory", "file", "link"]);
    assert_eq!(lines[20]["totals"]["omitted"], 2);
    assert_eq!(lines[21]["error"]["code"], "not_found");
    let files = &lines[22]["files"];
    assert_eq!(
        (&files[0]["root"], &files[3]["root"]),
        (&json!(digest.to_string()), &json!(digest.to_string()))
    );
    assert_eq!((&files[1]["missed"]["code"], &files[2]), (&json!("not_found"), &json!("same")));
    let files = &lines[23]["files"];
    assert_eq!((&files[0], &files[2], &files[3]), (&json!("differs"), &json!("same"), &json!("differs")));
    let files = &lines[24]["files"];
    assert_eq!(
        (&files[0]["missed"]["code"], &files[1]["missed"]["code"]),
        (&json!("changed"), &json!("not_found"))
    );
    assert_eq!(lines[25], json!({"files": []}));
    assert_eq!((&lines[26]["content"]["skip"], read("rest")), (&json!(4000), pattern(5000)));
    assert_eq!(lines[26]["end"]["root"], digest.to_string());
    assert_eq!(lines[27]["error"]["code"], "range");
    assert_eq!(lines[28], json!({"closed": true}));

    let lines = run(&serve(&[], None), &["violate:".to_owned()]);
    assert_eq!((&lines[1]["error"]["code"], &lines[1]["request"]), (&json!("violation"), &json!(0)));
}

#[test]
fn the_python_client_works_with_every_architecture() {
    if python_is_missing() {
        return;
    }
    let root = TempDir::new().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).expect("it is written");
    fs::create_dir(root.path().join("folder")).expect("a folder");
    write("empty", b"");
    write("two chunks", &pattern(1025));
    write("folder/ünicode: 1", &pattern(3000));
    write("large", &pattern(MIB + 5));
    std::os::unix::fs::symlink("folder", root.path().join("link")).expect("a link");
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        for identity in [None, Some(Certificate::Temporary)] {
            against_the_server(arch, identity, root.path());
        }
    }
}

#[test]
fn the_python_client_computes_the_same_pin_and_token_proof() {
    if python_is_missing() {
        return;
    }
    let root = TempDir::new().expect("a folder");
    let access = Access::Token(Token::parse("the-right-one").expect("a token"));
    let config = server::Config {
        identity: Some(Certificate::Temporary),
        access,
        ..server::Config::local(root.path())
    };
    let server = server::start(config, Arc::new(|_| {})).expect("it starts");
    let address = server.address().revealed();
    let lines = run(&address, &["stat:".to_owned()]);
    assert_eq!(lines[1]["meta"]["kind"], "directory");
    for wrong in [address.replace("right", "wrong"), address.replace("the-right-one@", "")] {
        let output = ran(&wrong, &["stat:".to_owned()]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("denied"), "{output:?}");
    }
    let (before, pin) = address.rsplit_once(':').expect("a pin");
    let other = if pin.starts_with('0') { "1" } else { "0" };
    let output = ran(&format!("{before}:{other}{}", &pin[1..]), &["stat:".to_owned()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("another certificate"), "{output:?}");
}

fn against_the_server(arch: Arch, identity: Option<Certificate>, root: &Path) {
    let folder = TempDir::new().expect("a folder");
    let config = server::Config { arch, identity, ..server::Config::local(root.to_owned()) };
    let server = server::start(config, Arc::new(|_| {})).expect("it starts");
    let address = server.address().revealed();
    let out = |name| file(&folder, name);
    let digest = blake3::hash(&pattern(1025));
    fs::write(out("partial"), pattern(1024)).expect("it is written");
    let lines = run(
        &address,
        &[
            "list::1".to_owned(),
            "list::9:folder".to_owned(),
            "stat:/two chunks".to_owned(),
            format!("get:two chunks:{}", out("two")),
            format!("get:empty:{}", out("empty")),
            // The slow hash of the second client is worth only one whole block.
            format!("get:large:{}:1", out("tail")),
            format!("get:large:{}:2", out("after")),
            format!("get:folder:{}", out("folder.zip")),
            format!("get:../folder:{}", out("outside")),
            "reserved:".to_owned(),
            "tree:".to_owned(),
            "tree:empty".to_owned(),
            format!("files::{}:absent:empty:two chunks={digest}:folder:../folder/x:two chunks", out("")),
            format!("compare::large={digest}:two chunks={digest}:empty"),
            format!("rest:two chunks:{}", out("partial")),
        ],
    );
    let read = |name| fs::read(folder.path().join(name)).expect("it was written");
    assert_eq!(lines[1]["entries"]["more"], true, "{arch:?}");
    let names: Vec<_> = lines[2]["entries"]["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["large", "link", "two chunks"]);
    assert_eq!((&lines[3]["meta"]["kind"], &lines[3]["meta"]["size"]), (&json!("file"), &json!(1025)));
    assert_eq!(lines[4]["end"]["root"], blake3::hash(&pattern(1025)).to_string());
    assert_eq!((read("two"), read("empty")), (pattern(1025), vec![]));
    assert_eq!(read("tail"), pattern(MIB + 5)[MIB..]);
    assert_eq!(lines[7]["error"]["code"], "range");
    assert_eq!(
        lines[8]["content"]["sources"],
        json!({"bytes": 3000, "files": 1, "directories": 1, "omitted": 0})
    );
    assert_eq!(lines[8]["content"]["name"], "folder.zip");
    let archive = zip::ZipArchive::new(std::io::Cursor::new(read("folder.zip"))).expect("an archive");
    assert!(archive.file_names().flatten().any(|name| name == "folder/ünicode: 1"));
    assert_eq!(lines[9]["error"]["code"], "not_found");
    assert_eq!(lines[10]["error"]["code"], "unsupported");
    let paths = lines[11]["entries"].as_array().expect("entries").iter().map(|entry| &entry["path"]);
    let expected = ["", "empty", "folder", "folder/ünicode: 1", "large", "link", "two chunks"];
    assert_eq!(paths.collect::<Vec<_>>(), expected);
    assert_eq!(lines[12]["error"]["code"], "wrong_kind");
    let files = &lines[13]["files"];
    assert_eq!((&files[0]["missed"]["code"], &files[1]["file"]["size"]), (&json!("not_found"), &json!(0)));
    assert_eq!((&files[2], &files[3]["missed"]["code"]), (&json!("same"), &json!("wrong_kind")));
    assert_eq!(files[4]["missed"]["code"], "not_found");
    assert_eq!((&files[5]["root"], read("5")), (&json!(digest.to_string()), pattern(1025)));
    assert_eq!(lines[14]["files"], json!(["differs", "same", "differs"]));
    assert_eq!((&lines[15]["content"]["skip"], read("partial")), (&json!(1024), pattern(1025)));
    assert_eq!(lines[16], json!({"closed": true}));
    if arch == Arch::Async {
        let lines = run(&address, &[format!("get:large:{}", out("large"))]);
        assert_eq!(lines[1]["end"]["root"], blake3::hash(&pattern(MIB + 5)).to_string());
        // The server has read all of it by now.
        let lines = run(
            &address,
            &["root:large:0:0", "root:large:1", "root:two chunks", "root:folder:0:0"].map(String::from),
        );
        for line in &lines[1..=2] {
            assert_eq!(line["end"]["root"], blake3::hash(&pattern(MIB + 5)).to_string());
        }
        assert_eq!(
            (&lines[3]["end"]["root"], &lines[4]["end"]["root"]),
            (&json!(digest.to_string()), &Value::Null)
        );
        let lines = run(&address, &["violate:".to_owned()]);
        assert_eq!((&lines[1]["error"]["code"], &lines[1]["request"]), (&json!("violation"), &json!(0)));
    }
}
