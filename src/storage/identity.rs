//! The identity of a file, which changes with its content.

use std::fmt;

use rustix::fs::Stat;

/// A digest of a file's metadata: device, inode, size, time of modification and of status change.
/// It differs after every change that the file system dates. It is no secret: a client that knows size and time of a file can
/// guess the device and inode in it, which are of no use to it.
///
/// Two changes are not dated: one within the same tick of the file system's clock that keeps the size (some
/// milliseconds; Linux closed that gap in 6.13 for the usual file systems), and one through a memory mapping
/// until the system writes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity([u8; 16]);

impl Identity {
    /// Of a file: changes with its content, its permissions and its links.
    pub(super) fn of_file(stat: &Stat) -> Identity {
        let mut hasher = blake3::Hasher::new_derive_key("fdsp 2026 identity of a file");
        hasher.update(&stat.st_dev.to_le_bytes());
        hasher.update(&stat.st_ino.to_le_bytes());
        hasher.update(&stat.st_size.to_le_bytes());
        hasher.update(&stat.st_mtime.to_le_bytes());
        hasher.update(&stat.st_mtime_nsec.to_le_bytes());
        hasher.update(&stat.st_ctime.to_le_bytes());
        hasher.update(&stat.st_ctime_nsec.to_le_bytes());
        Identity::finish(&hasher)
    }

    /// Of a directory: only which one it is, since its entries are compared one by one.
    pub(super) fn of_directory(stat: &Stat) -> Identity {
        let mut hasher = blake3::Hasher::new_derive_key("fdsp 2026 identity of a directory");
        hasher.update(&stat.st_dev.to_le_bytes());
        hasher.update(&stat.st_ino.to_le_bytes());
        Identity::finish(&hasher)
    }

    /// Of what was put into `hasher`.
    pub(super) fn finish(hasher: &blake3::Hasher) -> Identity {
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        Identity(digest)
    }

    /// To hash it further.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn every_dated_change_changes_the_identity() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let identity = || Identity::of_file(&rustix::fs::stat(&path).unwrap());
        fs::write(&path, "one").unwrap();
        let first = identity();
        assert_eq!(first, identity());
        fs::write(&path, "longer").unwrap();
        let second = identity();
        assert_ne!(first, second);

        // The status change is dated even if the modification time is restored.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        loop {
            fs::write(&path, "LONGER").unwrap();
            fs::File::open(&path).unwrap().set_modified(modified).unwrap();
            if identity() != second {
                break;
            }
            // Still within the tick in which the file was created.
            std::thread::yield_now();
        }

        let third = identity();
        loop {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            if identity() != third {
                break;
            }
            std::thread::yield_now();
        }
        fs::copy(&path, folder.path().join("b")).unwrap();
        assert_ne!(identity(), Identity::of_file(&rustix::fs::stat(folder.path().join("b")).unwrap()));
    }

    #[test]
    fn an_identity_is_short_plain_text() {
        let text = Identity::of_file(&rustix::fs::stat("/").unwrap()).to_string();
        assert_eq!(text.len(), 32);
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(text, Identity::of_directory(&rustix::fs::stat("/").unwrap()).to_string());
    }
}
