//! Threads that run tasks for the loops whose own threads must not wait for the disk: one for each of the [`Places`].
//!
//! A thread for a place that was added after a stall ends when it has had nothing to do for [`IDLE_TIMEOUT`].

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::places::{MAX_OF_ORIGIN, Places};
use crate::server::{limits::origin::Origin, sync::lock};

/// How long a thread for an added place waits for work.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How much lower the priority of these threads is than that of the loops (`nice`). So sending does not wait for computations for
/// other clients.
const NICE: i32 = 10;
/// Bytes of a thread's stack.
const STACK: usize = 256 * 1024;

/// The threads, which run items of work; dropping this ends them, each after the item that it runs.
pub(super) struct Workers<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// There is work, or the end was requested.
    changed: Condvar,
    /// Runs an item.
    run: Box<dyn Fn(T) + Send + Sync>,
}

struct State<T> {
    places: Places<T>,
    is_closed: bool,
}

impl<T: Send + 'static> Workers<T> {
    /// Starts a thread for each processor. `run` runs an item, and does not panic.
    ///
    /// # Errors
    /// The system has no threads for them.
    pub fn start(run: impl Fn(T) + Send + Sync + 'static) -> io::Result<Workers<T>> {
        // One origin may use all processors: other origins wait for one task of it at most.
        let places = Places::for_processors(|_| MAX_OF_ORIGIN);
        let threads = places.len();
        let state = Mutex::new(State { places, is_closed: false });
        let workers =
            Workers { shared: Arc::new(Shared { state, changed: Condvar::new(), run: Box::new(run) }) };
        for _ in 0..threads {
            workers.shared.add_thread()?;
        }
        let shared = Arc::clone(&workers.shared);
        spawn("supervisor", move || shared.supervise())?;
        Ok(workers)
    }

    /// Has one of the threads run this, after earlier work of the same origin.
    pub fn run(&self, origin: Origin, item: T) {
        lock(&self.shared.state).places.wait(origin, item, Instant::now());
        // The supervisor waits for this as well.
        self.shared.changed.notify_all();
    }
}

impl<T> Drop for Workers<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.is_closed = true;
        state.places.clear();
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl<T: Send + 'static> Shared<T> {
    fn add_thread(self: &Arc<Self>) -> io::Result<()> {
        let shared = Arc::clone(self);
        spawn("worker", move || shared.work())
    }

    /// Runs items until the end, or until there has been none for [`IDLE_TIMEOUT`] and a place can be removed.
    fn work(&self) {
        // On Linux this concerns the calling thread alone. Without it the threads work all the same.
        let _ = rustix::process::nice(NICE);
        let mut state = lock(&self.state);
        loop {
            if let Some((origin, item)) = state.places.next(Instant::now()) {
                drop(state);
                (self.run)(item);
                state = lock(&self.state);
                state.places.end(origin, Instant::now());
                continue;
            }
            if state.is_closed {
                return;
            }
            let waited = self.changed.wait_timeout(state, IDLE_TIMEOUT);
            let (next, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.places.remove() {
                return;
            }
        }
    }

    /// Adds a place and a thread whenever all threads are held up.
    fn supervise(self: Arc<Self>) {
        let mut state = lock(&self.state);
        while !state.is_closed {
            let now = Instant::now();
            if state.places.stall_at().is_none() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if state.places.add(now) {
                drop(state);
                let added = self.add_thread();
                state = lock(&self.state);
                if added.is_err() {
                    // The next attempt is after another stall.
                    state.places.remove();
                }
            } else {
                let timeout = state.places.stall_in(now);
                let waited = self.changed.wait_timeout(state, timeout);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work).map(drop)
}

impl<T> fmt::Debug for Workers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::mpsc};

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::from(IpAddr::from([192, 0, 2, last]))
    }

    type Item = Box<dyn FnOnce() + Send>;

    fn start() -> Workers<Item> {
        Workers::start(|item: Item| item()).unwrap()
    }

    /// Gives the workers work of an origin that waits until the gate is unlocked. Each reports when it starts.
    fn add_waiting(
        workers: &Workers<Item>,
        from: Origin,
        count: usize,
        gate: &Arc<Mutex<()>>,
    ) -> mpsc::Receiver<()> {
        let (started, has_started) = mpsc::channel();
        for _ in 0..count {
            let (gate, started) = (Arc::clone(gate), started.clone());
            workers.run(
                from,
                Box::new(move || {
                    let _ = started.send(());
                    drop(lock(&gate));
                }),
            );
        }
        has_started
    }

    #[test]
    fn work_that_hangs_delays_no_other_origin() {
        let (workers, gate) = (start(), Arc::default());
        let closed = lock(&gate);
        let has_started = add_waiting(&workers, origin(1), 100, &gate);
        let (done, is_done) = mpsc::channel();
        workers.run(origin(2), Box::new(move || done.send(()).unwrap()));
        is_done.recv().unwrap();
        drop(closed);
        assert_eq!(has_started.iter().count(), 100);
    }

    #[test]
    fn an_origin_has_a_quarter_of_the_threads_at_most() {
        let (workers, gate) = (start(), Arc::default());
        let closed = lock(&gate);
        let has_started = add_waiting(&workers, origin(1), 2 * MAX_OF_ORIGIN, &gate);
        assert_eq!(has_started.iter().take(MAX_OF_ORIGIN).count(), MAX_OF_ORIGIN);
        assert_eq!(lock(&workers.shared.state).places.stall_at(), None, "the others have to wait");
        drop(closed);
        assert_eq!(has_started.iter().count(), MAX_OF_ORIGIN);
    }

    #[test]
    fn dropping_the_workers_does_not_wait() {
        let (workers, gate) = (start(), Arc::default());
        let closed = lock(&gate);
        let has_started = add_waiting(&workers, origin(1), 3, &gate);
        has_started.recv().unwrap();
        drop(workers);
        drop(closed);
    }
}
