//! The engine's one task that decides: takes commands, starts, stops and retries transfers.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::block_in_place,
    time::{MissedTickBehavior, interval, sleep_until, timeout_at},
};

use crate::{protocol::address::Authority, text::SafeText, units};

use super::{
    Command, Config, Event, JobId, NewJob, NewServer, TroubleKind,
    board::{Board, Slot},
    leftover, listing,
    memory::Memory,
    phase::{Input, Phase},
    pool::Pool,
    queue::Ended,
    retry::{self, Fault, Verdict},
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

    fn command(&mut self, command: Command) {
        match command {
            Command::Add(jobs) => self.add(jobs),
            Command::Pause(ids) => ids.into_iter().for_each(|id| self.pause(id)),
            Command::Resume(ids) => self.each(ids, Input::Resume, "resumed"),
            Command::Retry(ids) => self.each(ids, Input::Retry, "resumed"),
            Command::Cancel(ids) => ids.into_iter().for_each(|id| self.cancel(id)),
            Command::Remove(ids) => self.remove(&ids),
            Command::Move(ids, places) => self.board.with(|state| state.queue.move_by(&ids, places)),
            Command::ClearFinished => {
                let done = self.board.with(|state| state.queue.in_phase(&[Phase::Done]));
                self.remove(&done);
            }
            Command::Trust(server) => self.trust(&server),
            Command::Reach(authority) => self.reach(&authority),
            Command::SetLimit(limit) => {
                self.board.limiter.set(limit.filter(|&limit| limit > 0));
                self.board.with(|state| state.queue.touch());
            }
            Command::SetJobs(jobs) => self.board.with(|state| {
                state.jobs = jobs.max(1);
                state.queue.touch();
            }),
            Command::SetSegments(segments) => self.board.with(|state| {
                state.segments = segments.max(1);
                state.queue.touch();
            }),
            Command::List { authority, path, after, answer } => {
                let pool = Arc::clone(&self.pool);
                tokio::spawn(async move {
                    // Nobody may be waiting any more.
                    let _ = answer.send(listing::list(&pool, &authority, &path, after).await);
                });
            }
            // Taken by the loop.
            Command::Stop => {}
        }
    }

    fn add(&mut self, jobs: Vec<NewJob>) {
        // Closed once nobody waits for the board.
        let mut forgotten = Vec::new();
        let events: Vec<_> = self.board.with(|state| {
            let at_rest = state.queue.in_phase(&[Phase::Failed, Phase::Paused, Phase::Cancelled]);
            let add = |new: NewJob| {
                let address = SafeText::new(&new.address.to_string());
                let server = state.servers.number(&new.address.authority, new.speak);
                let Some(id) = state.queue.at_rest_for(&new, &at_rest) else {
                    return Event::Queued { id: state.queue.add(new, server), address };
                };
                // It may be wanted in another way than before; what is on the disk tells the rest.
                forgotten.extend(self.kept.remove(&id));
                state.queue.ask_again(id, new, server);
                Event::Changed { id, name: state.queue.name(id).unwrap_or_default(), what: "resumed" }
            };
            jobs.into_iter().map(add).collect()
        });
        events.into_iter().for_each(|event| self.board.tell(event));
    }

    /// Somebody has looked at a server's certificate: what failed for it goes on.
    fn trust(&self, server: &NewServer) {
        let NewServer { authority, pin } = server;
        if let Err(error) = block_in_place(|| self.pool.servers().accept(authority, *pin)) {
            // It is accepted as long as this runs, and asked about again after that.
            tracing::warn!("{authority} could not be put among the known servers: {error}");
        }
        tracing::info!("{authority}: accepted with the certificate {pin}");
        let waiting = self.board.with(|state| state.queue.that_ask_about(server));
        self.each(waiting, Input::Retry, "resumed");
    }

    /// A server is reached in another way: what it has refused goes on.
    fn reach(&self, now: &Authority) {
        let refused = self.board.with(|state| {
            let servers = &mut state.servers;
            state.queue.reach(now, |new| servers.number(&new.address.authority, new.speak))
        });
        self.each(refused, Input::Retry, "resumed");
    }

    /// Gives a command to a job; whether it meant something.
    fn apply(&self, id: JobId, input: Input, what: &'static str) -> bool {
        let name = self.board.with(|state| {
            let name = state.queue.name(id)?;
            state.queue.command(id, input).then_some(name)
        });
        let Some(name) = name else { return false };
        self.changed(id, name, what);
        true
    }

    fn each(&self, ids: Vec<JobId>, input: Input, what: &'static str) {
        for id in ids {
            self.apply(id, input, what);
        }
    }

    /// Tells a transfer to stop; `false` if there is none.
    fn halt(&self, id: JobId) -> bool {
        self.workers.get(&id).is_some_and(|stop| stop.send(true).is_ok())
    }

    fn pause(&mut self, id: JobId) {
        if self.apply(id, Input::Pause, "paused")
            && !self.halt(id)
            && let Some(memory) = self.kept.get_mut(&id)
        {
            memory.close();
        }
    }

    fn cancel(&mut self, id: JobId) {
        if self.apply(id, Input::Cancel, "cancelled") && !self.halt(id) {
            let memory = self.kept.remove(&id);
            self.discard(id, memory);
        }
    }

    fn remove(&mut self, ids: &[JobId]) {
        for &id in ids {
            let phase = self.board.with(|state| state.queue.phase(id));
            let memory = self.kept.remove(&id);
            if self.halt(id) {
                // Its end finds no job any more, and deletes what has come of it.
                self.leaving.extend(self.board.with(|state| state.queue.asked(id)).map(|asked| (id, asked)));
                self.apply(id, Input::Cancel, "cancelled");
            } else if matches!(phase, None | Some(Phase::Done | Phase::Failed | Phase::Cancelled)) {
                self.board.release(id);
            } else {
                self.discard(id, memory);
            }
        }
        let removed = self.board.with(|state| state.queue.remove_all(ids));
        for (id, name) in removed {
            self.changed(id, name, "removed");
        }
    }

    /// Somebody wanted it so.
    fn changed(&self, id: JobId, name: SafeText, what: &'static str) {
        match what {
            // Out of sight is out of mind, and a whole queue may be cleared at once.
            "removed" => tracing::debug!("{name}: {what}"),
            _ => tracing::info!("{name}: {what}"),
        }
        self.board.tell(Event::Changed { id, name, what });
    }

    /// Deletes what was fetched of a job, in this run or an earlier one.
    fn discard(&mut self, id: JobId, memory: Option<Memory>) {
        let asked = self.board.with(|state| state.queue.asked(id)).or_else(|| self.leaving.remove(&id));
        block_in_place(|| {
            if let Some(memory) = memory {
                memory.discard();
            }
            if let Some((new, name)) = asked {
                leftover::discard(&self.board.folders, &new, &name);
            }
        });
        self.board.with(|state| state.queue.reset(id));
        self.board.release(id);
    }

    /// A transfer ended.
    fn ended(&mut self, id: JobId, mut memory: Memory, outcome: Outcome) {
        self.workers.remove(&id);
        let (ended, event) = self.judge(id, &memory, outcome);
        let before = self.board.with(|state| state.queue.phase(id));
        let phase = self.board.with(|state| state.queue.ended(id, ended));
        match phase {
            None | Some(Phase::Cancelled) => self.discard(id, Some(memory)),
            Some(Phase::Done) => self.board.release(id),
            Some(phase) => {
                // While it waits for the next try the `.part` stays locked; at rest others may have it.
                if phase != Phase::Waiting && phase != Phase::Queued {
                    memory.close();
                }
                if phase == Phase::Failed {
                    self.board.release(id);
                }
                self.kept.insert(id, memory);
            }
        }
        if phase != before
            && let Some(event) = event
        {
            self.board.tell(event);
        }
        if self.workers.is_empty() {
            self.board.with(|state| state.queue.at_rest());
        }
    }

    /// What the end of a transfer means for its job, and what is to be said of it.
    fn judge(&self, id: JobId, memory: &Memory, outcome: Outcome) -> (Ended, Option<Event>) {
        let name = self.board.with(|state| state.queue.name(id)).unwrap_or_default();
        let (fault, progressed) = match outcome {
            Outcome::Stopped => return (Ended::Stopped, None),
            Outcome::Done(finished) => {
                let size = units::bytes(finished.bytes);
                tracing::info!("{name}: done, {size}, BLAKE3 {}", finished.blake3);
                let name = finished
                    .path
                    .file_name()
                    .map_or(name, |name| SafeText::from_bytes(name.as_encoded_bytes()));
                let event = Event::Done { id, name, finished: finished.clone() };
                return (Ended::Finished(finished), Some(event));
            }
            Outcome::Fault { fault, progressed } => (fault, progressed),
        };
        let of = self.config.retries;
        let attempt = self.board.with(|state| state.queue.count_try(id, progressed));
        let mut trouble = fault.trouble;
        let after = match fault.verdict {
            Verdict::Again(after) if attempt <= of => Some(after),
            Verdict::StartOver | Verdict::Discard if attempt.max(memory.restarts) <= of => {
                let then = if memory.doubtful { "keeping what still matches" } else { "starting over" };
                trouble.message = SafeText::new(&format!("{}; {then}", trouble.message));
                Some(Duration::ZERO)
            }
            _ => None,
        };
        let Some(after) = after else {
            if attempt > 1 && fault.verdict != Verdict::Never {
                trouble.message = SafeText::new(&format!("{} (tried {attempt} times)", trouble.message));
            }
            tracing::warn!("{name}: failed, {}", trouble.message);
            return (Ended::Failed(trouble.clone()), Some(Event::Failed { id, name, trouble }));
        };
        let delay = retry::delay(attempt, after, self.random.hash_one((id, attempt)));
        let (seconds, reason) = (delay.as_secs_f64(), trouble.message.clone());
        tracing::warn!("{name}: {reason}; trying again in {seconds:.1} s ({attempt} of {of})");
        let event = Event::Retry { id, name, attempt, of, seconds, reason };
        (Ended::Again { trouble, due: Instant::now() + delay }, Some(event))
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
