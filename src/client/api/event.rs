//! What the engine reports.

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{
        job_id::JobId,
        views::view::{Finished, Trouble},
    },
    text::SafeText,
};

/// What was done to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// By the user.
    Paused,
    /// By the user.
    Resumed,
    /// By the user.
    Cancelled,
    /// Taken out of the queue by the user.
    Removed,
    /// That it was cancelled or removed was undone by the user.
    Restored,
    /// Its content is saved under another name than its own.
    Renamed,
}

impl Change {
    /// The word for it, as in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Paused => "paused",
            Change::Resumed => "resumed",
            Change::Cancelled => "cancelled",
            Change::Removed => "removed",
            Change::Restored => "restored",
            Change::Renamed => "renamed",
        }
    }
}

/// What happens; serialised, this is a line of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A job is in the queue.
    Queued {
        /// The job.
        id: JobId,
        /// Its address.
        address: SafeText,
    },
    /// The server answered; content follows.
    Started {
        /// The job.
        id: JobId,
        /// The name it gets.
        name: SafeText,
        /// Its size, where known.
        size: Option<u64>,
        /// Bytes of it that are already local.
        here: u64,
    },
    /// Once a second for each running job.
    Progress {
        /// The job.
        id: JobId,
        /// Bytes of the content that are on the local disk: those of verified blocks, and of incomplete ones.
        received: u64,
        /// Bytes of verified blocks or files.
        verified: u64,
        /// Size, where known.
        size: Option<u64>,
        /// Progress of archives: source bytes done and in all.
        progress: Option<(u64, u64)>,
        /// Files of a tree: complete, and in all.
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<(u64, u64)>,
        /// Connections on which content is received.
        segments: u64,
        /// Bytes a second.
        speed: f64,
    },
    /// A server cannot be reached. All its jobs wait, and a connection is tried now and then. Sent once, until it is
    /// [`Reachable`](Event::Reachable) again or its jobs have failed.
    Unreachable {
        /// The server, as `host:port`.
        server: SafeText,
        /// Seconds until the next try; the following pauses grow to a minute.
        seconds: f64,
        /// Seconds after which its jobs fail; absent if they never do.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_seconds: Option<f64>,
        /// What went wrong.
        reason: SafeText,
    },
    /// A server that could not be reached has answered.
    Reachable {
        /// The server, as `host:port`.
        server: SafeText,
        /// Seconds for which it could not be reached.
        seconds: f64,
    },
    /// An attempt failed, another follows.
    Retry {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// Number of the retry; 0 if the server was busy, which does not count.
        attempt: u32,
        /// The largest number of retries.
        of: u32,
        /// Seconds until then.
        seconds: f64,
        /// What went wrong.
        reason: SafeText,
    },
    /// A source of a download with mirrors sends parts of the content from now on, or nothing more is requested of it.
    Source {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// The address of the source, without secrets.
        address: SafeText,
        /// Why nothing more is requested of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        dropped: Option<SafeText>,
    },
    /// A job is done.
    Done {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// The rest.
        #[serde(flatten)]
        finished: Finished,
    },
    /// A job failed for good.
    Failed {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// Why.
        #[serde(flatten)]
        trouble: Trouble,
    },
    /// A job waits for a decision of the user. Sent only by an engine that can ask; others report a failure.
    Undecided {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// What happened, with the question.
        #[serde(flatten)]
        trouble: Trouble,
    },
    /// A job was paused, resumed, cancelled or removed by a command, or its content gets another name than its own.
    Changed {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// What.
        what: Change,
    },
    /// A warning for the user.
    Warning {
        /// A sentence.
        message: SafeText,
    },
}
