//! The client's check of a tree's pages: order, places, kinds and sums.

use super::receiving::is_identity;
use crate::protocol::{
    error::Violation,
    message::{NameForm, Totals, Tree, TreeEntry, TreeNode, TreePage},
    path::{self, is_target, odd_name},
};

/// The received part of a tree.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    last: Option<Last>,
    /// Nothing was received yet, and the first entry may be any one after `last`.
    continued: bool,
    /// How names may be written.
    names: NameForm,
    /// Of the received entries.
    totals: Totals,
}

/// The last received entry. All directories above it were received before it.
#[derive(Debug)]
struct Last {
    path: String,
    is_directory: bool,
}

fn contradiction<T>(what: &'static str) -> Result<T, Violation> {
    Err(Violation::Content(what))
}

impl Manifest {
    /// Of the answer to this request.
    pub(super) fn asked(tree: &Tree) -> Manifest {
        // What it was, its owner knows.
        let last = tree.after.as_ref().map(|path| Last { path: path.clone(), is_directory: true });
        Manifest { continued: last.is_some(), last, names: tree.names, totals: Totals::default() }
    }

    /// A page was received. Returns whether it is the last one.
    pub(super) fn page(&mut self, page: &TreePage) -> Result<bool, Violation> {
        for entry in &page.entries {
            self.entry(entry)?;
        }
        if page.entries.is_empty() && (page.more || self.last.is_none()) {
            return contradiction("an empty page before the last");
        }
        if let Some(missing) = page.totals.as_ref().and_then(|totals| totals.missing.as_ref()) {
            missing.check()?;
        }
        match &page.totals {
            None if page.more => Ok(false),
            Some(_) if page.more => contradiction("the totals of a tree before its last page"),
            None => contradiction("the last page of a tree without totals"),
            Some(totals) => {
                let counted = Totals { omitted: 0, missing: None, data_bytes: None, ..totals.clone() };
                match counted == self.totals {
                    true => Ok(true),
                    false => contradiction("totals of a tree that are not those of its entries"),
                }
            }
        }
    }

    fn entry(&mut self, entry: &TreeEntry) -> Result<(), Violation> {
        let is_directory = entry.node == TreeNode::Directory;
        // A server that does not know `after` begins with the directory itself.
        if std::mem::take(&mut self.continued) && entry.path.is_empty() {
            self.last = None;
        }
        match &self.last {
            None if !entry.path.is_empty() || !is_directory => {
                return contradiction("a tree that does not begin with its directory");
            }
            None => {}
            Some(last) => last.may_be_followed_by(&entry.path)?,
        }
        entry.modified.check()?;
        if entry.mode > 0o777 {
            return contradiction("a mode of more than 0o777");
        }
        match &entry.node {
            TreeNode::Directory => self.totals.directories += 1,
            TreeNode::Link { target } if is_target(&entry.path, target) => self.totals.links += 1,
            TreeNode::Link { .. } => return contradiction("a link that may lead out of its tree"),
            TreeNode::File { identity, .. } if !is_identity(identity) => {
                return contradiction("an identity has 1 to 128 characters");
            }
            TreeNode::File { size, .. } => {
                self.totals.files += 1;
                match self.totals.bytes.checked_add(*size) {
                    Some(bytes) => self.totals.bytes = bytes,
                    None => return contradiction("files of more than 2^64 bytes"),
                }
            }
        }
        let target = match &entry.node {
            TreeNode::Link { target } => target,
            TreeNode::File { .. } | TreeNode::Directory => "",
        };
        if self.names == NameForm::Utf8 && [&entry.path, target].into_iter().any(odd_name::is_escaped) {
            return contradiction("a name in a form that was not asked for");
        }
        match &mut self.last {
            Some(last) => {
                last.path.clone_from(&entry.path);
                last.is_directory = is_directory;
            }
            none => *none = Some(Last { path: entry.path.clone(), is_directory }),
        }
        Ok(())
    }
}

impl Last {
    fn may_be_followed_by(&self, next: &str) -> Result<(), Violation> {
        if !path::is_normal(next) {
            return contradiction("an entry with an invalid path");
        }
        if path::compare(&self.path, next).is_ge() {
            return contradiction("entries out of order");
        }
        let parent = next.rsplit_once('/').map_or("", |(parent, _)| parent);
        let came = if parent == self.path { self.is_directory } else { path::is_beneath(&self.path, parent) };
        if !came {
            return contradiction("an entry before the directory that it is in");
        }
        Ok(())
    }
}
