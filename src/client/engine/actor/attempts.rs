//! Starts attempts, and closes or deletes the files that they leave.

use std::{sync::Arc, time::Instant};

use tokio::{sync::watch, task::spawn_blocking};

use super::{Actor, Message};
use crate::client::{
    api::{
        address::locator::Locator, content::share::SourceShare, content::sums::SumsAt, event::Event,
        job_id::JobId, new_job::NewJob, views::picture::Part, views::view::TroubleKind,
    },
    engine::permits,
    error::Fault,
    job::{
        attempt::{Attempt, Reports, Restart},
        deletions::Deletion,
        events::{Events, JobEvent, Outcome},
        placement::Placement,
        resume::JobResume,
        worker,
    },
    queue::{Counters, Counts, Resumed, Started, phase::Phase},
    source::observer::Observer,
    transfer::{limits::Limits, progress::Progress, supply::mirror::Mirror},
};

impl Actor {
    /// Starts an attempt of each job that may run.
    pub(super) fn start_all(&mut self) {
        loop {
            let mut progress = Arc::default();
            let started = self.shared.with(|state| {
                if self.workers.len() >= state.jobs {
                    return None;
                }
                let id = state.queue.startable(|server| state.servers.has_room(server))?;
                let counters = |Resumed { received, position }| -> Arc<dyn Counters> {
                    progress = Arc::new(Progress::new(received, position));
                    Arc::clone(&progress) as _
                };
                Some((id, state.queue.start(id, Instant::now(), counters)?))
            });
            let Some((id, Started { new, name, server, limit, may_restart })) = started else { return };
            let permit = permits::take(&self.shared, server);
            let reports = Reports { server: Arc::clone(permit.server()), progress: Arc::clone(&progress) };
            let limits = Arc::new(self.shared.limits.of_job(limit));
            self.limiters.insert(id, Arc::clone(&limits.bandwidth));
            let reports: Arc<dyn Observer> = Arc::new(reports);
            let at = |address, headers| {
                self.sources.source(address, headers, new.speak, &limits.bandwidth, Arc::clone(&reports))
            };
            // What a metalink has named is not what the user has given header fields for.
            let headers = new.described.is_none().then_some(&*new.headers);
            let source = at(&new.address, headers);
            let sums = match &new.sums {
                // Header fields belong to the server of the download.
                Some(SumsAt::Web(list)) => {
                    Some(at(list, headers.filter(|_| list.is_at_server_of(&new.address))))
                }
                _ => None,
            };
            let mirrors = self.mirrors(&new, &limits, &progress);
            let attempt = Attempt {
                source,
                sums,
                mirrors,
                placement: Placement {
                    id,
                    new,
                    names: self.config.names,
                    folders: Arc::clone(&self.shared.folders),
                    claims: Arc::clone(&self.shared.claims),
                },
                events: Arc::new(Events::new(id, name, self.jobs.0.clone())),
                limits,
                deletions: Arc::clone(&self.shared.deletions),
                progress,
                permit: Some(permit),
                retries: self.config.retries,
                restart: match (may_restart, self.config.asks) {
                    (true, _) => Restart::Agreed,
                    (false, true) => Restart::Asks,
                    (false, false) => Restart::Unasked,
                },
                sync: self.config.sync,
                extract: self.config.extract,
            };
            let resume = self.kept.remove(&id).unwrap_or_default();
            let (stop, stopped) = watch::channel(false);
            self.workers.insert(id, stop);
            let sender = self.jobs.0.clone();
            let work = tokio::spawn(worker::run(attempt, resume, stopped));
            tokio::spawn(async move {
                let (resume, outcome) = work.await.unwrap_or_else(|_| {
                    let fault = Fault::never(TroubleKind::Other, "the transfer ended with an internal error");
                    (JobResume::default(), Outcome::Fault { fault, progressed: false })
                });
                let _ = sender.send((id, JobEvent::Ended { resume: Box::new(resume), outcome }));
            });
        }
    }

