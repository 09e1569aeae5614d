//! The engine's one task that decides: takes commands, starts, stops and retries transfers.

mod answers;
mod attempts;
mod changes;
mod commands;
mod limits;
mod outcome;
mod questions;
mod undo;

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

use self::{limits::Followed, undo::Undo};
use crate::client::{
    api::{command::Command, event::Event, job_id::JobId, settings::config::Config, trust::NewServer},
    engine::shared::Shared,
    error::Fault,
    job::{events::JobEvent, resume::JobResume},
    queue::schedule::ServerId,
    source::{Sources, limiter::Limiter},
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
    Closed { id: JobId, resume: Box<JobResume>, event: Option<Box<Event>> },
    /// A server is trusted.
    Trusted(NewServer),
    /// A server that was unreachable was tried; with how many connections it serves at the same time, if it announced that.
    Probed { server: ServerId, result: Result<Option<u32>, Fault> },
}

/// Both ends of a channel.
type Channel<T> = (mpsc::UnboundedSender<T>, mpsc::UnboundedReceiver<T>);

/// See the module.
pub(crate) struct Actor {
    config: Config,
    shared: Arc<Shared>,
    sources: Arc<Sources>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// What attempts report.
    jobs: Channel<(JobId, JobEvent)>,
    messages: Channel<Message>,
    /// What stops the transfers that run; one whose files are being closed still counts.
    workers: HashMap<JobId, watch::Sender<bool>>,
    /// The limiters of the transfers that run.
    limiters: HashMap<JobId, Arc<Limiter>>,
    /// The limits by the time of day.
    followed: Followed,
    /// What is known of jobs that no attempt works on.
    kept: HashMap<JobId, JobResume>,
    /// What can be undone.
    undo: Undo,
    /// When progress was last reported.
    reported: Instant,
    random: RandomState,
}

impl Actor {
    pub(crate) fn new(
        config: Config,
        shared: Arc<Shared>,
        sources: Arc<Sources>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Actor {
        Actor {
            config,
            shared,
            sources,
            commands,
            jobs: mpsc::unbounded_channel(),
            messages: mpsc::unbounded_channel(),
            workers: HashMap::new(),
            limiters: HashMap::new(),
            followed: Followed::default(),
            kept: HashMap::new(),
            undo: Undo::default(),
            reported: Instant::now(),
            random: RandomState::new(),
        }
    }

    /// Works until [`Command::Stop`], or until the engine is dropped.
    pub(crate) async fn run(mut self) {
        let mut samples = interval(SAMPLE_INTERVAL);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.undo.is_wanted {
                self.undo();
            }
            let now = Instant::now();
            let limit_due = self.follow_schedule(now);
            self.settle_due(now);
            self.start_ready();
            self.probe(now);
            let due = self.shared.with(|state| {
                let server = state.servers.next_due(state.queue.ready_servers());
                state.queue.next_due().into_iter().chain(server).chain(self.undo.due()).chain(limit_due).min()
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
            JobEvent::Expanded(files) => self.expanded(id, files),
            JobEvent::Event(event) => self.shared.report(event),
            JobEvent::Ended { resume, outcome } => self.ended(id, *resume, outcome),
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Closed { id, resume, event } => self.closed(id, *resume, event),
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
        for (server, at, speak) in due {
            let (sources, sender) = (Arc::clone(&self.sources), self.messages.0.clone());
            tokio::spawn(async move {
                let result = sources.probe(&at, speak).await;
                let _ = sender.send(Message::Probed { server, result });
            });
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
        let deadline = tokio::time::Instant::now() + STOP_TIMEOUT;
        if self.undo.due().is_some() {
            self.settle(|_| true);
            let _ = timeout_at(deadline - STOP_TIMEOUT / 2, self.shared.deletions.all_deleted()).await;
        }
        self.shared.deletions.stop();
        while !self.workers.is_empty() {
            tokio::select! {
                Some((id, event)) = self.jobs.1.recv() => self.happened(id, event),
                Some(message) = self.messages.1.recv() => {
                    if let Message::Closed { id, resume, event } = message {
                        self.closed(id, *resume, event);
                    }
                }
                () = sleep_until(deadline) => return,
            }
        }
        let mut kept = std::mem::take(&mut self.kept);
        let closed = spawn_blocking(move || kept.values_mut().for_each(JobResume::close));
        let _ = timeout_at(deadline, closed).await;
        let _ = timeout_at(deadline, self.shared.deletions.all_deleted()).await;
        let _ = timeout_at(deadline, self.sources.close()).await;
    }
}
