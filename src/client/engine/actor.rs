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
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, sleep_until, timeout_at},
};

use crate::client::{
    api::{
        command::{Command, JobId},
        config::Config,
        event::Event,
        view::{NewServer, TroubleKind},
    },
    engine::{
        board::{Board, Slot},
        probe,
        reaper::Deletion,
    },
    error::Fault,
    job::{
        memory::Memory,
        worker::{self, Context, Outcome},
    },
    queue::{phase::Phase, schedule::ServerId},
    source::{patience::Timeouts, pool::Pool},
};

/// How often the counters of what runs are read.
const SAMPLE: Duration = Duration::from_millis(250);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);
/// How long transfers have to stop; what hangs longer is left behind.
const PATIENCE: Duration = Duration::from_millis(700);

/// What the actor is told.
#[derive(Debug)]
pub(crate) enum Message {
    Command(Command),
    Ended {
        id: JobId,
        memory: Box<Memory>,
        outcome: Outcome,
    },
    /// The files of a job are closed; what is to be said of it now.
    Closed {
        id: JobId,
        memory: Box<Memory>,
        event: Option<Box<Event>>,
    },
    /// A server is believed.
    Trusted(NewServer),
    /// A server that was unreachable was tried; with how many connections it serves at the same time, if it said so.
    Probed {
        server: ServerId,
        result: Result<Option<u32>, Fault>,
    },
}

/// See the module.
pub(crate) struct Actor {
    config: Config,
    board: Arc<Board>,
    pool: Arc<Pool>,
    sender: mpsc::WeakUnboundedSender<Message>,
    messages: mpsc::UnboundedReceiver<Message>,
    /// A server has room for another connection.
    freed: Arc<Notify>,
    /// What stops the transfers that run; one whose files are being closed still counts.
    workers: HashMap<JobId, watch::Sender<bool>>,
    /// What jobs at rest remember.
    kept: HashMap<JobId, Memory>,
    told: Instant,
    random: RandomState,
}

impl Actor {
    pub(crate) fn new(
        config: Config,
        board: Arc<Board>,
        sender: mpsc::WeakUnboundedSender<Message>,
        messages: mpsc::UnboundedReceiver<Message>,
    ) -> Actor {
        Actor {
            pool: Arc::new(Pool::new(Timeouts::of(&config), config.trust.clone())),
            config,
            board,
            sender,
            messages,
            freed: Arc::new(Notify::new()),
            workers: HashMap::new(),
            kept: HashMap::new(),
            told: Instant::now(),
            random: RandomState::new(),
        }
    }

    /// Works until told to stop, or until nobody holds the engine any more.
    pub(crate) async fn run(mut self) {
        let mut samples = interval(SAMPLE);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_ready();
            let now = Instant::now();
            self.probe(now);
            let due = self.board.with(|state| {
                let server = state.servers.next_due(state.queue.ready_servers());
                state.queue.next_due().into_iter().chain(server).min()
            });
            let wait = sleep_until(due.unwrap_or_else(Instant::now).into());
            tokio::select! {
                message = self.messages.recv() => match message {
                    None | Some(Message::Command(Command::Stop)) => break,
                    Some(Message::Command(command)) => self.command(command),
                    Some(Message::Ended { id, memory, outcome }) => self.ended(id, *memory, outcome),
                    Some(Message::Closed { id, memory, event }) => self.closed(id, *memory, event),
                    Some(Message::Trusted(server)) => self.trusted(&server),
                    Some(Message::Probed { server, result }) => self.probed(server, result),
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

    /// Tries the servers that could not be reached, if something waits for them and it is time to.
    fn probe(&self, now: Instant) {
        let due = self.board.with(|state| state.servers.take_due(state.queue.ready_servers(), now));
        for (server, authority, speak) in due {
            let (pool, sender) = (Arc::clone(&self.pool), self.sender.clone());
            tokio::spawn(async move {
                let result = probe::probe(&pool, &authority, speak).await;
                if let Some(sender) = sender.upgrade() {
                    let _ = sender.send(Message::Probed { server, result });
                }
            });
        }
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
                    let fault = Fault::never(TroubleKind::Other, "the transfer ended with an internal error");
                    (Memory::default(), Outcome::Fault { fault, progressed: false })
                });
                if let Some(sender) = sender.upgrade() {
                    let _ = sender.send(Message::Ended { id, memory: Box::new(memory), outcome });
                }
            });
        }
    }

    /// Has deleted what was fetched of a job, in this run or an earlier one.
    fn discard(&mut self, id: JobId, memory: Option<Memory>) {
        self.board.with(|state| state.queue.reset(id));
        self.board.delete(Deletion::Job { id, memory: memory.map(Box::new) });
    }

    /// Closes the files of a job, so that others may have them, and reports it then. The disk is not waited for here; until
    /// it is done, the job cannot be started. `replaced`: what is on the disk tells the next transfer everything.
    fn close(&mut self, id: JobId, mut memory: Memory, event: Option<Event>, replaced: bool) {
        if !memory.is_open() {
            if !replaced {
                self.kept.insert(id, memory);
            }
            event.into_iter().for_each(|event| self.board.tell(event));
            return;
        }
        let has_failed = self.board.with(|state| {
            state.queue.closing(id, replaced);
            state.queue.phase(id) == Some(Phase::Failed)
        });
        self.workers.insert(id, watch::channel(true).0);
        let sender = self.sender.clone();
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
            if let Some(sender) = sender.upgrade() {
                let _ = sender.send(Message::Closed { id, memory, event: event.map(Box::new) });
            }
        });
    }

    /// The files of a job are closed.
    fn closed(&mut self, id: JobId, memory: Memory, event: Option<Box<Event>>) {
        self.workers.remove(&id);
        let (phase, replaced, discarded) = self.board.with(|state| {
            let replaced = state.queue.is_replaced(id);
            state.queue.closed(id);
            (state.queue.phase(id), replaced, state.deleting.is_noted(id))
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
        event.into_iter().for_each(|event| self.board.tell(*event));
        if self.workers.is_empty() {
            self.board.with(|state| state.queue.at_rest());
        }
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
                verified: sample.verified,
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
        self.board.stop_deleting();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.workers.is_empty() {
            match timeout_at(deadline, self.messages.recv()).await {
                Ok(Some(Message::Ended { id, memory, outcome })) => self.ended(id, *memory, outcome),
                Ok(Some(Message::Closed { id, memory, event })) => self.closed(id, *memory, event),
                Ok(Some(Message::Command(_) | Message::Trusted(_) | Message::Probed { .. })) => {}
                Ok(None) | Err(_) => return,
            }
        }
        let mut kept = std::mem::take(&mut self.kept);
        let closed = spawn_blocking(move || kept.values_mut().for_each(Memory::close));
        let _ = timeout_at(deadline, closed).await;
        let _ = timeout_at(deadline, self.board.all_deleted()).await;
        let _ = timeout_at(deadline, self.pool.close()).await;
    }
}
