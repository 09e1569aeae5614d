//! Sources that change while they are archived: the error names them, and no program accepts the
//! truncated archive.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use fdsp::storage::archive::Planner;
use fdsp::storage::archive::Stream;
use fdsp::storage::{
    StorageError,
    archive::Planning,
    root::{Policy, Root},
};

use crate::archive::{
    Folder, alone, noise,
    oracles::{all_agree, all_refuse},
    text,
};

/// A folder with three large files, of which the first fills many reads.
fn three() -> Folder {
    let folder = Folder::new();
    folder.file("a", noise(1, 3_000_000));
    folder.file("b/text", text(3_000_000));
    folder.file("c/small", "small");
    folder
}

/// Starts an archive, changes the folder when the first file is half sent, and returns the error.
fn interrupted(folder: &Folder, change: impl FnOnce(&Path)) -> StorageError {
    let mut stream = Stream::new(folder.plan().unwrap());
    let mut buffer = vec![0; 100_000];
    let mut received = Vec::new();
    while stream.position() < 1_500_000 {
        let count = stream.read(&mut buffer).unwrap();
        received.extend_from_slice(&buffer[..count]);
    }
    stream.check().unwrap();
    change(&folder.dir());
    let error = loop {
        match stream.read(&mut buffer) {
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) => break error,
        }
        assert!(!stream.finished());
    };
    // It stays an error, the same one.
    for _ in 0..3 {
        assert_eq!(stream.read(&mut buffer).unwrap_err().to_string(), error.to_string());
        assert!(!stream.finished());
    }
    stream.check().unwrap_err();
    let path = folder.temporary.path().join("broken.zip");
    fs::write(&path, received).unwrap();
    all_refuse(&path);
    error
}

#[track_caller]
fn assert_changed(error: &StorageError, path: &str) {
    assert!(matches!(error, StorageError::Changed { .. }), "{error}");
    assert_eq!(error.failure().path.as_deref(), Some(path));
    assert!(error.to_string().contains(path), "{error}");
}

/// Repeats `change` until the time of the file differs.
fn dated(path: &Path, mut change: impl FnMut()) {
    let stamp = || fs::metadata(path).map(|data| (data.ctime(), data.ctime_nsec(), data.size())).ok();
    let before = stamp();
    while stamp() == before {
        change();
    }
}

#[test]
fn the_file_being_sent_shrinks() {
    let error = interrupted(&three(), |dir| {
        OpenOptions::new().write(true).open(dir.join("a")).unwrap().set_len(1_600_000).unwrap();
    });
    assert_changed(&error, "d/a");
}

#[test]
fn the_file_being_sent_shrinks_below_the_sent_bytes() {
    let error = interrupted(&three(), |dir| {
        OpenOptions::new().write(true).open(dir.join("a")).unwrap().set_len(10).unwrap();
    });
    assert_changed(&error, "d/a");
}

#[test]
fn the_file_being_sent_grows() {
    let error = interrupted(&three(), |dir| {
        OpenOptions::new().append(true).open(dir.join("a")).unwrap().write_all(b"more").unwrap();
    });
    assert_changed(&error, "d/a");
}

#[test]
fn the_file_being_sent_is_written_with_its_size_and_time_kept() {
    let error = interrupted(&three(), |dir| {
        let path = dir.join("a");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        dated(&path, || {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            (&file).write_all(b"other bytes at its begin").unwrap();
            file.set_modified(modified).unwrap();
        });
    });
    assert_changed(&error, "d/a");
}

#[test]
fn the_file_being_sent_is_deleted_or_replaced() {
    let error = interrupted(&three(), |dir| fs::remove_file(dir.join("a")).unwrap());
    assert_changed(&error, "d/a");
    let error = interrupted(&three(), |dir| fs::rename(dir.join("c/small"), dir.join("a")).unwrap());
    assert_changed(&error, "d/a");
}

