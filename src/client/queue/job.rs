//! One job of the queue, and its view.

use std::{path::Path, sync::Arc, time::Instant};

use crate::{
    client::{
        api::{
            job_id::JobId,
            new_job::NewJob,
            question::{Answer, Question, QuestionKind},
            saved::{SavedJob, SavedState},
            views::picture::{Part, Picture},
            views::view::{Finished, JobState, JobView, Trouble, work},
        },
        queue::{
            Counters, Counts,
            phase::Phase,
            rates::{advance::Advance, history::History, speed::Meter},
            schedule::{Outage, ServerId},
        },
    },
    text::{SafeText, units},
};

use super::sums::Contribution;

/// A job of the queue.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) new: NewJob,
    pub(super) server: ServerId,
    pub(super) address: SafeText,
    pub(super) name: SafeText,
    /// The name in lower case, for the filter.
    pub(super) folded: String,
    pub(super) target: SafeText,
    pub(super) phase: Phase,
    pub(super) busy: Busy,
    /// Retries since the last progress.
    pub(super) attempts: u32,
    /// Transfers that were started for it in this run.
    pub(super) started: u32,
    /// Attempts in a row for which the server was busy, and when the first one ended.
    pub(super) busy_since: Option<(u32, Instant)>,
    /// Waiting: until when.
    pub(super) due: Option<Instant>,
    /// Waiting or failed: why.
    pub(super) trouble: Option<Trouble>,
    /// The user lets it begin again if its source has changed.
    pub(super) may_restart: bool,
    /// Answers for all jobs, to questions that this one may still ask.
    pub(super) answers: Vec<(QuestionKind, Answer)>,
    pub(super) finished: Option<Finished>,
    pub(super) size: Option<u64>,
    /// What `position` rises to.
    pub(super) total: Option<u64>,
    /// Files of a tree.
    pub(super) files: Option<u64>,
    /// Bytes a second for this job.
    pub(super) limit: Option<u64>,
    /// As they were when the last transfer ended.
    pub(super) received: u64,
    pub(super) position: u64,
    pub(super) files_done: u64,
    pub(super) live: Option<Box<Live>>,
    /// The counters of the last transfer that ended, for the picture of what it has left.
    pub(super) last: Option<Arc<dyn Counters>>,
    pub(super) history: Option<Box<History>>,
}

/// Whether a transfer works on a job, or is still stopping, or its files are being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    No,
    Yes,
    /// The same, and meanwhile the job was requested with other options: the result of this transfer does not count.
    Replaced,
}

/// What is only needed while a transfer works on a job.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) counters: Arc<dyn Counters>,
    pub(super) speed: Meter,
    pub(super) advance: Advance,
    pub(super) sampled: Option<Sampled>,
}

/// The counters of a transfer when they were read last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampled {
    at: Instant,
    crossed: u64,
    advanced: u64,
}

impl Job {
    /// A job that nothing works on yet.
    pub(super) fn new(id: JobId, saved: SavedJob, server: ServerId) -> Job {
        let SavedJob { new, state, name, size, received, progress, files, limit, answers } = saved;
        let listed = new.listed.filter(|_| size.is_none() && progress.is_none());
        let target = target_of(&new, name.as_ref().map(|name| Path::new(name.as_str())));
        let name = name.unwrap_or_else(|| first_name(&new));
        let mut job = Job {
            id,
            server,
            address: SafeText::new(&new.address.to_string()),
            folded: name.as_str().to_lowercase(),
            name,
            target,
            new,
            phase: Phase::Queued,
            busy: Busy::No,
            attempts: 0,
            started: 0,
            busy_since: None,
            due: None,
            trouble: None,
            may_restart: false,
            answers,
            finished: None,
            size: size.or(listed),
            total: progress.map(|(_, total)| total).or(listed),
            files: files.map(|(_, files)| files),
            limit,
            received,
            position: progress.map_or(0, |(done, _)| done),
            files_done: files.map_or(0, |(done, _)| done),
            live: None,
            last: None,
            history: None,
        };
        match state {
            SavedState::Queued => {}
            SavedState::Paused => job.phase = Phase::Paused,
            SavedState::Cancelled => job.phase = Phase::Cancelled,
            SavedState::Failed(trouble) => (job.phase, job.trouble) = (Phase::Failed, Some(trouble)),
            SavedState::Undecided(trouble) => (job.phase, job.trouble) = (Phase::Undecided, Some(trouble)),
            SavedState::Done(finished) => {
                job.phase = Phase::Done;
                job.finish(finished);
            }
        }
        job
    }

