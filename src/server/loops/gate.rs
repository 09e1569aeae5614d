//! A gate for work of many threads: as many of them work at the same time as there are processors, and origins take turns.
//!
//! One origin has half of the places at most. If none has begun or ended for [`STALL`], the disk holds up all that work, and there is another
//! place for any origin, up to [`MAX_RUNNING`] in all and [`MAX_OF_ORIGIN`] of one origin.

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use super::fair_queue::{FairQueue, MAX_OF_ORIGIN, MAX_RUNNING, STALL};
use crate::server::{limits::origin::Origin, sync::lock};

/// The gate.
pub(super) struct Gate {
    state: Mutex<State>,
    /// Places while nothing hangs.
    places: usize,
    stall: Duration,
}

struct State {
    waiting: FairQueue<Arc<Waiter>>,
    /// Threads that work.
    working: usize,
    /// When work has begun or ended last.
    changed: Instant,
}

/// A thread that waits for a place.
struct Waiter {
    thread: Thread,
    has_place: AtomicBool,
}

/// A place, until this is dropped.
struct Place<'a> {
    gate: &'a Gate,
    origin: Origin,
}

impl Gate {
    /// A gate with a place for each processor.
    pub fn new() -> Gate {
        let places = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_RUNNING);
        Gate::with(places, STALL)
    }

    fn with(places: usize, stall: Duration) -> Gate {
        let waiting = FairQueue::new();
        Gate { state: Mutex::new(State { waiting, working: 0, changed: Instant::now() }), places, stall }
    }

    /// Does the work once there is a place, after what came before it from the same origin.
    pub fn pass<T>(&self, origin: Origin, work: impl FnOnce() -> T) -> T {
        let _place = self.enter(origin);
        work()
    }

    fn enter(&self, origin: Origin) -> Place<'_> {
        let waiter = Arc::new(Waiter { thread: thread::current(), has_place: AtomicBool::new(false) });
        let mut state = lock(&self.state);
        state.waiting.push(origin, Arc::clone(&waiter));
        self.fill(&mut state);
        drop(state);
        while !waiter.has_place.load(Ordering::Acquire) {
            thread::park_timeout(self.stall);
            let mut state = lock(&self.state);
            if state.changed.elapsed() >= self.stall && state.working < MAX_RUNNING {
                state.add(MAX_OF_ORIGIN);
            }
        }
        Place { gate: self, origin }
    }

    /// Gives the free places to waiting threads.
    fn fill(&self, state: &mut State) {
        while state.working < self.places && state.add(self.places.div_ceil(2)) {}
    }
}

impl State {
    /// Gives a place to the next waiting thread of an origin that has fewer than `max_of_origin`. Returns whether there is one.
    fn add(&mut self, max_of_origin: usize) -> bool {
        let Some((_, waiter)) = self.waiting.take(max_of_origin) else { return false };
        self.working += 1;
        self.changed = Instant::now();
        waiter.has_place.store(true, Ordering::Release);
        waiter.thread.unpark();
        true
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        state.working -= 1;
        state.changed = Instant::now();
        state.waiting.end(self.origin);
        self.gate.fill(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::mpsc};

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::from(IpAddr::from([192, 0, 2, last]))
    }

    /// Starts threads that take a place until the lock is released. Each reports when it has its place.
    fn hold(gate: &Arc<Gate>, from: Origin, count: usize, closed: &Arc<Mutex<()>>) -> mpsc::Receiver<Origin> {
        let (report, reports) = mpsc::channel();
        for _ in 0..count {
            let (gate, closed, report) = (Arc::clone(gate), Arc::clone(closed), report.clone());
            thread::spawn(move || {
                gate.pass(from, || {
                    let _ = report.send(from);
                    drop(lock(&closed));
                });
            });
        }
        reports
    }

    #[test]
    fn work_that_hangs_delays_no_other_origin() {
        let (gate, lock_of_all) = (Arc::new(Gate::with(1, Duration::from_millis(1))), Arc::default());
        let closed = lock(&lock_of_all);
        let has_place = hold(&gate, origin(1), 2 * MAX_OF_ORIGIN, &lock_of_all);
        gate.pass(origin(2), || {});
        assert_eq!(has_place.iter().take(MAX_OF_ORIGIN).count(), MAX_OF_ORIGIN);
        assert!(
            !lock(&gate.state).waiting.has_next(MAX_OF_ORIGIN),
            "an origin has a quarter of the places at most"
        );
        drop(closed);
        assert_eq!(has_place.iter().count(), MAX_OF_ORIGIN);
        assert_eq!(lock(&gate.state).working, 0);
    }

    #[test]
    fn origins_take_turns() {
        let gate = Gate::with(1, Duration::from_secs(3600));
        let order = Mutex::new(Vec::new());
        let wait_until_queued = |count: usize| {
            while lock(&gate.state).waiting.len() < count {
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            gate.pass(origin(9), || {
                for (count, (from, item)) in [(1, 10), (1, 11), (2, 20)].into_iter().enumerate() {
                    let (gate, order) = (&gate, &order);
                    scope.spawn(move || gate.pass(origin(from), || lock(order).push(item)));
                    wait_until_queued(count + 1);
                }
            });
        });
        assert_eq!(*lock(&order), [10, 20, 11]);
    }
}
