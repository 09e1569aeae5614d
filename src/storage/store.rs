//! The store of a server.

use super::{
    error::StorageError,
    root::{Node, Renewed, Root},
};
use crate::{protocol::path::RemotePath, text::SafeText};

/// The files that a server serves. They are read by [`Page`](super::page::Page), [`Tree`](super::tree::Tree) and
/// [`Planner`](super::archive::Planner), and as a [`FileSource`](super::root::FileSource).
#[derive(Debug)]
pub enum Store {
    /// A folder of this machine.
    Local(Root),
}

impl Store {
    /// Opens `path`.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn open(&self, path: &RemotePath) -> Result<Node, StorageError> {
        match self {
            Store::Local(root) => root.open_node(path),
        }
    }

    /// Checks whether it is still the opened one, and opens its replacement.
    ///
    /// # Errors
    /// It does not exist, or cannot be opened.
    pub fn renew(&self) -> Result<Renewed, StorageError> {
        match self {
            Store::Local(root) => root.renew(),
        }
    }

    /// Its last name, for pages and archives of it.
    pub fn name(&self) -> &str {
        match self {
            Store::Local(root) => root.name(),
        }
    }

    /// Its path, for users.
    pub fn path(&self) -> SafeText {
        match self {
            Store::Local(root) => root.path(),
        }
    }
}