    /// The other sources of a job.
    fn mirrors(&self, new: &NewJob, limits: &Limits, progress: &Arc<Progress>) -> Vec<Mirror> {
        let mirror = |(number, address): (usize, &Locator)| {
            let id = self.shared.with(|state| state.servers.number(address, new.speak));
            let server = permits::of(&self.shared, id);
            let reports = Reports { server: Arc::clone(&server), progress: Arc::clone(progress) };
            // Header fields belong to the server of the download.
            let headers = Some(&*new.headers)
                .filter(|_| new.described.is_none() && address.is_at_server_of(&new.address));
            let source =
                self.sources.source(address, headers, new.speak, &limits.bandwidth, Arc::new(reports));
            Mirror { number, source, server }
        };
        (1..).zip(&new.mirrors).map(mirror).collect()
    }

    /// Requests the deletion of what was fetched of a job, in this run or an earlier one.
    pub(super) fn discard(&mut self, id: JobId, resume: Option<JobResume>) {
        self.shared.with(|state| state.queue.reset(id));
        let files = resume.map(|resume| Box::new(resume) as _);
        self.shared.deletions.delete(Deletion::Job { id, files });
    }

    /// Closes the files of a job, so that other jobs can open them, and reports `event` then. That is done off this task; until
    /// it is done, the job cannot be started. `replaced`: the next attempt reads the state from the disk.
    pub(super) fn close(&mut self, id: JobId, mut resume: JobResume, event: Option<Event>, replaced: bool) {
        if !resume.is_open() {
            if replaced {
                self.shared.claims.release(id);
            } else {
                self.kept.insert(id, resume);
            }
            event.into_iter().for_each(|event| self.shared.report(event));
            return;
        }
        let has_failed = self.shared.with(|state| {
            state.queue.closing(id, replaced);
            matches!(state.queue.phase(id), Some(Phase::Failed | Phase::Undecided))
        });
        self.workers.insert(id, watch::channel(true).0);
        let sender = self.messages.0.clone();
        let closing = spawn_blocking(move || {
            // A paused job keeps its claim on the file.
            if has_failed {
                resume.file.remove_empty();
            }
            resume.close();
            resume
        });
        tokio::spawn(async move {
            let resume = Box::new(closing.await.unwrap_or_default());
            let _ = sender.send(Message::Closed { id, resume, event: event.map(Box::new) });
        });
    }

    /// The files of a job are closed.
    pub(super) fn closed(&mut self, id: JobId, resume: JobResume, event: Option<Box<Event>>) {
        self.workers.remove(&id);
        let (phase, replaced, discarded) = self.shared.with(|state| {
            let replaced = state.queue.is_replaced(id);
            state.queue.closed(id);
            (state.queue.phase(id), replaced, self.shared.deletions.noted(id).is_some())
        });
        match phase {
            // Cancelled or removed meanwhile.
            None | Some(Phase::Cancelled) if self.undo.has(id) => drop(self.kept.insert(id, resume)),
            Some(Phase::Cancelled) => self.discard(id, Some(resume)),
            None if discarded => self.discard(id, Some(resume)),
            // What a failed one has left stays.
            None => {}
            Some(_) if replaced => self.shared.claims.release(id),
            Some(_) => drop(self.kept.insert(id, resume)),
        }
        // One that was resumed meanwhile has not failed any more.
        let event = event.filter(|_| matches!(phase, Some(Phase::Failed | Phase::Undecided)));
        event.into_iter().for_each(|event| self.shared.report(*event));
        if self.workers.is_empty() {
            self.shared.with(|state| state.queue.at_rest());
        }
    }
}

impl Counters for Progress {
    fn read(&self) -> Counts {
        Counts {
            received: self.received(),
            verified: self.verified(),
            crossed: self.crossed(),
            position: self.position(),
            files: self.files(),
            segments: self.segments(),
            prepares: self.prepares(),
            hashed: self.hashed(),
        }
    }

    fn parts(&self, size: u64, parts: usize) -> Vec<Part> {
        self.map().parts(size, parts)
    }

    fn sources(&self) -> Vec<SourceShare> {
        self.shares()
    }
}
