//! What the actor does on a command.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use tokio::task::spawn_blocking;

use crate::{
    client::{
        api::{
            address::locator::Server,
            command::Command,
            event::{Change, Event},
            job_id::JobId,
            new_job::NewJob,
            question::QuestionKind,
            trust::NewServer,
        },
        engine::actor::{Actor, Message, undo::Done},
        job::deletions::Deletion,
        queue::{
            Queue, Requested,
            phase::{Input, Phase},
        },
        trust::{AcceptedBy, Untrusted},
    },
    text::SafeText,
};

use super::changes::log_changed;

impl Actor {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Add(jobs) => self.add(jobs),
            Command::Pause(ids) => self.each(ids, Change::Paused, Actor::pause),
            Command::Resume(ids) => self.again(ids, Input::Resume),
            Command::Retry(ids) => {
                self.release_targets(&ids);
                self.again(ids, Input::Retry);
            }
            Command::PauseAll => match self.shared.with(|state| state.queue.pausable()) {
                none if none.is_empty() => {
                    let paused = self.shared.with(|state| state.queue.in_phase(&[Phase::Paused]));
                    self.again(paused, Input::Resume);
                }
                all => self.each(all, Change::Paused, Actor::pause),
            },
            Command::RetryFailed => {
                self.again(self.shared.with(|state| state.queue.failed()), Input::Retry);
            }
            Command::Cancel(ids) => self.cancel_all(ids, HashSet::new()),
            Command::Undo => self.undo(),
            Command::TryServers => self.try_servers(),
            Command::Remove(ids) => self.remove(&ids),
            Command::Move(ids, places) => self.shared.with(|state| state.queue.move_by(&ids, places)),
            Command::ClearFinished => {
                let done = self.shared.with(|state| state.queue.in_phase(&[Phase::Done]));
                self.remove(&done);
            }
            Command::Trust(server) => self.trust(server),
            Command::Reach(server) => self.reach(&server),
            Command::Answer { ids, answer, for_all } => self.answer(ids, answer, for_all),
            Command::Edit(id, edit) => self.edit(id, edit),
            Command::SetLimit(limit) => self.set_limit(limit),
            Command::SetJobLimit(ids, limit) => self.set_job_limit(ids, limit),
            Command::SetJobs(jobs) => self.shared.with(|state| {
                state.jobs = jobs.max(1);
                state.queue.touch();
            }),
            Command::SetSegments(segments) => {
                self.shared.limits.set_connections(segments);
                self.shared.with(|state| state.queue.touch());
            }
            // Taken by the loop.
            Command::Stop => {}
        }
    }

    pub(super) fn add(&mut self, jobs: Vec<NewJob>) {
        let now = Instant::now();
        // Closed without the lock.
        let mut forgotten = Vec::new();
        let events: Vec<_> = self.shared.with(|state| {
            let at_rest =
                state.queue.in_phase(&[Phase::Failed, Phase::Undecided, Phase::Paused, Phase::Cancelled]);
            let at_rest = at_rest.into_iter().collect();
            let add = |new: NewJob| {
                let address = SafeText::new(&new.address.to_string());
                let server = state.servers.number(&new.address, new.speak);
                state.servers.try_now(server, now);
                match state.queue.request(new, server, &at_rest) {
                    Requested::Added(id) => Event::Queued { id, address },
                    Requested::Resumed(id) => {
                        // It may have other options than before; the disk knows the rest.
                        forgotten.extend(self.kept.remove(&id));
                        self.shared.deletions.withdraw(id);
                        let name = state.queue.name(id).unwrap_or_default();
                        Event::Changed { id, name, what: Change::Resumed }
                    }
                }
            };
            jobs.into_iter().map(add).collect()
        });
        // What was cancelled or removed may have the names of what is new.
        if events.iter().any(|event| matches!(event, Event::Queued { .. })) {
            self.settle(|_| true);
        }
        events.into_iter().for_each(|event| self.shared.report(event));
    }

    /// Tries all servers now that cannot be reached and for which jobs wait.
    fn try_servers(&self) {
        let now = Instant::now();
        self.shared.with(|state| {
            let waiting: Vec<_> = state.queue.ready_servers().collect();
            for server in waiting {
                state.servers.try_now(server, now);
            }
        });
    }

    /// The user has accepted a server's certificate. The file of the known servers may be locked for a while.
    fn trust(&self, server: NewServer) {
        let (servers, sender) = (Arc::clone(self.sources.servers()), self.messages.0.clone());
        spawn_blocking(move || {
            let NewServer { server: at, pin } = &server;
            match servers.accept(&at.host(), *pin, AcceptedBy::User) {
                Ok(()) => tracing::info!("{at}: accepted with the certificate {pin}"),
                // It is accepted for this run only.
                Err(Untrusted::File(error)) => {
                    tracing::warn!("{at} could not be added to the known servers: {error}");
                }
                // The jobs report that when they are retried.
                Err(_) => tracing::warn!("{at}: another certificate than {pin} was accepted before"),
            }
            let _ = sender.send(Message::Trusted(server));
        });
    }

    /// Retries what failed for a server that is trusted now.
    pub(super) fn trusted(&self, server: &NewServer) {
        let waiting = self.shared.with(|state| state.queue.that_ask_about(server));
        self.again(waiting, Input::Retry);
    }

    /// A server is reached with another token or pin: the jobs that it has refused are retried.
    fn reach(&self, now: &Server) {
        let (changed, refused) = self.shared.with(|state| {
            let servers = &mut state.servers;
            state.queue.reach(now, |new| servers.number(&new.address, new.speak))
        });
        if changed > 0 {
            tracing::info!("{now}: {changed} downloads are asked for with the token and the pin named last");
        }
        self.again(refused, Input::Retry);
    }

    /// Does something to each of these jobs, and logs it once.
    pub(super) fn each(
        &mut self,
        ids: Vec<JobId>,
        what: Change,
        act: fn(&mut Actor, JobId) -> Option<SafeText>,
    ) {
        let names: Vec<_> = ids.into_iter().filter_map(|id| act(self, id)).collect();
        log_changed(&names, what);
    }

    /// Applies a command to a job. Returns its name if its phase took it.
    pub(super) fn apply(&self, id: JobId, input: Input, what: Change) -> Option<SafeText> {
        let name = self.shared.with(|state| {
            let name = state.queue.name(id).filter(|_| state.queue.command(id, input))?;
            match input {
                Input::Cancel => self.note_deletion(&state.queue, id),
                _ => self.shared.deletions.withdraw(id),
            }
            Some(name)
        })?;
        if input == Input::Cancel {
            self.shared.urgent.notify_one();
        }
        self.shared.report(Event::Changed { id, name: name.clone(), what });
        Some(name)
    }

    /// Notes that the partial files of a job are to be deleted.
    fn note_deletion(&self, queue: &Queue, id: JobId) {
        if let Some(job) = queue.asked(id) {
            self.shared.deletions.note(id, job);
        }
    }

    /// Resumes jobs. Servers of theirs that could not be reached are tried now.
    pub(super) fn again(&self, ids: Vec<JobId>, input: Input) {
        let now = Instant::now();
        let mut names = Vec::new();
        for id in ids {
            names.extend(self.apply(id, input, Change::Resumed));
            self.shared.with(|state| state.queue.server(id).map(|server| state.servers.try_now(server, now)));
        }
        log_changed(&names, Change::Resumed);
    }

    /// Stops a transfer. Returns whether the job had one. Its end is reported later.
    pub(super) fn halt(&self, id: JobId) -> bool {
        // One that has ended by itself is about to report it.
        self.workers.get(&id).map(|stop| stop.send(true)).is_some()
    }

    fn pause(&mut self, id: JobId) -> Option<SafeText> {
        let name = self.apply(id, Input::Pause, Change::Paused)?;
        if !self.halt(id)
            && let Some(resume) = self.kept.remove(&id)
        {
            self.close(id, resume, None, false);
        }
        Some(name)
    }

    pub(super) fn cancel(&mut self, id: JobId) -> Option<SafeText> {
        let name = self.apply(id, Input::Cancel, Change::Cancelled)?;
        if !self.halt(id) {
            let resume = self.kept.remove(&id);
            self.dispose(id, resume);
        }
        Some(name)
    }

    /// Cancels jobs. `kinds`: that follows from an answer to these questions for all jobs.
    pub(super) fn cancel_all(&mut self, ids: Vec<JobId>, kinds: HashSet<QuestionKind>) {
        if self.config.undo_time.is_zero() {
            return self.each(ids, Change::Cancelled, Actor::cancel);
        }
        let again: HashSet<_> = ids.iter().copied().collect();
        self.settle(|id| again.contains(&id));
        let phases = self.shared.with(|state| {
            let phase = |id: &JobId| {
                Some((*id, state.queue.phase(*id)?.next(Input::Cancel).and(state.queue.phase(*id))?))
            };
            ids.iter().filter_map(phase).collect::<Vec<_>>()
        });
        self.hold(&ids);
        self.each(ids, Change::Cancelled, Actor::cancel);
        if !phases.is_empty() {
            self.note(Done::Cancelled(phases), kinds);
        }
    }

    fn remove(&mut self, ids: &[JobId]) {
        let holds = !self.config.undo_time.is_zero();
        let chosen: HashSet<_> = ids.iter().copied().collect();
        self.settle(|id| chosen.contains(&id));
        if holds {
            self.hold(ids);
        }
        let mut phases = HashMap::new();
        let mut unwanted = Vec::new();
        for &id in ids {
            let phase = self.shared.with(|state| state.queue.phase(id));
            phases.extend(phase.map(|phase| (id, phase)));
            match phase {
                Some(Phase::Done | Phase::Failed | Phase::Cancelled) | None => self.shared.claims.release(id),
                // Its end finds no job any more, and deletes its partial files.
                Some(_) if self.halt(id) => drop(self.apply(id, Input::Cancel, Change::Cancelled)),
                Some(_) => unwanted.push(id),
            }
        }
        let mut removed = self.shared.with(|state| {
            unwanted.iter().for_each(|id| self.note_deletion(&state.queue, *id));
            state.queue.take_out(ids)
        });
        self.shared.urgent.notify_one();
        for job in &mut removed {
            let (id, name) = (job.id(), job.name().clone());
            // A whole queue may be cleared at once.
            tracing::debug!("{name}: removed");
            self.shared.report(Event::Changed { id, name, what: Change::Removed });
            phases.remove(&id).into_iter().for_each(|phase| job.set_phase(phase));
        }
        if holds && !removed.is_empty() {
            return self.note(Done::Removed(removed), HashSet::new());
        }
        // They find nothing of each other in the queue.
        for id in unwanted {
            let files = self.kept.remove(&id).map(|resume| Box::new(resume) as _);
            self.shared.deletions.delete(Deletion::Job { id, files });
        }
        ids.iter().for_each(|id| drop(self.kept.remove(id)));
    }
}

#[cfg(test)]
mod tests;
