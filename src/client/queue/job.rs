//! One job as the queue keeps it, and as its faces see it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    client::{
        Finished, JobId, JobState, JobView, NewJob, Trouble, phase::Phase, progress::Progress,
        schedule::ServerId, speed::Meter,
    },
    text::SafeText,
};

use super::sums::Share;

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
    /// A transfer works on it, or is still stopping.
    pub(super) busy: bool,
    /// Tries after the first one since something last went well.
    pub(super) attempts: u32,
    /// Waiting: until when.
    pub(super) due: Option<Instant>,
    /// Waiting or failed: why.
    pub(super) trouble: Option<Trouble>,
    pub(super) finished: Option<Finished>,
    pub(super) size: Option<u64>,
    /// What `position` rises to.
    pub(super) total: Option<u64>,
    /// Files of a tree.
    pub(super) files: Option<u64>,
    /// As they were when the last transfer ended.
    pub(super) received: u64,
    pub(super) position: u64,
    pub(super) files_done: u64,
    pub(super) live: Option<Box<Live>>,
}

/// What is only needed while a transfer works on a job.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) progress: Arc<Progress>,
    pub(super) speed: Meter,
    pub(super) advance: Meter,
}

impl Job {
    /// A job that was just added.
    pub(super) fn new(id: JobId, new: NewJob, server: ServerId) -> Job {
        let given = new.save_as.as_deref().and_then(std::path::Path::file_name);
        let name = match given {
            Some(name) => SafeText::from_bytes(name.as_encoded_bytes()),
            None => SafeText::new(new.address.path.name().unwrap_or("/")),
        };
        let target = match &new.save_as {
            Some(path) => SafeText::from_path(&new.folder.join(path)),
            None => SafeText::from_path(&new.folder),
        };
        Job {
            id,
            server,
            address: SafeText::new(&new.address.to_string()),
            folded: name.as_str().to_lowercase(),
            name,
            target,
            new,
            phase: Phase::Queued,
            busy: false,
            attempts: 0,
            due: None,
            trouble: None,
            finished: None,
            size: None,
            total: None,
            files: None,
            received: 0,
            position: 0,
            files_done: 0,
            live: None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Queued && !self.busy
    }

    pub(super) fn received(&self) -> u64 {
        self.live.as_ref().map_or(self.received, |live| live.progress.verified())
    }

    /// Done and total, once the total is known.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        let total = self.total?;
        let position = self.live.as_ref().map_or(self.position, |live| live.progress.position());
        Some((position.min(total), total))
    }

    /// Files of a tree that are there, and in all.
    pub(super) fn files(&self) -> Option<(u64, u64)> {
        let done = self.live.as_ref().map_or(self.files_done, |live| live.progress.files());
        self.files.map(|files| (done.min(files), files))
    }

    pub(super) fn share(&self) -> Share {
        let given_up = matches!(self.phase, Phase::Failed | Phase::Cancelled);
        let at_rest = if given_up || self.live.is_some() { None } else { self.progress() };
        let ended = given_up || self.phase == Phase::Done;
        Share {
            phase: self.phase,
            unknown: !ended && self.live.is_none() && self.total.is_none(),
            progress: at_rest.unwrap_or_default(),
            ready: self.is_ready().then_some(self.server),
        }
    }

    pub(super) fn sample(&mut self, now: Instant) {
        if let Some(live) = &mut self.live {
            live.speed.sample(now, live.progress.crossed());
            live.advance.sample(now, live.progress.position());
        }
    }

    fn state(&self, now: Instant) -> JobState {
        let reason = || self.trouble.as_ref().map(|trouble| trouble.message.clone()).unwrap_or_default();
        match self.phase {
            Phase::Queued => JobState::Queued,
            Phase::Waiting => JobState::Waiting {
                seconds: self
                    .due
                    .map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
                    .as_secs_f64(),
                attempt: self.attempts,
                reason: reason(),
            },
            Phase::Connecting => JobState::Connecting,
            Phase::Running => JobState::Running,
            Phase::Verifying => JobState::Verifying,
            Phase::Paused => JobState::Paused,
            Phase::Cancelled => JobState::Cancelled,
            Phase::Failed | Phase::Done => match (&self.finished, &self.trouble) {
                (Some(finished), _) => JobState::Done(finished.clone()),
                (None, Some(trouble)) => JobState::Failed(trouble.clone()),
                (None, None) => JobState::Cancelled,
            },
        }
    }

    pub(super) fn view(&self, now: Instant) -> JobView {
        let progress = self.progress();
        let live = self.live.as_ref().filter(|_| self.phase == Phase::Running);
        let remaining = progress.map(|(done, total)| total - done);
        JobView {
            id: self.id,
            address: self.address.clone(),
            name: self.name.clone(),
            target: self.target.clone(),
            state: self.state(now),
            size: self.size,
            received: self.received(),
            progress,
            files: self.files(),
            speed: live.and_then(|live| live.speed.known()),
            eta: remaining.zip(live).and_then(|(remaining, live)| live.advance.eta(remaining)),
        }
    }
}
