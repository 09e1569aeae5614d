//! The number of a job.

use serde::{Deserialize, Serialize};

/// A number for a job, never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);
