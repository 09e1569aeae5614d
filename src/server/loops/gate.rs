//! A gate for work of many threads: each does its work itself, once it has one of the [`Places`].

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Instant,
};

use super::places::Places;
use crate::server::{limits::origin::Origin, sync::lock};

/// The gate.
pub(super) struct Gate {
    places: Mutex<Places<Arc<Waiter>>>,
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
    /// A gate with a place for each processor. One origin has at most half of these.
    pub fn new() -> Gate {
        Gate::with(Places::for_processors(|processors| processors.div_ceil(2)))
    }

    fn with(places: Places<Arc<Waiter>>) -> Gate {
        Gate { places: Mutex::new(places) }
    }

    /// Does the work once there is a place for it, after the work of the same origin that waits already.
    pub fn pass<T>(&self, origin: Origin, work: impl FnOnce() -> T) -> T {
        let _place = self.enter(origin);
        work()
    }

    fn enter(&self, origin: Origin) -> Place<'_> {
        let mut places = lock(&self.places);
        if !places.take(origin, Instant::now()) {
            let waiter = Arc::new(Waiter { thread: thread::current(), has_place: AtomicBool::new(false) });
            places.wait(origin, Arc::clone(&waiter), Instant::now());
            while !waiter.has_place.load(Ordering::Acquire) {
                let timeout = places.stall_in(Instant::now());
                drop(places);
                thread::park_timeout(timeout);
                places = lock(&self.places);
                if places.add(Instant::now()) {
                    fill(&mut places);
                }
            }
        }
        Place { gate: self, origin }
    }
}

/// Gives free places to threads that wait.
fn fill(places: &mut Places<Arc<Waiter>>) {
    while let Some((_, waiter)) = places.next(Instant::now()) {
        waiter.has_place.store(true, Ordering::Release);
        waiter.thread.unpark();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = lock(&self.gate.places);
        places.end(self.origin, Instant::now());
        places.remove();
        fill(&mut places);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::mpsc, time::Duration};

    use super::{super::places::MAX_OF_ORIGIN, *};

    fn origin(last: u8) -> Origin {
        Origin::from(IpAddr::from([192, 0, 2, last]))
    }

    fn gate(stall: Duration) -> Gate {
        Gate::with(Places::new(1, 1, stall))
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
        let (gate, lock_of_all) = (Arc::new(gate(Duration::from_millis(1))), Arc::default());
        let closed = lock(&lock_of_all);
        let has_place = hold(&gate, origin(1), 2 * MAX_OF_ORIGIN, &lock_of_all);
        gate.pass(origin(2), || {});
        assert_eq!(has_place.iter().take(MAX_OF_ORIGIN).count(), MAX_OF_ORIGIN);
        assert_eq!(lock(&gate.places).stall_at(), None, "an origin has a quarter of the places at most");
        drop(closed);
        assert_eq!(has_place.iter().count(), MAX_OF_ORIGIN);
        assert_eq!(lock(&gate.places).len(), 1);
    }

    #[test]
    fn origins_take_turns() {
        let gate = gate(Duration::from_secs(3600));
        let order = Mutex::new(Vec::new());
        let wait_until_queued = |count: usize| {
            while lock(&gate.places).waiting() < count {
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
