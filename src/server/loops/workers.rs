//! Threads that run tasks for the loops whose own threads must not wait for the disk.
//!
//! There is a thread for each processor. If tasks wait and none has ended for [`STALL`], the disk holds all threads up, and there is
//! another one, up to [`MAX_RUNNING`]; it ends when it has had nothing to do for [`IDLE`]. Origins take turns, and one origin may
//! have [`MAX_OF_ORIGIN`] tasks running: if all of those hang, the threads that are left serve the others.

use std::{
    io,
    num::NonZero,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::fair_queue::{FairQueue, MAX_OF_ORIGIN, MAX_RUNNING, STALL};
use crate::server::{limits::origin::Origin, sync::lock};

/// A thread beyond one for each processor ends when it has had nothing to do for this long.
const IDLE: Duration = Duration::from_secs(10);
/// How much lower the priority of these threads is than that of the loops (`nice`). What is sent does not wait for what is computed for
/// others, where both need the processors.
const NICE: i32 = 10;
/// Bytes of a thread's stack.
const STACK: usize = 256 * 1024;

/// What a thread runs: a task, and the report of its outcome.
type Job = Box<dyn FnOnce() + Send>;

/// The threads; dropping this ends them, each after the task that it runs.
#[derive(Debug)]
pub(super) struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// There is a job, or the end has come.
    changed: Condvar,
    /// Threads that do not end by themselves.
    base: usize,
}

struct State {
    jobs: FairQueue<Job>,
    threads: usize,
    /// Jobs that have ended.
    ended: u64,
    is_closed: bool,
}

impl Workers {
    /// Starts a thread for each processor.
    ///
    /// # Errors
    /// The system has no threads for them.
    pub fn start() -> io::Result<Workers> {
        let base = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_RUNNING);
        let state = State { jobs: FairQueue::new(), threads: 0, ended: 0, is_closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), base });
        let workers = Workers { shared };
        for _ in 0..base {
            workers.shared.add_thread()?;
        }
        let shared = Arc::clone(&workers.shared);
        spawn("supervisor", move || shared.supervise())?;
        Ok(workers)
    }

    /// Runs a job on one of the threads, after those that came before it from the same origin.
    pub fn run(&self, origin: Origin, job: impl FnOnce() + Send + 'static) {
        lock(&self.shared.state).jobs.push(origin, Box::new(job));
        // The supervisor waits for this as well.
        self.shared.changed.notify_all();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.is_closed = true;
        state.jobs.clear();
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn add_thread(self: &Arc<Self>) -> io::Result<()> {
        let shared = Arc::clone(self);
        lock(&self.state).threads += 1;
        let spawned = spawn("worker", move || shared.work());
        if spawned.is_err() {
            lock(&self.state).threads -= 1;
        }
        spawned
    }

    /// Runs jobs until the end, or until there has been none for [`IDLE`] and there are more threads than processors.
    fn work(&self) {
        // On Linux this concerns the calling thread alone. Without it the threads work all the same.
        let _ = rustix::process::nice(NICE);
        let mut state = lock(&self.state);
        loop {
            if let Some((origin, job)) = state.jobs.take(MAX_OF_ORIGIN) {
                drop(state);
                // A task reports its own panics.
                job();
                state = lock(&self.state);
                state.jobs.end(origin);
                state.ended += 1;
                continue;
            }
            if state.is_closed {
                break;
            }
            let (next, waited) =
                self.changed.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.threads > self.base {
                break;
            }
        }
        state.threads -= 1;
    }

    /// Adds a thread whenever jobs wait and none has ended for [`STALL`].
    fn supervise(self: Arc<Self>) {
        let mut state = lock(&self.state);
        while !state.is_closed {
            if !state.jobs.has_next(MAX_OF_ORIGIN) {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let ended = state.ended;
            let is_stalled = |state: &mut State| {
                state.ended == ended && state.jobs.has_next(MAX_OF_ORIGIN) && !state.is_closed
            };
            let (next, waited) = self
                .changed
                .wait_timeout_while(state, STALL, is_stalled)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.threads < MAX_RUNNING {
                drop(state);
                // If there is no thread to be had, the next attempt is after another stall.
                let _ = self.add_thread();
                state = lock(&self.state);
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work).map(drop)
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("base", &self.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::mpsc};

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::from(IpAddr::from([192, 0, 2, last]))
    }

    /// Gives the workers jobs of an origin that wait until the gate is unlocked. Each reports when it starts.
    fn add_waiting(
        workers: &Workers,
        from: Origin,
        count: usize,
        gate: &Arc<Mutex<()>>,
    ) -> mpsc::Receiver<()> {
        let (started, has_started) = mpsc::channel();
        for _ in 0..count {
            let (gate, started) = (Arc::clone(gate), started.clone());
            workers.run(from, move || {
                let _ = started.send(());
                drop(lock(&gate));
            });
        }
        has_started
    }

    #[test]
    fn jobs_that_hang_delay_no_other_origin() {
        let (workers, gate) = (Workers::start().unwrap(), Arc::default());
        let closed = lock(&gate);
        let has_started = add_waiting(&workers, origin(1), 100, &gate);
        let (done, is_done) = mpsc::channel();
        workers.run(origin(2), move || done.send(()).unwrap());
        is_done.recv().unwrap();
        drop(closed);
        assert_eq!(has_started.iter().count(), 100);
    }

    #[test]
    fn an_origin_has_a_quarter_of_the_threads_at_most() {
        let (workers, gate) = (Workers::start().unwrap(), Arc::default());
        let closed = lock(&gate);
        let has_started = add_waiting(&workers, origin(1), 2 * MAX_OF_ORIGIN, &gate);
        assert_eq!(has_started.iter().take(MAX_OF_ORIGIN).count(), MAX_OF_ORIGIN);
        assert!(!lock(&workers.shared.state).jobs.has_next(MAX_OF_ORIGIN), "the others have to wait");
        drop(closed);
        assert_eq!(has_started.iter().count(), MAX_OF_ORIGIN);
    }

    #[test]
    fn dropping_the_workers_waits_for_no_job() {
        let (workers, gate) = (Workers::start().unwrap(), Arc::default());
        let closed = lock(&gate);
        let has_started = add_waiting(&workers, origin(1), 3, &gate);
        has_started.recv().unwrap();
        drop(workers);
        drop(closed);
    }
}
