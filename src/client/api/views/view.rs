//! What the faces show of the queue: plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{
        content::origin::Origin,
        content::proof::Proof,
        content::share::SourceShare,
        job_id::JobId,
        question::Question,
        serial::{self, is_default},
        settings::limit_schedule::TimeOfDay,
        trust::Doubt,
    },
    protocol::message::Missing,
    text::SafeText,
};

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Waits before another try.
    Waiting {
        /// Seconds left.
        seconds: f64,
        /// Number of the retry; 0 if the server was busy, which does not count.
        attempt: u32,
        /// What went wrong.
        reason: SafeText,
    },
    /// Waits because its server cannot be reached.
    Unreachable {
        /// Seconds until the next try to reach it; `None` while one is made.
        seconds: Option<f64>,
        /// What went wrong.
        reason: SafeText,
    },
    /// Connecting, or asked and not answered yet.
    Connecting,
    /// Content is received.
    Running,
    /// All content is received; it is checked, synced and put in place.
    Verifying,
    /// In place.
    Done(Finished),
    /// Failed; it does not resume by itself.
    Failed(Trouble),
    /// Waits for a decision of the user, see [`Trouble::question`].
    Undecided(Trouble),
    /// Paused by the user.
    Paused,
    /// Cancelled by the user.
    Cancelled,
}

/// A finished job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    /// Where it is.
    #[serde(with = "serial::path")]
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Content bytes that crossed the wire, over all tries.
    pub transferred: u64,
    /// Bytes that were local already.
    pub resumed: u64,
    /// BLAKE3 in hex.
    #[serde(deserialize_with = "serial::digest")]
    pub blake3: String,
    /// The server that verified the content. There is one: blocks from another server are compared with this one, or fetched again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub origin: Origin,
    /// How it is known that it is what the source has. Finished downloads of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What each source has contributed, of a download with mirrors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceShare>,
    /// From the first connection to the end.
    pub seconds: f64,
    /// Files of a tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Entries that the server skipped in an archive or tree (links, devices, what is mounted there).
    #[serde(default, skip_serializing_if = "is_default")]
    pub omitted: u64,
    /// Files that only the replaced tree had: they were deleted with it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deleted: u64,
    /// Entries of the folder that should be there and are not: they cannot be read, carried or stored.
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "serial::missing")]
    pub missing: Missing,
    /// The folder that it was unpacked to.
    #[serde(with = "serial::optional_path", default, skip_serializing_if = "Option::is_none")]
    pub extracted: Option<PathBuf>,
}

/// The kind of a failure; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// 1: anything else.
    Other,
    /// 3: could not connect, or lost and retries spent.
    Connection,
    /// 4: not found or not permitted.
    NotFound,
    /// 5: the server is not the one that was meant, is not known, or wants its token.
    Refused,
    /// 6: digest wrong, or the source changed.
    Integrity,
    /// 7: local disk: full, not writable, target exists.
    Disk,
}

/// Why a job failed: what happened, to which file or peer, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}{options}")]
pub struct Trouble {
    /// The kind.
    pub kind: TroubleKind,
    /// A sentence.
    pub message: SafeText,
    /// The end of the sentence, with options of the command line that help. A screen has keys in their place.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: SafeText,
    /// What the user can decide about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Box<Question>>,
}

impl Trouble {
    /// Of a kind, in a sentence.
    pub fn new(kind: TroubleKind, message: impl Into<SafeText>) -> Trouble {
        Trouble { kind, message: message.into(), options: SafeText::default(), question: None }
    }

    /// The same for a run without a user who can be asked: the sentence names the options that help.
    pub(crate) fn for_command_line(self) -> Trouble {
        let message = SafeText::new(&self.to_string());
        Trouble { message, options: SafeText::default(), ..self }
    }

    /// Why the certificate of the server is not trusted, if that is the reason.
    pub fn doubt(&self) -> Option<&Doubt> {
        match self.question.as_deref() {
            Some(Question::Trust(doubt)) => Some(doubt),
            _ => None,
        }
    }
}

/// Bytes of content that take about as long as one file of a tree does.
const FILE_COST: u64 = 4096;

