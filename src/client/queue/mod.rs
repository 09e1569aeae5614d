//! The state of the queue: order, the phase of each job, and the sums, updated with each change. No I/O, and
//! time is an argument.

mod again;
mod arrange;
mod decisions;
mod job;
mod order;
pub(crate) mod phase;
pub(crate) mod rates;
mod removed;
mod rows;
pub mod saved;
pub(crate) mod schedule;
mod sums;
#[cfg(test)]
mod tests;
mod transfers;

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use crate::{
    client::{
        api::{
            address::locator::Locator, job_id::JobId, new_job::NewJob, question::Answer, saved::SavedJob,
            views::view::Trouble,
        },
        queue::{
            phase::{Input, Phase},
            rates::{advance::Advance, recent::Recent, speed::Meter},
            schedule::ServerId,
        },
    },
    text::SafeText,
};

pub(crate) use self::{
    again::Requested,
    job::first_name,
    removed::Removed,
    transfers::{Counters, Counts, Ended, Resumed, Started},
};
use self::{
    job::{Busy, Job},
    sums::Sums,
};

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: Vec<JobId>,
    jobs: HashMap<JobId, Job>,
    /// The jobs for each path, of all servers.
    by_path: HashMap<String, BTreeSet<JobId>>,
    next: u64,
    generation: u64,
    revision: u64,
    sums: Sums,
    /// Jobs that a transfer works on.
    live: BTreeSet<JobId>,
    due: BTreeSet<(Instant, JobId)>,
    /// No job before this place can be started.
    first_ready: usize,
    /// Bytes of content that crossed the wire in transfers that ended.
    crossed: u64,
    /// The same, and that of the running transfers, when they were sampled last.
    crossed_last: u64,
    speed: Meter,
    advance: Advance,
    recent: Recent,
}

impl Queue {
    /// Adds a job at the end.
    pub(crate) fn add(&mut self, new: NewJob, server: ServerId) -> JobId {
        self.restore(new.into(), server)
    }

    /// Adds a job that another engine left at the end.
    pub(crate) fn restore(&mut self, saved: SavedJob, server: ServerId) -> JobId {
        let id = self.unused_id();
        let job = Job::new(id, saved, server);
        self.sums.add(&job.contribution());
        self.by_path.entry(job.new.address.path().to_owned()).or_default().insert(id);
        self.jobs.insert(id, job);
        self.order.push(id);
        self.reordered();
        id
    }

