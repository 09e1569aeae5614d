//! The connections that are live, as the dashboard sees them and as the operator reaches them.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Shutdown, SocketAddr},
    ops::Range,
    os::fd::AsFd,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Instant,
};

use super::{ConnectionId, ConnectionState, ConnectionView, Limits, limits::REFUSALS, origin::Origin};
use crate::{platform, text::SafeText};

/// A socket as the registry needs it: it can be shut down from any thread, and that is all.
pub(super) type Socket = dyn AsFd + Send + Sync;

/// What is known of one connection. The loop that serves it writes, dashboards read, nobody waits.
pub(super) struct Entry {
    /// Its number.
    pub id: ConnectionId,
    /// Its peer.
    pub peer: SocketAddr,
    /// Whether it is only here to be told "busy".
    pub refused: bool,
    since: Instant,
    /// Weak: a connection is closed when its loop lets go of it, whoever looks at the registry.
    socket: Weak<Socket>,
    disconnected: AtomicBool,
    state: AtomicU8,
    dialect: AtomicU8,
    sent: AtomicU64,
    position: AtomicU64,
    total: AtomicU64,
    path: Mutex<SafeText>,
}

/// No answer is running, or its total is not known.
const UNKNOWN: u64 = u64::MAX;

const STATES: [ConnectionState; 6] = [
    ConnectionState::Handshake,
    ConnectionState::Idle,
    ConnectionState::Planning,
    ConnectionState::Hashing,
    ConnectionState::Sending,
    ConnectionState::Refused,
];

/// The names of the dialects, in the order of their numbers.
const DIALECTS: [Option<&str>; 4] = [None, Some("v1"), Some("classic"), Some("classic-select")];

impl Entry {
    /// What the connection does now.
    pub fn set_state(&self, state: ConnectionState) {
        let number = STATES.iter().position(|&known| known == state).unwrap_or_default();
        self.state.store(number as u8, SeqCst);
    }

    /// What it speaks; one of the names of [`ConnectionView::dialect`].
    pub fn set_dialect(&self, name: &'static str) {
        let number = DIALECTS.iter().position(|&known| known == Some(name)).unwrap_or_default();
        self.dialect.store(number as u8, Relaxed);
    }

    /// An answer begins.
    pub fn set_path(&self, path: &SafeText) {
        path.clone_into(&mut lock(&self.path));
    }

    /// How far the running answer is, out of a total that is known.
    pub fn set_progress(&self, position: u64, total: u64) {
        self.position.store(position, Relaxed);
        self.total.store(total, Relaxed);
    }

    /// No answer is running.
    pub fn clear_progress(&self) {
        self.total.store(UNKNOWN, Relaxed);
    }

    /// Content went out.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// Closes one or both directions of the socket; a loop that waits for it wakes up.
    pub fn shutdown(&self, how: Shutdown) {
        if let Some(socket) = self.socket.upgrade() {
            // It fails only where the peer was faster, and then there is nothing to shut down.
            let _ = platform::shutdown(&*socket, how);
        }
    }

    /// Why there is no peer any more, as far as it has said so by a reset. Looking takes the error from the socket.
    pub fn failure(&self) -> Option<io::Error> {
        let socket = self.socket.upgrade()?;
        socket2::SockRef::from(&socket.as_fd()).take_error().ok().flatten()
    }

    /// Wakes a loop that waits for a request, by an end of the stream. A connection that is in the
    /// middle of an answer is left alone.
    pub fn interrupt(&self) {
        if matches!(
            self.state(),
            ConnectionState::Handshake | ConnectionState::Idle | ConnectionState::Refused
        ) {
            self.shutdown(Shutdown::Read);
        }
    }

    fn state(&self) -> ConnectionState {
        STATES[usize::from(self.state.load(SeqCst))]
    }

    /// Ends the connection now, whatever it does.
    pub fn disconnect(&self) {
        self.disconnected.store(true, Relaxed);
        self.shutdown(Shutdown::Both);
    }

    /// Whether somebody called [`Entry::disconnect`].
    pub fn is_disconnected(&self) -> bool {
        self.disconnected.load(Relaxed)
    }

    fn view(&self, now: Instant) -> ConnectionView {
        let total = self.total.load(Relaxed);
        ConnectionView {
            id: Some(self.id),
            peer: self.peer,
            dialect: DIALECTS[usize::from(self.dialect.load(Relaxed))],
            path: lock(&self.path).clone(),
            state: self.state(),
            sent: self.sent.load(Relaxed),
            progress: (total != UNKNOWN).then(|| (self.position.load(Relaxed), total)),
            age: now.saturating_duration_since(self.since),
        }
    }
}

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
        let state = if refused { ConnectionState::Refused } else { ConnectionState::Handshake };
        let entry = Arc::new(Entry {
            id: ConnectionId(live.last),
            peer,
            refused,
            since: now,
            socket,
            disconnected: AtomicBool::new(false),
            state: AtomicU8::new(0),
            dialect: AtomicU8::new(0),
            sent: AtomicU64::new(0),
            position: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
            path: Mutex::default(),
        });
        entry.set_state(state);
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
    use std::{net::TcpListener, time::Duration};

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
