//! The control messages: JSON objects, the payloads of all frames but those with bytes or nothing in them.

use serde::{Deserialize, Serialize};

use super::error::Code;

mod common;
mod hello;
mod missing;
pub mod request;
mod tree;

pub use common::{NameForm, Timestamp};
use common::{is_default, or_default};
pub use hello::{Credential, Hello, TokenId};
pub use missing::{Missing, MissingEntry};
pub use tree::{FileHead, Files, FilesEnd, Totals, Tree, TreeEntry, TreeNode, TreePage, WantedFile};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Something that is listed but not served: a device, a broken link, a name that cannot be carried.
    Other,
}

/// The server's answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Program and version.
    pub agent: String,
    /// How many requests the server reads ahead of the one that it answers.
    pub pipeline: u32,
    /// How many connections of one client the server serves at the same time. A client that opens more
    /// only makes them wait.
    pub parallel: u32,
}

/// Asks what a path is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// The path.
    pub path: String,
}

/// Answers [`Stat`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// File or directory.
    pub kind: Kind,
    /// The last segment of the path; for the served folder, that folder's own name.
    pub name: String,
    /// Bytes; for files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Last modification.
    pub modified: Timestamp,
    /// Permission bits, as in `chmod`, of at most 0o777.
    pub mode: u32,
    /// Changes when the content may have changed; for files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// Asks for a page of a directory's entries, which are sorted by the bytes of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The directory.
    pub path: String,
    /// Entries after this name only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Maximum number of entries; the server sends fewer where a page would be too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How the names may be written.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub names: NameForm,
    /// Whether the client takes `working` frames before `entries`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub working: bool,
}

/// Answers [`List`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// The page.
    pub entries: Vec<Entry>,
    /// Whether there are entries after the last one of this page.
    pub more: bool,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, one segment of a path.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes; for files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Last modification.
    pub modified: Timestamp,
}

/// The form in which a content is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A file as itself, a directory as a zip archive.
    #[default]
    Auto,
    /// A file as itself; a directory is refused.
    File,
    /// A directory as a zip archive; a file is refused.
    Zip,
}

/// Asks for a range of blocks of a file or an archive; in a `hashes` request, for their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// The path.
    pub path: String,
    /// The form.
    #[serde(default, deserialize_with = "or_default")]
    pub form: Form,
    /// Index of the first block.
    #[serde(default, deserialize_with = "or_default")]
    pub first_block: u64,
    /// How many blocks at most; all to the end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// Refuse with `changed` unless the content has this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Bytes of the first block that the client has: they are not sent. Less than the block's length. A `hashes` ignores it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub skip: u64,
    /// Whether the `end` of an archive is to name what is missing in it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub missing: bool,
    /// Whether the client takes `hole` frames, and wants to know how much of a file is on the disk.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub holes: bool,
    /// Whether the `end` is to carry the root also if the answer is not the whole content, where the server knows it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub root: bool,
    /// Whether the client takes `working` frames before `content`. A `hashes` ignores it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub working: bool,
}

/// Announces the content that answers a [`Get`], or whose hashes do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// [`Form::File`] or [`Form::Zip`].
    pub form: Form,
    /// A name for the content: the last segment of the path, with `.zip` after it for an archive.
    pub name: String,
    /// Bytes of the whole content (not of the range); absent while unknown (a deflated archive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What an archive is made from; absent for files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
    /// Last modification of the file, or of the directory.
    pub modified: Timestamp,
    /// Permission bits of at most 0o777.
    pub mode: u32,
    /// Changes when the content may have changed.
    pub identity: String,
    /// Index of the first block that follows.
    pub first_block: u64,
    /// Bytes of that block that are not sent: the request's `skip`, or 0 from a server that does not know it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub skip: u64,
    /// Bytes of a file that are on the server's disk, in answers to requests with `holes`; the others are in holes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_bytes: Option<u64>,
}

/// What an archive is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Number of directories, the one that was asked for among them.
    pub directories: u64,
    /// Entries that are not in the archive because they are neither files nor directories inside the
    /// served folder (devices, sockets, links that lead nowhere, outside, or to a directory), and the missing ones if
    /// the request did not ask for them.
    pub omitted: u64,
}

impl Sources {
    /// Most bytes that an archive of them has: deflate adds less than a 64th, and an entry's headers, with a path of
    /// [`super::path::MAX_PATH`] bytes in two of them, are less than 16 KiB.
    pub fn most_of_an_archive(&self) -> u64 {
        let entries = self.files.saturating_add(self.directories).saturating_add(1);
        let content = self.bytes.saturating_add(self.bytes / 64);
        content.saturating_add(entries.saturating_mul(16 * 1024))
    }
}

/// Ends the answer to a [`Get`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Bytes of the whole content; present when this answer reached its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// BLAKE3 of the whole content, in hex; present when this answer was the whole content, or the request asks for it and the server
    /// knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The identity that still held after the last block.
    pub identity: String,
    /// What is missing in an archive; present only if the request asked for it and there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Why a request, or the connection, failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
    /// The path that it is about, relative to the served folder, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Seconds after which trying again makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// Announces an orderly close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// A sentence for people.
    pub reason: String,
}
