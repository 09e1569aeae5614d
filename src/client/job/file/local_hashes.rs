//! Block hashes of local files, kept for the next attempt.

use std::{
    fs::File,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    client::{
        content::blocks::{RecordedBlocks, hash_block},
        disk::attributes::Status,
    },
    protocol::digest::BlockDigest,
};

/// Block hashes of the partial file and of the existing target.
#[derive(Debug, Default)]
pub(crate) struct LocalHashes {
    pub(crate) part: Arc<Mutex<Seen>>,
    pub(crate) old: Arc<Mutex<Seen>>,
}

/// Block hashes of a local file, computed in this run, for the next attempt. Valid while the status of the file is the same.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    status: Option<Status>,
    pub(super) blocks: RecordedBlocks,
}

/// A local file, and its block hashes.
pub(super) struct LocalFile {
    pub(super) file: File,
    pub(super) seen: Arc<Mutex<Seen>>,
}

impl LocalFile {
    pub(super) fn new(file: File, seen: &Arc<Mutex<Seen>>) -> LocalFile {
        let status = Status::settled(&file).ok().flatten();
        let mut known = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_none() || known.status != status {
            *known = Seen { status, blocks: RecordedBlocks::default() };
        }
        LocalFile { file, seen: Arc::clone(seen) }
    }

    /// Returns the digest of a block; `None` if the file is too short.
    pub(super) fn digest(&self, index: u64, length: u64, buffer: &mut [u8]) -> Option<BlockDigest> {
        let lock = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = lock().blocks.digest(index, length);
        seen.or_else(|| {
            let digest = hash_block(&self.file, index, length, buffer)?;
            lock().blocks.insert(index, u32::try_from(length).unwrap_or(u32::MAX), &digest);
            Some(digest)
        })
    }
}
