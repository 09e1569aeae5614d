//! The orders in which faces show the queue.

use serde::{Deserialize, Serialize};

use crate::client::api::job_id::JobId;

/// An order of the queue's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// What runs, waits, is paused, failed and was cancelled, each in the queue's order.
    #[default]
    Queue,
    /// By name.
    Name,
    /// The largest first.
    Size,
    /// The most complete first.
    Progress,
    /// The fastest first.
    Speed,
    /// What is done soonest first.
    Left,
    /// The last one that was added first.
    Added,
}

impl Sort {
    /// All of them.
    pub const ALL: [Sort; 7] =
        [Sort::Queue, Sort::Name, Sort::Size, Sort::Progress, Sort::Speed, Sort::Left, Sort::Added];

    /// The one after it, around.
    pub fn next(self) -> Sort {
        let at = Sort::ALL.iter().position(|sort| *sort == self).unwrap_or_default();
        Sort::ALL[(at + 1) % Sort::ALL.len()]
    }

    /// Whether it changes while jobs run.
    pub fn is_moving(self) -> bool {
        matches!(self, Sort::Progress | Sort::Speed | Sort::Left)
    }
}

/// The jobs in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arranged {
    /// Jobs that are not done.
    pub open: Vec<JobId>,
    /// Jobs that are done.
    pub done: Vec<JobId>,
    /// Bytes of those.
    pub done_bytes: u64,
}
