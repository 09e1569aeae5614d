//! The first bytes of files of at most one block that were interrupted. They stay in the work directory, so that only the rest is requested.
//! They are not verified before the file is complete; then its hash decides.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::client::{disk::remove, job::tree::disk::tree_dir::TreeDir};
/// The suffix of their names.
const SUFFIX: &str = ".begun";

/// See the module.
#[derive(Debug)]
pub(crate) struct PartialFiles {
    folder: TreeDir,
    /// Bytes of each.
    known: HashMap<OsString, u64>,
    /// The names of those whose files are complete now.
    whole: Vec<OsString>,
}

/// The name of the first bytes of a version of a file.
fn name(path: &str, identity: &str) -> OsString {
    let mut hasher = blake3::Hasher::new();
    hasher.update(path.as_bytes()).update(&[0]).update(identity.as_bytes());
    format!("{}{SUFFIX}", &hasher.finalize().to_hex()[..32]).into()
}

impl PartialFiles {
    /// Opens those in a folder.
    pub(crate) fn open(folder: TreeDir) -> PartialFiles {
        let is_begun = |name: &OsStr| name.as_encoded_bytes().ends_with(SUFFIX.as_bytes());
        // What cannot be read is requested again.
        let found = remove::list(folder.root.as_fd()).unwrap_or_default();
        let size = |name: &OsStr| {
            let stat = rustix::fs::statat(&folder.root, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            u64::try_from(stat.st_size).ok()
        };
        let known = found
            .into_iter()
            .filter(|(name, kind)| *kind == FileType::RegularFile && is_begun(name))
            .filter_map(|(name, _)| size(&name).map(|size| (name, size)))
            .collect();
        PartialFiles { folder, known, whole: Vec::new() }
    }

    /// How many bytes of a version of a file of `size` bytes need not be sent again: less than all of them, since no request can skip
    /// the whole file.
    pub(crate) fn bytes(&self, path: &str, identity: &str, size: u64) -> u64 {
        if self.known.is_empty() {
            return 0;
        }
        let known = self.known.get(&name(path, identity)).copied();
        known.filter(|&bytes| bytes <= size).map_or(0, |bytes| bytes.min(size.saturating_sub(1)))
    }

    /// The first bytes of a version of a file.
    pub(crate) fn read(&self, path: &str, identity: &str, bytes: usize) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder.root, name(path, identity), flags, Mode::empty())?;
        let mut content = vec![0; bytes];
        File::from(file).read_exact_at(&mut content, 0)?;
        Ok(content)
    }

    /// Saves bytes of a version of a file from an offset on. If they cannot be written, they are received again.
    pub(crate) fn keep(&mut self, path: &str, identity: &str, offset: u64, bytes: &[u8]) {
        for name in std::mem::take(&mut self.whole) {
            self.remove(&name);
        }
        let name = name(path, identity);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let written = rustix::fs::openat(&self.folder.root, &name, flags, Mode::from_raw_mode(0o600))
            .map_err(Into::into);
        let written = written.and_then(|file| {
            let file = File::from(file);
            if !file.metadata()?.is_file() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            file.set_len(offset)?;
            file.write_all_at(bytes, offset)
        });
        match written {
            Ok(()) => drop(self.known.insert(name, offset + bytes.len() as u64)),
            Err(error) => {
                tracing::debug!("cannot keep what was received of {path}: {error}");
                self.remove(&name);
            }
        }
    }

    /// A version of a file is complete: its first bytes are deleted at the next [`PartialFiles::keep`], when the file can be on the disk.
    pub(crate) fn complete(&mut self, path: &str, identity: &str) {
        if self.known.is_empty() {
            return;
        }
        let name = name(path, identity);
        if self.known.remove(&name).is_some() {
            self.whole.push(name);
        }
    }

    /// Deletes the bytes of a version of a file: they are not what the server has.
    pub(crate) fn forget(&mut self, path: &str, identity: &str) {
        self.remove(&name(path, identity));
    }

    fn remove(&mut self, name: &OsStr) {
        self.known.remove(name);
        // What cannot be deleted is overwritten, or deleted with the work directory.
        let _ = rustix::fs::unlinkat(&self.folder.root, name, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_one_version_are_not_used_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let path = dir.path().to_owned();
            PartialFiles::open(TreeDir { root: crate::platform::open_directory(&path).unwrap(), path })
        };
        let mut begun = open();
        assert_eq!(begun.bytes("a", "one", 100), 0);
        begun.keep("a", "one", 0, b"con");
        begun.keep("a", "one", 3, b"tent");
        begun.keep("b", "one", 0, b"other");
        let mut again = open();
        assert_eq!((again.bytes("a", "one", 100), again.bytes("a", "two", 100)), (7, 0));
        assert_eq!(again.bytes("a", "one", 7), 6, "it is less than the file");
        assert_eq!(again.bytes("a", "one", 6), 0, "it is not of this file");
        assert_eq!(again.read("a", "one", 7).unwrap(), b"content");
        again.complete("a", "one");
        assert_eq!(open().bytes("a", "one", 100), 7, "it exists until another one is kept");
        again.keep("b", "one", 0, b"o");
        assert_eq!((open().bytes("a", "one", 100), open().bytes("b", "one", 100)), (0, 1));
        again.forget("b", "one");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
