//! Compares a finished archive with the folder that it was made from, byte for byte, by means that have
//! nothing in common with those that made it: the `zip` crate, and the file system without `Root`.

use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use crate::{text::SafeText, units};

/// Bytes that are compared at a time.
const PIECE: usize = 256 * 1024;

/// An archive that is what it should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    files: u64,
    folders: u64,
    bytes: u64,
    blake3: String,
    /// Files that changed after the archive was made: nothing can be said about them.
    changed: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, folders) = (units::count(self.files), units::count(self.folders));
        write!(f, "Verified: {files} files and {folders} folders, {}, ", units::bytes(self.bytes))?;
        write!(f, "each byte as in the source; BLAKE3 {}", self.blake3)?;
        match self.changed {
            0 => Ok(()),
            changed => write!(f, "; {} files changed since and were not compared", units::count(changed)),
        }
    }
}

/// Compares the archive with `root`; the error is the first difference, as a sentence.
pub(super) fn archive(path: &Path, root: &Path, blake3: &str, stop: &AtomicBool) -> Result<Found, String> {
    let unreadable = |error: &dyn fmt::Display| format!("the fetched archive cannot be read: {error}");
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let made =
        file.metadata().and_then(|metadata| metadata.modified()).map_err(|error| unreadable(&error))?;
    let digest = digest(&file, stop).map_err(|error| unreadable(&error))?;
    if digest != blake3 {
        return Err(format!("the fetched archive has the BLAKE3 {digest}, but {blake3} was reported"));
    }
    let mut archive = zip::ZipArchive::new(file).map_err(|error| unreadable(&error))?;
    let mut found = Found { blake3: digest, ..Found::default() };
    let names = archive.file_names().collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(&error))?;
    let source = Source { root, made, prefix: prefix(root, names.iter().map(|name| &**name)) };
    let mut seen = HashSet::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| unreadable(&error))?;
        let name = entry.name().map_err(|error| unreadable(&error))?.into_owned();
        let (is_folder, size) = (entry.is_dir(), entry.size());
        let path = source.path(&name);
        if is_folder {
            found.folders += 1;
            if !path.is_dir() {
                return Err(format!("'{}' is a folder in the archive only", SafeText::new(&name)));
            }
        } else if source.same(&path, &mut entry, size, stop).map_err(|error| differs(&name, &error))? {
            found.files += 1;
            found.bytes += size;
        } else {
            found.changed += 1;
        }
        seen.insert(path);
    }
    source.nothing_is_missing(root, &seen, stop)?;
    Ok(found)
}

fn differs(name: &str, error: &io::Error) -> String {
    format!("'{}' is not in the archive as it is in the source: {error}", SafeText::new(name))
}

fn digest(mut file: &File, stop: &AtomicBool) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => hasher.update(&piece[..count]),
        };
        check(stop)?;
    }
    file.rewind()?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn check(stop: &AtomicBool) -> io::Result<()> {
    if stop.load(Ordering::Relaxed) { Err(io::Error::other("interrupted")) } else { Ok(()) }
}

/// The name of the folder itself, where all entries lie beneath it.
fn prefix<'a>(root: &Path, mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let name = format!("{}/", root.canonicalize().ok()?.file_name()?.to_str()?);
    names.all(|entry| entry.starts_with(&name)).then_some(name)
}

struct Source<'a> {
    root: &'a Path,
    /// When the archive was complete.
    made: SystemTime,
    prefix: Option<String>,
}

impl Source<'_> {
    fn path(&self, name: &str) -> PathBuf {
        let inner = self.prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let plain = self.root.join(inner);
        if plain.symlink_metadata().is_ok() { plain } else { self.root.join(unescaped(inner)) }
    }

    /// Whether the source is the same; `false` if it changed after the archive was made.
    fn same(&self, path: &Path, entry: &mut impl Read, size: u64, stop: &AtomicBool) -> io::Result<bool> {
        match self.compare(path, entry, size, stop) {
            Err(_) if self.changed(path) => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn compare(&self, path: &Path, entry: &mut impl Read, size: u64, stop: &AtomicBool) -> io::Result<()> {
        let mut source = File::open(path)?;
        if source.metadata()?.len() != size {
            return Err(io::Error::other("its size is another"));
        }
        let (mut ours, mut theirs) = (vec![0; PIECE], vec![0; PIECE]);
        loop {
            check(stop)?;
            let count = entry.read(&mut ours)?;
            if count == 0 {
                return Ok(());
            }
            source.read_exact(&mut theirs[..count])?;
            if ours[..count] != theirs[..count] {
                return Err(io::Error::other("its content is another"));
            }
        }
    }

    fn changed(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Ok(metadata) = path.metadata() else { return true };
        let changed =
            SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(metadata.ctime().max(0).unsigned_abs());
        changed + std::time::Duration::from_secs(1) >= self.made
    }

    /// Every regular file and folder of the source must be in the archive, but for those that came later.
    fn nothing_is_missing(
        &self,
        folder: &Path,
        seen: &HashSet<PathBuf>,
        stop: &AtomicBool,
    ) -> Result<(), String> {
        let unreadable =
            |error: io::Error| format!("'{}' cannot be listed: {error}", SafeText::from_path(folder));
        check(stop).map_err(unreadable)?;
        for entry in folder.read_dir().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
            if (kind.is_file() || kind.is_dir()) && !seen.contains(&path) && !self.changed(&path) {
                return Err(format!("'{}' is not in the archive", SafeText::from_path(&path)));
            }
            if kind.is_dir() {
                self.nothing_is_missing(&path, seen, stop)?;
            }
        }
        Ok(())
    }
}

