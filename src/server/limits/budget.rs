//! Budgets of bytes: for the plans of archives and the walks of trees together, and for large outputs.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use super::origin::Origin;
use crate::server::sync::lock;

/// A number of bytes. One origin gets half of them at most, so that there are some for others.
#[derive(Debug)]
pub(crate) struct Budget {
    size: usize,
    taken: Arc<Mutex<HashMap<Origin, usize>>>,
}

/// Bytes that are taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    size: usize,
    origin: Origin,
    bytes: usize,
    taken: Arc<Mutex<HashMap<Origin, usize>>>,
}

impl Budget {
    pub fn new(size: usize) -> Budget {
        Budget { size, taken: Arc::default() }
    }

    /// A claim of a client at `peer`, of no bytes at first.
    pub fn reserve(&self, peer: IpAddr) -> Reservation {
        let (size, taken) = (self.size, Arc::clone(&self.taken));
        Reservation { size, origin: Origin::from(peer), bytes: 0, taken }
    }
}

impl Reservation {
    /// Takes `bytes` in place of those that were taken before. Returns whether there were enough.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let mut taken = lock(&self.taken);
        let own = taken.get(&self.origin).copied().unwrap_or(0) - self.bytes;
        let others = taken.values().sum::<usize>() - self.bytes - own;
        let own = own.saturating_add(bytes);
        if bytes > self.bytes && (own > self.size / 2 || own.saturating_add(others) > self.size) {
            return false;
        }
        if own == 0 {
            taken.remove(&self.origin);
        } else {
            taken.insert(self.origin, own);
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use crate::server::limits::budget::*;

    #[test]
    fn one_origin_takes_at_most_half_of_a_budget() {
        let budget = Budget::new(100);
        let peer = |last: u8| IpAddr::from([192, 0, 2, last]);
        let (mut first, mut second) = (budget.reserve(peer(1)), budget.reserve(peer(1)));
        assert!(first.resize(30) && !second.resize(21) && second.resize(20) && !first.resize(31));
        let mut other = budget.reserve(peer(2));
        assert!(other.resize(50) && !other.resize(usize::MAX));
        assert!(!budget.reserve(peer(3)).resize(1), "all is taken");
        assert!(first.resize(10) && budget.reserve(peer(3)).resize(20));
        drop((first, second, other));
        assert!(lock(&budget.taken).is_empty(), "no origin is remembered");
    }
}
