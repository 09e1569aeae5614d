//! An opened directory.

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::fs::Stat;

use super::{
    folder::Folder,
    stat::{modified, permissions},
};
use crate::{
    platform::Medium,
    protocol::message::{Kind, Meta},
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

    /// The answer to `stat`.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }
}
