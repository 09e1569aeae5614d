//! The state of the queue: order, where each job stands, and the sums, kept up with each change. No I/O, and
//! time is an argument.

mod again;
mod job;
mod order;
mod sums;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
    time::Instant,
};

use crate::text::SafeText;

use self::{
    job::{Job, Live},
    sums::Sums,
};
use super::{
    Finished, JobId, JobView, KeptJob, NewJob, Totals, Trouble,
    phase::{Input, Phase},
    progress::Progress,
    schedule::ServerId,
    speed::{self, Meter},
};

/// What a server's answer tells of a job.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) name: SafeText,
    pub(super) target: SafeText,
    pub(super) size: Option<u64>,
    pub(super) total: Option<u64>,
    /// Bytes that need not come any more.
    pub(super) here: u64,
    /// Files of a tree.
    pub(super) files: Option<u64>,
}

/// How a transfer ended.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    Finished(Finished),
    Failed(Trouble),
    Again { trouble: Trouble, due: Instant },
    Stopped,
}

/// What is said of a running job now and then.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    pub(super) id: JobId,
    pub(super) received: u64,
    pub(super) size: Option<u64>,
    pub(super) progress: Option<(u64, u64)>,
    pub(super) files: Option<(u64, u64)>,
    pub(super) segments: u64,
    pub(super) speed: f64,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: Vec<JobId>,
    jobs: HashMap<JobId, Job>,
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
    speed: Meter,
    advance: Meter,
}

impl Queue {
    /// Adds a job at the end.
    pub(super) fn add(&mut self, new: NewJob, server: ServerId) -> JobId {
        self.restore(new.into(), server)
    }

