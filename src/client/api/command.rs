//! What a face asks the engine to do.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    client::api::{
        new_job::NewJob,
        view::{NewServer, Trouble},
    },
    protocol::{address::Authority, message::Entries, path::RemotePath},
};

/// A number for a job, never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// What a face can tell the engine.
#[derive(Debug)]
pub enum Command {
    /// Queue jobs at the end, in this order. Numbers are given in order; see [`Event::Queued`](super::event::Event::Queued). What has failed, or was
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
