//! What those who have just come may do, by where they come from.
//!
//! An allowance is used up by what new connections do, and fills again slowly. Without it, whoever ends its connection after
//! each question and comes anew would never have to wait for the others of its address.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::Origin;

/// Origins that are remembered; those whose allowance is nearest to full are forgotten first.
const ORIGINS: usize = 4096;

/// The allowances of all origins.
#[derive(Debug)]
pub(super) struct Allowances {
    most: Duration,
    /// Of those that are not full.
    used: HashMap<Origin, Used>,
}

/// What is used of one allowance; it may be more than there was.
#[derive(Clone, Copy, Debug)]
struct Used {
    work: Duration,
    at: Instant,
}

impl Used {
    /// What is left of it by now, if one in `refill` of the time fills it again.
    fn by(self, now: Instant, refill: u32) -> Duration {
        self.work.saturating_sub(now.saturating_duration_since(self.at) / refill.max(1))
    }
}

impl Allowances {
    /// Of so much work each.
    pub fn new(most: Duration) -> Allowances {
        Allowances { most, used: HashMap::new() }
    }

    /// Takes `work` out of an origin's allowance; whether there was as much.
    pub fn take(&mut self, origin: Origin, work: Duration, refill: u32, now: Instant) -> bool {
        let enough = self.used(origin, refill, now) + work <= self.most;
        if enough {
            self.charge(origin, work, refill, now);
        }
        enough
    }

    /// Takes it also if there was not as much.
    pub fn charge(&mut self, origin: Origin, work: Duration, refill: u32, now: Instant) {
        if !self.used.contains_key(&origin) && self.used.len() >= ORIGINS {
            self.forget(refill, now);
        }
        let work = self.used(origin, refill, now) + work;
        self.used.insert(origin, Used { work, at: now });
    }

    /// What was taken although it was not there, which whoever asks takes over.
    pub fn inherit(&mut self, origin: Origin, refill: u32, now: Instant) -> Duration {
        let more = self.used(origin, refill, now).saturating_sub(self.most);
        if !more.is_zero() {
            self.used.insert(origin, Used { work: self.most, at: now });
        }
        more
    }

    fn used(&self, origin: Origin, refill: u32, now: Instant) -> Duration {
        self.used.get(&origin).map_or(Duration::ZERO, |used| used.by(now, refill))
    }

    /// Makes room for one more.
    fn forget(&mut self, refill: u32, now: Instant) {
        self.used.retain(|_, used| !used.by(now, refill).is_zero());
        if self.used.len() >= ORIGINS
            && let Some(least) =
                self.used.iter().min_by_key(|(_, used)| used.by(now, refill)).map(|(origin, _)| *origin)
        {
            self.used.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn origin(number: u32) -> Origin {
        Origin::from(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn an_allowance_is_used_up_and_fills_slowly() {
        let (mut allowances, start) = (Allowances::new(2 * MILLISECOND), Instant::now());
        let mut take =
            |number, at| allowances.take(origin(number), MILLISECOND, 100, start + at * MILLISECOND);
        assert!(take(1, 0) && take(1, 0) && !take(1, 0));
        assert!(take(2, 0), "another one has its own");
        assert!(!take(1, 99), "trying takes nothing");
        assert!(take(1, 100) && !take(1, 100));
        assert!(take(1, 100_000) && take(1, 100_000) && !take(1, 100_000), "no more than there was at first");
    }

    #[test]
    fn what_nobody_rested_from_is_taken_over_once() {
        let (mut allowances, now) = (Allowances::new(2 * MILLISECOND), Instant::now());
        allowances.charge(origin(1), 5 * MILLISECOND, 100, now);
        assert_eq!(allowances.inherit(origin(2), 100, now), Duration::ZERO);
        assert_eq!(allowances.inherit(origin(1), 100, now), 3 * MILLISECOND);
        assert_eq!(allowances.inherit(origin(1), 100, now), Duration::ZERO);
        assert!(!allowances.take(origin(1), MILLISECOND, 100, now));
    }

    #[test]
    fn many_origins_take_little_memory() {
        let (mut allowances, start) = (Allowances::new(2 * MILLISECOND), Instant::now());
        for number in 0..ORIGINS as u32 + 100 {
            allowances.charge(origin(number), MILLISECOND, 1_000_000, start);
        }
        assert_eq!(allowances.used.len(), ORIGINS);
        allowances.charge(origin(u32::MAX), MILLISECOND, 100, start + 100 * MILLISECOND);
        assert_eq!(allowances.used.len(), 1, "what is full again is forgotten");
    }
}
