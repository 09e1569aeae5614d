//! Folders to serve, and their contents.

use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

use fdsp::protocol::path::odd_name;

pub const MIB: usize = 1 << 20;

/// `length` bytes that do not compress, and of which no two blocks are equal. A longer one begins with the bytes of a shorter one.
pub fn content(length: usize, seed: u64) -> Vec<u8> {
    // Generating noise for each seed takes a tenth of the time of all tests: pieces of one noise, from an offset chosen by the seed, are enough.
    const PIECE: usize = 64 << 10;
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut noise = vec![0; 4 * MIB];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        noise
    });
    let mut bytes = Vec::with_capacity(length);
    let mut state = seed;
    while bytes.len() < length {
        // A linear congruential generator (Knuth's MMIX); only its upper bits are used.
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let start = (state >> 33) as usize % (NOISE.len() - PIECE);
        bytes.extend_from_slice(&NOISE[start..start + PIECE.min(length - bytes.len())]);
    }
    bytes
}

/// A temporary folder in memory, if there is 1 GiB of room there: for tests that create many files and are not about
/// the disk.
pub fn temporary() -> tempfile::TempDir {
    const MEMORY: &str = "/dev/shm";
    let free = rustix::fs::statvfs(MEMORY).map_or(0, |found| found.f_bavail * found.f_frsize);
    let in_memory = (free >= 1 << 30).then(|| tempfile::tempdir_in(MEMORY).ok()).flatten();
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// The entries of a folder by path: kind, content, time and executable bits.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Directory((i64, i64)),
    File { digest: blake3::Hash, size: u64, modified: (i64, i64), executable: bool },
    Link(PathBuf),
}

/// Everything beneath a folder, and the folder itself as "". Names that are not UTF-8 are as in the protocol.
pub fn look(folder: &Path) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(path) = open.pop() {
        let whole = folder.join(&path);
        let data = fs::symlink_metadata(&whole).unwrap();
        let modified = (data.mtime(), data.mtime_nsec());
        let what = if data.is_dir() {
            for entry in fs::read_dir(&whole).unwrap() {
                open.push(path.join(entry.unwrap().file_name()));
            }
            Found::Directory(modified)
        } else if data.is_symlink() {
            Found::Link(fs::read_link(&whole).unwrap())
        } else {
            let digest = blake3::hash(&fs::read(&whole).unwrap());
            Found::File { digest, size: data.len(), modified, executable: data.mode() & 0o100 != 0 }
        };
        found.insert(odd_name::to_text(path.as_os_str().as_bytes()).into_owned(), what);
    }
    found
}

/// Asserts that both folders are equal, with times to the nanosecond.
#[track_caller]
pub fn same(one: &Path, other: &Path) {
    let (one, other) = (look(one), look(other));
    for (path, found) in &one {
        assert_eq!(other.get(path), Some(found), "{path}");
    }
    assert_eq!(
        one.len(),
        other.len(),
        "{:?}",
        other.keys().filter(|path| !one.contains_key(*path)).collect::<Vec<_>>()
    );
}

pub fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Sets a modification time with nanoseconds.
pub fn date(path: &Path, seconds: u64) {
    let time = UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Creates a tree with every kind of entry. Returns the bytes of its files.
pub fn everything(folder: &Path) -> u64 {
    fs::create_dir_all(folder).unwrap();
    write(folder, "a.txt", b"text");
    write(folder, "bin/run", b"#!/bin/sh\n");
    fs::set_permissions(folder.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    write(folder, "bin/größe 文件.dat", &content(70_000, 1));
    write(folder, "bin.d/x", b"x");
    write(folder, "odd/with\\backslash", b"b");
    write(folder, "odd/-rf", b"");
    write(folder, "deep/1/2/3/4/5/6/leaf", b"leaf");
    write(folder, "large/exact", &content(MIB, 2));
    write(folder, "large/one-more", &content(MIB + 1, 3));
    write(folder, "large/five.bin", &content(5 * MIB + 77, 4));
    fs::set_permissions(folder.join("large/five.bin"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(folder.join("empty/inner")).unwrap();
    symlink("../a.txt", folder.join("odd/link")).unwrap();
    symlink("deep/1", folder.join("to-directory")).unwrap();
    let paths: Vec<_> = look(folder).into_iter().collect();
    let mut bytes = 0;
    for (number, (path, found)) in paths.iter().rev().enumerate() {
        if let Found::File { size, .. } = found {
            bytes += size;
        }
        if !matches!(found, Found::Link(_)) {
            date(&folder.join(path), 1_000_000_000 + number as u64);
        }
    }
    bytes
}

/// Creates `count` files of this size, 100 in each folder.
pub fn many(folder: &Path, files: usize, bytes: usize) {
    let all = content(files * 64 + bytes, 9);
    for number in 0..files {
        let begin = number * 64;
        write(folder, &format!("{:03}/{:05}.dat", number / 100, number), &all[begin..begin + bytes]);
    }
}

/// The digest of a tree as the manual defines it: of the output of b3sum for its files in the order of `LC_ALL=C sort`.
pub fn digest(folder: &Path) -> String {
    let files = look(folder).into_iter().filter_map(|(path, found)| match found {
        Found::File { digest, .. } if path.contains('\\') => {
            Some(format!("\\{digest}  {}\n", path.replace('\\', "\\\\")))
        }
        Found::File { digest, .. } => {
            let path = odd_name::to_bytes(&path).unwrap();
            Some(format!("{digest}  {}\n", String::from_utf8_lossy(&path)))
        }
        _ => None,
    });
    blake3::hash(files.collect::<String>().as_bytes()).to_hex().to_string()
}
