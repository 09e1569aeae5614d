//! The engine as faces use it: a runtime of its own, commands in, snapshots out.

pub(crate) mod actor;
pub(crate) mod permits;
pub(crate) mod reaper;
pub(crate) mod shared;

use std::{
    fmt, io,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
};

use crate::{
    client::{
        api::{
            address::locator::{Locator, Server},
            command::Command,
            event::Event,
            job_id::JobId,
            question::QuestionKind,
            saved::{SavedJob, SavedQueue, SavedState},
            settings::config::{Config, Names},
            speak::Speak,
            views::arrange::{Arranged, Sort},
            views::picture::Picture,
            views::view::{JobView, LostServer, Snapshot, Totals, Trouble},
        },
        disk::present::are_present,
        engine::{actor::Actor, shared::Shared},
        queue::schedule::Outage,
        source::{Sources, timeouts::Timeouts},
    },
    platform,
    protocol::message::Entries,
    text::SafeText,
};

/// How long stopping may take, whatever hangs.
const STOPPING: Duration = Duration::from_secs(1);
/// Threads that move bytes; more would not make one machine's network any faster.
const THREADS: usize = 4;

/// A running engine. Dropping it stops it as [`Command::Stop`] does.
pub struct Engine {
    shared: Arc<Shared>,
    sources: Arc<Sources>,
    mailbox: mpsc::UnboundedSender<Command>,
    stopped: Arc<Stopped>,
    runtime: Option<Runtime>,
    names: Names,
}

/// Set once the engine has stopped.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stopped {
    pub(crate) fn set(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait(&self, timeout: Duration) {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(stopped, timeout, |stopped| !*stopped);
    }
}

/// Starts an engine on a runtime of its own. Events are sent to the receiver, which must be drained.
///
/// # Errors
/// The system gives no threads.
pub fn start(config: Config) -> io::Result<(Engine, mpsc::UnboundedReceiver<Event>)> {
    resume(config, Vec::new())
}

/// Starts an engine as [`start`] does, with the queue that an earlier one left.
///
/// # Errors
/// The system gives no threads.
pub fn resume(config: Config, queue: Vec<SavedJob>) -> io::Result<(Engine, mpsc::UnboundedReceiver<Event>)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, THREADS);
    // While a thread waits for the disk, another one runs in its place; and there is one for timers and sockets.
    platform::check_threads(2 * threads + 1)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("fdsp-client")
        .enable_all()
        .build()?;
    let (events, received) = mpsc::unbounded_channel();
    let (mailbox, commands) = mpsc::unbounded_channel();
    let (shared, requests) = Shared::new(&config, events);
    let shared = Arc::new(shared);
    runtime.spawn(reaper::run(Arc::clone(&shared), config.names, requests));
    restore(&shared, queue, config.asks);
    let stopped = Arc::new(Stopped::default());
    let sources = Arc::new(Sources::new(Timeouts::of(&config), config.trust.clone(), config.web.clone()));
    let names = config.names;
    let actor = Actor::new(config, Arc::clone(&shared), Arc::clone(&sources), commands);
    let stop = Arc::clone(&stopped);
    runtime.spawn(async move {
        actor.run().await;
        stop.set();
    });
    Ok((Engine { shared, sources, mailbox, stopped, runtime: Some(runtime), names }, received))
}

/// Puts jobs into a queue that is still at rest.
fn restore(shared: &Shared, queue: Vec<SavedJob>, asks: bool) {
    let queued: Vec<_> = shared.with(|state| {
        let restore = |mut saved: SavedJob| {
            if let SavedState::Undecided(trouble) = &saved.state
                && !asks
            {
                saved.state = SavedState::Failed(trouble.clone().for_command_line());
            }
            let server = state.servers.number(&saved.new.address, saved.new.speak);
            let address = SafeText::new(&saved.new.address.to_string());
            // Only an answer of the server has these.
            if saved.name.is_some() || saved.size.is_some() {
                state.servers.set_known(server);
            }
            let is_queued = saved.state == SavedState::Queued;
            let id = state.queue.restore(saved, server);
            is_queued.then_some(Event::Queued { id, address })
        };
        queue.into_iter().filter_map(restore).collect()
    });
    queued.into_iter().for_each(|event| shared.report(event));
}

impl Engine {
    /// Gives the engine a command; commands are done in order.
    pub fn command(&self, command: Command) {
        // An engine that has stopped does nothing any more.
        let _ = self.mailbox.send(command);
    }

    /// The present state, with the rows in `rows`.
    pub fn snapshot(&self, rows: Range<usize>) -> Snapshot {
        let limit = self.shared.limits.bandwidth.rate();
        self.shared.with(|state| Snapshot {
            rows: state.queue.at(rows, Instant::now(), &state.servers),
            totals: Totals { limit, limit_until: state.limit_until, ..state.queue.totals() },
        })
    }

    /// The ids of all jobs in the queue's order whose name contains `filter`, ignoring case (all if empty).
    pub fn ids(&self, filter: &str) -> Vec<JobId> {
        self.shared.with(|state| state.queue.ids(filter))
    }

    /// The jobs whose name contains `filter`, ignoring case, in the order in which they are shown.
    pub fn arranged(&self, filter: &str, sort: Sort) -> Arranged {
        self.shared.with(|state| state.queue.arranged(filter, sort))
    }

