//! A queue in which origins take turns, so that one with many waiting tasks delays another by one task at most.

use std::collections::{HashMap, VecDeque};

use super::origin::Origin;

/// Items by where they come from.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    /// Origins with waiting items, the one whose turn is next first.
    turns: VecDeque<Origin>,
    items: HashMap<Origin, VecDeque<T>>,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub fn new() -> FairQueue<T> {
        FairQueue { turns: VecDeque::new(), items: HashMap::new() }
    }

    /// Origins with waiting items.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.turns.iter().copied()
    }

    /// Adds an item after those of the same origin.
    pub fn push(&mut self, origin: Origin, item: T) {
        let items = self.items.entry(origin).or_default();
        if items.is_empty() {
            self.turns.push_back(origin);
        }
        items.push_back(item);
    }

    /// Takes the oldest item of the next origin that `may_run`, whose next turn comes after those of all other origins.
    pub fn pop(&mut self, may_run: impl Fn(Origin) -> bool) -> Option<(Origin, T)> {
        let index = self.turns.iter().position(|origin| may_run(*origin))?;
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

    /// Removes all items.
    pub fn clear(&mut self) {
        *self = FairQueue::new();
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
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop(|_| true)).map(|(_, item)| item).collect();
        assert_eq!(taken, [10, 20, 11, 21, 12]);
        assert!(queue.turns.is_empty() && queue.items.is_empty());
    }

    #[test]
    fn an_origin_that_may_not_run_keeps_its_place() {
        let mut queue = FairQueue::new();
        queue.push(origin(1), 10);
        queue.push(origin(2), 20);
        queue.push(origin(2), 21);
        assert_eq!(queue.pop(|from| from != origin(1)), Some((origin(2), 20)));
        assert_eq!(queue.pop(|_| false), None);
        assert_eq!(queue.pop(|_| true), Some((origin(1), 10)));
        assert_eq!(queue.pop(|_| true), Some((origin(2), 21)));
    }
}
