//! What a face asks the engine to do.

use crate::client::api::{locator::Server, new_job::NewJob, trust::NewServer};
use serde::{Deserialize, Serialize};

/// A number for a job, never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// What a face can ask the engine to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Queue jobs at the end, in this order. Numbers are given in order; see `Event::Queued`. A failed,
    /// paused or cancelled job that is requested again resumes.
    Add(Vec<NewJob>),
    /// Pause jobs that wait or run.
    Pause(Vec<JobId>),
    /// Resume paused jobs.
    Resume(Vec<JobId>),
    /// Cancel jobs that are not finished; their partial files are deleted.
    Cancel(Vec<JobId>),
    /// Try failed or cancelled jobs again, or waiting ones at once.
    Retry(Vec<JobId>),
    /// Pause all jobs that wait or run; if there are none, resume all that are paused.
    PauseAll,
    /// Try all failed jobs again.
    RetryFailed,
    /// Take jobs out of the queue (running ones are cancelled first).
    Remove(Vec<JobId>),
    /// Undo the last cancelling or removing whose partial files are not deleted yet.
    Undo,
    /// Try all servers now that cannot be reached and for which jobs wait.
    TryServers,
    /// Move jobs by a number of places (negative: towards the front).
    Move(Vec<JobId>, isize),
    /// Take all finished jobs out of the queue.
    ClearFinished,
    /// Trust this server from now on, and retry the jobs that failed because it was not known.
    Trust(NewServer),
    /// Use this token and pin, where they are given, for all jobs with this server that are not done; and retry those that it has
    /// refused.
    Reach(Server),
    /// Change the bandwidth limit; if one by the time of day is in force, that one, until it ends.
    SetLimit(Option<u64>),
    /// Change the limits of these jobs.
    SetJobLimit(Vec<JobId>, Option<u64>),
    /// Change how many jobs run at the same time (at least 1).
    SetJobs(usize),
    /// Change how many connections one file may have (at least 1).
    SetSegments(usize),
    /// Stop everything that runs, keep it on disk, and stop the engine.
    Stop,
}
