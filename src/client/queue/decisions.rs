//! What the user decides about a job: its question, other options, another address or place.

use std::{collections::HashSet, path::Path};

use crate::{
    client::{
        api::{
            job_id::JobId,
            new_job::NewJob,
            question::{Answer, Claimed, Question, QuestionKind},
            views::view::Trouble,
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
    job::{Busy, Job, first_name, target_of},
};

impl Queue {
    /// The question that a job waits for an answer to.
    pub(crate) fn question(&self, id: JobId) -> Option<Question> {
        self.jobs.get(&id).filter(|job| job.phase == Phase::Undecided)?.question().cloned()
    }

    /// Why a job has failed or waits.
    pub(crate) fn trouble(&self, id: JobId) -> Option<Trouble> {
        self.jobs.get(&id)?.trouble.clone()
    }

    /// Notes an answer to these questions for all jobs that are not done.
    pub(crate) fn answer_all(&mut self, kinds: &HashSet<QuestionKind>, answer: Answer) {
        self.forget_answers(kinds);
        for id in self.order.clone() {
            if self.phase(id) != Some(Phase::Done) {
                self.change(id, |job| job.answers.extend(kinds.iter().map(|kind| (*kind, answer))));
            }
        }
    }

    /// Forgets the answers to these questions that were given for all jobs.
    pub(crate) fn forget_answers(&mut self, kinds: &HashSet<QuestionKind>) {
        for job in self.jobs.values_mut() {
            job.answers.retain(|(kind, _)| !kinds.contains(kind));
        }
        self.touch();
    }

    /// The answer to a question of a job that was given for all jobs.
    pub(crate) fn answer_for_all(&self, id: JobId, kind: QuestionKind) -> Option<Answer> {
        let answers = &self.jobs.get(&id)?.answers;
        answers.iter().find(|(of, _)| *of == kind).map(|(_, answer)| *answer)
    }

    /// Jobs that wait until one of these jobs releases their target try again, and ask what is to be done.
    pub(crate) fn ask_for_targets(&mut self, of: &HashSet<JobId>) {
        for id in self.order.clone() {
            if self.target_holder(id).is_some_and(|by| of.contains(&by)) {
                self.apply(id, Input::Retry);
                self.change(id, |job| job.answers.retain(|(kind, _)| *kind != QuestionKind::Claimed));
            }
        }
    }

    /// The job that has the target that this one waits for.
    pub(crate) fn target_holder(&self, id: JobId) -> Option<JobId> {
        let job = self.jobs.get(&id).filter(|job| job.phase == Phase::Waiting)?;
        match job.trouble.as_ref()?.question.as_deref()? {
            Question::Claimed(Claimed { by, .. }) => *by,
            _ => None,
        }
    }

    /// Whether something of a job was received.
    pub(crate) fn has_received(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|job| job.received() > 0)
    }

    /// Changes the options of a job. What its transfer knows still counts.
    pub(crate) fn set_options(&mut self, id: JobId, change: impl FnOnce(&mut NewJob)) {
        self.change(id, |job| change(&mut job.new));
    }

    /// The next attempt of a job may begin again if its source has changed.
    pub(crate) fn allow_restart(&mut self, id: JobId) {
        self.change(id, |job| job.may_restart = true);
    }

    /// Replaces what a job requests. Its transfer may still run or be stopping: what that knows does not count.
    pub(crate) fn replace(&mut self, id: JobId, new: NewJob, server: ServerId) {
        let Some(before) = self.jobs.get(&id).map(|job| job.new.address.path().to_owned()) else { return };
        if let Some(same) = self.by_path.get_mut(&before) {
            same.remove(&id);
            if same.is_empty() {
                self.by_path.remove(&before);
            }
        }
        self.by_path.entry(new.address.path().to_owned()).or_default().insert(id);
        self.change(id, |job| {
            if job.busy == Busy::Yes && job.new != new {
                job.busy = Busy::Replaced;
            }
            job.address = SafeText::new(&new.address.to_string());
            if (&new.save_as, new.address.name()) != (&job.new.save_as, job.new.address.name()) {
                job.name = first_name(&new);
                job.folded = job.name.as_str().to_lowercase();
            }
            let name = Some(Path::new(job.name.as_str())).filter(|_| new.save_as.is_none());
            job.target = target_of(&new, name);
            (job.new, job.server) = (new, server);
        });
    }

    /// The user leaves a job as it is: it has failed.
    pub(crate) fn decline(&mut self, id: JobId) -> bool {
        let declined = self.apply(id, Input::Declined);
        self.change(id, |job| job.trouble.iter_mut().for_each(|trouble| trouble.question = None));
        declined
    }

    /// Asks about all jobs that wait for this server, in order, as about one that did not wait: each with its name.
    pub(crate) fn ask_waiting(&mut self, server: ServerId, trouble: &Trouble) -> Vec<(JobId, SafeText)> {
        let waits = |job: &Job| {
            let waits = matches!(job.phase, Phase::Queued | Phase::Waiting);
            (waits && job.server == server && job.busy == Busy::No).then(|| (job.id, job.name.clone()))
        };
        let waiting: Vec<_> =
            self.order.iter().filter_map(|id| self.jobs.get(id)).filter_map(waits).collect();
        for (id, _) in &waiting {
            self.apply(*id, Input::Asks);
            self.change(*id, |job| job.trouble = Some(trouble.clone()));
        }
        waiting
    }
}
