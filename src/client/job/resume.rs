//! What a job keeps from one attempt to the next. What of it is on the disk outlives the process, see `file/recall.rs`.

use std::time::Instant;

use crate::client::{
    api::content::{checksum::Checksum, proof::DigestBy},
    job::{
        deletions::{Deletions, Discard},
        file::resume::FileResume,
        tree::state::TreeResume,
    },
};

/// See the module. A path that is requested as a tree can be a file, so that a job may have something of both.
#[derive(Debug, Default)]
pub(crate) struct JobResume {
    /// When the first connection was opened.
    pub(crate) started: Option<Instant>,
    /// The checksum that a list has, and whose list it is.
    pub(crate) listed: Option<(Checksum, DigestBy)>,
    pub(crate) file: FileResume,
    pub(crate) tree: TreeResume,
}

impl JobResume {
    /// The job has failed, and waits for the user.
    pub(crate) fn failed(&mut self) {
        self.file.totals.reset_retries();
        self.tree.totals.reset_retries();
        self.file.senders.shares().forgive();
        // The wait for the user does not count as time of the download.
        if self.file.totals.transferred + self.tree.totals.transferred == 0 {
            self.started = None;
        }
    }

    /// Closes all files, keeping them.
    pub(crate) fn close(&mut self) {
        self.tree.close();
        self.file.close();
    }

    /// Whether it has files open.
    pub(crate) fn is_open(&self) -> bool {
        self.tree.is_open() || self.file.is_open()
    }
}

impl Discard for JobResume {
    fn discard(self: Box<Self>, deletions: &Deletions) {
        self.tree.discard(deletions);
        let mut file = self.file;
        file.discard_aside();
        file.state.discard();
    }
}
