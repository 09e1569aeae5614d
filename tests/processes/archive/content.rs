//! The content of an archive: exactly the entries of the directory.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

use fdsp::protocol::message::Sources;
use fdsp::storage::archive::Stream;

use crate::archive::{
    Folder, bytes, noise,
    oracles::{self, all_agree, bsdtar, java, on_disk, sha256},
    plan, text,
};

#[test]
fn an_empty_directory() {
    let folder = Folder::new();
    let (archive, sources) = folder.archive();
    assert_eq!(sources, Sources { directories: 1, ..Sources::default() });
    all_agree(&archive, &folder.dir(), "d");
}

#[test]
fn files_of_all_sizes_in_nested_directories() {
    let folder = Folder::new();
    let mut sum = 0;
    for (index, size) in [0, 1, 1023, 1024, 4096, 131_071, 131_072, 131_073, 400_000].into_iter().enumerate()
    {
        folder.file(format!("text/{size}"), text(size));
        folder.file(format!("deep/{index}/er/noise"), noise(index as u8, size));
        folder.file(format!("{size}.png"), text(size));
        sum += 3 * size as u64;
    }
    fs::create_dir_all(folder.dir().join("empty/within/empty")).unwrap();
    let (archive, sources) = folder.archive();
    assert_eq!(sources, Sources { bytes: sum, files: 27, directories: 24, omitted: 0 });
    all_agree(&archive, &folder.dir(), "d");
    let entries = oracles::zip_crate(&archive).unwrap();
    assert_eq!(entries.len() as u64, sources.files + sources.directories);
}

#[test]
fn names_of_all_kinds() {
    let folder = Folder::new();
    let names = [
        "with spaces in it",
        "-leading dash",
        "--help",
        "Grüße, 日本語 🦀",
        "back\\slash",
        "quotes'\"",
        "percent%41",
        "*?[a]",
        "trailing.",
        "new\nline",
        "e\u{301}",
        "\u{e9}",
    ];
    for name in names {
        folder.file(name, name);
        folder.file(format!("dir {name}/{name}"), name);
    }
    folder.file("n".repeat(255), "long");
    folder.file("ü".repeat(127), "long and wide");
    let (archive, sources) = folder.archive();
    assert_eq!(sources.files, 26);
    all_agree(&archive, &folder.dir(), "d");
}

/// Such names are stored unchanged, without the UTF-8 flag, as Info-ZIP does.
#[test]
fn names_that_are_not_utf8_are_stored_unchanged() {
    let folder = Folder::new();
    let odd = ["x%FF".as_bytes(), b"x\xff", b"x\xff%FE", b"caf\xe9/na\xefve.txt"];
    for name in odd {
        folder.file(OsStr::from_bytes(name), "content");
    }
    let plan = folder.plan().unwrap();
    assert!(plan.missing().is_none());
    let (archive, sources) = folder.archive();
    assert_eq!((sources.files, sources.directories), (4, 2));
    let mut zip = zip::ZipArchive::new(fs::File::open(&archive).unwrap()).unwrap();
    let mut names = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index(index).unwrap();
        names.push(entry.name_raw().to_vec());
    }
    let expected: [&[u8]; 6] =
        [b"d/", b"d/caf\xe9/", b"d/caf\xe9/na\xefve.txt", b"d/x%FF", b"d/x\xff", b"d/x\xff%FE"];
    assert_eq!(names, expected);
    if let Some(said) = oracles::unzip(&archive, None) {
        said.unwrap();
    }
}

#[test]
fn entries_are_sorted_by_bytes() {
    let folder = Folder::new();
    for name in ["a/b", "a-b", "a.b", "a0", "B", "ä", "a/-", "a/b-/c"] {
        folder.file(name, name);
    }
    let mut stream = Stream::new(folder.plan().unwrap());
    let names = names(&bytes(&mut stream));
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names.len(), 11);
}

