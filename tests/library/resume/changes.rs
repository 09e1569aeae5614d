//! Changes between two runs, on either side.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
};

use crate::resume::{
    proxy::Proxy,
    support::{Folder, MIB, Served, content},
};

#[test]
fn a_download_resumes_after_a_server_restart_and_a_move_of_the_folder() {
    let mut served = Served::new();
    let bytes = content(5 * MIB + 9, 1);
    served.write("a", &bytes);
    let mut folder = Folder::new();
    folder.interrupted(served.at(), "a", "a", 2);
    assert_eq!(folder.names(), ["a.part", "a.part.fdsp"]);
    served.restart();
    // The folder moves, too.
    let moved = Folder::new();
    for name in folder.names() {
        fs::copy(folder.path(&name), moved.path(&name)).unwrap();
    }
    folder = moved;
    let finished = folder.fetch(served.at(), "a").unwrap();
    assert!(fs::read(folder.path("a")).unwrap() == bytes);
    assert!(finished.resumed >= 2 * MIB as u64, "{finished:?}");
    assert_eq!(finished.resumed + finished.transferred, bytes.len() as u64);
    assert_eq!(finished.blake3, blake3::hash(&bytes).to_hex().as_str());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn only_blocks_damaged_between_two_runs_are_fetched_again() {
    let served = Served::new();
    let bytes = content(6 * MIB, 1);
    served.write("a", &bytes);
    let folder = Folder::new();
    folder.interrupted(served.at(), "a", "a", 5);
    let mut part = fs::OpenOptions::new().write(true).open(folder.path("a.part")).unwrap();
    for block in [1, 3] {
        part.seek(SeekFrom::Start((block * MIB + 5) as u64)).unwrap();
        part.write_all(b"x").unwrap();
    }
    let finished = folder.fetch(served.at(), "a").unwrap();
    assert!(fs::read(folder.path("a")).unwrap() == bytes);
    assert!((3 * MIB as u64..4 * MIB as u64).contains(&finished.resumed), "{finished:?}");
    assert_eq!(finished.resumed + finished.transferred, bytes.len() as u64);
}

#[test]
fn a_changed_folder_restarts_its_archive() {
    let served = Served::new();
    served.write("d/a.jpg", &content(3 * MIB, 1));
    let folder = Folder::new();
    folder.interrupted(served.at(), "d", "d.zip", 2);
    served.write("d/b", b"new");
    let finished = folder.fetch(served.at(), "d").unwrap();
    assert_eq!(finished.transferred, finished.bytes);
    let mut archive = zip::ZipArchive::new(fs::File::open(finished.path).unwrap()).unwrap();
    assert!(archive.by_name("d/b").is_ok());
}

#[test]
fn the_archive_of_the_served_folder_resumes() {
    let served = Served::new();
    served.write("a.jpg", &content(3 * MIB, 1));
    let folder = Folder::new();
    let name = Folder::new().fetch(served.at(), "").unwrap().path;
    let name = name.file_name().unwrap().to_str().unwrap();
    let gate = Proxy::gate(served.at(), 2 * (MIB + 1000) + 8000);
    let run = folder.begin(gate.at(), "");
    folder.wait_for(name, 2);
    run.stop();
    // Another server may have the same name.
    let trouble = folder.fetch(served.at(), "").unwrap_err();
    assert!(trouble.message.as_str().contains("of another download"), "{trouble}");
    gate.let_pass(usize::MAX / 2);
    let resumed = folder.fetch(gate.at(), "").unwrap().resumed;
    assert!((2 * MIB as u64..3 * MIB as u64).contains(&resumed), "{resumed}");
}

#[test]
fn the_part_of_another_file_is_not_used_for_an_archive_of_the_same_name() {
    let served = Served::new();
    served.write("a.zip", &content(3 * MIB, 1));
    let folder = Folder::new();
    folder.interrupted(served.at(), "a.zip", "a.zip", 1);
    served.write("a", b"a file");
    folder.fetch(served.at(), "a").unwrap();
    assert_eq!(fs::read(folder.path("a")).unwrap(), b"a file");
    let finished = folder.fetch(served.at(), "a.zip").unwrap();
    assert!((MIB as u64..2 * MIB as u64).contains(&finished.resumed), "{finished:?}");
}
