//! Files of every size and with unusual names, from every architecture; existing targets.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime},
};

use fdsp::{
    client::{Checksum, Command, Event, Existing, TroubleKind},
    server::{Arch, Limits},
};

use crate::engine::support::{Client, MIB, Served, content};

#[test]
fn files_of_every_size_are_received_from_every_architecture() {
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let served = Served::with(arch, None, Limits::default());
        let mut client = Client::quick();
        let sizes = [0, 1, 1023, 1025, MIB - 1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 17];
        let mut jobs = Vec::new();
        for (seed, size) in sizes.into_iter().enumerate() {
            let name = format!("f{size}");
            served.write(&name, &content(size, seed as u64));
            jobs.push(client.job(served.at(), &name));
        }
        client.engine.command(Command::Add(jobs));
        for _ in sizes {
            let finished = client.wait("a file", |event| match event {
                Event::Done { finished, .. } => Some(finished.clone()),
                Event::Failed { trouble, .. } => panic!("{arch:?}: {trouble}"),
                _ => None,
            });
            let name = finished.path.file_name().unwrap();
            let expected = fs::read(served.folder.path().join(name)).unwrap();
            assert!(fs::read(&finished.path).unwrap() == expected, "{arch:?} {name:?}");
            assert_eq!(finished.blake3, blake3::hash(&expected).to_hex().as_str());
            let size = expected.len() as u64;
            assert_eq!((finished.bytes, finished.transferred, finished.resumed), (size, size, 0));
        }
        assert_eq!(client.retries(), 0, "{arch:?}: {:?}", client.seen);
        assert!(client.names().iter().all(|name| !name.ends_with(".part")));
    }
}

#[test]
fn unusual_names_are_kept() {
    let served = Served::new();
    let mut client = Client::quick();
    let names = ["a b.txt", "-rf", "größe 文件.bin", ".profile", "100%.txt", "a#b?c", &"n".repeat(255)];
    for name in names {
        served.write(name, name.as_bytes());
        let finished = client.get(served.at(), name).unwrap();
        assert_eq!(finished.path, client.path(name));
        assert_eq!(fs::read_to_string(client.path(name)).unwrap(), name);
    }
}

#[test]
fn the_modification_time_is_kept() {
    let served = Served::new();
    served.write("a", b"abc");
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    let file = fs::File::options().write(true).open(served.folder.path().join("a")).unwrap();
    file.set_modified(time).unwrap();
    let mut client = Client::new(fdsp::client::Config { sync: true, ..crate::engine::support::config() });
    let finished = client.get(served.at(), "a").unwrap();
    assert_eq!(fs::metadata(finished.path).unwrap().modified().unwrap(), time);
}

#[test]
fn an_identical_target_succeeds_and_is_not_replaced() {
    let served = Served::new();
    let bytes = content(MIB + 5, 1);
    served.write("a", &bytes);
    let mut client = Client::quick();
    fs::write(client.path("a"), &bytes).unwrap();
    let before = fs::metadata(client.path("a")).unwrap().ino();
    let finished = client.get(served.at(), "a").unwrap();
    assert_eq!(finished.path, client.path("a"));
    assert_eq!(fs::metadata(client.path("a")).unwrap().ino(), before);
    assert_eq!(client.names(), ["a"]);
}

