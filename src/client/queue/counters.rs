//! What the queue reads of a running transfer.

use std::fmt;

use crate::client::api::picture::Part;

/// The counters of a transfer at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Bytes of the content that are on the local disk, verified or not.
    pub(crate) received: u64,
    /// Bytes of verified blocks or files.
    pub(crate) verified: u64,
    /// Bytes of content that crossed the wire in this attempt.
    pub(crate) crossed: u64,
    /// Progress: of a file the bytes received, of an archive those of its sources.
    pub(crate) position: u64,
    /// Complete files of a tree.
    pub(crate) files: u64,
    /// Connections on which content is received.
    pub(crate) segments: u64,
    /// A tree is listed and prepared, or the server last reported that it works on the answer.
    pub(crate) prepares: bool,
}

/// The counters of a transfer, which it changes while it runs.
pub(crate) trait Counters: fmt::Debug + Send + Sync {
    /// Reads them.
    fn read(&self) -> Counts;

    /// The parts of a content of `size` bytes; empty if they are not known.
    fn parts(&self, size: u64, parts: usize) -> Vec<Part>;
}
