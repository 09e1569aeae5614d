//! Jobs that a transfer works on: how it begins, what is read of it while it runs, and how it ends.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    client::{
        api::{
            content::announced::Announced,
            content::share::SourceShare,
            event::Event,
            job_id::JobId,
            new_job::NewJob,
            views::picture::Part,
            views::view::{Finished, Trouble, work},
        },
        queue::{
            phase::{Input, Phase},
            rates::{advance::Advance, recent::Recent, speed::Meter},
            schedule::ServerId,
        },
    },
    text::SafeText,
};

use super::{
    Queue,
    job::{Busy, Job, Live},
};

/// The counters of a transfer at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Bytes of the content that are on the local disk, verified or not.
    pub(crate) received: u64,
    /// Bytes of verified blocks or files.
    pub(crate) verified: u64,
    /// Bytes of content that crossed the wire in this attempt.
    pub(crate) crossed: u64,
    /// Progress: of a file the bytes received, of an archive those of its sources.
    pub(crate) position: u64,
    /// Complete files of a tree.
    pub(crate) files: u64,
    /// Connections on which content is received.
    pub(crate) segments: u64,
    /// A tree is listed and prepared, or the server last reported that it works on the answer.
    pub(crate) prepares: bool,
    /// Bytes that were read to verify the complete content.
    pub(crate) hashed: u64,
}

/// The counters of a transfer, which it changes while it runs.
pub(crate) trait Counters: fmt::Debug + Send + Sync {
    /// Reads them.
    fn read(&self) -> Counts;

    /// The parts of a content of `size` bytes; empty if they are not known.
    fn parts(&self, size: u64, parts: usize) -> Vec<Part>;

    /// What each source has contributed; empty if there is one.
    fn sources(&self) -> Vec<SourceShare> {
        Vec::new()
    }
}

/// Where a transfer resumes, by what the queue knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resumed {
    pub(crate) received: u64,
    pub(crate) position: u64,
}

/// What a transfer begins with.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) new: NewJob,
    pub(crate) name: SafeText,
    pub(crate) server: ServerId,
    pub(crate) limit: Option<u64>,
    /// The user lets it begin again if its source has changed.
    pub(crate) may_restart: bool,
}

/// How a transfer ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Finished(Finished),
    Failed(Trouble),
    /// Only the user can decide what follows.
    Undecided(Trouble),
    Again {
        trouble: Trouble,
        due: Instant,
    },
    /// The server cannot be reached.
    Unreachable,
    Stopped,
}

impl Queue {
    /// A transfer begins to work on a job.
    pub(crate) fn start(
        &mut self,
        id: JobId,
        now: Instant,
        counters: impl FnOnce(Resumed) -> Arc<dyn Counters>,
    ) -> Option<Started> {
        if !self.apply(id, Input::Start) {
            return None;
        }
        self.live.insert(id);
        self.change(id, |job| {
            let counters = counters(Resumed { received: job.received, position: job.position });
            job.busy = Busy::Yes;
            job.started = job.started.saturating_add(1);
            let (speed, advance) = (Meter::default(), Advance::default());
            job.live = Some(Box::new(Live { counters, speed, advance, sampled: None }));
            job.sample(now);
            let (server, limit, may_restart) = (job.server, job.limit, job.may_restart);
            Started { new: job.new.clone(), name: job.name.clone(), server, limit, may_restart }
        })
    }

    /// The server answered; `false` if that was known in this attempt, or the job is being stopped.
    pub(crate) fn answered(&mut self, id: JobId, announced: Announced) -> bool {
        let news = self.apply(id, Input::Answered);
        if news {
            self.change(id, |job| {
                job.may_restart = false;
                // Its partial file is where it is saved now.
                job.new.earlier.clear();
                job.folded = announced.name.as_str().to_lowercase();
                (job.name, job.target) = (announced.name, announced.target);
                (job.size, job.total, job.files) = (announced.size, announced.total, announced.files);
            });
        }
        news
    }

    /// All content is received.
    pub(crate) fn complete(&mut self, id: JobId, size: u64) {
        if self.apply(id, Input::Complete) {
            self.change(id, |job| job.size = Some(size));
        }
    }

    /// Counts a retry and returns its number.
    pub(crate) fn count_try(&mut self, id: JobId) -> u32 {
        let count = |job: &mut Job| {
            job.attempts += 1;
            job.busy_since = None;
            job.attempts
        };
        self.jobs.get_mut(&id).map_or(1, count)
    }

