//! The download engine: a queue of jobs on tokio, without any idea of a terminal.

use std::{ops::Range, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::{
    protocol::{
        address::{Address, Authority},
        classic::Dialect,
        message::{Entries, Form},
        path::RemotePath,
    },
    text::SafeText,
};

/// How the engine is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Jobs at the same time.
    pub jobs: usize,
    /// Bytes a second for all jobs together; `None` is unlimited.
    pub limit: Option<u64>,
    /// Tries after the first one.
    pub retries: u32,
    /// Without a byte from the server, a connection counts as lost after this; also to connect.
    pub timeout: Duration,
    /// Whether a job is done only once the disk has it.
    pub sync: bool,
}

/// What to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speak {
    /// This program's protocol.
    #[default]
    V1,
    /// A dialect of the original programs.
    Classic(Dialect),
}

/// What to do when the target exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Done if it is byte-identical, else an error.
    #[default]
    Keep,
    /// Replace it, once the new one is complete.
    Overwrite,
    /// Save as `name (1).ext` and so on.
    Rename,
}

/// A digest that the finished file must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksum {
    /// 32 bytes.
    Blake3([u8; 32]),
    /// 32 bytes.
    Sha256([u8; 32]),
    /// 16 bytes.
    Md5([u8; 16]),
}

/// A job to queue. Where it goes is fixed here, not when it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// What to fetch.
    pub address: Address,
    /// What to speak.
    pub speak: Speak,
    /// The form.
    pub form: Form,
    /// The folder to save in (absolute).
    pub folder: PathBuf,
    /// The name to save as, relative to `folder` or absolute; the server's (sanitised) if absent.
    pub save_as: Option<PathBuf>,
    /// When the target exists.
    pub existing: Existing,
    /// To verify.
    pub checksum: Option<Checksum>,
}

/// A number for a job, never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Waits before another try.
    Waiting {
        /// Seconds left.
        seconds: f64,
        /// Number of the coming try after the first.
        attempt: u32,
        /// What went wrong.
        reason: SafeText,
    },
    /// Connecting, or asked and not answered yet.
    Connecting,
    /// Content comes.
    Running,
    /// All came; being checked, synced and put in place.
    Verifying,
    /// In place.
    Done(Finished),
    /// Will not go on by itself.
    Failed(Trouble),
    /// Stopped by the user; goes on when told.
    Paused,
    /// Given up by the user.
    Cancelled,
}

/// A finished job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finished {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Content bytes that crossed the wire, over all tries.
    pub transferred: u64,
    /// Bytes that did not have to.
    pub resumed: u64,
    /// BLAKE3 in hex.
    pub blake3: String,
    /// From the first connection to the end.
    pub seconds: f64,
    /// Entries that the server left out of an archive (links, devices).
    pub omitted: u64,
}

/// The kind of a failure; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// 1: anything else.
    Other,
    /// 3: could not connect, or lost and retries spent.
    Connection,
    /// 4: not found or not permitted.
    NotFound,
    /// 6: digest wrong, or the source changed.
    Integrity,
    /// 7: local disk: full, not writable, target exists.
    Disk,
}

/// Why a job failed: what happened, to which file or peer, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// The kind.
    pub kind: TroubleKind,
    /// A sentence.
    pub message: SafeText,
}

/// A row of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// The address.
    pub address: SafeText,
    /// A short name: the target's, once known, else the path's last segment.
    pub name: SafeText,
    /// Where it goes, as far as known.
    pub target: SafeText,
    /// Where it stands.
    #[serde(flatten)]
    pub state: JobState,
    /// Bytes of the content, where known.
    pub size: Option<u64>,
    /// Bytes of the content received and verified.
    pub received: u64,
    /// Progress: done and total, in bytes of the content or (archives) of their sources.
    pub progress: Option<(u64, u64)>,
    /// Bytes a second over the last seconds; running jobs only.
    pub speed: Option<f64>,
    /// Seconds left, slowly filtered; `None` before 3 s of data.
    pub eta: Option<f64>,
}

/// The queue's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
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
    /// Bytes a second of all.
    pub speed: f64,
    /// Progress of all jobs whose size is known: done and total bytes.
    pub progress: (u64, u64),
    /// Seconds left for all, where known.
    pub eta: Option<f64>,
    /// The limit in force, bytes a second.
    pub limit: Option<u64>,
}

