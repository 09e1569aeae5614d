//! The live connections, for the dashboard and for the operator.

pub(super) mod entry;
mod pool;
mod waiting;

use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, SocketAddr},
    ops::Range,
    sync::{
        Arc, Condvar, Mutex, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use self::{
    entry::{Entry, Socket},
    pool::{Pool, Random},
    waiting::{Peer, Waiting},
};
use super::{
    api::{event::ConnectionId, snapshot::ConnectionView},
    limits::{Limits, MAX_COUNTED_CLIENTS, MAX_UNAUTHENTICATED, origin::Network},
    sync::lock,
};

/// The live connections, oldest first.
#[derive(Default)]
pub(super) struct Registry {
    live: Mutex<Live>,
    emptied: Condvar,
    count: AtomicUsize,
    /// Clients that the kernel has for a server that accepts one after the other.
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Live {
    entries: BTreeMap<ConnectionId, Arc<Entry>>,
    last: u64,
    /// Connections whose clients have not shown that they may fetch.
    unauthenticated: Pool,
    /// Connections that are served.
    authenticated: Pool,
    /// Connections that were evicted for others and are not removed yet.
    leaving: usize,
    /// Connections that have not reported their end yet.
    unfinished: usize,
    random: Random,
    /// Addresses whose clients were served.
    clients: HashSet<IpAddr>,
}

impl Registry {
    /// Enters a connection that has not authenticated. If all places are taken, it replaces another one that has not authenticated,
    /// chosen at random among those whose networks have more of them than its own; if a network of its address has as many of them
    /// as it may, one of that network. `None` if there is no such connection.
    pub fn enter(
        &self,
        socket: Weak<Socket>,
        peer: SocketAddr,
        limits: &Limits,
        now: Instant,
    ) -> Option<Arc<Entry>> {
        let mut live = lock(&self.live);
        let network = live.unauthenticated.full_network(peer.ip(), limits.max_per_address);
        let places = limits.max_connections.saturating_add(MAX_UNAUTHENTICATED);
        let is_full = live.unauthenticated.len() + live.authenticated.len() >= places;
        if is_full || network.is_some() {
            let entry = live.random_unauthenticated(peer.ip(), network)?;
            live.evict(&entry)?;
        }
        live.unauthenticated.add(peer.ip());
        live.last += 1;
        live.unfinished += 1;
        let entry = Arc::new(Entry::new(ConnectionId(live.last), socket, peer, now));
        live.entries.insert(entry.id, Arc::clone(&entry));
        self.count.store(live.entries.len(), Relaxed);
        Some(entry)
    }

    /// Whether [`Registry::authenticate`] would find a place now.
    pub fn has_place(&self, entry: &Entry, limits: &Limits) -> bool {
        entry.is_authenticated()
            || entry.is_evicted()
            || lock(&self.live).place(entry.peer.ip(), limits).is_some()
    }

    /// The client of a connection has authenticated: it gets a place among those that are served, a free one or that of a
    /// connection that waits for a request. Returns whether there is one; true also for a connection that is being replaced
    /// itself.
    pub fn authenticate(&self, entry: &Entry, limits: &Limits) -> bool {
        if entry.is_authenticated() {
            return true;
        }
        let mut live = lock(&self.live);
        if entry.is_evicted() {
            return true;
        }
        let Some(other) = live.place(entry.peer.ip(), limits) else { return false };
        if other.is_some_and(|other| live.evict(&other).is_none()) {
            return false;
        }
        live.unauthenticated.remove(entry.peer.ip());
        live.authenticated.add(entry.peer.ip());
        entry.set_authenticated();
        if live.clients.len() < MAX_COUNTED_CLIENTS {
            live.clients.insert(entry.peer.ip());
        }
        true
    }

    /// A connection is over: its place is free.
    pub fn remove(&self, entry: &Entry) {
        let mut live = lock(&self.live);
        if live.entries.remove(&entry.id).is_some() {
            if entry.is_evicted() {
                live.leaving -= 1;
            } else {
                live.release(entry);
            }
        }
        self.count.store(live.entries.len(), Relaxed);
    }

    /// A removed connection reports nothing more.
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

    /// Addresses whose clients were served since the start, at most [`MAX_COUNTED_CLIENTS`].
    pub fn clients(&self) -> u64 {
        lock(&self.live).clients.len() as u64
    }

    /// The rows in `range`.
    pub fn view(&self, range: Range<usize>, now: Instant) -> Vec<ConnectionView> {
        let live = lock(&self.live);
        live.entries.values().skip(range.start).take(range.len()).map(|entry| entry.view(now)).collect()
    }

    /// Clients that wait in the kernel for the listener at `local`, the longest first.
    pub fn waiting(&self, local: SocketAddr, now: Instant) -> Vec<Peer> {
        lock(&self.waiting).refresh(local, now).to_vec()
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
    /// Finds a place for a client that may fetch: `Some(None)` is a free one, `Some(Some(_))` that of another connection, and `None` means
    /// that all places are taken.
    fn place(&self, address: IpAddr, limits: &Limits) -> Option<Option<Arc<Entry>>> {
        if self.authenticated.is_at_limit(address, limits.max_per_address) {
            return None;
        }
        if self.authenticated.len() < limits.max_connections {
            return Some(None);
        }
        self.waiting(address).map(Some)
    }

    /// The connection that a new one from this address may replace: a random one that has not authenticated, from a network that
    /// has more of these. `full`: the network that has no place left, if there is one; the connection is from this one.
    fn random_unauthenticated(&mut self, newcomer: IpAddr, full: Option<Network>) -> Option<Arc<Entry>> {
        let unauthenticated = self.entries.values().filter(|entry| !entry.is_authenticated());
        let present = unauthenticated.filter(|entry| !entry.is_disconnected());
        let networks = Network::of(newcomer);
        let is_replaceable = |entry: &&Arc<Entry>| {
            let of_entry = Network::of(entry.peer.ip());
            let has_more = self.unauthenticated.surplus(entry.peer.ip(), newcomer) > 0;
            match full {
                Some(full) => of_entry.contains(&full) && (has_more || of_entry == networks),
                None => has_more,
            }
        };
        let candidates: Vec<_> = present.filter(is_replaceable).cloned().collect();
        self.random.choose(candidates)
    }

    /// A connection that is served and waits for a request, from a network that has more places than this address and one more
    /// will have: of the network with the most, the oldest. Otherwise a few idle clients could keep all others out.
    fn waiting(&self, newcomer: IpAddr) -> Option<Arc<Entry>> {
        let mut found: Option<(usize, &Arc<Entry>)> = None;
        let served = self.entries.values().filter(|entry| entry.is_authenticated() && entry.is_waiting());
        for entry in served {
            let surplus = self.authenticated.surplus(entry.peer.ip(), newcomer);
            if surplus > found.map_or(1, |(most, _)| most) {
                found = Some((surplus, entry));
            }
        }
        found.map(|(_, entry)| Arc::clone(entry))
    }

    /// Ends a connection so that another one has its place; `None` if too many are ending for others already.
    fn evict(&mut self, entry: &Entry) -> Option<()> {
        if self.leaving >= MAX_UNAUTHENTICATED {
            return None;
        }
        entry.evict();
        self.release(entry);
        self.leaving += 1;
        Some(())
    }

    /// Removes a connection from the counts.
    fn release(&mut self, entry: &Entry) {
        let pool = match entry.is_authenticated() {
            true => &mut self.authenticated,
            false => &mut self.unauthenticated,
        };
        pool.remove(entry.peer.ip());
    }
}

#[cfg(test)]
mod tests;
