use std::{io, net::TcpListener, time::Duration};

use super::*;
use crate::server::ConnectionState;

#[test]
fn a_reset_is_noticed_without_reading() {
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
        assert!(begin.elapsed() < Duration::from_secs(10), "a reset is received over loopback at once");
        std::thread::yield_now();
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Enters connections from addresses, where there are this many places.
struct Clients {
    socket: Arc<TcpListener>,
    registry: Registry,
    limits: Limits,
}

impl Clients {
    fn with_places(max_connections: usize) -> Clients {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let limits = Limits { max_connections, ..Limits::default() };
        Clients { socket, registry: Registry::default(), limits }
    }

    fn from(&self, peer: impl Into<IpAddr>) -> Option<Arc<Entry>> {
        let weak: Weak<TcpListener> = Arc::downgrade(&self.socket);
        let peer = (peer.into(), 1).into();
        self.registry.enter(weak as Weak<Socket>, peer, &self.limits, Instant::now())
    }

    fn enter(&self, from: u8) -> Option<Arc<Entry>> {
        self.from([192, 0, 2, from])
    }

    /// A connection that is served.
    fn serve(&self, from: u8) -> Arc<Entry> {
        let entry = self.enter(from).unwrap();
        assert!(self.authenticate(&entry));
        entry
    }

    fn authenticate(&self, entry: &Entry) -> bool {
        let has_place = self.registry.has_place(entry, &self.limits);
        assert_eq!(self.registry.authenticate(entry, &self.limits), has_place);
        has_place
    }

    /// Whether one more from this address would be served.
    fn serves(&self, from: u8) -> bool {
        self.enter(from).is_some_and(|entry| self.authenticate(&entry))
    }
}

fn evicted(entries: &[Arc<Entry>]) -> usize {
    entries.iter().filter(|entry| entry.is_evicted()).count()
}

#[test]
fn connections_of_one_address_are_limited() {
    let mut door = Clients::with_places(256);
    door.limits.max_per_address = 2;
    let first = door.serve(1);
    door.serve(1);
    let third = door.enter(1).unwrap();
    assert!(!door.authenticate(&third) && door.serves(2));
    door.registry.remove(&first);
    door.registry.remove(&first);
    assert!(door.authenticate(&third) && door.authenticate(&third), "it has its place only once");
    assert!(!door.serves(1));
    // Addresses of IPv6 are counted by networks.
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    let serves = |text| door.from(ip(text)).is_some_and(|entry| door.authenticate(&entry));
    assert!(serves("2001:db8::1") && serves("2001:db8::2") && !serves("2001:db8::3"));
    assert!(serves("2001:db8:0:1::1") && serves("2001:db8:0:1::2") && !serves("2001:db8:0:2::1"));
    assert!(serves("2001:db8:0:100::1") && serves("2001:db8:0:200::1") && !serves("2001:db8:0:300::1"));
    assert!(serves("2001:db8:1::1"));
}

#[test]
fn unauthenticated_connections_of_an_address_are_limited() {
    let mut door = Clients::with_places(256);
    door.limits.max_per_address = 2;
    let silent = [(); 2].map(|()| door.enter(1).unwrap());
    assert!(door.authenticate(&silent[0]) && door.enter(1).is_some() && door.enter(2).is_some());
    assert_eq!(evicted(&silent), 0);
    let third = door.enter(1).unwrap();
    assert_eq!(
        door.registry.live.lock().unwrap().unauthenticated.len(),
        3,
        "one of the same address has made way"
    );
    assert!(!third.is_evicted() && door.authenticate(&third));
}

/// Unauthenticated clients use up the maximum of a link, a household and a site; authenticated clients in the same networks are still served.
#[test]
fn unauthenticated_connections_do_not_count_against_a_client() {
    let mut door = Clients::with_places(256);
    door.limits.max_per_address = 4;
    let enter = |network: u16| door.from([0x2001, 0xdb8, 0, network, 0, 0, 0, 1]).unwrap();
    let mut newcomers: Vec<_> =
        [0, 0, 0, 0, 1, 1, 1, 1, 0x100, 0x100, 0x200, 0x200].map(|network| (network, enter(network))).into();
    for (network, full) in [(0, 0xffff), (2, 0xff00), (0x300, 0)] {
        assert!(newcomers.iter().all(|(_, newcomer)| !newcomer.is_evicted()), "{network:x}");
        let client = enter(network);
        let gone = newcomers.iter().position(|(_, newcomer)| newcomer.is_evicted()).unwrap();
        let (from, newcomer) = newcomers.remove(gone);
        assert_eq!(from & full, network & full, "one of the network that is full");
        assert!(!client.is_evicted() && door.authenticate(&client), "{network:x}");
        door.registry.remove(&newcomer);
        newcomers.push((from, enter(from)));
    }
}

/// One for each address.
#[test]
fn unauthenticated_connections_are_replaced_by_clients() {
    let mut door = Clients::with_places(32);
    let newcomers: Vec<_> =
        (0..32 + MAX_UNAUTHENTICATED as u8).map(|from| door.enter(from).unwrap()).collect();
    assert_eq!(evicted(&newcomers), 0);
    let served: Vec<_> = (0..32).map(|number| door.serve(100 + number)).collect();
    assert_eq!((evicted(&newcomers), evicted(&served)), (32, 0), "one newcomer is evicted for each");
    for newcomer in newcomers.iter().filter(|newcomer| newcomer.is_evicted()) {
        assert!(newcomer.is_disconnected());
        door.authenticate(newcomer);
        assert!(!newcomer.is_authenticated(), "it has ended before");
        door.registry.remove(newcomer);
    }
    // No number of newcomers replaces a connection that is served.
    door.limits.max_per_address = 1000;
    for from in 0..50 {
        let entry = door.enter(200 + from).unwrap();
        let left: Vec<_> = door.registry.live.lock().unwrap().entries.values().cloned().collect();
        let gone = left.iter().filter(|entry| entry.is_evicted());
        gone.for_each(|entry| door.registry.remove(entry));
        assert!(!door.authenticate(&entry), "the places of those that are served are taken");
    }
    assert_eq!(evicted(&served), 0);
    assert_eq!(door.registry.len(), 32 + MAX_UNAUTHENTICATED);
    served.iter().for_each(|entry| door.registry.remove(entry));
    assert!(door.serves(1));
}

#[test]
fn a_random_unauthenticated_connection_is_replaced() {
    let gone = |key| {
        let door = Clients::with_places(32);
        door.registry.live.lock().unwrap().random = Random::new([key; 32]);
        let newcomers: Vec<_> = (0..96).map(|from| door.enter(from).unwrap()).collect();
        (0..20).for_each(|number| drop(door.enter(100 + number).unwrap()));
        newcomers.iter().map(|entry| entry.is_evicted()).collect::<Vec<_>>()
    };
    let (first, second) = (gone(1), gone(2));
    assert_eq!(first, gone(1));
    assert_ne!(first, second);
    for gone in [first, second] {
        let (old, new) = gone.split_at(48);
        assert!([old, new].iter().all(|half| half.contains(&true) && half.contains(&false)), "{gone:?}");
    }
}

#[test]
fn a_network_with_many_connections_replaces_none_of_one_with_few() {
    let door = Clients::with_places(36);
    let few = [1, 1, 2].map(|from| door.enter(from).unwrap());
    let many: Vec<_> = (0..36 + MAX_UNAUTHENTICATED as u16 - 3)
        .map(|number| {
            let network = [0x2001, 0xdb8, 0, number, 0, 0, 0, 1];
            door.from(network).unwrap()
        })
        .collect();
    let same = many[5].peer.ip();
    assert!(door.from(same).is_none(), "no connection evicts itself");
    for number in 0..20 {
        let household = [0x2001, 0xdb8, 0, 0x100 + 0x100 * number, 0, 0, 0, 1];
        assert!(door.from(household).is_some(), "for another household of the site");
    }
    assert!(evicted(&few) == 0 && evicted(&many) > 0);
    // This one has fewer than each of them, and takes the place of any.
    assert!(door.from([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1]).is_some(), "for another site");
}

#[test]
fn an_idle_connection_is_replaced_by_a_network_with_fewer() {
    let door = Clients::with_places(6);
    let mut first: Vec<_> = (0..4).map(|_| door.serve(1)).collect();
    let second: Vec<_> = (0..2).map(|_| door.serve(2)).collect();
    first[0].set_state(ConnectionState::Sending);
    first[1].set_state(ConnectionState::Idle);
    assert!(!door.serves(1), "no connection evicts itself");
    door.serve(3);
    assert!(first[1].is_evicted() && first[1].is_disconnected(), "the oldest that waits");
    assert_eq!((evicted(&first), evicted(&second)), (1, 0), "of the address that has the most");
    assert!(door.serves(3) && evicted(&first) == 2);
    // Two each.
    assert!(!door.serves(3) && !door.serves(1) && door.serves(4));
    assert_eq!(evicted(&first) + evicted(&second), 3);
    // An evicted connection makes room for one only.
    door.registry.remove(&first.remove(1));
    assert!(!door.serves(3));
}

#[test]
fn a_connection_with_a_running_answer_is_not_replaced() {
    let door = Clients::with_places(4);
    let entries: Vec<_> = (0..4).map(|_| door.serve(1)).collect();
    for (entry, state) in
        entries.iter().zip([ConnectionState::Sending, ConnectionState::Hashing, ConnectionState::Planning])
    {
        entry.set_state(state);
    }
    assert!(door.serves(2));
    assert!(!door.serves(3), "the others are at work");
    entries[1].disconnect();
    entries[1].set_state(ConnectionState::Idle);
    assert!(!door.serves(3), "one that ends already is no way");
}

#[test]
fn a_limited_number_of_connections_is_replaced_at_the_same_time() {
    let mut door = Clients::with_places(256);
    door.limits.max_per_address = 1000;
    let silent: Vec<_> = (0..256 + MAX_UNAUTHENTICATED).map(|_| door.enter(1).unwrap()).collect();
    for number in 0..MAX_UNAUTHENTICATED {
        assert!(door.enter(10 + number as u8).is_some(), "{number}");
    }
    assert!(door.enter(2).is_none(), "none of them is gone yet");
    silent.iter().filter(|entry| entry.is_evicted()).for_each(|entry| door.registry.remove(entry));
    assert!(door.enter(2).is_some());
}

#[test]
fn the_requested_rows_are_returned_oldest_first() {
    let door = Clients::with_places(9);
    let entries: Vec<_> = (0..5).map(|_| door.enter(1).unwrap()).collect();
    let registry = &door.registry;
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
    let door = Clients::with_places(1);
    let entry = door.enter(1).unwrap();
    assert_eq!(Arc::strong_count(&door.socket), 1);
    drop(door.socket);
    entry.disconnect();
    assert!(entry.is_disconnected());
}
