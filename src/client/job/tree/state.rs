//! What is known of a tree from one attempt to the next.

use std::{collections::HashMap, sync::Arc};

use super::manifest::{Gathering, Manifest};
use crate::client::{
    content::high_water::HighWater,
    job::{
        deletions::Deletions,
        tree::disk::{journal::TreeLines, work_dir::TreeWorkDir},
    },
    source::RemoteHashes,
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The work directory, open and locked while the job works or waits to.
    pub(super) work_dir: Option<TreeWorkDir>,
    /// How often a file, or something of a large one, came as the tree was said to hold it. What came otherwise brings the
    /// whole no nearer to its end.
    pub(super) came: u64,
    /// How much of each file that was cut off was here at any time.
    pub(super) furthest: HashMap<String, HighWater>,
    /// What was received of the tree's entries: a link may break before all of them are.
    pub(super) gathering: Option<Gathering>,
    /// All of it, until something of it turns out to be otherwise.
    pub(super) manifest: Option<Arc<Manifest>>,
    /// The file that is being compared, and the hashes received for it.
    pub(super) remote: Option<(String, RemoteHashes)>,
    /// Digests of local files that this run computed, so that the next attempt need not read the files again.
    pub(super) hashed: TreeLines,
}

impl Tree {
    /// Whether more of a file is here than ever before.
    pub(super) fn gets_further(&mut self, path: &str, bytes: u64) -> bool {
        self.furthest.entry(path.to_owned()).or_default().rises_to(bytes)
    }

    /// Leaves everything in order, and gives it free for others.
    pub(crate) fn close(&mut self) {
        if let Some(work_dir) = self.work_dir.take() {
            work_dir.close();
        }
    }

    /// Whether its work directory is open.
    pub(crate) fn is_open(&self) -> bool {
        self.work_dir.is_some()
    }

    /// Deletes what was fetched.
    pub(crate) fn discard(mut self, deletions: &Deletions) {
        if let Some(work_dir) = self.work_dir.take() {
            work_dir.discard(deletions, || deletions.may_delete());
        }
    }
}
