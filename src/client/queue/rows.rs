//! What a face sees of the queue.

use std::{ops::Range, time::Instant};

use crate::client::{
    api::{
        job_id::JobId,
        question::QuestionKind,
        views::picture::Picture,
        views::twins::{self, Named},
        views::view::{JobView, Totals, work},
    },
    queue::{phase::Phase, rates::speed, schedule::Servers},
};

use super::{Queue, job::Job};

impl Queue {
    /// Ids in order, of jobs whose name contains `filter`, ignoring case.
    pub(crate) fn ids(&self, filter: &str) -> Vec<JobId> {
        if filter.is_empty() {
            return self.order.clone();
        }
        let filter = filter.to_lowercase();
        let matches = |id: &&JobId| self.jobs.get(id).is_some_and(|job| job.folded.contains(&filter));
        self.order.iter().filter(matches).copied().collect()
    }

    /// The rows at these places.
    pub(crate) fn at(&self, rows: Range<usize>, now: Instant, servers: &Servers) -> Vec<JobView> {
        let end = rows.end.min(self.order.len());
        self.rows(&self.order[rows.start.min(end)..end], now, servers)
    }

    /// The rows of those of these jobs that exist.
    pub(crate) fn rows(&self, ids: &[JobId], now: Instant, servers: &Servers) -> Vec<JobView> {
        let view = |job: &Job| job.view(now, servers.outage(job.server));
        ids.iter().filter_map(|id| self.jobs.get(id)).map(view).collect()
    }

    /// For each of these jobs, what distinguishes it from all others of the same name.
    pub(crate) fn distinctions(&self, ids: &[JobId]) -> Vec<Option<String>> {
        let shown: Vec<Named<'_>> = ids.iter().map(|id| self.jobs.get(id).map_or(("", ""), named)).collect();
        twins::distinctions(&shown, self.jobs.values().map(named))
    }

    /// The pictures of a job, with this many parts of its content.
    pub(crate) fn picture(&self, id: JobId, parts: usize) -> Picture {
        self.jobs.get(&id).map(|job| job.picture(parts)).unwrap_or_default()
    }

    /// Bytes a second in the last parts of two seconds, at most `count`; empty while nothing runs.
    pub(crate) fn throughput(&self, count: usize) -> Vec<f64> {
        self.recent.rates(count)
    }

    /// The jobs that wait for a decision of the user, in order, with the kind of each.
    pub(crate) fn undecided(&self) -> Vec<(JobId, QuestionKind)> {
        if self.sums.count(Phase::Undecided) == 0 {
            return Vec::new();
        }
        let asks = |job: &Job| {
            let question = job.question().filter(|_| job.phase == Phase::Undecided)?;
            Some((job.id, question.kind()))
        };
        self.order.iter().filter_map(|id| self.jobs.get(id)).filter_map(asks).collect()
    }

    /// The sums.
    pub(crate) fn totals(&self) -> Totals {
        let (mut progress, mut files) = self.sums.settled();
        let counts = self.sums.counts();
        let mut unknown = counts.unknown;
        for job in self.live.iter().filter_map(|id| self.jobs.get(id)) {
            match job.progress() {
                Some((done, total)) => {
                    progress = (progress.0.saturating_add(done), progress.1.saturating_add(total));
                    let (complete, all) = job.files().unwrap_or_default();
                    files = (files.0.saturating_add(complete), files.1.saturating_add(all));
                }
                None => unknown += 1,
            }
        }
        let (done, total) = work(progress, files);
        let remaining = total.saturating_sub(done);
        let rate = self.advance.rate().filter(|_| !self.live.is_empty() && remaining > 0);
        Totals {
            speed: if self.live.is_empty() { 0.0 } else { self.speed.speed() },
            progress,
            files,
            unknown,
            eta: rate.and_then(|rate| speed::eta(remaining, rate)),
            ..counts
        }
    }
}

fn named(job: &Job) -> Named<'_> {
    (job.name.as_str(), job.address.as_str())
}
