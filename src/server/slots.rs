//! Places for work that costs more than a request: so many at the same time, and whoever finds none is told "busy".

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A number of places.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<AtomicUsize>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Slots {
    pub fn new(count: usize) -> Slots {
        Slots { free: Arc::new(AtomicUsize::new(count)) }
    }

    /// Takes a place, if there is one.
    pub fn take(&self) -> Option<Slot> {
        let taken = self.free.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(1));
        taken.ok().map(|_| Slot(Arc::clone(&self.free)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_there_are() {
        let slots = Slots::new(2);
        let (first, second) = (slots.take(), slots.take());
        assert!(first.is_some() && second.is_some() && slots.take().is_none());
        drop(first);
        assert!(slots.take().is_some(), "given back at once");
        assert!(Slots::new(0).take().is_none());
    }
}
