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
    /// Connections to serve, by where they come from.
    origins: HashMap<Origin, usize>,
    /// Connections that have not told yet that they are gone.
    unfinished: usize,
}

impl Registry {
    /// Enters a connection: as one to serve while there are fewer of those than the limits say, else as one to be
    /// refused, and `None` if too many are being refused already.
    pub fn enter(
        &self,
        socket: Weak<Socket>,
        peer: SocketAddr,
        limits: &Limits,
        now: Instant,
    ) -> Option<Arc<Entry>> {
        let mut live = lock(&self.live);
        let origin = Origin::from(peer.ip());
        let of_it = live.origins.get(&origin).copied().unwrap_or(0);
        let served = live.entries.len() - live.refused;
        let refused = served >= limits.max_connections || of_it >= limits.max_per_address;
        if refused {
            if live.refused >= REFUSALS {
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
            let origin = Origin::from(entry.peer.ip());
            if entry.refused {
                live.refused -= 1;
            } else if let Some(of_it) = live.origins.get_mut(&origin) {
                *of_it -= 1;
                if *of_it == 0 {
                    live.origins.remove(&origin);
                }
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

/// A registry is right after every single statement, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{io, net::TcpListener, time::Duration};

    use super::*;

    fn enter(registry: &Registry, socket: &Arc<TcpListener>, max: usize) -> Option<Arc<Entry>> {
        let weak: Weak<TcpListener> = Arc::downgrade(socket);
        let limits = Limits { max_connections: max, ..Limits::default() };
        registry.enter(weak as Weak<Socket>, ([127, 0, 0, 1], 1).into(), &limits, Instant::now())
    }

    #[test]
    fn an_address_has_a_share_and_no_more() {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let registry = Registry::default();
        let limits = Limits { max_per_address: 2, ..Limits::default() };
        let enter = |peer: &str| {
            let weak: Weak<TcpListener> = Arc::downgrade(&socket);
            let peer = SocketAddr::new(peer.parse().unwrap(), 1);
            registry.enter(weak as Weak<Socket>, peer, &limits, Instant::now()).unwrap()
        };
        let first = enter("192.0.2.1");
        assert!(!first.refused && !enter("192.0.2.1").refused);
        let third = enter("192.0.2.1");
        assert!(third.refused && !enter("192.0.2.2").refused);
        registry.remove(&third);
        assert!(enter("192.0.2.1").refused, "a place to refuse in was none of its share");
        registry.remove(&first);
        registry.remove(&first);
        assert!(!enter("192.0.2.1").refused && enter("192.0.2.1").refused);
        // Addresses of IPv6 are counted by networks.
        assert!(!enter("2001:db8::1").refused && !enter("2001:db8::2").refused);
        assert!(enter("2001:db8::3").refused && !enter("2001:db8:0:1::3").refused);
    }

    #[test]
    fn a_peer_that_has_reset_is_seen_without_reading() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        let socket = Arc::new(stream);
        let weak: Weak<std::net::TcpStream> = Arc::downgrade(&socket);
        let registry = Registry::default();
        let entry = registry.enter(weak as Weak<Socket>, peer, &Limits::default(), Instant::now()).unwrap();
        assert!(entry.failure().is_none());
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let begin = Instant::now();
        let error = loop {
            if let Some(error) = entry.failure() {
                break error;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "a reset comes over loopback at once");
            std::thread::yield_now();
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn over_the_cap_are_a_few_places_to_refuse_in() {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let registry = Registry::default();
        let served: Vec<_> = (0..3).map(|_| enter(&registry, &socket, 3).unwrap()).collect();
        assert!(served.iter().all(|entry| !entry.refused));
        let refused: Vec<_> = (0..REFUSALS).map(|_| enter(&registry, &socket, 3).unwrap()).collect();
        assert!(refused.iter().all(|entry| entry.refused));
        assert!(enter(&registry, &socket, 3).is_none());
        registry.remove(&refused[0]);
        assert!(
            enter(&registry, &socket, 3).unwrap().refused,
            "a place to refuse in is no place to serve in"
        );
        registry.remove(&served[1]);
        assert!(!enter(&registry, &socket, 3).unwrap().refused);
    }

    #[test]
    fn rows_are_those_asked_for_and_the_oldest_come_first() {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let registry = Registry::default();
        let entries: Vec<_> = (0..5).map(|_| enter(&registry, &socket, 9).unwrap()).collect();
        registry.remove(&entries[1]);
        let ids = |range| -> Vec<u64> {
            registry.view(range, Instant::now()).iter().filter_map(|row| Some(row.id?.0)).collect()
        };
        assert_eq!(ids(0..usize::MAX), [1, 3, 4, 5]);
        assert_eq!(ids(1..3), [3, 4]);
        assert!(ids(4..9).is_empty());
        assert_eq!(registry.len(), 4);
    }

    #[test]
    fn the_registry_keeps_no_socket_open() {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let registry = Registry::default();
        let entry = enter(&registry, &socket, 1).unwrap();
        assert_eq!(Arc::strong_count(&socket), 1);
        drop(socket);
        entry.disconnect();
        assert!(entry.is_disconnected());
    }
}
