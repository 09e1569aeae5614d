//! A source that is truncated, extended, replaced, altered with its time kept, or deleted during the transfer, from every
//! architecture: reported, never spliced, and other jobs continue.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
};

use fdsp::{
    client::{Config, Event, TroubleKind},
    server::{Arch, Limits},
};

use crate::engine::{
    proxy::Proxy,
    support::{Client, MIB, Served, config, content},
};

/// More than all buffers on the way hold.
const SIZE: usize = 32 * MIB + 4321;

type Change = fn(&Served);

fn open(served: &Served) -> File {
    OpenOptions::new().write(true).open(served.folder.path().join("a")).unwrap()
}

/// The changes, and the maximum number of bytes to fetch again.
const CHANGES: [(&str, Change, usize); 5] = [
    ("truncated", |served| open(served).set_len(20 * MIB as u64 + 5).unwrap(), 0),
    (
        "grown",
        |served| {
            let mut file = open(served);
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(&content(2 * MIB, 9)).unwrap();
        },
        0,
    ),
    (
        "replaced",
        |served| {
            served.write("new", &content(SIZE, 8));
            let modified = fs::metadata(served.folder.path().join("a")).unwrap().modified().unwrap();
            let new = OpenOptions::new().write(true).open(served.folder.path().join("new")).unwrap();
            new.set_modified(modified).unwrap();
            fs::rename(served.folder.path().join("new"), served.folder.path().join("a")).unwrap();
        },
        SIZE,
    ),
    (
        "altered with its size and time put back",
        |served| {
            let mut file = open(served);
            let modified = file.metadata().unwrap().modified().unwrap();
            for at in [5, SIZE - 5] {
                file.seek(SeekFrom::Start(at as u64)).unwrap();
                file.write_all(b"!").unwrap();
            }
            file.set_modified(modified).unwrap();
        },
        MIB,
    ),
    ("deleted", |served| fs::remove_file(served.folder.path().join("a")).unwrap(), 0),
];

fn changed(arch: Arch) {
    for (name, change, again) in CHANGES {
        let served = Served::with(arch, None, Limits::default());
        served.write("a", &content(SIZE, 7));
        served.write("other", b"other");
        let gate = Proxy::gate(served.at(), 3 * MIB / 2);
        // Over one connection: with several, none might complete a block.
        let mut client = Client::new(Config { segments: 1, ..config() });
        let job = client.job(gate.at(), "a");
        let id = client.add(job);
        client.verified(id, MIB as u64);
        change(&served);
        let job = client.job(gate.at(), "other");
        let other = client.add(job);
        gate.let_pass(usize::MAX);
        let ended = client.end(id);
        if name == "deleted" {
            let trouble = ended.unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::NotFound, "{arch:?}: {trouble}");
            assert!(client.names().contains(&"a.part".to_owned()), "{arch:?}: the part is kept");
        } else {
            let finished = ended.unwrap_or_else(|trouble| panic!("{arch:?}, {name}: {trouble}"));
            let now = fs::read(served.folder.path().join("a")).unwrap();
            assert!(fs::read(&finished.path).unwrap() == now, "{arch:?}, {name}: spliced");
            assert_eq!(finished.blake3, blake3::hash(&now).to_hex().as_str());
            let most = now.len().max(SIZE) + again + 2 * MIB;
            assert!(finished.transferred as usize <= most, "{arch:?}, {name}: {}", finished.transferred);
        }
        let said = |event: &Event| match event {
            Event::Retry { reason, .. } => {
                reason.as_str().contains("changed on the server; keeping what still")
            }
            _ => false,
        };
        assert!(client.seen.iter().any(said), "{arch:?}, {name}: {:#?}", client.seen);
        let is_done = |event: &Event| matches!(event, Event::Done { id, .. } if *id == other);
        if !client.seen.iter().any(is_done) {
            client.end(other).unwrap();
        }
    }
}

/// A changed folder restarts its archive.
#[test]
fn a_changed_folder_restarts_its_archive() {
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let served = Served::with(arch, None, Limits::default());
        served.write("d/a.jpg", &content(SIZE, 7));
        served.write("d/b", b"before");
        let gate = Proxy::gate(served.at(), 3 * MIB / 2);
        // Over one connection: with several, none might complete a block.
        let mut client = Client::new(Config { segments: 1, ..config() });
        let job = client.job(gate.at(), "d");
        let id = client.add(job);
        client.verified(id, MIB as u64);
        served.write("d/b", b"and after");
        gate.let_pass(usize::MAX);
        let finished = client.end(id).unwrap();
        let found = fs::read(&finished.path).unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&found)).unwrap();
        let mut text = String::new();
        archive.by_name("d/b").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "and after", "{arch:?}");
        let whole = Client::quick().get(served.at(), "d").unwrap();
        assert_eq!(finished.blake3, whole.blake3, "{arch:?}: spliced");
    }
}

#[test]
fn single() {
    changed(Arch::Single);
}

#[test]
fn threads() {
    changed(Arch::Threads);
}

#[test]
fn select() {
    changed(Arch::Select);
}

#[test]
fn r#async() {
    changed(Arch::Async);
}
