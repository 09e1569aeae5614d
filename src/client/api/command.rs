//! What a face asks the engine to do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::client::api::{
    address::locator::{Locator, Server},
    job_id::JobId,
    new_job::NewJob,
    question::Answer,
    serial,
    trust::NewServer,
};

/// A change of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Request it from here.
    Address(Locator),
    /// Save it here: in this folder, under the content's name if the path ends with a slash.
    Path(#[serde(with = "serial::path")] PathBuf),
}

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
    /// Answer the questions of these jobs; `for_all`: and all others of the same kind, now and later, of the jobs that are in the queue.
    Answer {
        /// The jobs.
        ids: Vec<JobId>,
        /// The answer.
        answer: Answer,
        /// See above.
        for_all: bool,
    },
    /// Request a job that is not done from another address, or save it elsewhere. What was received stays.
    Edit(JobId, Edit),
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