    /// The content is in place.
    pub(super) fn finish(&mut self, finished: Finished) {
        self.size = Some(finished.bytes);
        self.received = finished.bytes;
        self.files_done = finished.files.unwrap_or(0);
        self.total = self.total.or(self.size);
        self.position = self.total.unwrap_or(0);
        self.target = SafeText::from_path(&finished.path);
        self.finished = Some(finished);
    }

    /// The job as the next engine is to find it.
    pub(super) fn saved(&self) -> SavedJob {
        let state = match (self.phase, &self.finished, &self.trouble) {
            (Phase::Done, Some(finished), _) => SavedState::Done(finished.clone()),
            // The server is asked again before the user is.
            (Phase::Failed | Phase::Undecided, _, Some(trouble)) if trouble.doubt().is_some() => {
                SavedState::Failed(Trouble { question: None, ..trouble.clone() })
            }
            (Phase::Failed, _, Some(trouble)) => SavedState::Failed(trouble.clone()),
            (Phase::Undecided, _, Some(trouble)) => SavedState::Undecided(trouble.clone()),
            (Phase::Paused, ..) => SavedState::Paused,
            (Phase::Cancelled, ..) => SavedState::Cancelled,
            _ => SavedState::Queued,
        };
        SavedJob {
            new: self.new.clone(),
            state,
            name: (self.name != first_name(&self.new)).then(|| self.name.clone()),
            size: self.size,
            received: self.received(),
            progress: self.progress(),
            files: self.files(),
            limit: self.limit,
            answers: self.answers.clone(),
        }
    }

    /// What the user can decide about it.
    pub(super) fn question(&self) -> Option<&Question> {
        let at_rest = matches!(self.phase, Phase::Failed | Phase::Undecided);
        self.trouble.as_ref().filter(|_| at_rest)?.question.as_deref()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Queued && self.busy == Busy::No
    }

    /// The counters of the transfer that works on it.
    pub(super) fn counts(&self) -> Option<Counts> {
        self.live.as_ref().map(|live| live.counters.read())
    }

    pub(super) fn received(&self) -> u64 {
        self.counts().map_or(self.received, |counts| counts.received)
    }

    /// While the complete content is read once more to be verified: how much of it.
    fn hashed(&self) -> Option<u64> {
        self.counts()
            .filter(|_| self.phase == Phase::Verifying)
            .map(|counts| counts.hashed)
            .filter(|hashed| *hashed > 0)
    }

