use std::io::Write;

use zip::write::SimpleFileOptions;

use super::*;

struct Case {
    place: tempfile::TempDir,
}

impl Case {
    /// A folder with two files and an empty folder, all older than their archive.
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
        // File systems have coarse clocks: the archive must be clearly younger than its sources.
        let file = File::options().write(true).open(&path).expect("there");
        let later = SystemTime::now() + std::time::Duration::from_secs(10);
        file.set_modified(later).expect("set");
        let digest = blake3::hash(&std::fs::read(&path).expect("read")).to_hex().to_string();
        archive(&path, &self.root(), &digest, &AtomicBool::new(false))
    }
}

const ALL: [(&str, &str); 4] = [("a", "aaa"), ("sub/", ""), ("sub/b", "bb"), ("sub/empty/", "")];

#[test]
fn equal_archives_verify_with_and_without_the_folder_name() {
    let case = Case::new();
    for prefix in ["", "root/"] {
        let found = case.verify(prefix, &ALL).expect("the same");
        assert_eq!((found.files, found.folders, found.bytes, found.changed), (2, 2, 5, 0));
        assert!(
            found
                .to_string()
                .starts_with("Verified: 2 files and 2 folders, 5 B, equal to the source byte by byte")
        );
    }
}

#[test]
fn differences_are_reported() {
    let case = Case::new();
    let with = |index: usize, entry| {
        let mut entries = ALL;
        entries[index] = entry;
        case.verify("", &entries).expect_err("different")
    };
    assert!(with(0, ("a", "aab")).contains("'a' differs between the archive and the source: its content"));
    assert!(with(0, ("a", "aa")).contains("its size"));
    assert!(with(0, ("c", "aaa")).ends_with("/a' is not in the archive"), "a deleted file is no difference");
    assert!(with(2, ("a/", "")).contains("'a/' is a folder only in the archive"), "{}", with(2, ("a/", "")));
    let missing = case.verify("", &ALL[..3]).expect_err("incomplete");
    assert!(missing.ends_with("sub/empty' is not in the archive"), "{missing}");
}

#[test]
fn files_changed_later_are_no_difference() {
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
fn a_wrong_digest_is_reported() {
    let case = Case::new();
    case.verify("", &ALL).expect("the same");
    let path = case.place.path().join("root.zip");
    let error = archive(&path, &case.root(), "00", &AtomicBool::new(false)).expect_err("wrong");
    assert!(error.contains("expected BLAKE3 00, got "), "{error}");
}

#[test]
fn names_that_are_not_utf8_are_found() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let source = Source { root: Path::new("/root"), made: SystemTime::now(), prefix: Some(b"d/".to_vec()) };
    assert_eq!(source.path(b"d/caf\xe9%E9").as_os_str(), OsStr::from_bytes(b"/root/caf\xe9%E9"));
}
