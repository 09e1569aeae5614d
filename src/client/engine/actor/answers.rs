//! What the actor does with the answers of the user: to questions of jobs, and other addresses and places.

use std::collections::HashSet;

use crate::{
    client::{
        api::{
            command::Edit,
            job_id::JobId,
            new_job::{Existing, NewJob},
            question::{Answer, Claimed, Conflict, ConflictKind, Question, QuestionKind},
        },
        engine::actor::Actor,
        metalink::{self, MetalinkFile},
        queue::phase::{Input, Phase},
    },
    text::units,
};

/// What follows from the answer to a question of a job.
enum Then {
    /// Nothing more.
    Nothing,
    /// The job is tried again.
    Retry,
    /// The job is cancelled.
    Skip,
    /// The job is tried again, and this one, which has its target, is cancelled.
    Replace(JobId),
}

impl Actor {
    /// Answers the questions of these jobs; `for_all`: and all others of the same kinds, also those that are still to be asked.
    pub(super) fn answer(&mut self, ids: Vec<JobId>, answer: Answer, for_all: bool) {
        let kinds = if for_all { self.kinds(&ids) } else { HashSet::new() };
        let ids = self.shared.with(|state| {
            if kinds.is_empty() {
                return ids;
            }
            state.queue.answer_all(&kinds, answer);
            let undecided = state.queue.undecided().into_iter();
            undecided.filter(|(_, kind)| kinds.contains(kind)).map(|(id, _)| id).collect()
        });
        let (mut retried, mut cancelled) = (Vec::new(), Vec::new());
        for id in ids {
            match self.answer_one(id, answer) {
                Then::Nothing => {}
                Then::Retry => retried.push(id),
                Then::Skip => cancelled.push(id),
                Then::Replace(other) => {
                    retried.push(id);
                    if !cancelled.contains(&other) {
                        cancelled.push(other);
                    }
                }
            }
        }
        // Each is one line of the log, and one step to undo, however many jobs there are.
        if !cancelled.is_empty() {
            self.cancel_all(cancelled, kinds);
        }
        if !retried.is_empty() {
            self.again(retried, Input::Retry);
        }
    }

    fn kinds(&self, ids: &[JobId]) -> HashSet<QuestionKind> {
        let kind = |id: &JobId| self.shared.with(|state| state.queue.question(*id)).map(|asks| asks.kind());
        ids.iter().filter_map(kind).collect()
    }

    /// A job waits for a decision that the user may have made for all jobs.
    pub(super) fn answer_standing(&mut self, id: JobId, kind: QuestionKind) {
        if let Some(answer) = self.shared.with(|state| state.queue.answer_for_all(id, kind)) {
            self.answer(vec![id], answer, false);
        }
    }

    /// Answers the question of a job.
    fn answer_one(&mut self, id: JobId, answer: Answer) -> Then {
        let question = self.shared.with(|state| state.queue.question(id));
        let Some(question) = question.filter(|question| question.takes(answer)) else {
            return Then::Nothing;
        };
        match (question, answer) {
            (Question::Exists(Conflict { kind: ConflictKind::Unpacked, .. }), _) => {
                // The archive is in its place, and stays there.
                self.shared.with(|state| {
                    state.queue.set_options(id, |new| match answer {
                        Answer::Skip => new.extract = false,
                        _ => new.existing = Existing::Rename,
                    });
                });
                Then::Retry
            }
            (Question::Changed { .. }, Answer::Replace) => {
                self.shared.with(|state| state.queue.allow_restart(id));
                Then::Retry
            }
            (Question::Changed { .. }, _) => {
                self.shared.with(|state| state.queue.decline(id));
                Then::Nothing
            }
            (_, Answer::Skip) => Then::Skip,
            (Question::Claimed(Claimed { by, .. }), Answer::Replace) => by.map_or(Then::Retry, Then::Replace),
            (_, Answer::Update) => self.change(id, |new| new.existing = Existing::Update),
            (_, Answer::Replace) => self.change(id, |new| new.existing = Existing::Overwrite),
            (_, Answer::Keep) => self.change(id, |new| {
                new.note_earlier();
                new.existing = Existing::Rename;
            }),
        }
    }

    /// Requests a job from another address, or saves it elsewhere.
    pub(super) fn edit(&mut self, id: JobId, edit: Edit) {
        let then = self.change(id, |new| {
            new.note_earlier();
            match edit {
                // What the screen shows of an address has no token, and neither has what was typed into it.
                Edit::Address(address) => new.readdress(address),
                Edit::Path(path) => save_at(new, path),
            }
        });
        if matches!(then, Then::Retry) {
            self.again(vec![id], Input::Retry);
        }
    }

    /// The content of a job is a metalink: the job fetches its first file, and new ones the others.
    pub(super) fn expanded(&mut self, id: JobId, files: Vec<MetalinkFile>) {
        let Some((new, _)) = self.shared.with(|state| state.queue.asked(id)) else { return };
        let mut jobs = metalink::jobs(&new, files, self.config.names);
        if jobs.is_empty() {
            return;
        }
        let first = jobs.remove(0);
        tracing::info!("{}: a metalink of {} files", new.address, units::count(1 + jobs.len() as u64));
        self.change(id, |new| *new = first);
        if !jobs.is_empty() {
            self.add(jobs);
        }
    }

    /// Changes what a job requests, if it is not done. What was received is found by the next attempt.
    fn change(&mut self, id: JobId, change: impl FnOnce(&mut NewJob)) -> Then {
        let Some((mut new, _)) = self.shared.with(|state| state.queue.asked(id)) else {
            return Then::Nothing;
        };
        let before = new.clone();
        change(&mut new);
        new.earlier.dedup();
        let is_same = NewJob { earlier: before.earlier.clone(), ..new.clone() } == before;
        let phase = self.shared.with(|state| state.queue.phase(id));
        if is_same && phase != Some(Phase::Undecided) {
            return Then::Nothing;
        }
        match phase {
            None | Some(Phase::Done | Phase::Cancelled) => return Then::Nothing,
            Some(Phase::Paused | Phase::Failed | Phase::Undecided) => {}
            Some(_) => {
                self.shared.with(|state| state.queue.command(id, Input::Pause));
                self.halt(id);
            }
        }
        self.shared.with(|state| {
            let server = state.servers.number(&new.address, new.speak);
            state.queue.replace(id, new, server);
        });
        match self.kept.remove(&id) {
            // The next attempt finds on the disk what was received.
            Some(resume) => self.close(id, resume, None, true),
            None if self.workers.contains_key(&id) => {}
            None => self.shared.claims.release(id),
        }
        match phase {
            Some(Phase::Paused) => Then::Nothing,
            Some(Phase::Failed | Phase::Undecided) => Then::Retry,
            _ => {
                self.shared.with(|state| state.queue.command(id, Input::Resume));
                Then::Nothing
            }
        }
    }
}

/// Saves a job at this path: in this folder under the content's name, if it ends with a slash.
fn save_at(new: &mut NewJob, path: std::path::PathBuf) {
    let path = new.folder.join(path);
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        (new.folder, new.save_as) = (path, None);
        return;
    }
    if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
        (new.folder, new.save_as) = (folder.to_owned(), Some(name.into()));
    }
}
