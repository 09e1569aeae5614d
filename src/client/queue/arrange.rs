//! The queue in the order in which a face shows it.

use std::cmp::Reverse;

use crate::client::{
    api::{
        job_id::JobId,
        views::arrange::{Arranged, Sort},
        views::view::work,
    },
    queue::phase::Phase,
};

use super::{Queue, job::Job};

impl Queue {
    /// The jobs whose name contains `filter`, ignoring case, in this order; those that are done apart.
    pub(crate) fn arranged(&self, filter: &str, sort: Sort) -> Arranged {
        let filter = filter.to_lowercase();
        let (mut done, mut open): (Vec<&Job>, Vec<&Job>) = self
            .order
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .filter(|job| job.folded.contains(&filter))
            .partition(|job| job.phase == Phase::Done);
        arrange(&mut open, sort);
        arrange(&mut done, sort);
        let done_bytes = done.iter().filter_map(|job| job.size).fold(0, u64::saturating_add);
        let ids = |jobs: Vec<&Job>| jobs.into_iter().map(|job| job.id).collect();
        Arranged { open: ids(open), done: ids(done), done_bytes }
    }

    /// Bytes of these jobs, and how many of them have no known size.
    pub(crate) fn sizes(&self, ids: &[JobId]) -> (u64, usize) {
        let sizes = ids.iter().filter_map(|id| self.jobs.get(id)).map(|job| job.size);
        sizes.fold((0, 0), |(bytes, unknown): (u64, usize), size| match size {
            Some(size) => (bytes.saturating_add(size), unknown),
            None => (bytes, unknown + 1),
        })
    }
}

/// Sorts jobs; equal ones stay in the queue's order.
fn arrange(jobs: &mut [&Job], sort: Sort) {
    match sort {
        Sort::Queue => jobs.sort_by_key(|job| job.phase.group()),
        Sort::Name => jobs.sort_by(|one, other| one.folded.cmp(&other.folded)),
        // No size is less than any.
        Sort::Size => jobs.sort_by_key(|job| Reverse(job.size)),
        Sort::Progress => jobs.sort_by_cached_key(|job| Reverse(millionths(job))),
        Sort::Speed => jobs.sort_by_cached_key(|job| Reverse(job.rate().map_or(0, |rate| rate as u64))),
        Sort::Left => jobs.sort_by_cached_key(|job| job.eta().map_or(u64::MAX, |eta| eta as u64)),
        Sort::Added => jobs.sort_by_key(|job| Reverse(job.id)),
    }
}

/// How much is done, of a million.
fn millionths(job: &Job) -> Option<u64> {
    let (done, total) = work(job.progress()?, job.files().unwrap_or_default());
    u64::try_from(u128::from(done) * 1_000_000 / u128::from(total.max(1))).ok()
}
