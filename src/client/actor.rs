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
    sync::{Notify, mpsc, watch},
    task::block_in_place,
    time::{MissedTickBehavior, interval, sleep_until, timeout_at},
};

use crate::text::SafeText;

use super::{
    Command, Config, Event, JobId, NewJob, TroubleKind,
    board::{Board, Slot},
    leftover,
    memory::Memory,
    pool::Pool,
    retry::Fault,
    worker::{self, Context, Outcome},
};

/// How often the counters of what runs are read.
const SAMPLE: Duration = Duration::from_millis(250);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);
/// How long transfers have to stop; what hangs longer is left behind.
const PATIENCE: Duration = Duration::from_millis(700);

/// What the actor is told.
#[derive(Debug)]
pub(super) enum Message {
    Command(Command),
    Ended { id: JobId, memory: Box<Memory>, outcome: Outcome },
}

/// See the module.
pub(super) struct Actor {
    config: Config,
    board: Arc<Board>,
    pool: Arc<Pool>,
    sender: mpsc::WeakUnboundedSender<Message>,
    messages: mpsc::UnboundedReceiver<Message>,
    /// A server has room for another connection.
    freed: Arc<Notify>,
    /// What stops the transfers that run.
    workers: HashMap<JobId, watch::Sender<bool>>,
    /// What jobs at rest remember.
    kept: HashMap<JobId, Memory>,
    /// What was removed while it ran, until its transfer has stopped.
    leaving: HashMap<JobId, (NewJob, SafeText)>,
    told: Instant,
    random: RandomState,
}

impl Actor {
    pub(super) fn new(
        config: Config,
        board: Arc<Board>,
        sender: mpsc::WeakUnboundedSender<Message>,
        messages: mpsc::UnboundedReceiver<Message>,
    ) -> Actor {
        Actor {
            pool: Arc::new(Pool::new(config.timeout, config.trust.clone())),
            config,
            board,
            sender,
            messages,
            freed: Arc::new(Notify::new()),
            workers: HashMap::new(),
            kept: HashMap::new(),
            leaving: HashMap::new(),
            told: Instant::now(),
            random: RandomState::new(),
        }
    }

    /// Works until told to stop, or until nobody holds the engine any more.
    pub(super) async fn run(mut self) {
        let mut samples = interval(SAMPLE);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_ready();
            let due = self.board.with(|state| state.queue.next_due());
            let wait = sleep_until(due.unwrap_or_else(Instant::now).into());
            tokio::select! {
                message = self.messages.recv() => match message {
                    None | Some(Message::Command(Command::Stop)) => break,
                    Some(Message::Command(command)) => self.command(command),
                    Some(Message::Ended { id, memory, outcome }) => self.ended(id, *memory, outcome),
                },
                () = self.freed.notified() => {}
                () = wait, if due.is_some() => {
                    self.board.with(|state| state.queue.queue_due(Instant::now()));
                }
                _ = samples.tick(), if !self.workers.is_empty() => self.sample(),
            }
        }
        self.stop().await;
    }

    /// Starts what may run. Jobs that wait for nothing but a connection get it from those that have several.
    fn start_ready(&mut self) {
        self.start_all();
        self.board.with(|state| {
            let may_run = self.workers.len() < state.jobs;
            let ready: Vec<_> = state.queue.ready_servers().filter(|_| may_run).collect();
            state.servers.want(ready.into_iter());
        });
    }

    fn start_all(&mut self) {
        loop {
            let started = self.board.with(|state| {
                if self.workers.len() >= state.jobs {
                    return None;
                }
                let id = state.queue.startable(|server| state.servers.has_room(server))?;
                Some((id, state.queue.start(id, Instant::now())?))
            });
            let Some((id, (new, server, progress))) = started else { return };
            let context = Context {
                id,
                new,
                board: Arc::clone(&self.board),
                pool: Arc::clone(&self.pool),
                progress,
                slot: Some(Slot::take(&self.board, server, &self.freed)),
                retries: self.config.retries,
                timeout: self.config.timeout,
                sync: self.config.sync,
                extract: self.config.extract,
                names: self.config.names,
            };
            let memory = self.kept.remove(&id).unwrap_or_default();
            let (stop, stopped) = watch::channel(false);
            self.workers.insert(id, stop);
            let sender = self.sender.clone();
            let work = tokio::spawn(worker::run(context, memory, stopped));
            tokio::spawn(async move {
                let (memory, outcome) = work.await.unwrap_or_else(|_| {
                    let fault =
                        Fault::never(TroubleKind::Other, "the transfer ended by a defect of this program");
                    (Memory::default(), Outcome::Fault { fault, progressed: false })
                });
                if let Some(sender) = sender.upgrade() {
                    let _ = sender.send(Message::Ended { id, memory: Box::new(memory), outcome });
                }
            });
        }
    }

    /// Deletes what was fetched of a job, in this run or an earlier one. `leaving`: jobs that leave the queue with it.
    fn discard(&mut self, id: JobId, memory: Option<Memory>, leaving: &[JobId]) {
        let asked = self.board.with(|state| state.queue.asked(id)).or_else(|| self.leaving.remove(&id));
        block_in_place(|| {
            if let Some(memory) = memory {
                memory.discard();
            }
            if let Some(job) = &asked {
                let is_gone = |other| other == id || leaving.contains(&other);
                let others = self.board.with(|state| state.queue.others_for(&job.0.address, is_gone));
                leftover::discard(&self.board.folders, self.config.names, job, &others);
            }
        });
        self.board.with(|state| state.queue.reset(id));
        self.board.release(id);
    }

    /// Reads the counters, and tells of them now and then.
    fn sample(&mut self) {
        let now = Instant::now();
        let samples = self.board.with(|state| state.queue.sample(now));
        if now.duration_since(self.told) < TELL - SAMPLE / 2 {
            return;
        }
        self.told = now;
        for sample in samples {
            self.board.tell(Event::Progress {
                id: sample.id,
                received: sample.received,
                size: sample.size,
                progress: sample.progress,
                files: sample.files,
                segments: sample.segments,
                speed: sample.speed,
            });
        }
    }

    /// Stops everything that runs, and waits for it, but not for what hangs. Where a job stands stays as it is: it
    /// was not paused by anybody.
    async fn stop(&mut self) {
        for stop in self.workers.values() {
            let _ = stop.send(true);
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.workers.is_empty() {
            match timeout_at(deadline, self.messages.recv()).await {
                Ok(Some(Message::Ended { id, memory, outcome })) => self.ended(id, *memory, outcome),
                Ok(Some(Message::Command(_))) => {}
                Ok(None) | Err(_) => return,
            }
        }
        self.kept.values_mut().for_each(Memory::close);
        let _ = timeout_at(deadline, self.pool.close()).await;
    }
}
