//! The engine's one task that decides: takes commands, starts, stops and retries transfers.

mod commands;
mod outcome;

use std::{
    collections::HashMap,
    hash::RandomState,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, sleep_until, timeout_at},
};

use crate::client::{
    api::{
        command::{Command, JobId},
        config::Config,
        event::Event,
        trust::NewServer,
        view::TroubleKind,
    },
    engine::{permits, shared::Shared},
    error::Fault,
    job::{
        attempt::{Attempt, Outcome, Reports},
        deletions::Deletion,
        events::{Events, JobEvent},
        memory::Memory,
        placement::Placement,
        worker,
    },
    queue::{
        Resumed, Started,
        counters::{Counters, Counts},
        phase::Phase,
        schedule::ServerId,
    },
    source::{
        Source,
        fdsp::{pool::Pool, probe},
    },
    transfer::progress::Progress,
};

/// How often the counters of what runs are read.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);
/// How often progress is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How long transfers have to stop; a task that hangs longer is abandoned.
const STOP_TIMEOUT: Duration = Duration::from_millis(700);

/// What other tasks of the engine report to the actor.
#[derive(Debug)]
pub(crate) enum Message {
    /// The files of a job are closed; `event` is reported now.
    Closed { id: JobId, memory: Box<Memory>, event: Option<Box<Event>> },
    /// A server is trusted.
    Trusted(NewServer),
    /// A server that was unreachable was tried; with how many connections it serves at the same time, if it said so.
    Probed { server: ServerId, result: Result<Option<u32>, Fault> },
}

/// Both ends of a channel.
type Channel<T> = (mpsc::UnboundedSender<T>, mpsc::UnboundedReceiver<T>);

/// See the module.
pub(crate) struct Actor {
    config: Config,
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// What attempts report.
    jobs: Channel<(JobId, JobEvent)>,
    messages: Channel<Message>,
    /// What stops the transfers that run; one whose files are being closed still counts.
    workers: HashMap<JobId, watch::Sender<bool>>,
    /// What is known of jobs that no attempt works on.
    kept: HashMap<JobId, Memory>,
    /// When progress was last reported.
    reported: Instant,
    random: RandomState,
}

