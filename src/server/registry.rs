//! The connections that are live, as the dashboard sees them and as the operator reaches them.

mod entry;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{ConnectionId, ConnectionView, Limits, limits::REFUSALS, origin::Origin};

pub(super) use self::entry::{Entry, Socket};

/// The live connections, oldest first.
#[derive(Default)]
pub(super) struct Registry {
    live: Mutex<Live>,
    emptied: Condvar,
    count: AtomicUsize,
}

#[derive(Default)]
struct Live {
    entries: BTreeMap<ConnectionId, Arc<Entry>>,
    last: u64,
    refused: usize,
    /// Connections that have made way for others and are not removed yet.
    leaving: usize,
    /// Connections to serve that have not made way, by where they come from.
    origins: HashMap<Origin, usize>,
    /// Connections that have not told yet that they are gone.
    unfinished: usize,
}

impl Registry {
    /// Enters a connection: as one to serve while there are fewer of those than the limits say or another one can make way
    /// for it, else as one to be refused, and `None` if too many are being refused already. `is_short`: there is memory for
    /// one only if another one makes way, and none to refuse it.
    pub fn enter(
        &self,
        socket: Weak<Socket>,
        peer: SocketAddr,
        limits: &Limits,
        is_short: bool,
        now: Instant,
    ) -> Option<Arc<Entry>> {
        let mut live = lock(&self.live);
        let origin = Origin::from(peer.ip());
        let of_it = live.origins.get(&origin).copied().unwrap_or(0);
        let served = live.entries.len() - live.refused - live.leaving;
        let is_full = is_short || served >= limits.max_connections;
        let refused = of_it >= limits.max_per_address || (is_full && !live.make_way(of_it));
        if refused {
            if is_short || live.refused >= REFUSALS {
                return None;
            }
            live.refused += 1;
        } else {
            live.origins.insert(origin, of_it + 1);
        }
        live.last += 1;
        live.unfinished += 1;
        let entry = Arc::new(Entry::new(ConnectionId(live.last), socket, peer, refused, now));
        live.entries.insert(entry.id, Arc::clone(&entry));
        self.count.store(live.entries.len(), Relaxed);
        Some(entry)
    }

    /// A connection is over: its place is free.
    pub fn remove(&self, entry: &Entry) {
        let mut live = lock(&self.live);
        if live.entries.remove(&entry.id).is_some() {
            if entry.refused {
                live.refused -= 1;
            } else if entry.has_made_way() {
                live.leaving -= 1;
            } else {
                live.release(entry);
            }
        }
        self.count.store(live.entries.len(), Relaxed);
    }

    /// Nothing more will be heard of a connection that was removed.
    pub fn finished(&self) {
        let mut live = lock(&self.live);
        live.unfinished -= 1;
        if live.unfinished == 0 {
            self.emptied.notify_all();
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// The rows in `range`.
    pub fn view(&self, range: Range<usize>, now: Instant) -> Vec<ConnectionView> {
        let live = lock(&self.live);
        live.entries.values().skip(range.start).take(range.len()).map(|entry| entry.view(now)).collect()
    }

    /// Calls `f` for the connection `id`, if it is still there.
    pub fn with(&self, id: ConnectionId, f: impl FnOnce(&Entry)) {
        let entry = lock(&self.live).entries.get(&id).cloned();
        if let Some(entry) = entry {
            f(&entry);
        }
    }

    /// Calls `f` for every connection.
    pub fn for_each(&self, f: impl FnMut(&Arc<Entry>)) {
        lock(&self.live).entries.values().for_each(f);
    }

    /// Waits until all connections are over.
    pub fn wait_until_empty(&self) {
        let live = lock(&self.live);
        drop(self.emptied.wait_while(live, |live| live.unfinished > 0));
    }
}

impl Live {
    /// Ends a connection that waits for a request, if whoever it is from has more places than somebody with `of_it` of them
    /// and one more will have: one of whoever has the most, the oldest. Otherwise a few who say nothing could keep all others
    /// out.
    fn make_way(&mut self, of_it: usize) -> bool {
        if self.leaving >= REFUSALS {
            return false;
        }
        let mut found: Option<(usize, Arc<Entry>)> = None;
        for entry in self.entries.values().filter(|entry| !entry.refused && entry.is_waiting()) {
            let places = self.origins.get(&Origin::from(entry.peer.ip())).copied().unwrap_or(0);
            if places > found.as_ref().map_or(of_it + 1, |(most, _)| *most) {
                found = Some((places, Arc::clone(entry)));
            }
        }
        let Some((_, entry)) = found else { return false };
        entry.make_way();
        self.release(&entry);
        self.leaving += 1;
        true
    }

    /// A connection counts no longer as one of its origin.
    fn release(&mut self, entry: &Entry) {
        let origin = Origin::from(entry.peer.ip());
        if let Some(of_it) = self.origins.get_mut(&origin) {
            *of_it -= 1;
            if *of_it == 0 {
                self.origins.remove(&origin);
            }
        }
    }
}

/// A registry is right after every single statement, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
