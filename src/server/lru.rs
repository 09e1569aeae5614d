//! A map that forgets what was not used for the longest time, so that it costs no more than it may.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// The keys by their last use.
    order: BTreeMap<u64, K>,
    clock: u64,
    cost: usize,
    budget: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    cost: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    /// One whose entries cost at most `budget` together.
    pub fn new(budget: usize) -> Lru<K, V> {
        Lru { entries: HashMap::new(), order: BTreeMap::new(), clock: 0, cost: 0, budget }
    }

    /// The value of a key, which counts as used now.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(key)?;
        self.clock += 1;
        if let Some(key) = self.order.remove(&std::mem::replace(&mut entry.used, self.clock)) {
            self.order.insert(self.clock, key);
        }
        Some(&mut entry.value)
    }

    /// Puts a value in the place of whatever the key had. One that costs more than the whole budget is not kept.
    pub fn insert(&mut self, key: K, value: V, cost: usize) {
        self.remove(&key);
        if cost > self.budget {
            return;
        }
        while self.cost > self.budget - cost {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            if let Some(old) = self.entries.remove(&oldest) {
                self.cost -= old.cost;
            }
        }
        self.clock += 1;
        self.cost += cost;
        self.order.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { value, cost, used: self.clock });
    }

    /// Forgets a key.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(old) = self.entries.remove(key) {
            self.order.remove(&old.used);
            self.cost -= old.cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
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
        assert_eq!((lru.cost, lru.entries.len(), lru.order.len()), (10, 1, 1));
    }
}