/// Bytes of a name that are no UTF-8 stand as `%XX` in an archive.
fn unescaped(name: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    struct Case {
        place: tempfile::TempDir,
    }

    impl Case {
        /// A folder with two files and an empty folder, all of it older than any archive of it.
        fn new() -> Case {
            let case = Case { place: tempfile::tempdir().expect("a folder") };
            std::fs::create_dir_all(case.root().join("sub/empty")).expect("made");
            std::fs::write(case.root().join("a"), "aaa").expect("written");
            std::fs::write(case.root().join("sub/b"), "bb").expect("written");
            case
        }
        fn root(&self) -> PathBuf {
            self.place.path().join("root")
        }
        fn verify(&self, prefix: &str, entries: &[(&str, &str)]) -> Result<Found, String> {
            let path = self.place.path().join("root.zip");
            let mut zip = zip::ZipWriter::new(File::create(&path).expect("made"));
            for (name, content) in entries {
                let name = format!("{prefix}{name}");
                match name.ends_with('/') {
                    true => zip.add_directory(name, SimpleFileOptions::default()).expect("added"),
                    false => {
                        zip.start_file(name, SimpleFileOptions::default()).expect("added");
                        zip.write_all(content.as_bytes()).expect("written");
                    }
                }
            }
            zip.finish().expect("finished");
            // Clocks of file systems tick slowly; the archive must be plainly younger than its sources.
            let file = File::options().write(true).open(&path).expect("there");
            let later = SystemTime::now() + std::time::Duration::from_secs(10);
            file.set_modified(later).expect("set");
            let digest = blake3::hash(&std::fs::read(&path).expect("read")).to_hex().to_string();
            archive(&path, &self.root(), &digest, &AtomicBool::new(false))
        }
    }

    const ALL: [(&str, &str); 4] = [("a", "aaa"), ("sub/", ""), ("sub/b", "bb"), ("sub/empty/", "")];

    #[test]
    fn the_same_is_the_same_with_or_without_the_folders_name() {
        let case = Case::new();
        for prefix in ["", "root/"] {
            let found = case.verify(prefix, &ALL).expect("the same");
            assert_eq!((found.files, found.folders, found.bytes, found.changed), (2, 2, 5, 0));
            assert!(
                found
                    .to_string()
                    .starts_with("Verified: 2 files and 2 folders, 5 B, each byte as in the source")
            );
        }
    }

    #[test]
    fn differences_are_named() {
        let case = Case::new();
        let with = |index: usize, entry| {
            let mut entries = ALL;
            entries[index] = entry;
            case.verify("", &entries).expect_err("different")
        };
        assert!(
            with(0, ("a", "aab")).contains("'a' is not in the archive as it is in the source: its content")
        );
        assert!(with(0, ("a", "aa")).contains("its size"));
        assert!(
            with(0, ("c", "aaa")).ends_with("/a' is not in the archive"),
            "a file that is gone is no difference"
        );
        assert!(
            with(2, ("a/", "")).contains("'a/' is a folder in the archive only"),
            "{}",
            with(2, ("a/", ""))
        );
        let missing = case.verify("", &ALL[..3]).expect_err("incomplete");
        assert!(missing.ends_with("sub/empty' is not in the archive"), "{missing}");
    }

    #[test]
    fn what_changed_later_is_no_difference() {
        let case = Case::new();
        let later = File::options().write(true).open(case.root().join("a")).expect("there");
        later.set_len(1).expect("cut");
        let path = case.place.path().join("early");
        File::create(&path).expect("made").set_modified(SystemTime::UNIX_EPOCH).expect("set");
        let made = path.metadata().and_then(|metadata| metadata.modified()).expect("there");
        let source = Source { root: &case.root(), made, prefix: None };
        let same = source.same(&case.root().join("a"), &mut &b"aaa"[..], 3, &AtomicBool::new(false));
        assert!(!same.expect("no error"));
    }

    #[test]
    fn a_wrong_digest_is_said() {
        let case = Case::new();
        case.verify("", &ALL).expect("the same");
        let path = case.place.path().join("root.zip");
        let error = archive(&path, &case.root(), "00", &AtomicBool::new(false)).expect_err("wrong");
        assert!(error.ends_with("but 00 was reported"), "{error}");
    }

    #[test]
    fn names_that_are_no_utf8_are_found() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(unescaped("a%E9%zz%").as_os_str().as_bytes(), b"a\xe9%zz%");
    }
}
