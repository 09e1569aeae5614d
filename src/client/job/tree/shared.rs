//! What the connections that receive a tree work with, and what they share.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::missed::Missed;
use crate::client::{
    api::views::view::TroubleKind,
    content::blocks::LocalBytes,
    error::Fault,
    job::{
        attempt::Attempt,
        tree::{
            disk::{
                partial_files::PartialFiles, survey::State, tree_dir::TreeDir, work_dir::TreeWorkDir,
                writer::Writer,
            },
            manifest::Manifest,
            state::TreeResume,
            whole::SaveMode,
        },
    },
};

/// What the connections that receive a tree work with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) manifest: &'a Manifest,
    /// The directory of the tree; absent if nothing is to be written.
    pub(super) tree_dir: Option<&'a TreeDir>,
    pub(super) save_mode: SaveMode,
    /// Whether content is requested, and not only a comparison.
    pub(super) content: bool,
}

/// What they share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) tree: &'a mut TreeResume,
    pub(super) states: &'a mut [State],
    /// Writes the files; absent if nothing is to be written.
    pub(super) writer: Option<&'a mut Writer>,
    pub(super) missed: &'a mut Missed,
    /// The first bytes of interrupted files; absent if no content is requested.
    pub(super) begun: Option<&'a mut PartialFiles>,
    /// How much is local of interrupted files that are larger than a block.
    pub(super) local: &'a mut HashMap<u32, LocalBytes>,
    /// The files to request, in order.
    pub(super) todo: VecDeque<u32>,
}

/// What they share, for a moment: all of them are polled by one task.
pub(super) fn lock<'s, 'a>(shared: &'s Mutex<Shared<'a>>) -> MutexGuard<'s, Shared<'a>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared<'_> {
    /// The work directory.
    pub(super) fn work_dir(&self) -> Result<&TreeWorkDir, Fault> {
        let work_dir = self.tree.work_dir.as_ref();
        work_dir.ok_or_else(|| Fault::never(TroubleKind::Other, "the work directory is not open"))
    }
}