#[test]
fn a_different_target_is_kept_and_reported() {
    let served = Served::new();
    served.write("a", b"new content");
    let mut client = Client::quick();
    // Another size: nothing is fetched.
    fs::write(client.path("a"), "old").unwrap();
    let trouble = client.get(served.at(), "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert!(trouble.message.as_str().contains("exists and differs"), "{trouble}");
    assert_eq!(client.names(), ["a"]);
    // The same size: the hashes are compared, and nothing is fetched either.
    fs::write(client.path("a"), "old content").unwrap();
    let trouble = client.get(served.at(), "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert!(trouble.message.as_str().contains("exists and differs"), "{trouble}");
    assert_eq!(fs::read_to_string(client.path("a")).unwrap(), "old content");
    assert_eq!(client.names(), ["a"]);
}

#[test]
fn a_retry_succeeds_after_the_target_is_moved_away() {
    let served = Served::new();
    served.write("a", b"new content");
    let mut client = Client::quick();
    fs::write(client.path("a"), "old content").unwrap();
    let job = client.job(served.at(), "a");
    let id = client.add(job);
    client.end(id).unwrap_err();
    fs::remove_file(client.path("a")).unwrap();
    client.engine.command(Command::Retry(vec![id]));
    let finished = client.end(id).unwrap();
    assert_eq!(finished.transferred, 11);
    assert_eq!(fs::read_to_string(client.path("a")).unwrap(), "new content");
}

#[test]
fn overwrite_replaces_the_target_and_rename_adds_a_number() {
    let served = Served::new();
    served.write("a.txt", b"new");
    let mut client = Client::quick();
    fs::write(client.path("a.txt"), "old").unwrap();
    let job =
        |client: &Client, existing| fdsp::client::NewJob { existing, ..client.job(served.at(), "a.txt") };
    let rename = job(&client, Existing::Rename);
    for name in ["a (1).txt", "a (2).txt"] {
        assert_eq!(client.run(rename.clone()).unwrap().path, client.path(name));
        assert_eq!(fs::read_to_string(client.path(name)).unwrap(), "new");
    }
    assert_eq!(fs::read_to_string(client.path("a.txt")).unwrap(), "old");
    let overwrite = job(&client, Existing::Overwrite);
    assert_eq!(client.run(overwrite).unwrap().path, client.path("a.txt"));
    assert_eq!(fs::read_to_string(client.path("a.txt")).unwrap(), "new");
}

#[test]
fn a_wrong_checksum_fails_the_job() {
    let served = Served::new();
    served.write("abc", b"abc");
    let right = [
        "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "md5:900150983cd24fb0d6963f7d28e17f72",
    ];
    let mut client = Client::quick();
    for text in right {
        let mut job = client.job(served.at(), "abc");
        job.checksum = Some(text.parse().unwrap());
        client.run(job).unwrap();
        fs::remove_file(client.path("abc")).unwrap();
    }
    for wrong in [Checksum::Blake3([0; 32]), Checksum::Sha256([0; 32]), Checksum::Md5([0; 16])] {
        let mut job = client.job(served.at(), "abc");
        job.checksum = Some(wrong);
        let trouble = client.run(job).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Integrity, "{trouble}");
        assert!(!client.path("abc").exists());
    }
    assert_eq!(client.retries(), 0);
}

#[test]
fn a_missing_file_is_reported_without_a_retry() {
    let served = Served::new();
    served.write("d/x", b"x");
    let mut client = Client::quick();
    let trouble = client.get(served.at(), "absent/file").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::NotFound);
    assert_eq!(trouble.message.as_str(), "/absent/file: not found on the server");
    let mut job = client.job(served.at(), "d");
    job.form = fdsp::client::Form::File;
    assert_eq!(client.run(job).unwrap_err().kind, TroubleKind::NotFound);
    assert_eq!(client.retries(), 0);
    assert_eq!(client.names(), Vec::<String>::new());
}

#[test]
fn a_name_is_kept_where_the_file_system_accepts_it() {
    let names =
        ["dot", "dot.", " blank", "a\\b", "aux.c", "who?", "e\u{301}", "❤\u{fe0f}.png", "می\u{200c}خواهم"];
    let served = Served::new();
    for name in names {
        served.write(name, name.as_bytes());
    }
    let mut client = Client::quick();
    for name in names {
        let finished = client.get(served.at(), name).unwrap();
        assert_eq!(finished.path.file_name(), Some(name.as_ref()));
        assert_eq!(fs::read_to_string(finished.path).unwrap(), name);
    }
    let mut portable = Client::new(fdsp::client::Config {
        names: fdsp::client::Names::Portable,
        ..crate::engine::support::config()
    });
    for name in names {
        let finished = portable.get(served.at(), name).unwrap();
        assert_eq!(fs::read_to_string(finished.path).unwrap(), name);
    }
    let saved = portable.names();
    assert_eq!(saved.len(), names.len(), "no two of them are one: {saved:?}");
    assert!(saved.contains(&"dot_".to_owned()) && saved.contains(&"_blank".to_owned()), "{saved:?}");
}
