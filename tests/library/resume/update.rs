//! Existing targets: compared and updated by the hashes of their blocks.

use std::{fs, os::unix::fs::FileExt, path::Path};

use fdsp::{
    client::{Existing, TroubleKind},
    server::Arch,
};

use crate::resume::support::{Folder, MIB, Served, content};
use crate::shared::effort::large;

#[test]
fn an_identical_target_succeeds_without_a_transfer() {
    let served = Served::new();
    for size in [0, 1, MIB, 3 * MIB + 5] {
        let bytes = content(size, 1);
        served.write("a", &bytes);
        for existing in [Existing::Keep, Existing::Update] {
            let folder = Folder::new();
            fs::write(folder.path("a"), &bytes).unwrap();
            let finished = folder.fetch_as(served.at(), "a", existing).unwrap();
            assert_eq!((finished.transferred, finished.resumed), (0, size as u64));
            assert_eq!(finished.blake3, blake3::hash(&bytes).to_hex().as_str());
            assert_eq!(folder.names(), ["a"]);
        }
    }
}

#[test]
fn a_different_target_fails_without_a_transfer() {
    let served = Served::new();
    served.write("a", &content(3 * MIB, 1));
    let folder = Folder::new();
    let mut other = content(3 * MIB, 1);
    other[2 * MIB] ^= 1;
    fs::write(folder.path("a"), &other).unwrap();
    let trouble = folder.fetch(served.at(), "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert!(trouble.message.as_str().contains("exists and differs"), "{trouble}");
    assert_eq!(folder.names(), ["a"], "nothing was started");
    assert!(fs::read(folder.path("a")).unwrap() == other);
}

#[test]
fn an_update_fetches_only_different_blocks() {
    let served = Served::new();
    let mut bytes = content(12 * MIB + 5, 1);
    let folder = Folder::new();
    fs::write(folder.path("a"), &bytes).unwrap();
    for block in [2, 5, 11] {
        bytes[block * MIB + 77] ^= 1;
    }
    served.write("a", &bytes);
    let finished = folder.fetch_as(served.at(), "a", Existing::Update).unwrap();
    assert!(fs::read(folder.path("a")).unwrap() == bytes);
    assert_eq!((finished.transferred, finished.resumed), (3 * MIB as u64, 9 * MIB as u64 + 5));
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn an_update_changes_the_length_and_fetches_missing_blocks() {
    let served = Served::new();
    let bytes = content(4 * MIB, 1);
    for size in [0, 5, 2 * MIB, 2 * MIB + 9, 4 * MIB] {
        served.write("a", &bytes[..size]);
        let folder = Folder::new();
        fs::write(folder.path("a"), &bytes[..3 * MIB + 1]).unwrap();
        let finished = folder.fetch_as(served.at(), "a", Existing::Update).unwrap();
        assert!(fs::read(folder.path("a")).unwrap() == bytes[..size], "{size}");
        assert!(finished.transferred <= MIB as u64, "{size}: {}", finished.transferred);
    }
    let absent = Folder::new();
    let finished = absent.fetch_as(served.at(), "a", Existing::Update).unwrap();
    assert_eq!(finished.transferred, 4 * MIB as u64);
}

#[test]
fn an_interrupted_update_resumes_and_reuses_blocks_of_the_target() {
    let served = Served::new();
    let bytes = content(8 * MIB, 1);
    served.write("a", &bytes);
    let folder = Folder::new();
    folder.interrupted(served.at(), "a", "a", 2);
    let mut old = bytes.clone();
    old[5 * MIB] ^= 1;
    fs::write(folder.path("a"), &old).unwrap();
    let trouble = folder.fetch(served.at(), "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert_eq!(folder.names(), ["a", "a.part", "a.part.fdsp"], "the part is kept");
    let finished = folder.fetch_as(served.at(), "a", Existing::Update).unwrap();
    assert!(fs::read(folder.path("a")).unwrap() == bytes);
    assert_eq!((finished.transferred, finished.resumed), (MIB as u64, 7 * MIB as u64));
}

#[test]
fn a_part_of_another_version_keeps_its_matching_blocks() {
    let served = Served::new();
    let bytes = content(6 * MIB, 1);
    served.write("log", &bytes);
    let folder = Folder::new();
    folder.interrupted(served.at(), "log", "log", 4);
    // The file grew, and one of the received blocks changed.
    let mut new = content(8 * MIB + 5, 1);
    new[MIB] ^= 1;
    served.write("log", &new);
    let finished = folder.fetch(served.at(), "log").unwrap();
    assert!(fs::read(folder.path("log")).unwrap() == new);
    assert_eq!((finished.resumed, finished.transferred), (3 * MIB as u64, 5 * MIB as u64 + 5));
}

#[test]
fn without_a_journal_the_hashes_of_the_server_decide() {
    let served = Served::new();
    let bytes = content(4 * MIB, 1);
    served.write("a", &bytes);
    let folder = Folder::new();
    folder.interrupted(served.at(), "a", "a", 3);
    fs::remove_file(folder.path("a.part.fdsp")).unwrap();
    let finished = folder.fetch(served.at(), "a").unwrap();
    assert_eq!((finished.resumed, finished.transferred), (3 * MIB as u64, MIB as u64));
}

/// 4 GiB take a while, and as much room twice.
#[test]
fn three_changed_blocks_of_a_large_file_transfer_three_blocks() {
    let large = large();
    let size: u64 = if large { 4 << 30 } else { 96 << 20 };
    if !large {
        println!("skipped: FDSP_LARGE is not set; {size} bytes instead of 4 GiB");
    }
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let served = Served::on(arch);
        let folder = Folder::new();
        // With holes: it is written once, as the new version.
        let sparse = |path: &Path| {
            let file = fs::File::create(path).unwrap();
            file.set_len(size).unwrap();
            for at in [5, size / 3, size - 5] {
                file.write_all_at(b"here", at).unwrap();
            }
            file
        };
        sparse(&folder.path("a"));
        let new = sparse(&served.folder.path().join("a"));
        for at in [0, size / 2, size - 1] {
            new.write_all_at(b"!", at).unwrap();
        }
        let finished = folder.fetch_as(served.at(), "a", Existing::Update).unwrap();
        assert_eq!(finished.transferred, 3 * MIB as u64, "{arch:?}");
        assert_eq!((finished.bytes, finished.resumed), (size, size - 3 * MIB as u64));
        let sum = |path: &Path| {
            let mut hasher = blake3::Hasher::new();
            std::io::copy(&mut fs::File::open(path).unwrap(), &mut hasher).unwrap();
            hasher.finalize()
        };
        assert_eq!(sum(&folder.path("a")), sum(&served.folder.path().join("a")), "{arch:?}");
        println!("{arch:?}: {} of {size} bytes in {:.1} s", finished.transferred, finished.seconds);
        if large {
            break;
        }
    }
}