#[test]
fn a_file_changes_before_it_is_sent() {
    let error = interrupted(&three(), |dir| fs::remove_file(dir.join("c/small")).unwrap());
    assert_changed(&error, "d/c/small");
    let error = interrupted(&three(), |dir| {
        OpenOptions::new().append(true).open(dir.join("c/small")).unwrap().write_all(b"!").unwrap();
    });
    assert_changed(&error, "d/c/small");
    let error = interrupted(&three(), |dir| {
        let path = dir.join("c/small");
        dated(&path, || fs::write(&path, "SMALL").unwrap());
    });
    assert_changed(&error, "d/c/small");
}

#[test]
fn a_directory_is_deleted_or_moved() {
    let error = interrupted(&three(), |dir| fs::remove_dir_all(dir.join("b")).unwrap());
    assert_changed(&error, "d/b/text");
    let error = interrupted(&three(), |dir| fs::rename(dir.join("b"), dir.join("e")).unwrap());
    assert_changed(&error, "d/b/text");
}

#[test]
fn a_source_is_replaced() {
    // A link to the same content elsewhere.
    let folder = three();
    let outside = folder.temporary.path().join("outside");
    let error = interrupted(&folder, |dir| {
        fs::rename(dir.join("b"), &outside).unwrap();
        symlink(&outside, dir.join("b")).unwrap();
    });
    assert_changed(&error, "d/b/text");
    let error = interrupted(&three(), |dir| {
        fs::rename(dir.join("c/small"), dir.join("moved")).unwrap();
        symlink("../moved", dir.join("c/small")).unwrap();
    });
    assert_changed(&error, "d/c/small");
    // A FIFO, which must not block, and a directory.
    let error = interrupted(&three(), |dir| {
        fs::remove_file(dir.join("c/small")).unwrap();
        assert!(Command::new("mkfifo").arg(dir.join("c/small")).status().unwrap().success());
    });
    assert_changed(&error, "d/c/small");
    let error = interrupted(&three(), |dir| {
        fs::remove_file(dir.join("c/small")).unwrap();
        fs::create_dir(dir.join("c/small")).unwrap();
    });
    assert_changed(&error, "d/c/small");
}

#[test]
fn a_link_is_changed() {
    let folder = three();
    symlink("c/small", folder.dir().join("link")).unwrap();
    folder.file("other", "other");
    let error = interrupted(&folder, |dir| {
        fs::remove_file(dir.join("link")).unwrap();
        symlink("other", dir.join("link")).unwrap();
    });
    assert_changed(&error, "d/link");
    let error = interrupted(&folder, |dir| {
        fs::remove_file(dir.join("link")).unwrap();
        symlink("/etc/passwd", dir.join("link")).unwrap();
    });
    assert_changed(&error, "d/link");
}

#[test]
fn a_change_after_a_file_was_sent_is_ignored() {
    let folder = Folder::new();
    folder.file("a", text(1000));
    folder.file("b", noise(1, 1_000_000));
    let mut stream = Stream::new(folder.plan().unwrap());
    let mut archive = vec![0; 200_000];
    let count = stream.read(&mut archive).unwrap();
    archive.truncate(count);
    let path = folder.temporary.path().join("d.zip");
    fs::write(&path, archive).unwrap();
    let early = crate::archive::oracles::on_disk(&folder.dir(), "d", crate::archive::oracles::blake3);
    fs::remove_file(folder.dir().join("a")).unwrap();
    crate::archive::copy(&mut stream, &mut OpenOptions::new().append(true).open(&path).unwrap()).unwrap();
    assert_eq!(crate::archive::oracles::zip_crate(&path).unwrap(), early);
}

#[test]
fn a_rewound_stream_detects_changes() {
    let folder = three();
    let mut stream = Stream::new(folder.plan().unwrap());
    crate::archive::bytes(&mut stream);
    folder.file("c/small", "SMALLER");
    stream.rewind();
    let error = crate::archive::copy(&mut stream, &mut std::io::sink()).unwrap_err();
    assert_changed(&error, "d/c/small");
}

