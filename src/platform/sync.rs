//! Syncs files and file systems to the disk.

use std::io;

use rustix::fd::AsFd;

use super::error::cannot;

/// Syncs a file, or the names in a directory. A file system without support is no error.
pub(crate) fn sync(file: impl AsFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::fs::fsync(file.as_fd())) {
        Err(error) if cannot(error) => Ok(()),
        synced => Ok(synced?),
    }
}

/// Syncs the file system of a file or directory.
pub(crate) fn sync_file_system(file: impl AsFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::fs::syncfs(file.as_fd())) {
        Err(error) if cannot(error) => Ok(()),
        synced => Ok(synced?),
    }
}
