//! What only the user can decide about a job, and the answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{address::locator::Server, job_id::JobId, serial, trust::Doubt},
    protocol::message::Timestamp,
    text::SafeText,
};

/// What only the user can decide. The job waits for the answer, and all others run meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The target exists and differs.
    Exists(Conflict),
    /// Another job of the queue has the target.
    Claimed(Claimed),
    /// The server wants a token, and got none or a wrong one.
    Token(Server),
    /// The server no longer has what the job has received a part of.
    Gone,
    /// The link has expired: another one may lead to the content.
    Expired,
    /// The source changed, so that what was received cannot be continued.
    Changed {
        /// The partial file.
        #[serde(with = "serial::path")]
        part: PathBuf,
        /// Bytes in it.
        received: u64,
    },
    /// The certificate of the server is not trusted.
    Trust(Doubt),
}

/// A target that exists and differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The target.
    #[serde(with = "serial::path")]
    pub path: PathBuf,
    /// What it is.
    pub kind: ConflictKind,
    /// The local one.
    pub local: Facts,
    /// The server's.
    pub remote: Facts,
}

/// What a target that exists is; decides which answers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// A file that can be updated.
    File,
    /// An archive: it can be replaced as a whole.
    Archive,
    /// A folder that is received as itself.
    Folder,
    /// The folder that an archive is unpacked to. It is never replaced.
    Unpacked,
    /// Something that is never replaced: a folder in the way of a file, or a name that only the server chose.
    Fixed,
}

/// Size and time of a file, where they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}

/// A target that another job of the queue has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The target, or its partial file.
    #[serde(with = "serial::path")]
    pub path: PathBuf,
    /// The other job, in this run.
    #[serde(skip)]
    pub by: Option<JobId>,
    /// The address of the other job.
    #[serde(default)]
    pub other: SafeText,
}

/// The kind of a question: one answer can be for all questions of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// [`Question::Exists`].
    Exists,
    /// [`Question::Claimed`].
    Claimed,
    /// [`Question::Token`].
    Token,
    /// [`Question::Gone`] and [`Question::Expired`].
    Gone,
    /// [`Question::Changed`].
    Changed,
    /// [`Question::Trust`].
    Trust,
}

/// The answer to the question of a job. Tokens, addresses and certificates have commands of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Update the target: only what differs is received.
    Update,
    /// Replace the target, once the new content is complete; or the other job; or begin again with the changed source.
    Replace,
    /// Save under another name. Of a changed source: keep the partial file, and stop.
    Keep,
    /// Leave it out: the job is cancelled, or the archive is not unpacked.
    Skip,
}

impl Answer {
    /// All of them.
    pub const ALL: [Answer; 4] = [Answer::Update, Answer::Replace, Answer::Keep, Answer::Skip];
}

impl Conflict {
    /// Adds what is known of the server's content.
    pub(crate) fn describe(&mut self, remote: Facts, is_archive: bool) {
        self.remote.size = self.remote.size.or(remote.size);
        self.remote.modified = self.remote.modified.or(remote.modified);
        if self.kind == ConflictKind::File && is_archive {
            self.kind = ConflictKind::Archive;
        }
    }
}

impl Question {
    /// Its kind.
    pub fn kind(&self) -> QuestionKind {
        match self {
            Question::Exists(_) => QuestionKind::Exists,
            Question::Claimed(_) => QuestionKind::Claimed,
            Question::Token(_) => QuestionKind::Token,
            Question::Gone | Question::Expired => QuestionKind::Gone,
            Question::Changed { .. } => QuestionKind::Changed,
            Question::Trust(_) => QuestionKind::Trust,
        }
    }

    /// Whether there is anything to decide: another server than the one that is meant is never accepted.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Question::Trust(Doubt::Other(_)))
    }

    /// Whether this is an answer to it.
    pub fn takes(&self, answer: Answer) -> bool {
        match (self, answer) {
            (Question::Exists(conflict), answer) => match (conflict.kind, answer) {
                (_, Answer::Keep | Answer::Skip) => true,
                (ConflictKind::File | ConflictKind::Folder, _) => true,
                (ConflictKind::Archive, Answer::Replace) => true,
                (ConflictKind::Archive | ConflictKind::Unpacked | ConflictKind::Fixed, _) => false,
            },
            (Question::Claimed(_), answer) => answer != Answer::Update,
            (Question::Changed { .. }, answer) => matches!(answer, Answer::Replace | Answer::Keep),
            (Question::Token(_) | Question::Gone | Question::Expired | Question::Trust(_), _) => false,
        }
    }
}
