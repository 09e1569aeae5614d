//! A tree of which all files are verified, and how it gets to its target.

use std::sync::Arc;

use super::{manifest::Manifest, missed::Unreadable};
use crate::{
    client::{
        disk::target::Target,
        job::tree::disk::{journal::Place, survey::State, tree_dir::TreeDir},
    },
    protocol::message::Missing,
};

/// How a tree gets to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaveMode {
    /// The target does not exist: the tree is created beside it, and renamed.
    New,
    /// The tree is created beside the target, and replaces it as a whole.
    Replace,
    /// The target is updated in place.
    Update,
    /// The target is only compared.
    Compare,
}

impl SaveMode {
    pub(super) fn place(self) -> Place {
        match self {
            SaveMode::New | SaveMode::Replace => Place::New,
            SaveMode::Update | SaveMode::Compare => Place::Target,
        }
    }
}

/// A tree of which all files are verified.
#[derive(Debug)]
pub(super) struct ReceivedTree {
    pub(super) manifest: Arc<Manifest>,
    pub(super) states: Vec<State>,
    pub(super) tree_dir: Arc<TreeDir>,
    pub(super) target: Target,
    pub(super) save_mode: SaveMode,
    /// Files that the server could not read when they were requested.
    pub(super) lost: Unreadable,
}

impl ReceivedTree {
    /// Entries that the server could not send: those of its listing, and those that failed during the transfer.
    pub(super) fn missing(&self) -> Missing {
        let mut missing = self.manifest.missing.clone();
        missing.merge(&self.lost.missing);
        missing
    }
}
