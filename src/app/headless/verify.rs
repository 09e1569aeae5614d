//! Compares a finished archive with its source folder byte by byte, by independent means: the `zip`
//! crate, and the file system without `Root`.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fmt,
    fs::File,
    io::{self, Read, Seek},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use crate::{text::SafeText, text::units};

/// Bytes that are compared at a time.
const MAX_CHUNK: usize = 256 * 1024;

/// A verified archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    files: u64,
    folders: u64,
    bytes: u64,
    blake3: String,
    /// Files that changed after the archive was made, and were not compared.
    changed: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, folders) = (some(self.files, "file"), some(self.folders, "folder"));
        write!(f, "Verified: {files} and {folders}, {}, ", units::bytes(self.bytes))?;
        write!(f, "equal to the source byte by byte; BLAKE3 {}", self.blake3)?;
        match self.changed {
            0 => Ok(()),
            1 => f.write_str("; 1 file changed afterwards and was not compared"),
            changed => {
                write!(f, "; {} files changed afterwards and were not compared", units::count(changed))
            }
        }
    }
}

fn some(count: u64, what: &str) -> String {
    format!("{} {what}{}", units::count(count), if count == 1 { "" } else { "s" })
}

/// Compares the archive with `root`; the error is the first difference, as a sentence.
pub(crate) fn archive(path: &Path, root: &Path, blake3: &str, stop: &AtomicBool) -> Result<Found, String> {
    let unreadable = |error: &dyn fmt::Display| format!("the fetched archive cannot be read: {error}");
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let made =
        file.metadata().and_then(|metadata| metadata.modified()).map_err(|error| unreadable(&error))?;
    let digest = digest(&file, stop).map_err(|error| unreadable(&error))?;
    if digest != blake3 {
        return Err(format!(
            "checksum mismatch of the fetched archive: expected BLAKE3 {blake3}, got {digest}"
        ));
    }
    let mut archive = zip::ZipArchive::new(file).map_err(|error| unreadable(&error))?;
    let mut found = Found { blake3: digest, ..Found::default() };
    let mut prefix = prefix(root);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| unreadable(&error))?;
        prefix = prefix.filter(|prefix| entry.name_raw().starts_with(prefix));
    }
    let source = Source { root, made, prefix };
    let mut seen = HashSet::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| unreadable(&error))?;
        let name = entry.name_raw().to_owned();
        let (is_folder, size) = (entry.is_dir(), entry.size());
        let path = source.path(&name);
        if is_folder {
            found.folders += 1;
            if !path.is_dir() {
                return Err(format!("'{}' is a folder only in the archive", SafeText::from_bytes(&name)));
            }
        } else if source.same(&path, &mut entry, size, stop).map_err(|error| differs(&name, &error))? {
            found.files += 1;
            found.bytes = found.bytes.saturating_add(size);
        } else {
            found.changed += 1;
        }
        seen.insert(path);
    }
    source.nothing_is_missing(root, &seen, stop)?;
    Ok(found)
}

fn differs(name: &[u8], error: &io::Error) -> String {
    format!("'{}' differs between the archive and the source: {error}", SafeText::from_bytes(name))
}

fn digest(mut file: &File, stop: &AtomicBool) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; MAX_CHUNK];
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

/// The name of the folder itself, if all entries are beneath it.
fn prefix(root: &Path) -> Option<Vec<u8>> {
    Some([root.canonicalize().ok()?.file_name()?.as_bytes(), b"/"].concat())
}

struct Source<'a> {
    root: &'a Path,
    /// When the archive was complete.
    made: SystemTime,
    prefix: Option<Vec<u8>>,
}

impl Source<'_> {
    fn path(&self, name: &[u8]) -> PathBuf {
        let inner = self.prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        self.root.join(OsStr::from_bytes(inner))
    }

    /// Whether the source is equal; `false` if it changed after the archive was made.
    fn same(&self, path: &Path, entry: &mut impl Read, size: u64, stop: &AtomicBool) -> io::Result<bool> {
        match self.compare(path, entry, size, stop) {
            Err(_) if self.changed(path) => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn compare(&self, path: &Path, entry: &mut impl Read, size: u64, stop: &AtomicBool) -> io::Result<()> {
        let mut source = File::open(path)?;
        if source.metadata()?.len() != size {
            return Err(io::Error::other("its size differs"));
        }
        let (mut ours, mut theirs) = (vec![0; MAX_CHUNK], vec![0; MAX_CHUNK]);
        loop {
            check(stop)?;
            let count = entry.read(&mut ours)?;
            if count == 0 {
                return Ok(());
            }
            source.read_exact(&mut theirs[..count])?;
            if ours[..count] != theirs[..count] {
                return Err(io::Error::other("its content differs"));
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

    /// Every regular file and folder of the source must be in the archive, except those that were created later.
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

#[cfg(test)]
mod tests;
