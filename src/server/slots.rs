//! Places for work that costs more than a request: so many at the same time, and whoever finds none is told "busy".

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use super::{origin::Origin, registry::lock};

/// A number of places. One origin gets half of them at most, so that there are some for others.
#[derive(Debug)]
pub(super) struct Slots {
    count: usize,
    taken: Arc<Mutex<HashMap<Origin, usize>>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    origin: Origin,
    taken: Arc<Mutex<HashMap<Origin, usize>>>,
}

impl Slots {
    pub fn new(count: usize) -> Slots {
        Slots { count, taken: Arc::default() }
    }

    /// Takes a place for a client at `peer`, if there is one.
    pub fn take(&self, peer: IpAddr) -> Option<Slot> {
        let origin = Origin::from(peer);
        let mut taken = lock(&self.taken);
        let own = taken.get(&origin).copied().unwrap_or(0);
        if own >= self.count.div_ceil(2) || taken.values().sum::<usize>() >= self.count {
            return None;
        }
        taken.insert(origin, own + 1);
        Some(Slot { origin, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(own) = taken.get_mut(&self.origin) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn there_are_as_many_places_as_there_are() {
        let slots = Slots::new(2);
        let (first, second) = (slots.take(peer(1)), slots.take(peer(2)));
        assert!(first.is_some() && second.is_some() && slots.take(peer(3)).is_none());
        drop(first);
        assert!(slots.take(peer(3)).is_some(), "given back at once");
        assert!(slots.taken.lock().unwrap().len() == 1, "nobody is remembered");
        assert!(Slots::new(0).take(peer(1)).is_none());
    }

    #[test]
    fn one_origin_leaves_half_of_them_to_others() {
        let slots = Slots::new(5);
        let greedy: Vec<Slot> = (0..9).map_while(|_| slots.take(peer(1))).collect();
        assert_eq!(greedy.len(), 3);
        assert!(slots.take(peer(2)).is_some());
        assert!(Slots::new(1).take(peer(1)).is_some(), "a single place is anybody's");
        let network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let slots = Slots::new(2);
        let _first = slots.take(network(1));
        assert!(slots.take(network(2)).is_none(), "a network is one origin");
    }
}