    /// An id that no job has or had.
    pub(crate) fn unused_id(&mut self) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        id
    }

    /// The jobs as the next engine is to find them.
    pub(crate) fn saved(&self) -> Vec<SavedJob> {
        self.order.iter().filter_map(|id| self.jobs.get(id)).map(Job::saved).collect()
    }

    /// Rises with every change of what is to be saved.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Something changed that is to be saved.
    pub(crate) fn touch(&mut self) {
        self.revision += 1;
    }

    /// Order or membership changed.
    fn reordered(&mut self) {
        self.first_ready = 0;
        self.generation += 1;
        self.touch();
    }

    /// Changes a job and the sums with it.
    fn change<T>(&mut self, id: JobId, work: impl FnOnce(&mut Job) -> T) -> Option<T> {
        let job = self.jobs.get_mut(&id)?;
        self.revision += 1;
        self.sums.subtract(&job.contribution());
        let (due, group) = (job.due, job.phase.group());
        let result = work(job);
        if job.phase.group() != group {
            self.generation += 1;
        }
        self.sums.add(&job.contribution());
        if due != job.due {
            if let Some(due) = due {
                self.due.remove(&(due, id));
            }
            if let Some(due) = job.due {
                self.due.insert((due, id));
            }
        }
        if job.is_ready() {
            // Its position is found by the next search.
            self.first_ready = 0;
        }
        Some(result)
    }

    /// Moves a job to its next phase; `false` if its phase does not take the input.
    fn apply(&mut self, id: JobId, input: Input) -> bool {
        let Some(phase) = self.jobs.get(&id).and_then(|job| job.phase.next(input)) else { return false };
        self.change(id, |job| {
            job.phase = phase;
            if phase != Phase::Waiting {
                job.due = None;
            }
        });
        true
    }

    /// Applies a command of the user; `false` if the job's phase does not take it.
    pub(crate) fn command(&mut self, id: JobId, input: Input) -> bool {
        let before = self.phase(id);
        let again = matches!(before, Some(Phase::Failed | Phase::Undecided | Phase::Cancelled));
        let was_cancelled = before == Some(Phase::Cancelled);
        let done = self.apply(id, input);
        if done && again && input == Input::Retry {
            self.change(id, |job| {
                (job.attempts, job.busy_since) = (0, None);
                // One that was skipped asks again.
                job.answers.retain(|(_, answer)| !was_cancelled || *answer != Answer::Skip);
            });
        }
        done
    }

    /// The phase of a job.
    pub(crate) fn phase(&self, id: JobId) -> Option<Phase> {
        self.jobs.get(&id).map(|job| job.phase)
    }

    /// The first job in order that can be started, given which servers have room.
    pub(crate) fn startable(&mut self, has_room: impl Fn(ServerId) -> bool) -> Option<JobId> {
        if !self.sums.ready_servers().any(&has_room) {
            return None;
        }
        let is_ready = |id: &JobId| self.jobs.get(id).is_some_and(Job::is_ready);
        let first = self.first_ready + self.order[self.first_ready..].iter().position(is_ready)?;
        self.first_ready = first;
        let startable =
            |id: &&JobId| self.jobs.get(id).is_some_and(|job| job.is_ready() && has_room(job.server));
        self.order[first..].iter().find(startable).copied()
    }

    /// Whether nothing runs, waits or is stopping.
    pub(crate) fn is_idle(&self) -> bool {
        let counts = self.sums.counts();
        counts.running + counts.waiting == 0 && self.jobs.values().all(|job| job.busy == Busy::No)
    }

    /// The servers of jobs that could be started.
    pub(crate) fn ready_servers(&self) -> impl Iterator<Item = ServerId> {
        self.sums.ready_servers()
    }

    /// What was received of a job is deleted.
    pub(crate) fn reset(&mut self, id: JobId) {
        self.change(id, |job| {
            (job.received, job.position, job.files_done) = (0, 0, 0);
            (job.last, job.history) = (None, None);
        });
    }

    /// Moves jobs by a number of places (negative: towards the front), as a group that keeps its order.
    pub(crate) fn move_by(&mut self, ids: &[JobId], places: isize) {
        if order::move_by(&mut self.order, ids, places) {
            self.reordered();
        }
    }

    /// When the next waiting job is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Queues the jobs that have waited long enough.
    pub(crate) fn queue_due(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.due.first()
            && due <= now
        {
            if !self.apply(id, Input::Retry) {
                self.due.remove(&(due, id));
            }
        }
    }

    /// Ids in order, of jobs in one of these phases.
    pub(crate) fn in_phase(&self, phases: &[Phase]) -> Vec<JobId> {
        let matches = |id: &&JobId| self.phase(**id).is_some_and(|phase| phases.contains(&phase));
        self.order.iter().filter(matches).copied().collect()
    }

    /// Rises with every change of order, membership or group.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What was requested by a job, and its name.
    pub(crate) fn asked(&self, id: JobId) -> Option<(NewJob, SafeText)> {
        self.jobs.get(&id).map(|job| (job.new.clone(), job.name.clone()))
    }

    /// What was requested by other jobs for this address that have not finished, and their names.
    pub(crate) fn others_for(&self, address: &Locator, but: JobId) -> Vec<(NewJob, SafeText)> {
        let is_other = |job: &&Job| {
            !matches!(job.phase, Phase::Done | Phase::Cancelled)
                && job.new.address.is_same_as(address)
                && job.id != but
        };
        self.for_path(address.path())
            .filter(is_other)
            .map(|job| (job.new.clone(), job.name.clone()))
            .collect()
    }

    /// Whether a job for this address waits, runs or is paused.
    pub(crate) fn is_queued(&self, address: &Locator) -> bool {
        let ended = [Phase::Done, Phase::Cancelled, Phase::Failed];
        self.for_path(address.path())
            .any(|job| !ended.contains(&job.phase) && job.new.address.is_same_request(address))
    }

    /// The jobs for a path, of all servers.
    fn for_path(&self, path: &str) -> impl Iterator<Item = &Job> {
        self.by_path.get(path).into_iter().flatten().filter_map(|id| self.jobs.get(id))
    }

    /// The server of a job.
    pub(crate) fn server(&self, id: JobId) -> Option<ServerId> {
        self.jobs.get(&id).map(|job| job.server)
    }

    /// Fails all jobs that wait for this server, in order: each with its name, and why.
    pub(crate) fn fail_waiting(
        &mut self,
        server: ServerId,
        trouble: &Trouble,
    ) -> Vec<(JobId, SafeText, Trouble)> {
        let waits = |id: &JobId| {
            let job = self.jobs.get(id)?;
            let waits = job.server == server
                && job.busy == Busy::No
                && matches!(job.phase, Phase::Queued | Phase::Waiting);
            waits.then(|| {
                let message = job.while_unreachable(&trouble.message);
                (*id, job.name.clone(), Trouble { message, ..trouble.clone() })
            })
        };
        let waiting: Vec<_> = self.order.iter().filter_map(waits).collect();
        for (id, _, trouble) in &waiting {
            self.apply(*id, Input::TimedOut);
            self.change(*id, |job| job.trouble = Some(trouble.clone()));
        }
        waiting
    }

    /// Changes the limit of a job. Returns its name.
    pub(crate) fn set_limit(&mut self, id: JobId, limit: Option<u64>) -> Option<SafeText> {
        self.change(id, |job| {
            job.limit = limit;
            job.name.clone()
        })
    }

    /// The name of a job.
    pub(crate) fn name(&self, id: JobId) -> Option<SafeText> {
        self.jobs.get(&id).map(|job| job.name.clone())
    }
}
