//! A map that forgets what was not used for the longest time, so that its entries cost at most a budget together.

use std::{borrow::Borrow, hash::Hash};

use lru::LruCache;

/// A cache with a budget instead of a number of entries.
#[derive(Debug)]
pub(super) struct Lru<K: Hash + Eq, V> {
    /// The values, with the cost of each.
    entries: LruCache<K, (V, usize)>,
    cost: usize,
    budget: usize,
}

impl<K: Hash + Eq, V> Lru<K, V> {
    /// An empty cache; its entries cost at most `budget` together.
    pub fn new(budget: usize) -> Lru<K, V> {
        Lru { entries: LruCache::unbounded(), cost: 0, budget }
    }

    /// The value of a key, which counts as used now.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).map(|(value, _)| value)
    }

    /// Replaces the value of a key. A value that costs more than the whole budget is not kept.
    pub fn insert(&mut self, key: K, value: V, cost: usize) {
        self.remove(&key);
        if cost > self.budget {
            return;
        }
        while self.cost > self.budget - cost {
            let Some((_, (_, oldest))) = self.entries.pop_lru() else { break };
            self.cost -= oldest;
        }
        self.cost += cost;
        self.entries.put(key, (value, cost));
    }

    /// Forgets a key.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((_, cost)) = self.entries.pop(key) {
            self.cost -= cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_entry_is_evicted_first() {
        let mut lru = Lru::new(10);
        for key in 0..3 {
            lru.insert(key, key * 10, 3);
        }
        assert_eq!(lru.get(&0), Some(&mut 0));
        lru.insert(3, 30, 3);
        assert_eq!([0, 1, 2, 3].map(|key| lru.get(&key).is_some()), [true, false, true, true]);
        lru.insert(4, 40, 11);
        assert_eq!(lru.get(&4), None, "too much on its own");
        assert_eq!(lru.get(&0), Some(&mut 0), "and nothing had to go for it");
        lru.insert(0, 1, 10);
        assert_eq!([0, 2, 3].map(|key| lru.get(&key).copied()), [Some(1), None, None]);
        assert_eq!((lru.cost, lru.entries.len()), (10, 1));
    }
}
