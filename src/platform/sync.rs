//! Waits until the disk has what was written.

use std::io;

use rustix::fd::AsFd;

use super::error::cannot;

/// Waits until the disk has a file, or the names in a directory. A file system that cannot do it has nothing to wait for.
pub(crate) fn sync(file: impl AsFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::fs::fsync(file.as_fd())) {
        Err(error) if cannot(error) => Ok(()),
        synced => Ok(synced?),
    }
}

/// Waits until the disk has everything of the file system that a file or directory is on.
pub(crate) fn sync_file_system(file: impl AsFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::fs::syncfs(file.as_fd())) {
        Err(error) if cannot(error) => Ok(()),
        synced => Ok(synced?),
    }
}