/// Done and total of a job as a measure of the time that it takes: its bytes, and its files.
pub(crate) fn work(bytes: (u64, u64), files: (u64, u64)) -> (u64, u64) {
    let sum = |bytes: u64, files: u64| bytes.saturating_add(files.saturating_mul(FILE_COST));
    (sum(bytes.0, files.0), sum(bytes.1, files.1))
}

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// The address.
    pub address: SafeText,
    /// A short name: the target's, once known, else the path's last segment.
    pub name: SafeText,
    /// Where it is saved, once that is known; else the folder.
    pub target: SafeText,
    /// Its state.
    pub state: JobState,
    /// Bytes of the content, where known.
    pub size: Option<u64>,
    /// Bytes of the content that are on the local disk: those of verified blocks, and of incomplete ones.
    pub received: u64,
    /// Bytes of verified blocks or files; running jobs only.
    pub verified: Option<u64>,
    /// Bytes that were read to verify the complete content, while it is verified by a read of its own.
    pub hashed: Option<u64>,
    /// Progress: done and total, in bytes of the content or (archives) of their sources.
    pub progress: Option<(u64, u64)>,
    /// Files of a tree: complete, and in all.
    pub files: Option<(u64, u64)>,
    /// Connections on which content is received; running jobs only.
    pub segments: Option<u64>,
    /// Bytes a second over the last seconds; running jobs only.
    pub speed: Option<f64>,
    /// Seconds left, slowly filtered; `None` before 3 s of data.
    pub eta: Option<f64>,
    /// A tree is listed and prepared, or the server last reported that it works on the answer; running jobs only.
    pub prepares: bool,
    /// The limit of this job, bytes a second.
    pub limit: Option<u64>,
    /// Transfers that were started for it in this run.
    pub attempts: u32,
    /// What each source has contributed, of a download with mirrors; running jobs only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceShare>,
}

impl JobView {
    /// How much of the complete content was read to verify it, in percent.
    pub fn verified_percent(&self) -> Option<u64> {
        let (hashed, size) = (self.hashed?, self.size.filter(|size| *size > 0)?);
        u64::try_from(u128::from(hashed.min(size)) * 100 / u128::from(size)).ok()
    }

    /// How much of the time that it takes is over: done and total, in bytes, with what the files of a tree take as well.
    pub fn work(&self) -> Option<(u64, u64)> {
        let bytes = self.progress.or(self.size.map(|size| (self.received, size)))?;
        Some(work(bytes, self.files.unwrap_or_default()))
    }
}

/// The queue's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Jobs in the queue, whatever their state.
    pub jobs: usize,
    /// Connecting, running or verifying.
    pub running: usize,
    /// Queued or waiting to try again.
    pub waiting: usize,
    /// Paused.
    pub paused: usize,
    /// Done.
    pub done: usize,
    /// Failed.
    pub failed: usize,
    /// Waiting for a decision of the user.
    pub undecided: usize,
    /// Bytes a second of all.
    pub speed: f64,
    /// Progress of all jobs whose size is known: done and total bytes.
    pub progress: (u64, u64),
    /// Files of all trees: complete, and in all.
    pub files: (u64, u64),
    /// Jobs that have not ended and are not in `progress`, because their size is not known yet.
    pub unknown: usize,
    /// Seconds left for all, where known.
    pub eta: Option<f64>,
    /// The limit in force, bytes a second.
    pub limit: Option<u64>,
    /// Until when it is in force, if it is one by the time of day.
    pub limit_until: Option<TimeOfDay>,
}

impl Totals {
    /// How much of the time that all of them take is over, as of one job.
    pub fn work(&self) -> (u64, u64) {
        work(self.progress, self.files)
    }
}

/// A server that cannot be reached, while jobs wait for it.
#[derive(Clone, Debug, PartialEq)]
pub struct LostServer {
    /// The server, as `host:port`.
    pub server: SafeText,
    /// Seconds until the next try to reach it; `None` while one is made.
    pub seconds: Option<f64>,
    /// What went wrong.
    pub reason: SafeText,
}

/// What a screen needs for one frame; costs what the rows asked for cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The rows asked for, in the queue's order.
    pub rows: Vec<JobView>,
    /// The sums.
    pub totals: Totals,
}
