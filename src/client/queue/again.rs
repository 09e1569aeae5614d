//! Resumes jobs: their server is trusted, or reached with another token or pin, or they are requested again.

use std::collections::HashSet;

use crate::{
    client::{
        api::{
            address::locator::Server,
            job_id::JobId,
            new_job::NewJob,
            question::Question,
            trust::{Doubt, NewServer},
            views::view::TroubleKind,
        },
        queue::{
            phase::{Input, Phase},
            schedule::ServerId,
        },
    },
    text::SafeText,
};

use super::{
    Queue,
    job::{Busy, Job},
};

/// What a request for a job has led to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Requested {
    Added(JobId),
    Resumed(JobId),
}

impl Queue {
    /// Jobs that failed because this server was not known, and resume if it is accepted.
    pub(crate) fn that_ask_about(&self, server: &NewServer) -> Vec<JobId> {
        let asks = |id: &&JobId| {
            let question = self.jobs.get(*id).and_then(Job::question);
            matches!(question, Some(Question::Trust(Doubt::New(asked))) if asked.is(server))
        };
        self.order.iter().filter(asks).copied().collect()
    }

    /// Uses this token and pin for all jobs with this server that are not done. Returns how many jobs that
    /// changes, and those that it has refused, which can be retried with these. `number` gives the number of a job's server.
    pub(crate) fn reach(
        &mut self,
        now: &Server,
        mut number: impl FnMut(&NewJob) -> ServerId,
    ) -> (usize, Vec<JobId>) {
        let host = now.host();
        let is_of = |id: &JobId| {
            let job = self.jobs.get(id);
            job.is_some_and(|job| job.phase != Phase::Done && job.new.address.host() == host)
        };
        let of_it: Vec<_> = self.order.iter().copied().filter(is_of).collect();
        let (mut changed, mut refused) = (0, Vec::new());
        for id in of_it {
            let Some(job) = self.jobs.get(&id) else { continue };
            let why = job.trouble.as_ref().map(|trouble| trouble.kind);
            let at_rest = matches!(job.phase, Phase::Failed | Phase::Undecided);
            refused.extend((at_rest && why == Some(TroubleKind::Refused)).then_some(id));
            let mut new = job.new.clone();
            if new.address.follow(now) {
                changed += 1;
                let server = number(&new);
                self.change(id, |job| {
                    job.address = SafeText::new(&new.address.to_string());
                    (job.new, job.server) = (new, server);
                });
            }
        }
        (changed, refused)
    }

    /// All that failed, and those whose server is not trusted, in order.
    pub(crate) fn failed(&self) -> Vec<JobId> {
        let asks = |id: &JobId| matches!(self.jobs.get(id).and_then(Job::question), Some(Question::Trust(_)));
        let mut jobs = self.in_phase(&[Phase::Failed, Phase::Undecided]);
        jobs.retain(|id| self.phase(*id) == Some(Phase::Failed) || asks(id));
        jobs
    }

    /// All that wait or run, in order, but those whose content is only put in place.
    pub(crate) fn pausable(&self) -> Vec<JobId> {
        self.in_phase(&[Phase::Queued, Phase::Waiting, Phase::Connecting, Phase::Running])
    }

    /// Adds a job at the end, or resumes that of these jobs which would do the same, with the options of this request.
    pub(crate) fn request(&mut self, new: NewJob, server: ServerId, at_rest: &HashSet<JobId>) -> Requested {
        match self.at_rest_for(&new, at_rest) {
            Some(id) => {
                self.ask_again(id, new, server);
                Requested::Resumed(id)
            }
            None => Requested::Added(self.add(new, server)),
        }
    }

    /// The first of these jobs at rest that would do the same as a new one.
    pub(super) fn at_rest_for(&self, new: &NewJob, at_rest: &HashSet<JobId>) -> Option<JobId> {
        let same = |job: &&Job| {
            at_rest.contains(&job.id)
                && job.new.is_same_as(new)
                && job.new.address.is_same_request(&new.address)
        };
        self.for_path(new.address.path()).find(same).map(|job| job.id)
    }

    /// Resumes a job with the options of a new request. Its transfer may still be stopping.
    pub(super) fn ask_again(&mut self, id: JobId, new: NewJob, server: ServerId) {
        self.change(id, |job| {
            if job.busy == Busy::Yes && job.new != new {
                job.busy = Busy::Replaced;
            }
            job.address = SafeText::new(&new.address.to_string());
            (job.new, job.server) = (new, server);
        });
        let paused = self.phase(id) == Some(Phase::Paused);
        self.command(id, if paused { Input::Resume } else { Input::Retry });
    }
}
