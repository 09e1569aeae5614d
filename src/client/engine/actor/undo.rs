//! Undoes that jobs were cancelled or removed, as long as nothing of them is deleted.

use std::{
    collections::{HashSet, VecDeque},
    time::Instant,
};

use crate::client::{
    api::{
        event::{Change, Event},
        job_id::JobId,
        question::QuestionKind,
    },
    engine::actor::Actor,
    job::{deletions::Deletion, resume::JobResume},
    queue::{
        Removed,
        phase::{Input, Phase},
    },
};

use crate::text::SafeText;

use super::changes::log_changed;

/// What was done, until its partial files are deleted.
#[derive(Debug, Default)]
pub(super) struct Undo {
    steps: VecDeque<Step>,
    /// The jobs of all steps.
    ids: HashSet<JobId>,
    /// The last step is undone as soon as no transfer works on its jobs any more.
    pub(super) is_wanted: bool,
}

#[derive(Debug)]
struct Step {
    /// When the partial files are deleted.
    until: Instant,
    done: Done,
    /// It is what an answer to these questions for all jobs has led to.
    kinds: HashSet<QuestionKind>,
}

#[derive(Debug)]
pub(super) enum Done {
    /// With the phase of each job before.
    Cancelled(Vec<(JobId, Phase)>),
    Removed(Vec<Removed>),
}

impl Done {
    fn ids(&self) -> HashSet<JobId> {
        match self {
            Done::Cancelled(jobs) => jobs.iter().map(|(id, _)| *id).collect(),
            Done::Removed(jobs) => jobs.iter().map(Removed::id).collect(),
        }
    }
}

impl Undo {
    /// When the oldest step can no longer be undone.
    pub(super) fn due(&self) -> Option<Instant> {
        self.steps.front().map(|step| step.until)
    }

    /// When the step of a job can no longer be undone.
    pub(super) fn until(&self, id: JobId) -> Option<Instant> {
        let step = self.steps.iter().find(|step| step.done.ids().contains(&id))?;
        Some(step.until)
    }

    /// Whether what is left of a job may still be wanted.
    pub(super) fn has(&self, id: JobId) -> bool {
        self.ids.contains(&id)
    }
}

impl Actor {
    /// What is left of these jobs is kept until their step is due. Their transfers may still be stopping.
    pub(super) fn hold(&mut self, ids: &[JobId]) {
        self.undo.ids.extend(ids);
    }

    /// Notes a step that can be undone. `kinds`: it follows from an answer to these questions for all jobs.
    pub(super) fn note(&mut self, done: Done, kinds: HashSet<QuestionKind>) {
        self.undo.steps.push_back(Step { until: Instant::now() + self.config.undo_time, done, kinds });
        self.count_steps();
    }

    fn count_steps(&self) {
        let steps = self.undo.steps.len();
        self.shared.with(|state| state.undoable = steps);
    }

    /// Undoes the last step.
    pub(super) fn undo(&mut self) {
        self.undo.is_wanted = false;
        let Some(step) = self.undo.steps.pop_back() else { return };
        let ids = step.done.ids();
        if ids.iter().any(|id| self.workers.contains_key(id)) {
            self.undo.steps.push_back(step);
            self.undo.is_wanted = true;
            return;
        }
        self.undo.ids.retain(|id| !ids.contains(id));
        let names: Vec<_> = match step.done {
            Done::Cancelled(jobs) => {
                let again = |(id, before): &(JobId, Phase)| {
                    let name = self.apply(*id, Input::Retry, Change::Restored)?;
                    if *before == Phase::Paused {
                        self.shared.with(|state| state.queue.command(*id, Input::Pause));
                    }
                    Some(name)
                };
                jobs.iter().filter_map(again).collect()
            }
            Done::Removed(jobs) => {
                let names: Vec<_> = jobs.iter().map(|job| (job.id(), job.name().clone())).collect();
                ids.iter().for_each(|id| self.shared.deletions.withdraw(*id));
                self.shared.with(|state| state.queue.put_back(jobs));
                self.shared.urgent.notify_one();
                let restored = |(id, name): (JobId, SafeText)| {
                    self.shared.report(Event::Changed { id, name: name.clone(), what: Change::Restored });
                    name
                };
                names.into_iter().map(restored).collect()
            }
        };
        log_changed(&names, Change::Restored);
        self.ask_again(&ids, &step.kinds);
        self.count_steps();
    }

    /// What has led to a step that is undone is asked again: the answers for all jobs, and the jobs that wait for a target.
    fn ask_again(&mut self, ids: &HashSet<JobId>, kinds: &HashSet<QuestionKind>) {
        self.shared.with(|state| {
            state.queue.forget_answers(kinds);
            state.queue.ask_for_targets(ids);
        });
    }

    /// These jobs are tried now: nothing that has their targets can be restored any more.
    pub(super) fn release_targets(&mut self, of: &[JobId]) {
        let holders: HashSet<_> =
            self.shared.with(|state| of.iter().filter_map(|id| state.queue.target_holder(*id)).collect());
        if !holders.is_empty() {
            self.settle(|id| holders.contains(&id));
        }
    }

    /// These jobs are cancelled or removed once more, or something is queued that may need their names: nothing of
    /// earlier steps with them can be undone.
    pub(super) fn settle(&mut self, with: impl Fn(JobId) -> bool) {
        let steps = std::mem::take(&mut self.undo.steps);
        for step in steps {
            if step.done.ids().into_iter().any(&with) {
                self.finish(step);
            } else {
                self.undo.steps.push_back(step);
            }
        }
        self.count_steps();
    }

    /// Deletes what can no longer be undone.
    pub(super) fn settle_due(&mut self, now: Instant) {
        while self.undo.due().is_some_and(|due| due <= now)
            && let Some(step) = self.undo.steps.pop_front()
        {
            self.finish(step);
            self.count_steps();
        }
    }

    fn finish(&mut self, step: Step) {
        let ids = step.done.ids();
        self.undo.ids.retain(|id| !ids.contains(id));
        for id in ids {
            // The end of a transfer that still works on it deletes its partial files.
            let is_wanted = self.shared.deletions.noted(id).is_some() && !self.workers.contains_key(&id);
            match self.shared.with(|state| state.queue.phase(id)) {
                Some(Phase::Cancelled) if is_wanted => {
                    let resume = self.kept.remove(&id);
                    self.discard(id, resume);
                }
                None if is_wanted => {
                    let files = self.kept.remove(&id).map(|resume| Box::new(resume) as _);
                    self.shared.deletions.delete(Deletion::Job { id, files });
                }
                None => drop(self.kept.remove(&id)),
                Some(_) => {}
            }
        }
    }

    /// What was fetched of a job is not wanted any more: it is deleted, or closed as long as that can be undone.
    pub(super) fn dispose(&mut self, id: JobId, resume: Option<JobResume>) {
        match resume {
            Some(resume) if self.undo.has(id) => self.close(id, resume, None, false),
            None if self.undo.has(id) => {}
            resume => self.discard(id, resume),
        }
    }
}
