//! Directories as archives.

use std::fs;

use fdsp::client::{Event, TroubleKind};

use crate::engine::{
    proxy::{Fault, Proxy},
    support::{Client, MIB, Served, content},
};

#[test]
fn a_directory_is_received_as_a_zip_of_its_entries() {
    let served = Served::new();
    let big = content(2 * MIB + 3, 1);
    served.write("d/big.bin", &big);
    served.write("d/sub/text.txt", &b"text ".repeat(100_000));
    fs::create_dir(served.folder.path().join("d/empty")).unwrap();
    std::os::unix::fs::symlink("/nowhere", served.folder.path().join("d/link")).unwrap();
    let mut client = Client::quick();
    let finished = client.get(served.at(), "d").unwrap();
    assert_eq!(finished.path, client.path("d.zip"));
    assert_eq!(finished.omitted, 1);
    let bytes = fs::read(&finished.path).unwrap();
    assert_eq!(finished.blake3, blake3::hash(&bytes).to_hex().as_str());
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut found = Vec::new();
    std::io::copy(&mut archive.by_name("d/big.bin").unwrap(), &mut found).unwrap();
    assert!(found == big);
    let progress = client.engine.snapshot(0..1).rows[0].progress.unwrap();
    assert_eq!(progress.0, progress.1);
}

#[test]
fn the_archive_of_the_served_folder_gets_a_safe_name() {
    let served = Served::new();
    served.write("a", b"a");
    let mut client = Client::quick();
    let finished = client.get(served.at(), "/").unwrap();
    let name = finished.path.file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with(".zip") && !name.starts_with('.'), "{name}");
    let started = client.seen.iter().any(|event| matches!(event, Event::Started { .. }));
    assert!(started);
}

#[test]
fn a_different_archive_at_the_target_fails_the_job_at_the_first_difference() {
    let served = Served::new();
    served.write("d/a.txt", &b"abcdefgh".repeat(1000));
    served.write("d/z.jpg", &content(40 * MIB, 1));
    let mut client = Client::quick();
    let whole = client.get(served.at(), "d").unwrap();
    assert!(client.get(served.at(), "d").is_ok(), "it is the same");
    let mut bytes = fs::read(&whole.path).unwrap();
    bytes[5 * MIB / 2] ^= 1;
    fs::write(&whole.path, &bytes).unwrap();
    // The bytes after the difference are not received.
    let proxy = Proxy::start(served.at(), vec![Fault::StallAfter(4 * MIB)]);
    let trouble = client.get(proxy.at(), "d").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert!(trouble.message.as_str().contains("exists and differs"), "{trouble}");
    assert!(fs::read(&whole.path).unwrap() == bytes, "it stays as it was");
}
