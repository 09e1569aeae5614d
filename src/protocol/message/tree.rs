//! The messages of `tree` and `files`: a directory as itself.

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    common::{NameForm, Timestamp, is_default, or_default},
    missing::Missing,
};

/// Asks what a directory holds, at any depth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The directory.
    pub path: String,
    /// Whether the totals are to name what is missing in the tree.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub missing: bool,
    /// How the names may be written.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub names: NameForm,
    /// Only entries after this path, in the order of a tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether the client takes `working` frames before a page.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub working: bool,
}

/// A page of the answer to [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreePage {
    /// The entries, in order: the directory itself first (unless they begin after another one), and each directory before what is in it.
    pub entries: Vec<TreeEntry>,
    /// Whether another page follows.
    pub more: bool,
    /// What all pages hold together; on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
}

/// What a tree holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Bytes of them that are on the server's disk; present if there are fewer, the others being in holes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_bytes: Option<u64>,
    /// Number of files.
    pub files: u64,
    /// Number of directories, the one that was asked for among them.
    pub directories: u64,
    /// Number of links that are kept as links.
    pub links: u64,
    /// Entries that are not in the tree by policy: devices, sockets, links that lead nowhere or outside; and the missing
    /// ones if the request did not ask for them.
    pub omitted: u64,
    /// What is missing in the tree; present only if the request asked for it and there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Flat")]
pub struct TreeEntry {
    /// From the directory that was asked for; empty for that itself.
    pub path: String,
    /// Last modification.
    pub modified: Timestamp,
    /// Permission bits of at most 0o777; without meaning for a link.
    pub mode: u32,
    /// What it is.
    pub node: TreeNode,
}

/// What an entry of a tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeNode {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Changes when the content may have changed.
        identity: String,
    },
    /// A directory.
    Directory,
    /// A symbolic link to something in the same tree.
    Link {
        /// The text of the link.
        target: String,
    },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    File,
    Directory,
    Link,
}

/// An entry in the JSON of a page.
#[derive(Serialize, Deserialize)]
struct Flat<Text = String> {
    path: Text,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    modified: Timestamp,
    mode: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Text>,
}

impl TryFrom<Flat> for TreeEntry {
    type Error = &'static str;

    fn try_from(flat: Flat) -> Result<TreeEntry, &'static str> {
        let Flat { path, kind, size, modified, mode, identity, target } = flat;
        let node = match (kind, size, identity, target) {
            (Kind::File, Some(size), Some(identity), None) => TreeNode::File { size, identity },
            (Kind::File, ..) => return Err("a file has a size, an identity and no target"),
            (Kind::Directory, None, None, None) => TreeNode::Directory,
            (Kind::Directory, ..) => return Err("a directory has no size, identity or target"),
            (Kind::Link, None, None, Some(target)) => TreeNode::Link { target },
            (Kind::Link, ..) => return Err("a link has a target, and no size or identity"),
        };
        Ok(TreeEntry { path, modified, mode, node })
    }
}

impl Serialize for TreeEntry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (path, modified, mode) = (self.path.as_str(), self.modified, self.mode);
        let (kind, size, identity, target) = match &self.node {
            TreeNode::File { size, identity } => (Kind::File, Some(*size), Some(identity.as_str()), None),
            TreeNode::Directory => (Kind::Directory, None, None, None),
            TreeNode::Link { target } => (Kind::Link, None, None, Some(target.as_str())),
        };
        Flat { path, kind, size, modified, mode, identity, target }.serialize(serializer)
    }
}

/// Asks for many files of a tree in one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The directory that their paths are relative to.
    pub path: String,
    /// The files, answered in this order.
    pub files: Vec<WantedFile>,
    /// Whether content is sent of files that have not the digest that is named for them; `true` if absent.
    #[serde(default = "yes", deserialize_with = "or_yes", skip_serializing_if = "Clone::clone")]
    pub content: bool,
    /// A file of more bytes is answered as one that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<u64>,
}

fn yes() -> bool {
    true
}

fn or_yes<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Option::deserialize(from).map(|content| content.unwrap_or(true))
}

/// A file that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedFile {
    /// From the directory.
    pub path: String,
    /// BLAKE3 in hex of what the client has of it: if the file has that, too, nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes of its first block that the client has: they are not sent. Less than the block's length.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub skip: u64,
}

impl Files {
    /// Bytes that the request takes without its files. With all of their [`WantedFile::cost`] it may be at most
    /// [`MAX_CONTROL`](crate::protocol::frame::MAX_CONTROL).
    pub fn cost(&self) -> usize {
        cost(&Files { files: Vec::new(), path: self.path.clone(), ..*self })
    }
}

impl WantedFile {
    /// Whether the client has something of it.
    pub fn has_digest(&self) -> bool {
        self.digest.is_some()
    }

    /// Bytes that it takes in a request.
    pub fn cost(&self) -> usize {
        cost(self) + 1
    }
}

fn cost(message: &impl Serialize) -> usize {
    serde_json::to_vec(message).map_or(usize::MAX, |json| json.len())
}

/// Announces one of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHead {
    /// Bytes.
    pub size: u64,
    /// Last modification.
    pub modified: Timestamp,
    /// Permission bits of at most 0o777.
    pub mode: u32,
    /// Changes when the content may have changed.
    pub identity: String,
    /// Bytes of the first block that are not sent: the [`WantedFile::skip`], or 0 from a server that does not know it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub skip: u64,
}

/// Ends the answer to [`Files`]; it has no members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesEnd {}
