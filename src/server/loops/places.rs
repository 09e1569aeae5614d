//! Which work begins next: there is a place for each processor, origins take turns, and work that hangs delays no other origin.
//!
//! If work waits and none has begun or ended for [`STALL`], the disk holds up all that runs, and there is another place, up to
//! [`MAX_RUNNING`]. One origin has at most [`MAX_OF_ORIGIN`] of them: if all of its work hangs, places are left for others.

use std::{
    collections::HashMap,
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use super::fair_queue::FairQueue;
use crate::server::limits::origin::Origin;

/// The most work that runs at the same time.
pub(super) const MAX_RUNNING: usize = 64;
/// The most work of one origin that runs at the same time.
pub(super) const MAX_OF_ORIGIN: usize = MAX_RUNNING / 4;
/// How long no work begins or ends before there is another place.
const STALL: Duration = Duration::from_millis(100);

/// Work that waits, and the places of work that runs. Free of locks, threads and clocks: its owner has them.
#[derive(Debug)]
pub(super) struct Places<T> {
    waiting: FairQueue<T>,
    /// Running work by origin; no origin without any.
    running: HashMap<Origin, usize>,
    /// The number of places that are taken.
    taken: usize,
    places: usize,
    /// The number of places while nothing hangs, and how many of these one origin may have.
    base: usize,
    base_of_origin: usize,
    /// When work began or ended last, or began to wait.
    changed: Instant,
    stall: Duration,
}

impl<T> Places<T> {
    /// A place for each processor, of which one origin may have `share`, a function of their number.
    pub fn for_processors(share: impl FnOnce(usize) -> usize) -> Places<T> {
        let base = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_RUNNING);
        Places::new(base, share(base), STALL)
    }

    /// `base` places while nothing hangs, and another one after each `stall`.
    pub fn new(base: usize, base_of_origin: usize, stall: Duration) -> Places<T> {
        Places {
            waiting: FairQueue::new(),
            running: HashMap::new(),
            taken: 0,
            places: base,
            base,
            base_of_origin,
            changed: Instant::now(),
            stall,
        }
    }

    /// The number of places.
    pub fn len(&self) -> usize {
        self.places
    }

    /// Takes a free place for work of this origin; `false` if it has to wait.
    pub fn take(&mut self, origin: Origin, now: Instant) -> bool {
        let is_free = self.taken < self.places && self.running(origin) < self.max_of_origin();
        if is_free {
            self.begin(origin, now);
        }
        is_free
    }

    /// Adds work that waits for a place, after that of the same origin.
    pub fn wait(&mut self, origin: Origin, work: T, now: Instant) {
        if self.stall_at().is_none() {
            self.changed = now;
        }
        self.waiting.push(origin, work);
    }

    /// Takes a free place for the work whose turn it is.
    pub fn next(&mut self, now: Instant) -> Option<(Origin, T)> {
        if self.taken >= self.places {
            return None;
        }
        let max = self.max_of_origin();
        let (origin, work) =
            self.waiting.take(|origin| self.running.get(&origin).is_none_or(|count| *count < max))?;
        self.begin(origin, now);
        Some((origin, work))
    }

    /// Work of this origin has ended: its place is free.
    pub fn end(&mut self, origin: Origin, now: Instant) {
        if let Some(count) = self.running.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&origin);
            }
            self.taken -= 1;
            self.changed = now;
        }
    }

    /// When [`Places::add`] adds a place, unless work begins or ends before that. `None` if no work waits that may have one.
    pub fn stall_at(&self) -> Option<Instant> {
        let may_run = |origin| self.running(origin) < MAX_OF_ORIGIN;
        (self.places < MAX_RUNNING && self.waiting.has(may_run)).then(|| self.changed + self.stall)
    }

    /// How long to wait before [`Places::add`] is called.
    pub fn stall_in(&self, now: Instant) -> Duration {
        self.stall_at().map_or(self.stall, |at| at.saturating_duration_since(now))
    }

    /// Adds a place if all work that runs is held up. Returns whether there is a new one.
    pub fn add(&mut self, now: Instant) -> bool {
        let is_stalled = self.stall_at().is_some_and(|at| at <= now);
        if is_stalled {
            self.places += 1;
            self.changed = now;
        }
        is_stalled
    }

    /// Removes a free place that was added. Returns whether there was one.
    pub fn remove(&mut self) -> bool {
        let is_extra = self.places > self.base && self.taken < self.places;
        if is_extra {
            self.places -= 1;
        }
        is_extra
    }

    /// The number of items that wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Removes all work that waits.
    pub fn clear(&mut self) {
        self.waiting = FairQueue::new();
    }

    fn begin(&mut self, origin: Origin, now: Instant) {
        *self.running.entry(origin).or_default() += 1;
        self.taken += 1;
        self.changed = now;
    }

    fn running(&self, origin: Origin) -> usize {
        self.running.get(&origin).copied().unwrap_or(0)
    }

    fn max_of_origin(&self) -> usize {
        if self.places > self.base { MAX_OF_ORIGIN } else { self.base_of_origin }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::from(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn one_origin_leaves_places_to_others() {
        let (mut places, now) = (Places::new(4, 2, STALL), Instant::now());
        assert!(places.take(origin(1), now) && places.take(origin(1), now) && !places.take(origin(1), now));
        places.wait(origin(1), 10, now);
        places.wait(origin(2), 20, now);
        places.wait(origin(2), 21, now);
        assert_eq!(places.next(now), Some((origin(2), 20)));
        assert_eq!(places.next(now), Some((origin(2), 21)));
        assert_eq!(places.next(now), None, "all places are taken");
        places.end(origin(2), now);
        assert_eq!(places.next(now), None, "the first origin has its share");
        places.end(origin(1), now);
        assert_eq!(places.next(now), Some((origin(1), 10)));
        for last in [1, 1, 2] {
            places.end(origin(last), now);
        }
        assert!(places.running.is_empty() && places.taken == 0, "no origin is remembered");
    }

    #[test]
    fn a_stall_adds_a_place_that_is_removed_when_it_is_free() {
        let (mut places, start) = (Places::new(1, 1, STALL), Instant::now());
        assert!(places.take(origin(1), start));
        assert_eq!(places.stall_at(), None, "no work waits");
        let later = start + 10 * STALL;
        places.wait(origin(1), 11, later);
        assert!(!places.add(later), "a stall lasts as long as work waits");
        assert_eq!(places.stall_at(), Some(later + STALL));
        let stalled = later + STALL;
        assert!(places.add(stalled) && !places.add(stalled));
        assert_eq!(places.next(stalled), Some((origin(1), 11)));
        assert!(!places.remove(), "all places are taken");
        places.end(origin(1), stalled);
        assert!(places.remove() && !places.remove());
        assert_eq!(places.len(), 1);
    }

    #[test]
    fn work_that_hangs_leaves_places_to_other_origins() {
        let (mut places, mut now) = (Places::new(2, 1, STALL), Instant::now());
        for item in 0..2 * MAX_OF_ORIGIN {
            places.wait(origin(1), item, now);
        }
        let mut begun = 0;
        while let Some(at) = places.stall_at() {
            begun += std::iter::from_fn(|| places.next(now)).count();
            now = at;
            places.add(now);
        }
        begun += std::iter::from_fn(|| places.next(now)).count();
        assert_eq!(begun, MAX_OF_ORIGIN);
        places.wait(origin(2), 99, now);
        assert!(places.next(now).is_some() || places.add(now + STALL) && places.next(now + STALL).is_some());
    }
}
