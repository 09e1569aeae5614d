//! Checks an archive with other programs.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    process::Command,
};

use crate::archive::has;

/// The properties of an entry that all programs report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    /// Seconds since 1970 of the DOS fields, which are even.
    pub modified: i64,
    /// BLAKE3, or SHA-256 for Python.
    pub digest: String,
}

pub type Entries = BTreeMap<String, Entry>;

pub fn blake3(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

pub fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The expected entries of an archive, read from the directory.
pub fn on_disk(directory: &Path, prefix: &str, digest: fn(&[u8]) -> String) -> Entries {
    fn walk(path: &Path, name: String, digest: fn(&[u8]) -> String, entries: &mut Entries) {
        let metadata = fs::metadata(path).unwrap();
        let modified = metadata.mtime() / 2 * 2;
        let (kind, mode) = (metadata.mode() & 0o170_000, metadata.mode() & 0o777);
        if metadata.is_dir() {
            entries.insert(format!("{name}/"), Entry { mode: kind | mode, modified, digest: digest(b"") });
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let own = String::from_utf8(entry.file_name().as_bytes().to_vec()).unwrap();
                walk(&entry.path(), format!("{name}/{own}"), digest, entries);
            }
        } else {
            let digest = digest(&fs::read(path).unwrap());
            entries.insert(name, Entry { mode: kind | mode, modified, digest });
        }
    }
    let mut entries = Entries::new();
    walk(directory, prefix.to_owned(), digest, &mut entries);
    entries
}

/// The entries that the `zip` crate reads; its reader compares every checksum.
pub fn zip_crate(archive: &Path) -> Result<Entries, zip::result::ZipError> {
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(fs::File::open(archive).unwrap()))?;
    let mut entries = Entries::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        assert_eq!(content.len() as u64, entry.size());
        let mode = entry.unix_mode().expect("the mode is there");
        let time = entry.last_modified().expect("the time is there");
        let days = days(time.year().into(), time.month().into(), time.day().into());
        let modified = days * 86_400
            + i64::from(time.hour()) * 3600
            + i64::from(time.minute()) * 60
            + i64::from(time.second());
        let name = entry.name()?.into_owned();
        let entry = Entry { mode, modified, digest: blake3(&content) };
        assert!(entries.insert(name, entry).is_none(), "no name is there twice");
    }
    Ok(entries)
}

/// Whether `unzip -t` accepts an entry, or all; `None` if `unzip` is not installed.
pub fn unzip(archive: &Path, entry: Option<&str>) -> Option<Result<(), String>> {
    has("unzip").then(|| {
        let output = Command::new("unzip").arg("-tq").arg(archive).args(entry).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(said.into_owned()) }
    })
}

/// The entries that Python's `zipfile` reads.
pub fn python(archive: &Path) -> Option<Entries> {
    const SCRIPT: &str = "
import calendar, hashlib, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for info in archive.infolist():
        assert info.flag_bits & 0x800 or info.filename.isascii()
        assert info.is_dir() == info.filename.endswith('/')
        digest = hashlib.sha256(archive.read(info)).hexdigest()
        time = calendar.timegm(info.date_time + (0, 0, 0))
        print(json.dumps([info.filename, info.external_attr >> 16, time, digest]))
";
    has("python3").then(|| {
        let output = Command::new("python3").arg("-c").arg(SCRIPT).arg(archive).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let entry = |line: &str| {
            let (name, mode, modified, digest) = serde_json::from_str(line).unwrap();
            (name, Entry { mode, modified, digest })
        };
        let lines = String::from_utf8(output.stdout).unwrap();
        let entries: Entries = lines.lines().map(entry).collect();
        assert_eq!(entries.len(), lines.lines().count(), "no name is there twice");
        entries
    })
}

/// The names and SHA-256 digests that Java's `ZipInputStream` reads.
pub fn java(archive: &Path) -> Option<BTreeMap<String, String>> {
    const PROGRAM: &str = r#"
import java.io.*; import java.security.*; import java.util.*; import java.util.zip.*;
public class Read {
    public static void main(String[] arguments) throws Exception {
        try (ZipInputStream zip = new ZipInputStream(System.in)) {
            for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(zip.readAllBytes());
                System.out.println(HexFormat.of().formatHex(digest) + " " + entry.getName());
            }
        }
    }
}"#;
    has("java").then(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("Read.java");
        fs::write(&source, PROGRAM).unwrap();
        let mut command = Command::new("java");
        command
            .args(["-XX:TieredStopAtLevel=1", "-Xshare:auto"])
            .arg(source)
            .stdin(fs::File::open(archive).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let pairs = lines.lines().map(|line| line.split_once(' ').unwrap());
        pairs.map(|(digest, name)| (name.to_owned(), digest.to_owned())).collect()
    })
}

/// Whether `bsdtar` reads it as a stream; `None` if it is not installed.
pub fn bsdtar(archive: &Path) -> Option<Result<(), String>> {
    has("bsdtar").then(|| {
        let mut command = Command::new("bsdtar");
        let output = command.args(["-xOf", "-"]).stdin(fs::File::open(archive).unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    })
}

/// Asserts that every program reads exactly the entries of the directory.
pub fn all_agree(archive: &Path, directory: &Path, prefix: &str) {
    assert_eq!(zip_crate(archive).unwrap(), on_disk(directory, prefix, blake3));
    if let Some(entries) = python(archive) {
        assert_eq!(entries, on_disk(directory, prefix, sha256));
    }
    if let Some(said) = unzip(archive, None) {
        said.unwrap();
    }
}

/// Asserts that no program accepts it as an archive.
pub fn all_refuse(archive: &Path) {
    assert!(zip_crate(archive).is_err());
    if let Some(said) = unzip(archive, None) {
        said.unwrap_err();
    }
    if has("python3") {
        let python = Command::new("python3").args(["-m", "zipfile", "-t"]).arg(archive).output().unwrap();
        assert!(!python.status.success());
    }
}

/// Days from 1970-01-01 to a date of the format's time.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum::<i64>();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    before + lengths.iter().take(month as usize - 1).sum::<i64>() + day - 1
}
