//! What outlives an engine: its queue as plain data, which the session writes and the next engine resumes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{
        new_job::NewJob,
        question::{Answer, QuestionKind},
        serial::is_default,
        views::view::{Finished, Trouble},
    },
    text::SafeText,
};

/// A saved queue, and the limits in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedQueue {
    /// The jobs, in the order of the queue.
    pub queue: Vec<SavedJob>,
    /// The limits.
    pub limits: Limits,
    /// Work folders that are marked as deleted, and are to be deleted by the next engine.
    #[serde(with = "super::serial::paths")]
    pub deleting: Vec<PathBuf>,
    /// Jobs that were cancelled or removed, and whose partial files are to be deleted by the next engine.
    pub discarded: Vec<SavedJob>,
}

/// Limits that can be changed while an engine runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Jobs at the same time.
    pub jobs: usize,
    /// Connections for one file.
    pub segments: usize,
    /// Bytes a second for all jobs together; `None` is unlimited.
    pub rate: Option<u64>,
}

/// A job of a saved queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedJob {
    /// What was asked for.
    #[serde(flatten)]
    pub new: NewJob,
    /// Its state.
    pub state: SavedState,
    /// Its name, once the server has announced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SafeText>,
    /// Bytes of the content, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes that were verified. Only shown: the partial file decides.
    #[serde(default, skip_serializing_if = "is_default")]
    pub received: u64,
    /// Progress: done and total, in bytes of the content or (archives) of their sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<(u64, u64)>,
    /// Files of a tree: complete, and in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<(u64, u64)>,
    /// Bytes a second for this job; `None` is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Answers that the user has given for all jobs, to questions that this one may still ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<(QuestionKind, Answer)>,
}

/// The state of a job of a saved queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedState {
    /// It resumes in its turn; so does what was running.
    Queued,
    /// It resumes when the user says so.
    Paused,
    /// It failed.
    Failed(Trouble),
    /// It waits for a decision of the user; without a user who can be asked, it has failed.
    Undecided(Trouble),
    /// Cancelled by the user.
    Cancelled,
    /// The content is in place.
    Done(Finished),
}

impl From<NewJob> for SavedJob {
    fn from(new: NewJob) -> SavedJob {
        SavedJob {
            new,
            state: SavedState::Queued,
            name: None,
            size: None,
            received: 0,
            progress: None,
            files: None,
            limit: None,
            answers: Vec::new(),
        }
    }
}

impl SavedJob {
    /// Whether it is queued or paused, or waits for a decision.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.state, SavedState::Queued | SavedState::Paused | SavedState::Undecided(_))
    }
}
