//! What a transfer counts while it runs; read by whoever wants to know, whenever they want.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one job, written by its transfer alone.
#[derive(Debug, Default)]
pub(super) struct Progress {
    verified: AtomicU64,
    crossed: AtomicU64,
    position: AtomicU64,
    files: AtomicU64,
    segments: AtomicU64,
}

impl Progress {
    /// Of a job that goes on from here.
    pub(super) fn new(verified: u64, position: u64) -> Progress {
        Progress { verified: verified.into(), position: position.into(), ..Progress::default() }
    }

    /// Bytes of the content received and verified.
    pub(super) fn verified(&self) -> u64 {
        self.verified.load(Relaxed)
    }

    /// Bytes of content that crossed the wire in this try.
    pub(super) fn crossed(&self) -> u64 {
        self.crossed.load(Relaxed)
    }

    /// Progress: bytes of the content, or of an archive's sources.
    pub(super) fn position(&self) -> u64 {
        self.position.load(Relaxed)
    }

    /// Files of a tree that are there.
    pub(super) fn files(&self) -> u64 {
        self.files.load(Relaxed)
    }

    pub(super) fn set_verified(&self, bytes: u64) {
        self.verified.store(bytes, Relaxed);
    }

    pub(super) fn add_crossed(&self, bytes: u64) {
        self.crossed.fetch_add(bytes, Relaxed);
    }

    /// Connections on which content comes.
    pub(super) fn segments(&self) -> u64 {
        self.segments.load(Relaxed)
    }

    pub(super) fn segment_begins(&self) {
        self.segments.fetch_add(1, Relaxed);
    }

    pub(super) fn segment_ends(&self) {
        self.segments.fetch_sub(1, Relaxed);
    }

    /// So many bytes more.
    pub(super) fn advance(&self, bytes: u64) {
        self.position.fetch_add(bytes, Relaxed);
    }

    /// Bytes that were counted have to come again.
    pub(super) fn retreat(&self, bytes: u64) {
        self.position.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn set_position(&self, bytes: u64) {
        self.position.store(bytes, Relaxed);
    }
}
