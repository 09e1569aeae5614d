//! The status of a file, by which a change to it is noticed.

use std::{fs::File, io, os::unix::fs::MetadataExt};

use crate::{client::disk::folder::FileId, platform};

/// The status of a `.part` when it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) id: FileId,
    pub(super) length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Stamp> {
        let data = file.metadata()?;
        Ok(Stamp {
            id: (data.dev(), data.ino()),
            length: data.len(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }

    /// For the journal. It contains the boot time: after a power failure the status can be right although the content is not.
    pub(super) fn mark(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(platform::boot().unwrap_or_default().as_bytes());
        hasher.update(format!("{self:?}").as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }
}
