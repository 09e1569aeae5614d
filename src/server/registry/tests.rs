use std::{io, net::TcpListener, time::Duration};

use super::*;
use crate::server::ConnectionState;

fn enter(registry: &Registry, socket: &Arc<TcpListener>, max: usize) -> Option<Arc<Entry>> {
    let weak: Weak<TcpListener> = Arc::downgrade(socket);
    let limits = Limits { max_connections: max, ..Limits::default() };
    registry.enter(weak as Weak<Socket>, ([127, 0, 0, 1], 1).into(), &limits, false, Instant::now())
}

#[test]
fn an_address_has_a_share_and_no_more() {
    let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let registry = Registry::default();
    let limits = Limits { max_per_address: 2, ..Limits::default() };
    let enter = |peer: &str| {
        let weak: Weak<TcpListener> = Arc::downgrade(&socket);
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        registry.enter(weak as Weak<Socket>, peer, &limits, false, Instant::now()).unwrap()
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
    let entry =
        registry.enter(weak as Weak<Socket>, peer, &Limits::default(), false, Instant::now()).unwrap();
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
    assert!(enter(&registry, &socket, 3).unwrap().refused, "a place to refuse in is no place to serve in");
    registry.remove(&served[1]);
    assert!(!enter(&registry, &socket, 3).unwrap().refused);
}

/// Enters connections from addresses, where there are so many places.
struct Door {
    socket: Arc<TcpListener>,
    registry: Registry,
    limits: Limits,
}

impl Door {
    fn with_places(max_connections: usize) -> Door {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let limits = Limits { max_connections, ..Limits::default() };
        Door { socket, registry: Registry::default(), limits }
    }

    fn enter(&self, from: u8) -> Arc<Entry> {
        let weak: Weak<TcpListener> = Arc::downgrade(&self.socket);
        let peer = ([192, 0, 2, from], 1).into();
        self.registry.enter(weak as Weak<Socket>, peer, &self.limits, false, Instant::now()).unwrap()
    }
}

#[test]
fn who_only_waits_makes_way_for_whoever_has_fewer_places() {
    let door = Door::with_places(6);
    let mut first: Vec<_> = (0..4).map(|_| door.enter(1)).collect();
    let second: Vec<_> = (0..2).map(|_| door.enter(2)).collect();
    first[0].set_state(ConnectionState::Sending);
    first[1].set_state(ConnectionState::Idle);
    assert!(door.enter(1).refused, "nobody makes way for itself");
    let newcomer = door.enter(3);
    assert!(!newcomer.refused);
    let gone = |entries: &[Arc<Entry>]| entries.iter().filter(|entry| entry.has_made_way()).count();
    assert!(first[1].has_made_way() && first[1].is_disconnected(), "the oldest that waits");
    assert_eq!((gone(&first), gone(&second)), (1, 0), "of whoever has the most");
    assert!(!door.enter(3).refused && gone(&first) == 2);
    // Two each.
    assert!(door.enter(3).refused && door.enter(1).refused && !door.enter(4).refused);
    assert_eq!(gone(&first) + gone(&second), 3);
    // Those that have made way give nobody a second place.
    door.registry.remove(&first.remove(1));
    assert!(door.enter(3).refused);
}

#[test]
fn who_is_being_answered_makes_no_way() {
    let door = Door::with_places(4);
    let entries: Vec<_> = (0..4).map(|_| door.enter(1)).collect();
    for (entry, state) in
        entries.iter().zip([ConnectionState::Sending, ConnectionState::Hashing, ConnectionState::Planning])
    {
        entry.set_state(state);
    }
    assert!(!door.enter(2).refused);
    assert!(door.enter(3).refused, "the others are at work");
    entries[1].disconnect();
    entries[1].set_state(ConnectionState::Idle);
    assert!(door.enter(3).refused, "one that ends already is no way");
}

#[test]
fn only_some_make_way_at_the_same_time() {
    let mut door = Door::with_places(256);
    door.limits.max_per_address = 256;
    let silent: Vec<_> = (0..256).map(|_| door.enter(1)).collect();
    for number in 0..REFUSALS {
        assert!(!door.enter(10 + number as u8).refused, "{number}");
    }
    assert!(door.enter(2).refused, "none of them is gone yet");
    silent.iter().filter(|entry| entry.has_made_way()).for_each(|entry| door.registry.remove(entry));
    assert!(!door.enter(2).refused);
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

#[test]
fn where_memory_is_short_one_comes_for_another_or_not_at_all() {
    let door = Door::with_places(100);
    let first: Vec<_> = (0..3).map(|_| door.enter(1)).collect();
    let enter = |from: u8| {
        let weak: Weak<TcpListener> = Arc::downgrade(&door.socket);
        door.registry.enter(
            weak as Weak<Socket>,
            ([192, 0, 2, from], 1).into(),
            &door.limits,
            true,
            Instant::now(),
        )
    };
    assert!(enter(1).is_none(), "nobody makes way for itself");
    assert!(enter(2).is_some_and(|entry| !entry.refused) && first[0].has_made_way());
    assert!(enter(2).is_none(), "two each, and nobody is told so");
}