impl Actor {
    pub(crate) fn new(
        config: Config,
        shared: Arc<Shared>,
        pool: Arc<Pool>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Actor {
        Actor {
            config,
            shared,
            pool,
            commands,
            jobs: mpsc::unbounded_channel(),
            messages: mpsc::unbounded_channel(),
            workers: HashMap::new(),
            kept: HashMap::new(),
            reported: Instant::now(),
            random: RandomState::new(),
        }
    }

    /// Works until [`Command::Stop`], or until the engine is dropped.
    pub(crate) async fn run(mut self) {
        let mut samples = interval(SAMPLE_INTERVAL);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_ready();
            let now = Instant::now();
            self.probe(now);
            let due = self.shared.with(|state| {
                let server = state.servers.next_due(state.queue.ready_servers());
                state.queue.next_due().into_iter().chain(server).min()
            });
            let wait = sleep_until(due.unwrap_or_else(Instant::now).into());
            tokio::select! {
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.command(command),
                },
                Some((id, event)) = self.jobs.1.recv() => self.happened(id, event),
                Some(message) = self.messages.1.recv() => self.message(message),
                () = self.shared.freed.notified() => {}
                () = wait, if due.is_some() => {
                    self.shared.with(|state| state.queue.queue_due(Instant::now()));
                }
                _ = samples.tick(), if !self.workers.is_empty() => self.sample(),
            }
        }
        self.stop().await;
    }

    /// An attempt reports something.
    fn happened(&mut self, id: JobId, event: JobEvent) {
        match event {
            JobEvent::Answered(announced) => self.shared.answered(id, announced),
            JobEvent::Complete { size } => self.shared.with(|state| state.queue.complete(id, size)),
            JobEvent::Event(event) => self.shared.report(event),
            JobEvent::Ended { memory, outcome } => self.ended(id, *memory, outcome),
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Closed { id, memory, event } => self.closed(id, *memory, event),
            Message::Trusted(server) => self.trusted(&server),
            Message::Probed { server, result } => self.probed(server, result),
        }
    }

    /// Starts what may run. Jobs that wait for nothing but a connection get it from those that have several.
    fn start_ready(&mut self) {
        self.start_all();
        self.shared.with(|state| {
            let may_run = self.workers.len() < state.jobs;
            let ready: Vec<_> = state.queue.ready_servers().filter(|_| may_run).collect();
            state.servers.want(ready.into_iter());
        });
    }

    /// Tries the servers that could not be reached, if something waits for them and it is time to.
    fn probe(&self, now: Instant) {
        let due = self.shared.with(|state| state.servers.take_due(state.queue.ready_servers(), now));
        for (server, authority, speak) in due {
            let (pool, sender) = (Arc::clone(&self.pool), self.messages.0.clone());
            tokio::spawn(async move {
                let result = probe::probe(&pool, &authority, speak).await;
                let _ = sender.send(Message::Probed { server, result });
            });
        }
    }

    fn start_all(&mut self) {
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
            let Some((id, Started { new, name, server })) = started else { return };
            let permit = permits::take(&self.shared, server);
            let reports = Reports { server: Arc::clone(permit.server()), progress: Arc::clone(&progress) };
            let (limits, address) = (&self.shared.limits, new.address.clone());
            let source = Source::new(address, new.speak, &self.pool, &limits.bandwidth, Arc::new(reports));
            let attempt = Attempt {
                source,
                placement: Placement {
                    id,
                    new,
                    names: self.config.names,
                    folders: Arc::clone(&self.shared.folders),
                    claims: Arc::clone(&self.shared.claims),
                },
                events: Arc::new(Events::new(id, name, self.jobs.0.clone())),
                limits: Arc::clone(limits),
                deletions: Arc::clone(&self.shared.deletions),
                progress,
                permit: Some(permit),
                retries: self.config.retries,
                sync: self.config.sync,
                extract: self.config.extract,
            };
            let memory = self.kept.remove(&id).unwrap_or_default();
            let (stop, stopped) = watch::channel(false);
            self.workers.insert(id, stop);
            let sender = self.jobs.0.clone();
            let work = tokio::spawn(worker::run(attempt, memory, stopped));
            tokio::spawn(async move {
                let (memory, outcome) = work.await.unwrap_or_else(|_| {
                    let fault = Fault::never(TroubleKind::Other, "the transfer ended with an internal error");
                    (Memory::default(), Outcome::Fault { fault, progressed: false })
                });
                let _ = sender.send((id, JobEvent::Ended { memory: Box::new(memory), outcome }));
            });
        }
    }

    /// Requests the deletion of what was fetched of a job, in this run or an earlier one.
    fn discard(&mut self, id: JobId, memory: Option<Memory>) {
        self.shared.with(|state| state.queue.reset(id));
        self.shared.deletions.delete(Deletion::Job { id, memory: memory.map(Box::new) });
    }

    /// Closes the files of a job, so that other jobs can open them, and reports `event` then. That is done off this task; until
    /// it is done, the job cannot be started. `replaced`: the next attempt reads the state from the disk.
    fn close(&mut self, id: JobId, mut memory: Memory, event: Option<Event>, replaced: bool) {
        if !memory.is_open() {
            if !replaced {
                self.kept.insert(id, memory);
            }
            event.into_iter().for_each(|event| self.shared.report(event));
            return;
        }
        let has_failed = self.shared.with(|state| {
            state.queue.closing(id, replaced);
            state.queue.phase(id) == Some(Phase::Failed)
        });
        self.workers.insert(id, watch::channel(true).0);
        let sender = self.messages.0.clone();
        let closing = spawn_blocking(move || {
            // A paused job keeps its claim on the file.
            if has_failed {
                memory.remove_empty();
            }
            memory.close();
            memory
        });
        tokio::spawn(async move {
            let memory = Box::new(closing.await.unwrap_or_default());
            let _ = sender.send(Message::Closed { id, memory, event: event.map(Box::new) });
        });
    }

    /// The files of a job are closed.
    fn closed(&mut self, id: JobId, memory: Memory, event: Option<Box<Event>>) {
        self.workers.remove(&id);
        let (phase, replaced, discarded) = self.shared.with(|state| {
            let replaced = state.queue.is_replaced(id);
            state.queue.closed(id);
            (state.queue.phase(id), replaced, self.shared.deletions.noted(id).is_some())
        });
        match phase {
            // Cancelled or removed meanwhile.
            Some(Phase::Cancelled) => self.discard(id, Some(memory)),
            None if discarded => self.discard(id, Some(memory)),
            // What a failed one has left stays.
            None => {}
            Some(_) if replaced => {}
            Some(_) => drop(self.kept.insert(id, memory)),
        }
        // One that was resumed meanwhile has not failed any more.
        let event = event.filter(|_| phase == Some(Phase::Failed));
        event.into_iter().for_each(|event| self.shared.report(*event));
        if self.workers.is_empty() {
            self.shared.with(|state| state.queue.at_rest());
        }
    }

    /// Reads the counters, and reports progress once a second.
    fn sample(&mut self) {
        let now = Instant::now();
        let samples = self.shared.with(|state| state.queue.sample(now));
        if now.duration_since(self.reported) < REPORT_INTERVAL - SAMPLE_INTERVAL / 2 {
            return;
        }
        self.reported = now;
        samples.into_iter().for_each(|event| self.shared.report(event));
    }

    /// Stops everything that runs, and waits for it up to a timeout. Jobs keep their phase: the user has not paused them.
    async fn stop(&mut self) {
        for stop in self.workers.values() {
            let _ = stop.send(true);
        }
        self.shared.deletions.stop();
        let deadline = tokio::time::Instant::now() + STOP_TIMEOUT;
        while !self.workers.is_empty() {
            tokio::select! {
                Some((id, event)) = self.jobs.1.recv() => self.happened(id, event),
                Some(message) = self.messages.1.recv() => {
                    if let Message::Closed { id, memory, event } = message {
                        self.closed(id, *memory, event);
                    }
                }
                () = sleep_until(deadline) => return,
            }
        }
        let mut kept = std::mem::take(&mut self.kept);
        let closed = spawn_blocking(move || kept.values_mut().for_each(Memory::close));
        let _ = timeout_at(deadline, closed).await;
        let _ = timeout_at(deadline, self.shared.deletions.all_deleted()).await;
        let _ = timeout_at(deadline, self.pool.close()).await;
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
        }
    }
}
