//! What can be done to a download in its state.

use crate::client::{JobId, JobState, JobView};

/// Whether it has not ended, so that cancelling loses what is not fetched yet.
pub fn is_unfinished(row: &JobView) -> bool {
    !matches!(row.state, JobState::Done(_) | JobState::Failed(_) | JobState::Cancelled)
}

/// Whether it waits or runs, so that it can be paused.
pub fn is_pausable(row: &JobView) -> bool {
    is_unfinished(row)
        && !matches!(row.state, JobState::Paused | JobState::Verifying | JobState::Undecided(_))
}

/// Whether its name, folder and address can be changed.
pub fn is_editable(row: &JobView) -> bool {
    !matches!(row.state, JobState::Done(_) | JobState::Cancelled | JobState::Verifying)
}

/// Whether something of it was received, or is being received, that cancelling deletes.
pub fn has_partial_file(row: &JobView) -> bool {
    row.received > 0 || row.files.is_some() && !matches!(row.state, JobState::Queued)
}

/// Whether it has failed.
pub fn has_failed(row: &JobView) -> bool {
    matches!(row.state, JobState::Failed(_))
}

/// Whether it has failed, was cancelled or waits, so that it can be tried again now.
pub fn is_retryable(row: &JobView) -> bool {
    matches!(
        row.state,
        JobState::Failed(_)
            | JobState::Undecided(_)
            | JobState::Cancelled
            | JobState::Waiting { .. }
            | JobState::Unreachable { .. }
    )
}

/// The ids of some of these downloads.
pub fn pick(rows: &[JobView], which: impl Fn(&JobView) -> bool) -> Vec<JobId> {
    rows.iter().filter(|row| which(row)).map(|row| row.id).collect()
}
