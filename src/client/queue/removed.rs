//! Jobs that were taken out of the queue, and can be put back.

use std::collections::HashSet;

use crate::{
    client::{
        api::job_id::JobId,
        queue::{Queue, phase::Phase},
    },
    text::SafeText,
};

use super::job::{Busy, Job};

/// A job that was taken out, and its place in the order.
#[derive(Debug)]
pub(crate) struct Removed {
    place: usize,
    job: Job,
}

impl Removed {
    /// The job.
    pub(crate) fn id(&self) -> JobId {
        self.job.id
    }

    /// Its name.
    pub(crate) fn name(&self) -> &SafeText {
        &self.job.name
    }

    /// Puts it back in this phase; what was running waits for its turn then.
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.job.phase = phase;
    }
}

impl Queue {
    /// Takes jobs out, in the queue's order.
    pub(crate) fn take_out(&mut self, ids: &[JobId]) -> Vec<Removed> {
        let ids: HashSet<_> = ids.iter().collect();
        let places = self.order.iter().copied().enumerate().filter(|(_, id)| ids.contains(id));
        let mut removed = Vec::new();
        for (place, id) in places.collect::<Vec<_>>() {
            let Some(mut job) = self.jobs.remove(&id) else { continue };
            self.sums.subtract(&job.contribution());
            if let Some(same) = self.by_path.get_mut(job.new.address.path()) {
                same.remove(&id);
                if same.is_empty() {
                    self.by_path.remove(job.new.address.path());
                }
            }
            if let Some(live) = job.live.take() {
                let counts = live.counters.read();
                self.crossed += counts.crossed;
                (job.received, job.position, job.files_done) =
                    (counts.received, counts.position, counts.files);
                job.last = Some(live.counters);
            }
            self.live.remove(&id);
            if let Some(due) = job.due.take() {
                self.due.remove(&(due, id));
            }
            removed.push(Removed { place, job });
        }
        if !removed.is_empty() {
            self.order.retain(|id| self.jobs.contains_key(id));
            self.reordered();
        }
        removed
    }

    /// Puts jobs back at their places. Nothing works on them.
    pub(crate) fn put_back(&mut self, removed: Vec<Removed>) {
        let mut rest = std::mem::take(&mut self.order).into_iter();
        for Removed { place, mut job } in removed {
            self.order.extend(rest.by_ref().take(place.saturating_sub(self.order.len())));
            if matches!(job.phase, Phase::Waiting | Phase::Connecting | Phase::Running | Phase::Verifying) {
                job.phase = Phase::Queued;
            }
            job.busy = Busy::No;
            self.sums.add(&job.contribution());
            self.by_path.entry(job.new.address.path().to_owned()).or_default().insert(job.id);
            self.order.push(job.id);
            self.jobs.insert(job.id, job);
        }
        self.order.extend(rest);
        self.reordered();
    }
}