#[test]
fn modes_and_times_are_kept() {
    let folder = Folder::new();
    for (name, mode, seconds) in [
        ("script", 0o755, 1_000_000_000),
        ("private", 0o600, 1_700_000_001),
        ("set-user-id", 0o4755, 2_000_000_000),
        ("after 2038", 0o644, 2_500_000_000),
    ] {
        let path = folder.file(name, text(200_000));
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
    fs::set_permissions(folder.dir(), Permissions::from_mode(0o750)).unwrap();
    let (archive, _) = folder.archive();
    all_agree(&archive, &folder.dir(), "d");

    let old = folder.file("before 1980", "old");
    fs::File::open(&old).unwrap().set_modified(UNIX_EPOCH).unwrap();
    let (archive, _) = folder.archive();
    assert_eq!(oracles::zip_crate(&archive).unwrap()["d/before 1980"].modified, 315_532_800);
    // The extended timestamp is more precise than the DOS fields.
    if crate::archive::has("unzip") {
        let to = folder.served().join("unpacked");
        let unzip = Command::new("unzip").arg("-q").arg(&archive).arg("-d").arg(&to).status().unwrap();
        assert!(unzip.success());
        for name in ["script", "private", "before 1980"] {
            let modified = |path: std::path::PathBuf| fs::metadata(path).unwrap().modified().unwrap();
            assert_eq!(modified(to.join("d").join(name)), modified(folder.dir().join(name)), "{name}");
        }
    }
}

#[test]
fn entries_other_than_files_are_skipped_and_counted() {
    let folder = Folder::new();
    let outside = folder.temporary_file("outside", "secret");
    fs::write(folder.served().join("inside"), "inside").unwrap();
    folder.file("file", "file");
    folder.file("sub/file", "file");
    let at = |name: &str| folder.dir().join(name);
    symlink("file", at("link")).unwrap();
    symlink("../../inside", at("sub/link up")).unwrap();
    symlink("link", at("link to link")).unwrap();
    // Seven entries are left out.
    symlink("sub", at("link to directory")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    symlink("../../outside", at("outward")).unwrap();
    symlink(&outside, at("absolute")).unwrap();
    symlink("loop", at("loop")).unwrap();
    let fifo = Command::new("mkfifo").arg(at("fifo")).status().unwrap();
    assert!(fifo.success());
    let _socket = UnixListener::bind(at("socket")).unwrap();

    let (archive, sources) = folder.archive();
    assert_eq!(sources, Sources { bytes: 22, files: 5, directories: 2, omitted: 7 });
    let entries = oracles::zip_crate(&archive).unwrap();
    let names: Vec<_> = entries.keys().map(String::as_str).collect();
    assert_eq!(names, ["d/", "d/file", "d/link", "d/link to link", "d/sub/", "d/sub/file", "d/sub/link up"]);
    assert_eq!(entries["d/sub/link up"].digest, oracles::blake3(b"inside"));
}

#[test]
fn the_prefix_is_the_requested_path() {
    let folder = Folder::new();
    folder.file("sub/x.txt", "x");
    let mut stream = Stream::new(plan(&folder.served(), "d/sub").unwrap());
    assert_eq!(names(&bytes(&mut stream)), ["d/sub/", "d/sub/x.txt"]);
    // An empty path is the folder itself, under its own name.
    let mut stream = Stream::new(plan(&folder.served(), "").unwrap());
    let all = ["served/", "served/d/", "served/d/sub/", "served/d/sub/x.txt"];
    assert_eq!(names(&bytes(&mut stream)), all);
}

#[test]
fn the_bytes_are_deterministic() {
    let folder = Folder::new();
    folder.file("text", text(3_000_000));
    folder.file("noise", noise(1, 500_000));
    folder.file("zeros", vec![0; 5_000_000]);
    for index in 0..50 {
        folder.file(format!("small/{index}"), text(index * 100));
    }
    let plan_one = folder.plan().unwrap();
    let plan_two = folder.plan().unwrap();
    assert_eq!(plan_one.identity(), plan_two.identity());
    let mut stream = Stream::new(plan_one);
    let first = bytes(&mut stream);
    stream.rewind();
    assert_eq!((stream.position(), stream.finished()), (0, false));
    assert!(bytes(&mut stream) == first, "again after a rewind");

    // In pieces of other lengths, and with a rewind in the middle of them.
    let mut stream = Stream::new(plan_two);
    let mut buffer = vec![0; 70_000];
    for _ in 0..20 {
        stream.read(&mut buffer).unwrap();
    }
    stream.rewind();
    let mut pieces = Vec::new();
    for length in [1_usize, 7, 30, 4096, 65_537].into_iter().cycle() {
        if stream.finished() {
            break;
        }
        let count = stream.read(&mut buffer[..length]).unwrap();
        pieces.extend_from_slice(&buffer[..count]);
    }
    assert!(pieces == first, "whatever the pieces");
}

#[test]
fn the_identity_changes_with_the_bytes() {
    let folder = Folder::new();
    let path = folder.file("a", "one");
    let identity = || folder.plan().unwrap().identity().to_owned();
    let first = identity();
    assert!((1..=128).contains(&first.len()));
    fs::write(&path, "three").unwrap();
    let second = identity();
    assert_ne!(first, second);
    fs::rename(&path, folder.dir().join("b")).unwrap();
    let third = identity();
    assert_ne!(second, third);
    fs::create_dir(folder.dir().join("c")).unwrap();
    let fourth = identity();
    assert_ne!(third, fourth);
    fs::set_permissions(folder.dir().join("c"), Permissions::from_mode(0o700)).unwrap();
    assert_ne!(fourth, identity());
}

#[test]
fn the_size_is_known_if_all_entries_are_stored() {
    let folder = Folder::new();
    folder.file("a.jpg", noise(1, 1000));
    folder.file("b.zip", text(1000));
    folder.file("sub/c.mp4", noise(2, 1_000_000));
    folder.file("empty.txt", "");
    assert!(folder.plan().unwrap().size().is_some());
    let (archive, _) = folder.archive();
    all_agree(&archive, &folder.dir(), "d");
    folder.file("d.txt", text(1000));
    assert_eq!(folder.plan().unwrap().size(), None);
}

#[test]
fn incompressible_files_are_stored() {
    let folder = Folder::new();
    folder.file("small noise", noise(1, 5000));
    folder.file("large noise", noise(2, 500_000));
    folder.file("photo.JPG", text(500_000));
    folder.file("small text", text(5000));
    folder.file("large text", text(500_000));
    let (path, _) = folder.archive();
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut made = |name: &str| {
        let entry = archive.by_name(name).unwrap();
        (entry.compression(), entry.compressed_size())
    };
    assert_eq!(made("d/small noise"), (zip::CompressionMethod::Stored, 5000));
    for (name, whole) in [("d/small text", 5000), ("d/large text", 500_000)] {
        let (method, size) = made(name);
        assert!(method == zip::CompressionMethod::Deflated && size < whole, "{name}: {size}");
    }
    for name in ["d/large noise", "d/photo.JPG"] {
        // Uncompressed, in blocks of deflate: so a reader of a stream finds its end.
        let size = 500_000 + 5 * 500_000_u64.div_ceil(65_535);
        assert_eq!(made(name), (zip::CompressionMethod::Deflated, size), "{name}");
    }
}

/// A reader of a stream has no central directory: each entry has to mark its end.
#[test]
fn a_stream_reader_needs_no_central_directory() {
    let folder = Folder::new();
    for (name, size) in [("one", 131_073), ("two", 131_070), ("three", 1_000_000), ("four.png", 200_000)] {
        folder.file(name, noise(1, size));
    }
    folder.file("small", noise(1, 1000));
    folder.file("text", text(500_000));
    let (archive, _) = folder.archive();
    all_agree(&archive, &folder.dir(), "d");
    let expected = on_disk(&folder.dir(), "d", sha256);
    if let Some(entries) = java(&archive) {
        assert_eq!(entries.len(), expected.len());
        for (name, digest) in entries.iter().filter(|(name, _)| !name.ends_with('/')) {
            assert_eq!(digest, &expected[name].digest, "{name}");
        }
    }
    if let Some(said) = bsdtar(&archive) {
        said.unwrap();
    }
}

/// The names of an archive, in its order.
fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    (0..archive.len()).map(|index| archive.by_index(index).unwrap().name().unwrap().into_owned()).collect()
}

impl Folder {
    /// A file beside the served folder.
    fn temporary_file(&self, name: &str, content: &str) -> std::path::PathBuf {
        let path = self.temporary.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}