    /// Bytes of these jobs, and how many of them have no known size.
    pub fn sizes(&self, ids: &[JobId]) -> (u64, usize) {
        self.shared.with(|state| state.queue.sizes(ids))
    }

    /// Rises with every change of order, membership or group of the queue: the ids need to be read again.
    pub fn generation(&self) -> u64 {
        self.shared.with(|state| state.queue.generation())
    }

    /// Whether this server, reached with this pin and token, has answered: then it was trusted.
    pub fn has_answered(&self, server: &Server) -> bool {
        self.shared.with(|state| state.servers.has_answered(server))
    }

    /// Lists one page of a directory: the entries after a name.
    pub fn list(
        &self,
        directory: Locator,
        after: Option<String>,
    ) -> oneshot::Receiver<Result<Entries, Trouble>> {
        let (answer, answered) = oneshot::channel();
        let (sources, shared) = (Arc::clone(&self.sources), Arc::clone(&self.shared));
        self.spawn(async move {
            let listed = sources.list(&directory, after).await;
            if listed.is_ok() {
                let server = shared.with(|state| state.servers.number(&directory, Speak::V1));
                shared.reached(server);
            }
            // The receiver may be closed already.
            let _ = answer.send(listed.map_err(|fault| shared.refused_by(&directory.server(), fault)));
        });
        answered
    }

    /// For each file of a listing, its name and its size: whether this folder has a file of that name and size.
    pub fn present(&self, folder: PathBuf, files: Vec<(String, u64)>) -> oneshot::Receiver<Vec<bool>> {
        let (answer, answered) = oneshot::channel();
        let names = self.names;
        if let Some(runtime) = &self.runtime {
            runtime.spawn_blocking(move || {
                // The receiver may be closed already.
                let _ = answer.send(are_present(&folder, &files, names));
            });
        }
        answered
    }

    /// For each address, whether a job for it is in the queue and has not ended.
    pub fn queued(&self, addresses: &[Locator]) -> Vec<bool> {
        self.shared.with(|state| addresses.iter().map(|address| state.queue.is_queued(address)).collect())
    }

    /// Rows for these jobs.
    pub fn rows(&self, ids: &[JobId]) -> Vec<JobView> {
        self.shared.with(|state| state.queue.rows(ids, Instant::now(), &state.servers))
    }

    /// Servers that cannot be reached and for which jobs wait, the next one to be tried first.
    pub fn lost_servers(&self) -> Vec<LostServer> {
        let now = Instant::now();
        let mut lost: Vec<_> = self.shared.with(|state| {
            let lost = |(server, outage): (&Server, &Outage)| LostServer {
                server: SafeText::new(&server.to_string()),
                seconds: outage.due.map(|due| due.saturating_duration_since(now).as_secs_f64()),
                reason: outage.reason.clone(),
            };
            state.servers.outages(state.queue.ready_servers()).map(lost).collect()
        });
        let time = |lost: &LostServer| lost.seconds.unwrap_or(0.0);
        lost.sort_by(|one, other| {
            time(one).total_cmp(&time(other)).then_with(|| one.server.as_str().cmp(other.server.as_str()))
        });
        lost
    }

    /// The jobs that wait for a decision of the user, in order, with the kind of each.
    pub fn undecided(&self) -> Vec<(JobId, QuestionKind)> {
        self.shared.with(|state| state.queue.undecided())
    }

    /// Whether [`Command::Undo`] has something to undo.
    pub fn can_undo(&self) -> bool {
        self.shared.with(|state| state.undoable > 0)
    }

    /// For each of these jobs, what distinguishes it from all others of the same name.
    pub fn distinctions(&self, ids: &[JobId]) -> Vec<Option<String>> {
        self.shared.with(|state| state.queue.distinctions(ids))
    }

    /// The pictures of a job, with this many parts of its content.
    pub fn picture(&self, id: JobId, parts: usize) -> Picture {
        self.shared.with(|state| state.queue.picture(id, parts))
    }

    /// Bytes a second of all jobs in the last parts of two seconds, at most `count`; empty while nothing runs.
    pub fn throughput(&self, count: usize) -> Vec<f64> {
        self.shared.with(|state| state.queue.throughput(count))
    }

    /// The queue as the next engine is to find it, and the limits in force.
    pub fn saved(&self) -> SavedQueue {
        self.shared.saved()
    }

    /// Waits until the partial files of all jobs that were cancelled or removed are deleted.
    pub async fn all_deleted(&self) {
        self.shared.deletions.all_deleted().await;
    }

    /// Waits until the commands of [`Hooks`](crate::client::Hooks) that were started until now have ended.
    pub async fn hooks_ended(&self) {
        self.shared.hooks.all_ended().await;
    }

    /// What a session keeps it by.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs work beside it, until it ends.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// Waits until it has stopped after [`Command::Stop`], and its commands have ended, at most `timeout`: what still runs then is
    /// terminated. Returns the saved queue.
    pub fn join(mut self, timeout: Duration) -> SavedQueue {
        self.end(timeout);
        self.saved()
    }

    fn end(&mut self, timeout: Duration) {
        if let Some(runtime) = self.runtime.take() {
            let deadline = Instant::now() + timeout;
            self.stopped.wait(timeout);
            self.shared.hooks.finish(deadline);
            // A name server or a disk that hangs holds a thread, but not us.
            runtime.shutdown_background();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.runtime.is_some() {
            self.command(Command::Stop);
            self.end(STOPPING);
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