    /// Adds a job that another engine left at the end.
    pub(super) fn restore(&mut self, kept: KeptJob, server: ServerId) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        let job = Job::new(id, kept, server);
        self.sums.add(&job.share());
        self.jobs.insert(id, job);
        self.order.push(id);
        self.reordered();
        id
    }

    /// The jobs as the next engine is to find them.
    pub(super) fn kept(&self) -> Vec<KeptJob> {
        self.order.iter().filter_map(|id| self.jobs.get(id)).map(Job::kept).collect()
    }

    /// Rises with every change of what is to be kept.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Something changed that is to be kept.
    pub(super) fn touch(&mut self) {
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
        self.sums.subtract(&job.share());
        let due = job.due;
        let result = work(job);
        self.sums.add(&job.share());
        if due != job.due {
            if let Some(due) = due {
                self.due.remove(&(due, id));
            }
            if let Some(due) = job.due {
                self.due.insert((due, id));
            }
        }
        if job.is_ready() {
            // Its place is not known here without a search; the next one who looks finds it.
            self.first_ready = 0;
        }
        Some(result)
    }

    /// Moves a job on; `false` if the input means nothing to it.
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

    /// Does what the user says; `false` if that means nothing to this job.
    pub(super) fn command(&mut self, id: JobId, input: Input) -> bool {
        let again = matches!(self.phase(id), Some(Phase::Failed | Phase::Cancelled));
        let done = self.apply(id, input);
        if done && again && input == Input::Retry {
            self.change(id, |job| job.attempts = 0);
        }
        done
    }

    /// Where a job stands.
    pub(super) fn phase(&self, id: JobId) -> Option<Phase> {
        self.jobs.get(&id).map(|job| job.phase)
    }

    /// The first job in order that can be started, given which servers have room.
    pub(super) fn startable(&mut self, has_room: impl Fn(ServerId) -> bool) -> Option<JobId> {
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

    /// The servers of jobs that could be started.
    pub(super) fn ready_servers(&self) -> impl Iterator<Item = ServerId> {
        self.sums.ready_servers()
    }

    /// A transfer begins to work on a job.
    pub(super) fn start(&mut self, id: JobId, now: Instant) -> Option<(NewJob, ServerId, Arc<Progress>)> {
        if !self.apply(id, Input::Start) {
            return None;
        }
        self.live.insert(id);
        self.change(id, |job| {
            let progress = Arc::new(Progress::new(job.received, job.position));
            job.busy = true;
            let (speed, advance) = (Meter::default(), Meter::default());
            job.live = Some(Box::new(Live { progress: Arc::clone(&progress), speed, advance }));
            job.sample(now);
            (job.new.clone(), job.server, progress)
        })
    }

    /// The server answered; `false` if this try knew that already, or nobody wants it any more.
    pub(super) fn answered(&mut self, id: JobId, announced: Announced) -> bool {
        let news = self.apply(id, Input::Answered);
        if news {
            self.change(id, |job| {
                job.folded = announced.name.as_str().to_lowercase();
                (job.name, job.target) = (announced.name, announced.target);
                (job.size, job.total, job.files) = (announced.size, announced.total, announced.files);
            });
        }
        news
    }

    /// All content came.
    pub(super) fn complete(&mut self, id: JobId, size: u64) {
        if self.apply(id, Input::Complete) {
            self.change(id, |job| job.size = Some(size));
        }
    }

    /// Number of the coming try after the first. `progressed`: this one brought something, and the count
    /// begins anew.
    pub(super) fn count_try(&mut self, id: JobId, progressed: bool) -> u32 {
        let count = |job: &mut Job| {
            job.attempts = if progressed { 1 } else { job.attempts + 1 };
            job.attempts
        };
        self.jobs.get_mut(&id).map_or(1, count)
    }

    /// The transfer of a job ended. Returns the phase that it is in now.
    pub(super) fn ended(&mut self, id: JobId, ended: Ended) -> Option<Phase> {
        self.live.remove(&id);
        let crossed = self.change(id, |job| {
            let live = job.live.take()?.progress;
            (job.received, job.position, job.files_done) = (live.verified(), live.position(), live.files());
            Some(live.crossed())
        });
        self.crossed += crossed.flatten().unwrap_or(0);
        let input = match &ended {
            Ended::Finished(_) => Some(Input::Finished),
            Ended::Failed(_) => Some(Input::Failed),
            Ended::Again { .. } => Some(Input::Again),
            // The command that stopped it has moved it already.
            Ended::Stopped => None,
        };
        let moved = input.is_some_and(|input| self.apply(id, input));
        self.change(id, |job| {
            job.busy = false;
            match ended {
                _ if !moved => {}
                Ended::Finished(finished) => job.finish(finished),
                Ended::Failed(trouble) => job.trouble = Some(trouble),
                Ended::Again { trouble, due } => (job.trouble, job.due) = (Some(trouble), Some(due)),
                Ended::Stopped => {}
            }
            job.phase
        })
    }

    /// What was fetched of a job is gone.
    pub(super) fn reset(&mut self, id: JobId) {
        self.change(id, |job| (job.received, job.position, job.files_done) = (0, 0, 0));
    }

    /// Takes jobs out; which, and their names.
    pub(super) fn remove_all(&mut self, ids: &[JobId]) -> Vec<(JobId, SafeText)> {
        let mut names = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(job) = self.jobs.remove(id) else { continue };
            self.sums.subtract(&job.share());
            if let Some(live) = &job.live {
                self.crossed += live.progress.crossed();
            }
            self.live.remove(id);
            if let Some(due) = job.due {
                self.due.remove(&(due, *id));
            }
            names.push((*id, job.name));
        }
        if !names.is_empty() {
            self.order.retain(|id| self.jobs.contains_key(id));
            self.reordered();
        }
        names
    }

    /// Moves jobs by so many places (negative: towards the front), as a group that keeps its order.
    pub(super) fn move_by(&mut self, ids: &[JobId], places: isize) {
        if order::move_by(&mut self.order, ids, places) {
            self.reordered();
        }
    }

    /// When the next waiting job is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Queues the jobs that have waited long enough.
    pub(super) fn queue_due(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.due.first()
            && due <= now
        {
            if !self.apply(id, Input::Retry) {
                self.due.remove(&(due, id));
            }
        }
    }

    /// Ids in order, of jobs in one of these phases.
    pub(super) fn in_phase(&self, phases: &[Phase]) -> Vec<JobId> {
        let matches = |id: &&JobId| self.phase(**id).is_some_and(|phase| phases.contains(&phase));
        self.order.iter().filter(matches).copied().collect()
    }

    /// Reads the counters of what runs; returns what is to be said of it.
    pub(super) fn sample(&mut self, now: Instant) -> Vec<Sampled> {
        let (mut crossed, mut advanced) = (self.crossed, self.sums.settled().0);
        let mut samples = Vec::with_capacity(self.live.len());
        for &id in &self.live {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            job.sample(now);
            crossed += job.live.as_ref().map_or(0, |live| live.progress.crossed());
            advanced = advanced.saturating_add(job.progress().map_or(0, |(done, _)| done));
            if job.phase == Phase::Running {
                samples.push(Sampled {
                    id,
                    received: job.received(),
                    size: job.size,
                    progress: job.total.filter(|_| job.total != job.size).and(job.progress()),
                    files: job.files(),
                    segments: job.live.as_ref().map_or(0, |live| live.progress.segments()),
                    speed: job.live.as_ref().map_or(0.0, |live| live.speed.speed()),
                });
            }
        }
        self.speed.sample(now, crossed);
        self.advance.sample(now, advanced);
        samples
    }

    /// Whether a transfer works on anything.
    pub(super) fn is_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// Nothing runs any more: speeds begin anew.
    pub(super) fn at_rest(&mut self) {
        (self.speed, self.advance) = (Meter::default(), Meter::default());
    }

    /// Rises with every change of order or membership.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// What was asked for by a job, and its name.
    pub(super) fn asked(&self, id: JobId) -> Option<(NewJob, SafeText)> {
        self.jobs.get(&id).map(|job| (job.new.clone(), job.name.clone()))
    }

    /// The name of a job.
    pub(super) fn name(&self, id: JobId) -> Option<SafeText> {
        self.jobs.get(&id).map(|job| job.name.clone())
    }

    /// Ids in order, of jobs whose name contains `filter`, ignoring case.
    pub(super) fn ids(&self, filter: &str) -> Vec<JobId> {
        if filter.is_empty() {
            return self.order.clone();
        }
        let filter = filter.to_lowercase();
        let matches = |id: &&JobId| self.jobs.get(id).is_some_and(|job| job.folded.contains(&filter));
        self.order.iter().filter(matches).copied().collect()
    }

    /// The rows at these places.
    pub(super) fn at(&self, rows: Range<usize>, now: Instant) -> Vec<JobView> {
        let end = rows.end.min(self.order.len());
        self.rows(&self.order[rows.start.min(end)..end], now)
    }

    /// The rows of these jobs, as far as there are such.
    pub(super) fn rows(&self, ids: &[JobId], now: Instant) -> Vec<JobView> {
        ids.iter().filter_map(|id| self.jobs.get(id)).map(|job| job.view(now)).collect()
    }

    /// The sums.
    pub(super) fn totals(&self, limit: Option<u64>) -> Totals {
        let mut progress = self.sums.settled();
        let counts = self.sums.counts();
        let mut unknown = counts.unknown;
        for job in self.live.iter().filter_map(|id| self.jobs.get(id)) {
            match job.progress() {
                Some((done, total)) => {
                    progress = (progress.0.saturating_add(done), progress.1.saturating_add(total));
                }
                None => unknown += 1,
            }
        }
        let remaining = progress.1.saturating_sub(progress.0);
        let rate = self.advance.slow_rate().filter(|_| !self.live.is_empty() && remaining > 0);
        Totals {
            speed: if self.live.is_empty() { 0.0 } else { self.speed.speed() },
            progress,
            unknown,
            eta: rate.and_then(|rate| speed::eta(remaining, rate)),
            limit,
            ..counts
        }
    }
}