    /// Done and total, once the total is known.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        let total = self.total?;
        let position = self.counts().map_or(self.position, |counts| counts.position);
        Some((position.min(total), total))
    }

    /// Files of a tree: complete, and in all.
    pub(super) fn files(&self) -> Option<(u64, u64)> {
        let done = self.counts().map_or(self.files_done, |counts| counts.files);
        self.files.map(|files| (done.min(files), files))
    }

    pub(super) fn contribution(&self) -> Contribution {
        let has_failed = matches!(self.phase, Phase::Failed | Phase::Cancelled);
        let at_rest = if has_failed || self.live.is_some() { None } else { self.progress() };
        let ended = has_failed || self.phase == Phase::Done;
        Contribution {
            phase: self.phase,
            unknown: !ended && self.live.is_none() && self.total.is_none(),
            progress: at_rest.unwrap_or_default(),
            files: at_rest.and(self.files()).unwrap_or_default(),
            ready: self.is_ready().then_some(self.server),
        }
    }

    /// Whether nothing is received yet, or the server only says that it works on the answer.
    pub(super) fn prepares(&self) -> bool {
        self.counts().is_some_and(|counts| counts.prepares)
    }

    /// Reads the counters of its transfer. Returns by how much local comparison has advanced it since the last time.
    pub(super) fn sample(&mut self, now: Instant) -> u64 {
        let mut local = 0;
        if let Some(live) = &mut self.live {
            let counts = live.counters.read();
            let files = if self.files.is_some() { counts.files } else { 0 };
            let (crossed, advanced) = (counts.crossed, work((counts.position, 0), (files, 0)).0);
            // The rate of later bytes is not that of the preparation.
            if self.phase == Phase::Connecting {
                live.speed = Meter::default();
            }
            if self.phase == Phase::Connecting || counts.prepares {
                live.advance = Advance::default();
            }
            live.speed.sample(now, crossed);
            let last = live.sampled.replace(Sampled { at: now, crossed, advanced });
            let receives = last.is_some_and(|last| crossed > last.crossed);
            if let Some(last) = last {
                if self.phase == Phase::Running {
                    let history = self.history.get_or_insert_default();
                    history.add(now.saturating_duration_since(last.at), crossed.saturating_sub(last.crossed));
                }
                if !receives || !live.advance.receives() {
                    let received = crossed.saturating_sub(last.crossed);
                    local = advanced.saturating_sub(last.advanced).saturating_sub(received);
                }
            }
            live.advance.sample(now, advanced, local, receives);
        }
        local
    }

    /// Why its server cannot be reached, and what the job needs it for if that is no longer the content.
    pub(super) fn while_unreachable(&self, reason: &SafeText) -> SafeText {
        let is_verified = self.new.address.speaks_v1(self.new.speak) && self.files.is_none();
        match self.size.filter(|size| is_verified && *size > 0 && *size == self.received()) {
            Some(size) => SafeText::new(&format!(
                "{reason}; all {} are received and verified, and the next try only asks the server whether they are one version",
                units::bytes(size)
            )),
            None => reason.clone(),
        }
    }

    fn state(&self, now: Instant, outage: Option<&Outage>) -> JobState {
        let reason = || self.trouble.as_ref().map(|trouble| trouble.message.clone()).unwrap_or_default();
        let left = |due: Instant| due.saturating_duration_since(now).as_secs_f64();
        match self.phase {
            Phase::Queued => match outage {
                Some(outage) => {
                    let reason = self.while_unreachable(&outage.reason);
                    JobState::Unreachable { seconds: outage.due.map(left), reason }
                }
                None => JobState::Queued,
            },
            Phase::Waiting => JobState::Waiting {
                seconds: self.due.map_or(0.0, left),
                attempt: self.attempts,
                reason: reason(),
            },
            Phase::Connecting => JobState::Connecting,
            Phase::Running => JobState::Running,
            Phase::Verifying => JobState::Verifying,
            Phase::Paused => JobState::Paused,
            Phase::Cancelled => JobState::Cancelled,
            Phase::Failed | Phase::Undecided | Phase::Done => match (&self.finished, &self.trouble) {
                (Some(finished), _) => JobState::Done(finished.clone()),
                (None, Some(trouble)) if self.phase == Phase::Undecided => {
                    JobState::Undecided(trouble.clone())
                }
                (None, Some(trouble)) => JobState::Failed(trouble.clone()),
                (None, None) => JobState::Cancelled,
            },
        }
    }

    /// What it has while its content is received.
    fn running(&self) -> Option<&Live> {
        self.live.as_deref().filter(|_| self.phase == Phase::Running)
    }

    /// Bytes a second over the last seconds.
    pub(super) fn rate(&self) -> Option<f64> {
        self.running()?.speed.known()
    }

    /// Seconds left, slowly filtered.
    pub(super) fn eta(&self) -> Option<f64> {
        let (done, total) = work(self.progress()?, self.files().unwrap_or_default());
        self.running()?.advance.eta(total - done)
    }

    /// The pictures, with this many parts of the content.
    pub(super) fn picture(&self, parts: usize) -> Picture {
        let counters = self.live.as_ref().map(|live| &live.counters).or(self.last.as_ref());
        let map = match (self.phase, self.size) {
            (Phase::Done, _) => vec![Part::Verified; parts],
            // The parts of an archive or a tree are not those of its size.
            (_, Some(size)) if self.files.is_none() && self.total == Some(size) => {
                counters.map(|counters| counters.parts(size, parts)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let (rates, seconds) =
            self.history.as_ref().map(|history| (history.rates(), history.seconds())).unwrap_or_default();
        Picture { rates, seconds, map }
    }

    pub(super) fn view(&self, now: Instant, outage: Option<&Outage>) -> JobView {
        let live = self.running();
        JobView {
            id: self.id,
            address: self.address.clone(),
            name: self.name.clone(),
            target: self.target.clone(),
            state: self.state(now, outage),
            size: self.size,
            received: self.received(),
            verified: live.and(self.counts()).map(|counts| counts.verified),
            hashed: self.hashed(),
            progress: self.progress(),
            files: self.files(),
            segments: live.and(self.counts()).map(|counts| counts.segments).filter(|&segments| segments > 0),
            speed: self.rate(),
            eta: self.eta(),
            prepares: self.prepares(),
            limit: self.limit,
            attempts: self.started,
            sources: live.map(|live| live.counters.sources()).unwrap_or_default(),
        }
    }
}

/// Where a job is saved, where that is known. `name`: what the server has announced.
pub(super) fn target_of(new: &NewJob, name: Option<&Path>) -> SafeText {
    match new.save_as.as_deref().or(name) {
        Some(path) => SafeText::from_path(&new.folder.join(path)),
        None => SafeText::from_path(&new.folder),
    }
}

/// The name before the server has announced one.
pub(crate) fn first_name(new: &NewJob) -> SafeText {
    match new.save_as.as_deref().and_then(Path::file_name) {
        Some(name) => SafeText::from_bytes(name.as_encoded_bytes()),
        None => SafeText::new(new.address.name().unwrap_or("/")),
    }
}
