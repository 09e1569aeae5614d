//! A tree of which all files are proven, and how it gets to its target.

use std::sync::Arc;

use super::{files::Unreadable, manifest::Manifest};
use crate::{
    client::{
        disk::target::Target,
        job::tree::disk::{journal::Place, survey::State, tree_dir::TreeDir},
    },
    protocol::message::Missing,
};

/// How a tree gets to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The target does not exist: the tree grows beside it.
    New,
    /// It grows beside it, and takes its place as a whole.
    Replace,
    /// The target is brought up to date.
    Update,
    /// The target is only compared.
    Compare,
}

impl Way {
    pub(super) fn place(self) -> Place {
        match self {
            Way::New | Way::Replace => Place::New,
            Way::Update | Way::Compare => Place::Target,
        }
    }
}

/// A tree of which all files are proven.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) manifest: Arc<Manifest>,
    pub(super) states: Vec<State>,
    pub(super) tree_dir: Arc<TreeDir>,
    pub(super) target: Target,
    pub(super) way: Way,
    /// Files that the server could not read when they were asked for.
    pub(super) lost: Unreadable,
}

impl Whole {
    /// Entries that the server could not send: those of its listing, and those that failed during the transfer.
    pub(super) fn missing(&self) -> Missing {
        let mut missing = self.manifest.missing.clone();
        missing.merge(&self.lost.missing);
        missing
    }
}
