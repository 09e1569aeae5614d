//! The download engine: a queue of jobs on tokio, without any idea of a terminal.
//!
//! ```text
//! engine ── commands ──▶ actor     one task: starts, stops and retries transfers
//!    │                     │
//!    │ snapshots           ├ queue, phase, schedule    what is queued and what may run: no I/O
//!    │                     ├ probe                     whether a server that was unreachable answers again
//!    ▼                     └ worker                    one try of one job
//!  board ◀── progress ─────── ├ link, dial, pool       a connection to a server
//!  (the queue behind a        ├ secure, trust          and whether it is the one that is meant
//!   short lock)               ├ fetch, classic         content as it comes
//!                             ├ crew, segment, ranges  over several connections at once
//!                             ├ part, blocks, memory   what is kept of it
//!                             ├ tree                   a directory as itself
//!                             ├ control, journal       what an interrupted run leaves of that
//!                             ├ recall, compare, remote_hashes   which local blocks match the server's
//!                             ├ leftover, reaper       how it is deleted, also by a run that knows of no more than the queue
//!                             ├ place, folder, finish  its target, and how it gets there
//!                             └ extract                what is in it, for those who want that
//! session    a queue that outlives its engine: written as it changes, and taken up by the next one
//! ```

mod actor;
mod archive_check;
mod blocks;
mod board;
mod checksum;
mod claims;
mod classic;
mod compare;
mod control;
mod crew;
mod dial;
mod engine;
mod extract;
mod fetch;
mod finish;
mod folder;
mod folding;
#[cfg(test)]
mod fuzzing;
mod high_water;
mod journal;
pub mod kept;
mod leftover;
mod link;
mod listing;
mod lock;
mod memory;
mod name;
mod new_job;
mod origin;
mod part;
mod patience;
mod phase;
mod place;
mod pool;
mod probe;
mod progress;
mod queue;
mod ranges;
mod rate;
mod reaper;
mod recall;
mod remote_hashes;
mod removal;
mod retry;
mod schedule;
mod seal;
mod secure;
mod segment;
pub mod session;
mod speed;
mod substitutes;
mod times;
mod tree;
mod trust;
mod unstorable;
mod view;
mod wire;
mod work_folder;
mod worker;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    protocol::{address::Authority, message::Entries, path::RemotePath},
    text::SafeText,
};

pub use checksum::ChecksumError;
pub use engine::{Engine, resume, start};
pub use kept::{Kept, KeptJob, KeptState, Limits};
pub use new_job::{Checksum, Existing, Form, NewJob, Speak};
pub use origin::Origin;
pub use session::{Session, SessionName};
pub use trust::Trust;
pub use view::{Doubt, Finished, JobState, JobView, NewServer, Snapshot, Totals, Trouble, TroubleKind};

/// How the engine is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Jobs at the same time.
    pub jobs: usize,
    /// Connections for one file, at most; fewer if the file is small, or the server does not want as many.
    pub segments: usize,
    /// Bytes a second for all jobs together; `None` is unlimited.
    pub limit: Option<u64>,
    /// How often an attempt that reached the server and received nothing is repeated.
    pub retries: u32,
    /// For how long a server that cannot be reached, or is busy, is tried again before its jobs fail; `None` is for ever.
    pub retry_max_time: Option<Duration>,
    /// Without a byte from the server, a connection counts as lost after this; also to connect.
    pub timeout: Duration,
    /// A server that sends fewer bytes a second than this counts as lost, too; 0 is no minimum.
    pub speed_limit: u64,
    /// The time over which that is averaged; `None` is as long as `timeout`.
    pub speed_time: Option<Duration>,
    /// Whether a job is done only once the disk has it.
    pub sync: bool,
    /// What of an archive is put up with when it is to be unpacked.
    pub extract: Extract,
    /// Which names in trees, and in archives that are to be unpacked, are taken.
    pub names: Names,
    /// Which servers it believes.
    pub trust: Trust,
}

/// Which names are kept. No name leads anywhere else, drives a terminal or cannot be seen, whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// All that this system can have. In trees and in archives that are unpacked the others are missing; a single file is saved under a
    /// substitute.
    #[default]
    Exact,
    /// Those that mean a file on every other system, too: no device's (`aux.c`), no blank at either end, no dot at the
    /// last, none of `\ : * ? " < > |`, no joiner, letters composed (NFC), UTF-8. The others have substitutes.
    Portable,
}

/// What of an archive is put up with when it is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extract {
    /// Files and directories, with those that are only on the way to one.
    pub entries: u64,
    /// Bytes of all files; `None` is as much as the disk has room for.
    pub bytes: Option<u64>,
    /// How many times larger than itself an archive may become that unpacks to more than a gibibyte.
    pub ratio: u64,
}

impl Default for Extract {
    fn default() -> Self {
        Extract { entries: 100_000, bytes: None, ratio: 200 }
    }
}

/// A number for a job, never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// What a face can tell the engine.
#[derive(Debug)]
pub enum Command {
    /// Queue jobs at the end, in this order. Numbers are given in order; see [`Event::Queued`]. What has failed, or was
    /// paused or given up, and is asked for again goes on where it is.
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
    /// Believe this server from now on, and try again what failed because it was not known.
    Trust(NewServer),
    /// Reach this server with this token and pin, where they are named, for all that is not done; and try again what it
    /// has refused.
    Reach(Authority),
    /// Change the bandwidth limit.
    SetLimit(Option<u64>),
    /// Change how many jobs run at the same time (at least 1).
    SetJobs(usize),
    /// Change how many connections one file may have (at least 1).
    SetSegments(usize),
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
    /// Stop everything that runs, keep it on disk, and stop the engine.
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
        /// Bytes of it that are here already.
        here: u64,
    },
    /// Once a second for each running job.
    Progress {
        /// The job.
        id: JobId,
        /// Bytes of the content that are here, on the disk: verified ones, and those of blocks that are not whole.
        received: u64,
        /// Bytes of verified blocks or files.
        verified: u64,
        /// Size, where known.
        size: Option<u64>,
        /// Progress of archives: source bytes done and in all.
        progress: Option<(u64, u64)>,
        /// Files of a tree: there, and in all.
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<(u64, u64)>,
        /// Connections on which content comes.
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
    /// A try failed, another follows.
    Retry {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// Number of the coming try after the first, of those that count; 0 if the server was busy, which does not count.
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
    /// A job was paused, resumed, cancelled or removed by a command, or its content gets another name than its own.
    Changed {
        /// The job.
        id: JobId,
        /// Its name.
        name: SafeText,
        /// `paused`, `resumed`, `cancelled`, `removed` or `renamed`.
        what: &'static str,
    },
    /// A warning for the user.
    Warning {
        /// A sentence.
        message: SafeText,
    },
}
