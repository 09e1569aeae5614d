//! The store of a server.

use super::{
    error::StorageError,
    root::{Node, Renewed, Root},
};
use crate::{protocol::path::RemotePath, text::SafeText};

/// What a server serves. What it opens is read by [`Page`](super::page::Page), [`Tree`](super::tree::Tree) and
/// [`Planner`](super::archive::Planner), and as a [`FileSource`](super::root::FileSource).
#[derive(Debug)]
pub enum Store {
    /// A folder of this machine.
    Local(Root),
}

impl Store {
    /// Opens what `path` names.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open(&self, path: &RemotePath) -> Result<Node, StorageError> {
        match self {
            Store::Local(root) => root.open_node(path),
        }
    }

    /// Checks whether it is still what was opened first, and opens what has taken its place.
    ///
    /// # Errors
    /// There is nothing any more, or it cannot be opened.
    pub fn renew(&self) -> Result<Renewed, StorageError> {
        match self {
            Store::Local(root) => root.renew(),
        }
    }

    /// Where it is, for people.
    pub fn path(&self) -> SafeText {
        match self {
            Store::Local(root) => root.path(),
        }
    }
}
