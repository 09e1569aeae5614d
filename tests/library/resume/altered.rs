//! A file that is altered between two attempts, with its size and modification time kept:
//! the two versions are never spliced, and equal blocks are not fetched again.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

use fdsp::{client::Existing, server::Arch};

use crate::resume::support::{Folder, MIB, Served, content};

const SIZE: usize = 6 * MIB + 99;
/// Blocks that were fetched before.
const BEFORE: usize = 3;

/// Alters a file and restores its modification time, but not within the same clock tick as its last change.
fn keeping_its_time(path: &Path, alter: impl Fn(&File)) {
    let file = File::options().write(true).open(path).unwrap();
    let stamp = || fs::metadata(path).map(|data| (data.ctime(), data.ctime_nsec())).unwrap();
    let (before, modified) = (stamp(), file.metadata().unwrap().modified().unwrap());
    loop {
        alter(&file);
        file.set_modified(modified).unwrap();
        if stamp() != before {
            return;
        }
        std::thread::yield_now();
    }
}

/// An alteration, and the blocks that it changes.
type Alteration = (&'static str, fn(&Path), &'static [usize]);

const ALTERATIONS: [Alteration; 6] = [
    ("what was fetched", |path| keeping_its_time(path, |file| flip(file, &[1])), &[1]),
    ("what was not", |path| keeping_its_time(path, |file| flip(file, &[5])), &[5]),
    ("both", |path| keeping_its_time(path, |file| flip(file, &[0, 2, 4, 6])), &[0, 2, 4, 6]),
    ("nothing, but it was written", |path| keeping_its_time(path, |file| flip(file, &[])), &[]),
    ("another file with the same content took its place", |path| replace(path, &[]), &[]),
    ("another file took its place", |path| replace(path, &[1, 6]), &[1, 6]),
];

/// Writes all blocks, these of them changed.
fn flip(file: &File, blocks: &[usize]) {
    let bytes = altered(blocks);
    file.write_all_at(&bytes, 0).unwrap();
}

fn replace(path: &Path, blocks: &[usize]) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let new = path.with_extension("new");
    fs::write(&new, altered(blocks)).unwrap();
    File::options().write(true).open(&new).unwrap().set_modified(modified).unwrap();
    fs::rename(new, path).unwrap();
}

fn altered(blocks: &[usize]) -> Vec<u8> {
    let mut bytes = content(SIZE, 1);
    for block in blocks {
        bytes[block * MIB + 7] ^= 1;
    }
    bytes
}

fn length(block: usize) -> usize {
    (SIZE - block * MIB).min(MIB)
}

fn alters_between_attempts(arch: Arch) {
    for (what, alter, differ) in ALTERATIONS {
        let served = Served::on(arch);
        served.write("a", &content(SIZE, 1));
        let folder = Folder::new();
        folder.interrupted(served.at(), "a", "a", BEFORE);
        alter(&served.folder.path().join("a"));
        let finished = folder.fetch(served.at(), "a").unwrap();
        assert!(fs::read(folder.path("a")).unwrap() == altered(differ), "{arch:?}, {what}: spliced");
        let again: usize = differ.iter().filter(|&&block| block < BEFORE).map(|&block| length(block)).sum();
        let wanted = (SIZE - BEFORE * MIB + again) as u64;
        assert_eq!(finished.transferred, wanted, "{arch:?}, {what}");
        assert_eq!(folder.names(), ["a"]);
    }
}

#[test]
fn single() {
    alters_between_attempts(Arch::Single);
}

#[test]
fn threads() {
    alters_between_attempts(Arch::Threads);
}

#[test]
fn select() {
    alters_between_attempts(Arch::Select);
}

#[test]
fn r#async() {
    alters_between_attempts(Arch::Async);
}

/// Damaged or exchanged blocks are detected by their hashes, with any identity in the journal.
#[test]
fn a_wrong_identity_in_the_journal_is_detected_by_the_hashes() {
    let served = Served::new();
    served.write("a", &content(SIZE, 1));
    let folder = Folder::new();
    folder.interrupted(served.at(), "a", "a", BEFORE);
    // The `.part` gets the blocks of another version, under the control file of this one.
    let part = folder.path("a.part");
    let modified = fs::metadata(&part).unwrap().modified().unwrap();
    let file = File::options().write(true).open(&part).unwrap();
    file.write_all_at(&altered(&[0, 2])[..BEFORE * MIB], 0).unwrap();
    file.set_modified(modified).unwrap();
    let finished = folder.fetch_as(served.at(), "a", Existing::Keep).unwrap();
    assert!(fs::read(folder.path("a")).unwrap() == content(SIZE, 1));
    assert!(
        (MIB as u64..2 * MIB as u64).contains(&finished.resumed),
        "only block 1 is what it was: {finished:?}"
    );
}
