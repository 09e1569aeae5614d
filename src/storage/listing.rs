//! An opened directory, and what can be read from it.

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::fs::Stat;

use super::{
    StorageError,
    archive::Planner,
    folder::Folder,
    page::Page,
    root::{modified, permissions},
    tree::{Files, Tree},
};
use crate::{
    platform::Medium,
    protocol::message::{Kind, Meta, NameForm},
};

/// An opened directory.
#[derive(Debug)]
pub struct Directory {
    pub(super) folder: Arc<Folder>,
    pub(super) handle: OwnedFd,
    /// From the root, as it is on disk; empty for the root itself.
    pub(super) path: Vec<u8>,
    /// Where its file system keeps its files.
    pub(super) medium: Medium,
    meta: Meta,
}

impl Directory {
    pub(super) fn new(
        folder: Arc<Folder>,
        handle: OwnedFd,
        path: Vec<u8>,
        name: String,
        stat: &Stat,
    ) -> Directory {
        let meta = Meta {
            kind: Kind::Directory,
            name,
            size: None,
            modified: modified(stat),
            mode: permissions(stat),
            identity: None,
        };
        let medium = folder.medium(stat);
        Directory { folder, handle, path, medium, meta }
    }

    /// What `stat` answers.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Begins to read a page of at most `limit` entries after the name `after`. `names`: how they may be written.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn page(self, after: Option<&str>, limit: usize, names: NameForm) -> Result<Box<Page>, StorageError> {
        Page::new(self, after, limit, names)
    }

    /// Begins an archive whose entries are named `prefix/…`.
    pub fn archive(self, prefix: &str) -> Planner {
        Planner::new(self, prefix)
    }

    /// Begins to walk it, for all that is in it. `names`: how they may be written.
    pub fn tree(self, names: NameForm) -> Tree {
        Tree::new(self, names)
    }

    /// What opens its files.
    pub fn files(self) -> Files {
        Files::new(self)
    }
}