#[test]
fn a_directory_is_deleted_during_planning() {
    let folder = Folder::new();
    // More than one step reads.
    for index in 0..1100 {
        folder.file(format!("a/{index}"), "");
    }
    folder.file("b/file", "");
    let fdsp::storage::root::Node::Directory(directory) = Root::open(&folder.served(), Policy::default())
        .unwrap()
        .open_node(&fdsp::protocol::path::RemotePath::parse("d").unwrap())
        .unwrap()
    else {
        panic!("d is a directory")
    };
    let mut planning = Planner::new(directory, "d").step();
    fs::remove_dir_all(folder.dir().join("b")).unwrap();
    let error = loop {
        match planning {
            Ok(Planning::More(planner)) => planning = planner.step(),
            Ok(Planning::Done(_)) => panic!("b was seen and is gone"),
            Err(error) => break error,
        }
    };
    assert_changed(&error, "d/b");
}

/// Permissions do not apply to root, so this runs as another user.
#[test]
fn an_unreadable_source_is_reported() {
    if !alone("archive::faults::an_unreadable_source_is_reported", |command| {
        use std::os::unix::process::CommandExt;
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
    }) {
        return;
    }
    if let Err(error) = tempfile::tempdir() {
        eprintln!("skipped: another user has no room for files: {error}");
        return;
    }
    let folder = three();
    let refuse = |path: &str| {
        fs::set_permissions(folder.dir().join(path), Permissions::from_mode(0o000)).unwrap();
    };
    let allow = |path: &str, mode| {
        fs::set_permissions(folder.dir().join(path), Permissions::from_mode(mode)).unwrap();
    };
    // Found before the first byte is sent: the other entries are archived.
    for (path, mode) in [("a", 0o644), ("b", 0o755), ("c/small", 0o644)] {
        refuse(path);
        let plan = folder.plan().unwrap();
        let missing = plan.missing().clone();
        allow(path, mode);
        assert_eq!((missing.count, missing.entries[0].path.as_str()), (1, path));
        assert_eq!(missing.entries[0].reason, "permission denied");
        let whole = folder.plan().unwrap();
        assert_eq!((whole.missing().count, plan.sources().files), (0, whole.sources().files - 1));
        assert_ne!(whole.identity(), plan.identity());
    }
    // And in the middle.
    let error = interrupted(&folder, |_| refuse("b"));
    assert!(matches!(error, StorageError::Unreadable { .. }), "{error}");
    assert_eq!(error.failure().path.as_deref(), Some("d/b/text"));
    allow("b", 0o755);
    let (archive, _) = folder.archive();
    all_agree(&archive, &folder.dir(), "d");
}

/// A lack of descriptors is reported neither as a missing file nor as the end of an archive.
#[test]
fn descriptors_run_out() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    if !alone("archive::faults::descriptors_run_out", |_| {}) {
        return;
    }
    let folder = three();
    let root = Root::open(&folder.served(), Policy::default()).unwrap();
    let whole = getrlimit(Resource::Nofile);
    let limit = |current| setrlimit(Resource::Nofile, Rlimit { current, ..whole }).unwrap();
    let path = fdsp::protocol::path::RemotePath::parse("d/a").unwrap();

    limit(Some(0));
    let error = root.open_node(&path).unwrap_err();
    limit(whole.current);
    assert!(matches!(error, StorageError::Unreadable { .. }), "{error}");
    root.open_node(&path).unwrap();

    let mut stream = Stream::new(folder.plan().unwrap());
    let mut buffer = vec![0; 100_000];
    stream.read(&mut buffer).unwrap();
    limit(Some(0));
    let error = loop {
        if let Err(error) = stream.read(&mut buffer) {
            break error;
        }
    };
    limit(whole.current);
    assert!(matches!(error, StorageError::Unreadable { .. }), "{error}");
    assert_eq!(error.failure().path.as_deref(), Some("d/b/text"));
    stream.read(&mut buffer).unwrap_err();
}
