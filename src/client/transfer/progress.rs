//! The counters of a transfer, which can be read at any time.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use super::{block_map::BlockMap, supply::shares::Shares};
use crate::client::{
    api::content::share::SourceShare,
    content::blocks::{Blocks, LocalBytes},
};

/// Counters of one job, written by its transfer alone.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    received: AtomicU64,
    verified: AtomicU64,
    crossed: AtomicU64,
    position: AtomicU64,
    files: AtomicU64,
    segments: AtomicU64,
    hashed: AtomicU64,
    /// A tree is listed and prepared, or the last message of the server was that it prepares an answer.
    prepares: AtomicBool,
    /// The blocks of a file, for its picture.
    map: Mutex<BlockMap>,
    /// What each source of a job with mirrors has contributed.
    shares: OnceLock<Shares>,
    /// The tree that this is a file of.
    whole: Option<Arc<Progress>>,
}

impl Progress {
    /// Of a job that resumes from here.
    pub(crate) fn new(received: u64, position: u64) -> Progress {
        Progress { received: received.into(), position: position.into(), ..Progress::default() }
    }

    /// Of a file of a tree, which counts there, too. `local` is counted there already.
    pub(crate) fn part_of(whole: &Arc<Progress>, local: LocalBytes) -> Progress {
        Progress {
            received: local.received.into(),
            verified: local.verified.into(),
            position: local.received.into(),
            whole: Some(Arc::clone(whole)),
            ..Progress::default()
        }
    }

    /// Shows what each source contributes.
    pub(crate) fn show_shares(&self, shares: &Shares) {
        let _ = self.shares.set(shares.clone());
    }

    /// What each source has contributed; empty if there is one.
    pub(crate) fn shares(&self) -> Vec<SourceShare> {
        self.shares.get().map(Shares::list).unwrap_or_default()
    }

    /// Bytes of the content that are local, verified or not.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes of verified blocks or files; never more than were received.
    pub(crate) fn verified(&self) -> u64 {
        self.verified.load(Relaxed)
    }

    /// Bytes of content that were received in this attempt.
    pub(crate) fn crossed(&self) -> u64 {
        self.crossed.load(Relaxed)
    }

    /// Progress: of a file the bytes received, of an archive those of its sources.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Relaxed)
    }

    /// Files of a tree that are complete.
    pub(crate) fn files(&self) -> u64 {
        self.files.load(Relaxed)
    }

    /// Files of a tree are complete.
    pub(crate) fn add(&self, bytes: u64, files: u64) {
        self.received.fetch_add(bytes, Relaxed);
        self.verified.fetch_add(bytes, Relaxed);
        self.position.fetch_add(bytes, Relaxed);
        self.files.fetch_add(files, Relaxed);
    }

    /// How much of a tree is local, with this many complete files.
    pub(crate) fn set(&self, local: LocalBytes, files: u64) {
        self.received.store(local.received, Relaxed);
        self.verified.store(local.verified, Relaxed);
        self.position.store(local.received, Relaxed);
        self.files.store(files, Relaxed);
    }

    /// These blocks are local. `is_file`: the position is what was received.
    pub(crate) fn set_local(&self, blocks: &Blocks, is_file: bool) {
        let local = blocks.local();
        self.with_map(|map| *map = BlockMap::of(blocks));
        self.set_received(local.received);
        self.set_verified(local.verified);
        if is_file {
            self.set_position(local.received);
        }
    }

    /// Bytes of a content without verification were received.
    pub(crate) fn set_unverified(&self, bytes: u64) {
        self.set_received(bytes);
        self.set_position(bytes);
    }

    /// Changes the map of a file that is a job of its own; no picture is drawn of the files of a tree.
    pub(crate) fn with_map(&self, change: impl FnOnce(&mut BlockMap)) {
        if self.whole.is_none() {
            change(&mut self.map());
        }
    }

    /// The blocks of a file.
    pub(crate) fn map(&self) -> MutexGuard<'_, BlockMap> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_received(&self, bytes: u64) {
        let before = self.received.swap(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            // Less than before is a step back, which wraps around.
            whole.received.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }

    pub(crate) fn set_verified(&self, bytes: u64) {
        let before = self.verified.swap(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            // Less than before is a step back, which wraps around.
            whole.verified.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }

    pub(crate) fn add_crossed(&self, bytes: u64) {
        self.crossed.fetch_add(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            whole.crossed.fetch_add(bytes, Relaxed);
        }
    }

    /// Whether a tree is listed and prepared, or the last message of the server was that it prepares an answer.
    pub(crate) fn prepares(&self) -> bool {
        self.prepares.load(Relaxed)
    }

    pub(crate) fn set_prepares(&self, prepares: bool) {
        self.prepares.store(prepares, Relaxed);
    }

    /// Bytes that were read to verify the complete content.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Relaxed)
    }

    pub(crate) fn set_hashed(&self, bytes: u64) {
        self.hashed.store(bytes, Relaxed);
    }

    /// Connections that receive content.
    pub(crate) fn segments(&self) -> u64 {
        self.segments.load(Relaxed)
    }

    pub(crate) fn segment_begins(&self) {
        self.segments.fetch_add(1, Relaxed);
        if let Some(whole) = &self.whole {
            whole.segment_begins();
        }
    }

    pub(crate) fn segment_ends(&self) {
        self.segments.fetch_sub(1, Relaxed);
        if let Some(whole) = &self.whole {
            whole.segment_ends();
        }
    }

    /// More bytes were received. `is_file`: the position is what was received.
    pub(crate) fn advance(&self, bytes: u64, is_file: bool) {
        self.received.fetch_add(bytes, Relaxed);
        if is_file {
            self.position.fetch_add(bytes, Relaxed);
        }
        if let Some(whole) = &self.whole {
            whole.advance(bytes, is_file);
        }
    }

    /// Bytes that were counted have to be received again.
    pub(crate) fn retreat(&self, bytes: u64, is_file: bool) {
        self.received.fetch_sub(bytes, Relaxed);
        if is_file {
            self.position.fetch_sub(bytes, Relaxed);
        }
        if let Some(whole) = &self.whole {
            whole.retreat(bytes, is_file);
        }
    }

    pub(crate) fn set_position(&self, bytes: u64) {
        let before = self.position.swap(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            whole.position.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }
}
