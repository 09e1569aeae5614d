//! A queue in which origins take turns, so that one with many waiting items delays another by one item at most.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::server::limits::origin::Origin;

/// Items that run at the same time at most.
pub(super) const MAX_RUNNING: usize = 64;
/// Of those, items of one origin at most: if all of them hang, there is room for others.
pub(super) const MAX_OF_ORIGIN: usize = MAX_RUNNING / 4;
/// If items wait and none has ended for this long, the disk holds up those that run, and another one may run beside them.
pub(super) const STALL: Duration = Duration::from_millis(100);

/// Items by where they come from, and how many of each origin run.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    /// Origins with waiting items, the one whose turn is next first.
    turns: VecDeque<Origin>,
    items: HashMap<Origin, VecDeque<T>>,
    /// Running items; no origin without any.
    running: HashMap<Origin, usize>,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub fn new() -> FairQueue<T> {
        FairQueue { turns: VecDeque::new(), items: HashMap::new(), running: HashMap::new() }
    }

    /// Adds an item after those of the same origin.
    pub fn push(&mut self, origin: Origin, item: T) {
        let items = self.items.entry(origin).or_default();
        if items.is_empty() {
            self.turns.push_back(origin);
        }
        items.push_back(item);
    }

    /// Takes the oldest item of the next origin of which fewer than `max_of_origin` run; its next turn comes after those of all other
    /// origins. The item runs until [`FairQueue::end`].
    pub fn take(&mut self, max_of_origin: usize) -> Option<(Origin, T)> {
        let index = self.turns.iter().position(|origin| self.running(*origin) < max_of_origin)?;
        let origin = self.turns.remove(index)?;
        let items = self.items.get_mut(&origin)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.items.remove(&origin);
        } else {
            self.turns.push_back(origin);
        }
        *self.running.entry(origin).or_default() += 1;
        Some((origin, item))
    }

    /// An item of this origin, which was taken, has ended.
    pub fn end(&mut self, origin: Origin) {
        if let Some(count) = self.running.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&origin);
            }
        }
    }

    /// Whether [`FairQueue::take`] would give an item.
    pub fn has_next(&self, max_of_origin: usize) -> bool {
        self.turns.iter().any(|origin| self.running(*origin) < max_of_origin)
    }

    /// Removes all items that were not taken.
    pub fn clear(&mut self) {
        self.turns.clear();
        self.items.clear();
    }

    /// Items that were not taken.
    pub fn len(&self) -> usize {
        self.items.values().map(VecDeque::len).sum()
    }

    /// Whether all items were taken.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn running(&self, origin: Origin) -> usize {
        self.running.get(&origin).copied().unwrap_or(0)
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
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(9)).map(|(_, item)| item).collect();
        assert_eq!(taken, [10, 20, 11, 21, 12]);
        assert!(queue.turns.is_empty() && queue.items.is_empty());
    }

    #[test]
    fn an_origin_that_may_not_run_another_item_keeps_its_turn() {
        let mut queue = FairQueue::new();
        for item in [10, 11, 12] {
            queue.push(origin(1), item);
        }
        queue.push(origin(2), 20);
        assert_eq!(queue.take(1), Some((origin(1), 10)));
        assert_eq!(queue.take(1), Some((origin(2), 20)));
        assert!(!queue.has_next(1) && queue.take(1).is_none());
        queue.push(origin(3), 30);
        queue.end(origin(1));
        assert_eq!(queue.take(1), Some((origin(1), 11)));
        assert_eq!(queue.take(1), Some((origin(3), 30)));
        for last in [1, 2, 3] {
            queue.end(origin(last));
        }
        assert!(queue.running.is_empty(), "no origin is remembered");
        assert_eq!(queue.take(1), Some((origin(1), 12)));
    }
}