    /// An attempt received something: all earlier ones are forgotten.
    pub(crate) fn progressed(&mut self, id: JobId) {
        self.jobs.get_mut(&id).into_iter().for_each(|job| (job.attempts, job.busy_since) = (0, None));
    }

    /// The server was busy once more. Returns how often it was in a row, and since when.
    pub(crate) fn count_busy(&mut self, id: JobId, now: Instant) -> (u32, Instant) {
        let count = |job: &mut Job| {
            let (times, since) = job.busy_since.unwrap_or((0, now));
            *job.busy_since.insert((times + 1, since))
        };
        self.jobs.get_mut(&id).map_or((1, now), count)
    }

    /// Whether a job was requested with other options while its transfer was stopping or its files were being closed.
    pub(crate) fn is_replaced(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|job| job.busy == Busy::Replaced)
    }

    /// The transfer of a job ended. Returns the phase that it is in now.
    pub(crate) fn ended(&mut self, id: JobId, ended: Ended) -> Option<Phase> {
        self.live.remove(&id);
        let crossed = self.change(id, |job| {
            let counters = job.live.take()?.counters;
            let counts = counters.read();
            job.last = Some(counters);
            (job.received, job.position, job.files_done) = (counts.received, counts.position, counts.files);
            Some(counts.crossed)
        });
        self.crossed += crossed.flatten().unwrap_or(0);
        let input = match &ended {
            Ended::Finished(_) => Some(Input::Finished),
            Ended::Failed(_) => Some(Input::Failed),
            Ended::Undecided(_) => Some(Input::Asks),
            Ended::Again { .. } => Some(Input::Again),
            Ended::Unreachable => Some(Input::Unreachable),
            // The command that stopped it has moved it already.
            Ended::Stopped => None,
        };
        let moved = input.is_some_and(|input| self.apply(id, input));
        self.change(id, |job| {
            job.busy = Busy::No;
            match ended {
                _ if !moved => {}
                Ended::Finished(finished) => job.finish(finished),
                Ended::Failed(trouble) | Ended::Undecided(trouble) => job.trouble = Some(trouble),
                Ended::Again { trouble, due } => (job.trouble, job.due) = (Some(trouble), Some(due)),
                Ended::Unreachable | Ended::Stopped => {}
            }
            job.phase
        })
    }

    /// A job cannot be started while its files are being closed. `replaced`: what its transfer knows does not count.
    pub(crate) fn closing(&mut self, id: JobId, replaced: bool) {
        self.change(id, |job| job.busy = if replaced { Busy::Replaced } else { Busy::Yes });
    }

    /// The files of a job are closed.
    pub(crate) fn closed(&mut self, id: JobId) {
        self.change(id, |job| job.busy = Busy::No);
    }

    /// Reads the counters of running jobs, and returns their progress.
    pub(crate) fn sample(&mut self, now: Instant) -> Vec<Event> {
        let (progress, files) = self.sums.settled();
        let (mut crossed, mut advanced) = (self.crossed, work(progress, files).0);
        let (mut samples, mut local) = (Vec::with_capacity(self.live.len()), 0u64);
        for &id in &self.live {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            local = local.saturating_add(job.sample(now));
            let counts = job.counts().unwrap_or_default();
            crossed += counts.crossed;
            let done = job.progress().map(|progress| work(progress, job.files().unwrap_or_default()).0);
            advanced = advanced.saturating_add(done.unwrap_or(0));
            if job.phase == Phase::Running {
                samples.push(Event::Progress {
                    id,
                    received: job.received(),
                    verified: counts.verified,
                    size: job.size,
                    progress: job.total.filter(|_| job.total != job.size).and(job.progress()),
                    files: job.files(),
                    segments: counts.segments,
                    speed: job.live.as_ref().map_or(0.0, |live| live.speed.speed()),
                });
            }
        }
        let prepares = |id| self.jobs.get(id).is_some_and(Job::prepares);
        if !self.live.is_empty() && self.live.iter().all(prepares) {
            self.advance = Advance::default();
        }
        self.speed.sample(now, crossed);
        self.recent.sample(now, crossed);
        let receives = crossed > std::mem::replace(&mut self.crossed_last, crossed);
        self.advance.sample(now, advanced, local, receives);
        samples
    }

    /// Whether a transfer works on anything.
    pub(crate) fn is_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// Nothing runs any more: speeds are reset.
    pub(crate) fn at_rest(&mut self) {
        (self.speed, self.advance) = (Meter::default(), Advance::default());
        self.recent = Recent::default();
    }
}
