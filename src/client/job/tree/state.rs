//! What a job keeps of a tree from one attempt to the next.

use std::{collections::HashMap, sync::Arc};

use super::{
    disk::{journal::TreeLines, work_dir::TreeWorkDir},
    manifest::{Manifest, gathering::Gathering},
};
use crate::client::{
    content::high_water::HighWater,
    job::{deletions::Deletions, totals::JobTotals},
    source::RemoteHashes,
};

/// What is known of the entries of a tree.
#[derive(Debug, Default)]
pub(super) enum Listing {
    /// Nothing.
    #[default]
    Fresh,
    /// The first entries: the connection was lost before the last one.
    Partial(Box<Gathering>),
    /// All of them, until an answer of the server contradicts.
    Listed(Arc<Manifest>),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TreeResume {
    pub(crate) totals: JobTotals,
    pub(super) listing: Listing,
    /// The work directory, open and locked while the job works or waits for its next attempt.
    pub(super) work_dir: Option<TreeWorkDir>,
    /// How often a file, or more of a large one, was received as it is listed. Nothing else is progress.
    pub(super) advances: u64,
    /// The most bytes of each interrupted file that were local at any time.
    pub(super) furthest: HashMap<String, HighWater>,
    /// The file that is being compared, and the hashes received for it.
    pub(super) remote: Option<(String, RemoteHashes)>,
    /// Digests of local files that this run computed.
    pub(super) hashed: TreeLines,
}

impl TreeResume {
    /// Whether more of a file is local than ever before.
    pub(super) fn gets_further(&mut self, path: &str, bytes: u64) -> bool {
        self.furthest.entry(path.to_owned()).or_default().rises_to(bytes)
    }

    /// Closes the work directory, keeping what is in it.
    pub(crate) fn close(&mut self) {
        if let Some(work_dir) = self.work_dir.take() {
            work_dir.close();
        }
    }

    /// Whether its work directory is open.
    pub(crate) fn is_open(&self) -> bool {
        self.work_dir.is_some()
    }

    /// Deletes what was received.
    pub(crate) fn discard(mut self, deletions: &Deletions) {
        if let Some(work_dir) = self.work_dir.take() {
            work_dir.discard(deletions, || deletions.may_delete());
        }
    }
}