/// What a screen needs for one frame; costs what the rows asked for cost.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The rows asked for, in the queue's order.
    pub rows: Vec<JobView>,
    /// The sums.
    pub totals: Totals,
}

/// What a face can tell the engine.
#[derive(Debug)]
pub enum Command {
    /// Queue jobs at the end, in this order. Numbers are given in order; see [`Event::Queued`].
    Add(Vec<NewJob>),
    /// Pause jobs that wait or run.
    Pause(Vec<JobId>),
    /// Let paused jobs go on.
    Resume(Vec<JobId>),
    /// Give up jobs that are not finished; their `.part` is deleted.
    Cancel(Vec<JobId>),
    /// Try failed or cancelled jobs again, or waiting ones at once.
    Retry(Vec<JobId>),
    /// Take jobs out of the queue (running ones are cancelled first).
    Remove(Vec<JobId>),
    /// Move jobs by so many places (negative: towards the front).
    Move(Vec<JobId>, isize),
    /// Take out all that are done.
    ClearFinished,
    /// Change the bandwidth limit.
    SetLimit(Option<u64>),
    /// Change how many jobs run at the same time (at least 1).
    SetJobs(usize),
    /// List a directory of a server: the first page after a name.
    List {
        /// The server.
        authority: Authority,
        /// The directory.
        path: RemotePath,
        /// Entries after this name only.
        after: Option<String>,
        /// Takes the answer.
        answer: oneshot::Sender<Result<Entries, Trouble>>,
    },
    /// Pause everything that runs, keep it on disk, and stop the engine.
    Stop,
}

/// What happens; serialised, this is a line of `--json`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A job is in the queue.
    Queued {
        /// The job.
        id: JobId,
        /// Its address.
        address: SafeText,
    },
    /// The server answered; content comes.
    Started {
        /// The job.
        id: JobId,
        /// The name it gets.
        name: SafeText,
        /// Its size, where known.
        size: Option<u64>,
    },
    /// Once a second for each running job.
    Progress {
        /// The job.
        id: JobId,
        /// Bytes received and verified.
        received: u64,
        /// Size, where known.
        size: Option<u64>,
        /// Progress of archives: source bytes done and in all.
        progress: Option<(u64, u64)>,
        /// Bytes a second.
        speed: f64,
    },
    /// A try failed, another follows.
    Retry {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// Number of the coming try after the first.
        attempt: u32,
        /// How many there may be.
        of: u32,
        /// Seconds until then.
        seconds: f64,
        /// What went wrong.
        reason: SafeText,
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
    /// A job was paused, resumed, cancelled or removed by a command.
    Changed {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// `paused`, `resumed`, `cancelled` or `removed`.
        what: &'static str,
    },
}

/// A running engine. Dropping it stops it as [`Command::Stop`] does.
#[derive(Debug)]
pub struct Engine;

/// Starts an engine on a runtime of its own. Events come on the receiver, which must be drained.
///
/// # Errors
/// The system gives no threads.
pub fn start(config: Config) -> std::io::Result<(Engine, mpsc::UnboundedReceiver<Event>)> {
    let _ = config;
    todo!()
}

impl Engine {
    /// Tells the engine something; it is done in order.
    pub fn command(&self, command: Command) {
        let _ = command;
        todo!()
    }
    /// The present state, with the rows in `rows`.
    pub fn snapshot(&self, rows: Range<usize>) -> Snapshot {
        let _ = rows;
        todo!()
    }
    /// The ids of all jobs in the queue's order whose name contains `filter`, ignoring case (all if empty).
    pub fn ids(&self, filter: &str) -> Vec<JobId> {
        let _ = filter;
        todo!()
    }
    /// Rises with every change of order or membership of the queue: the ids need to be read again.
    pub fn generation(&self) -> u64 {
        todo!()
    }
    /// Rows for these jobs.
    pub fn rows(&self, ids: &[JobId]) -> Vec<JobView> {
        let _ = ids;
        todo!()
    }
    /// Waits until it has stopped after [`Command::Stop`], at most `patience`.
    pub fn join(self, patience: Duration) {
        let _ = patience;
        todo!()
    }
}
