//! A queue in which origins take turns, so that one with many waiting items delays another by one item at most.

use std::collections::{HashMap, VecDeque};

use crate::server::limits::origin::Origin;

/// Items by their origins.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    /// Origins with items, the one whose turn is next first.
    turns: VecDeque<Origin>,
    items: HashMap<Origin, VecDeque<T>>,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub fn new() -> FairQueue<T> {
        FairQueue { turns: VecDeque::new(), items: HashMap::new() }
    }

    /// Adds an item after those of the same origin.
    pub fn push(&mut self, origin: Origin, item: T) {
        let items = self.items.entry(origin).or_default();
        if items.is_empty() {
            self.turns.push_back(origin);
        }
        items.push_back(item);
    }

    /// Takes the oldest item of the next origin that `is_allowed`; the next turn of this origin is after those of all others.
    pub fn take(&mut self, is_allowed: impl Fn(Origin) -> bool) -> Option<(Origin, T)> {
        let index = self.turns.iter().position(|&origin| is_allowed(origin))?;
        let origin = self.turns.remove(index)?;
        let items = self.items.get_mut(&origin)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.items.remove(&origin);
        } else {
            self.turns.push_back(origin);
        }
        Some((origin, item))
    }

    /// Whether [`FairQueue::take`] would return an item.
    pub fn has(&self, is_allowed: impl Fn(Origin) -> bool) -> bool {
        self.turns.iter().any(|&origin| is_allowed(origin))
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.items.values().map(VecDeque::len).sum()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
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
    fn origins_take_turns() {
        let mut queue = FairQueue::new();
        for item in [10, 11, 12] {
            queue.push(origin(1), item);
        }
        queue.push(origin(2), 20);
        queue.push(origin(2), 21);
        assert_eq!(queue.len(), 5);
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(|_| true)).map(|(_, item)| item).collect();
        assert_eq!(taken, [10, 20, 11, 21, 12]);
        assert!(queue.is_empty() && queue.items.is_empty(), "no origin is remembered");
    }

    #[test]
    fn an_origin_that_is_not_allowed_keeps_its_turn() {
        let mut queue = FairQueue::new();
        for (from, item) in [(1, 10), (1, 11), (2, 20)] {
            queue.push(origin(from), item);
        }
        assert_eq!(queue.take(|from| from != origin(1)), Some((origin(2), 20)));
        assert!(!queue.has(|from| from != origin(1)) && queue.take(|from| from != origin(1)).is_none());
        queue.push(origin(3), 30);
        assert_eq!(queue.take(|_| true), Some((origin(1), 10)));
        assert_eq!(queue.take(|_| true), Some((origin(3), 30)));
    }
}
