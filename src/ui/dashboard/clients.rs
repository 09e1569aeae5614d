//! The connections, grouped by client: all connections from one address are one client's.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    ops::Range,
    time::{Duration, Instant},
};

use super::{
    rates::Rates,
    row::{Row, State, word},
    sort::{Column, Sort},
};
use crate::server::{BlockView, ConnectionId, ConnectionState, ConnectionView};

/// How long clients keep their order while their speed and progress change.
const ORDER_TIME: Duration = Duration::from_secs(2);
/// The value of a row without speed or progress: it comes after all others, or before them.
const UNKNOWN_RANK: f64 = -1.0;

/// What a row is about: never its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKey {
    /// All connections of a client.
    Client(IpAddr),
    /// One connection of a client that has several; one that is not accepted yet has no number.
    Connection(Option<ConnectionId>, SocketAddr),
    /// A blocked address.
    Block(IpAddr),
}

/// Which rows are wanted, in which order.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Their order.
    pub sort: Sort,
    /// Only rows that contain this, in small letters.
    pub needle: String,
    /// The clients whose connections are shown.
    pub open: HashSet<IpAddr>,
}

/// A client.
#[derive(Clone, Debug)]
struct Client {
    address: IpAddr,
    /// Its connections, as a range of `by_client`.
    members: Range<usize>,
}

/// The connections, by client.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Oldest first.
    connections: Vec<ConnectionView>,
    /// Indices of connections, those of one client together.
    by_client: Vec<usize>,
    /// In the order of their addresses.
    clients: Vec<Client>,
    /// The values that rows are sorted by, where these change all the time, and when they were taken.
    ranks: Option<Ranks>,
}

/// When values were taken, and that of each row.
type Ranks = (Instant, HashMap<RowKey, f64>);

impl Clients {
    /// Takes in all connections, oldest first.
    pub fn read(&mut self, connections: Vec<ConnectionView>) {
        self.connections = connections;
        let address = |index: &usize| self.connections[*index].peer.ip();
        self.by_client.clear();
        self.by_client.extend(0..self.connections.len());
        self.by_client.sort_by_key(|index| (address(index), *index));
        self.clients.clear();
        let mut begin = 0;
        for members in self.by_client.chunk_by(|a, b| address(a) == address(b)) {
            let end = begin + members.len();
            self.clients.push(Client { address: address(&members[0]), members: begin..end });
            begin = end;
        }
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// All connections.
    pub fn connections(&self) -> &[ConnectionView] {
        &self.connections
    }

    /// The connections of the client at this address, oldest first.
    pub fn of(&self, address: IpAddr) -> impl ExactSizeIterator<Item = &ConnectionView> + Clone {
        let found = self.clients.binary_search_by_key(&address, |client| client.address);
        self.members(found.map_or(0..0, |index| self.clients[index].members.clone()))
    }

    fn members(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = &ConnectionView> + Clone {
        self.by_client[range].iter().map(|index| &self.connections[*index])
    }

    /// A connection.
    pub fn connection(&self, id: Option<ConnectionId>, peer: SocketAddr) -> Option<&ConnectionView> {
        match id {
            Some(_) => {
                // Those that are not accepted yet follow all others.
                let accepted = self.connections.partition_point(|row| row.id.is_some());
                let found = self.connections[..accepted].binary_search_by_key(&id, |row| row.id).ok()?;
                self.connections.get(found)
            }
            None => self.connections.iter().rev().find(|row| row.id.is_none() && row.peer == peer),
        }
    }

    /// The keys of the rows: clients, connections of open ones after them, and blocked addresses at the end.
    pub fn rows(&mut self, view: &View, blocks: &[BlockView], rates: &Rates, now: Instant) -> Vec<RowKey> {
        let ranks = self.ranks(view, rates, now);
        let mut clients: Vec<&Client> =
            self.clients.iter().filter(|client| self.matches(client, &view.needle)).collect();
        clients.sort_by(|a, b| {
            let order = self.compare(a, b, view.sort.column, &ranks);
            let order = if view.sort.descends() { order.reverse() } else { order };
            // Clients of the same value stay in one order.
            order.then_with(|| self.by_client[a.members.start].cmp(&self.by_client[b.members.start]))
        });
        let mut keys = Vec::with_capacity(clients.len() + blocks.len());
        for client in clients {
            keys.push(RowKey::Client(client.address));
            if client.members.len() > 1 && view.open.contains(&client.address) {
                let mut members: Vec<_> = self.members(client.members.clone()).collect();
                members.sort_by(|a, b| {
                    let order = compare_members(a, b, view.sort.column, &ranks);
                    if view.sort.descends() { order.reverse() } else { order }
                });
                keys.extend(members.into_iter().map(key_of));
            }
        }
        let blocked = |block: &&BlockView| {
            view.needle.is_empty()
                || block.network.as_str().contains(&view.needle)
                || State::Blocked.word().contains(&view.needle)
        };
        keys.extend(blocks.iter().filter(blocked).map(|block| RowKey::Block(block.address)));
        self.ranks = ranks;
        keys
    }

    /// The next time that rows are wanted, they are sorted by their present values.
    pub fn sort_anew(&mut self) {
        self.ranks = None;
    }

    /// Values by which rows are sorted: those of some time ago, so that rows do not change places all the time.
    fn ranks(&mut self, view: &View, rates: &Rates, now: Instant) -> Option<Ranks> {
        let column = view.sort.column;
        if !matches!(column, Column::Progress | Column::Speed) {
            return None;
        }
        let kept = self.ranks.take();
        if kept.as_ref().is_some_and(|(at, _)| now.saturating_duration_since(*at) < ORDER_TIME) {
            return kept;
        }
        let value = |row: Row| if column == Column::Speed { row.rate } else { row.fraction() };
        let mut values = HashMap::new();
        for client in &self.clients {
            let members = self.members(client.members.clone());
            if view.open.contains(&client.address) {
                let of_member =
                    |row| (key_of(row), value(Row::of_connection(row, rates)).unwrap_or(UNKNOWN_RANK));
                values.extend(members.clone().map(of_member));
            }
            let of_client = value(Row::of_client(client.address, members, rates));
            values.insert(RowKey::Client(client.address), of_client.unwrap_or(UNKNOWN_RANK));
        }
        Some((now, values))
    }

    fn compare(&self, a: &Client, b: &Client, column: Column, ranks: &Option<Ranks>) -> Ordering {
        let oldest = |client: &Client| &self.connections[self.by_client[client.members.start]];
        match column {
            Column::Age => oldest(a).age.cmp(&oldest(b).age),
            Column::Client => a.address.cmp(&b.address),
            Column::Protocol => oldest(a).dialect.cmp(&oldest(b).dialect),
            Column::Path => oldest(a).path.cmp(&oldest(b).path),
            Column::Progress | Column::Speed => {
                let rank = |client: &Client| rank(ranks, RowKey::Client(client.address));
                rank(a).total_cmp(&rank(b))
            }
        }
    }

    fn matches(&self, client: &Client, needle: &str) -> bool {
        let contains = |row: &ConnectionView| {
            row.path.as_str().to_lowercase().contains(needle)
                || row.peer.to_string().contains(needle)
                || row.dialect.is_some_and(|dialect| dialect.contains(needle))
                || word(row.state).contains(needle)
        };
        needle.is_empty() || self.members(client.members.clone()).any(contains)
    }

    /// Whether an answer is being made for some client.
    pub fn is_working(&self) -> bool {
        self.connections.iter().any(|row: &ConnectionView| ConnectionState::is_working(row.state))
    }
}

/// The key of the row of a connection of a client with several.
fn key_of(row: &ConnectionView) -> RowKey {
    RowKey::Connection(row.id, row.peer)
}

fn rank(ranks: &Option<Ranks>, key: RowKey) -> f64 {
    ranks.as_ref().and_then(|(_, values)| values.get(&key)).copied().unwrap_or(UNKNOWN_RANK)
}

/// Compares two connections of one client.
fn compare_members(
    a: &ConnectionView,
    b: &ConnectionView,
    column: Column,
    ranks: &Option<Ranks>,
) -> Ordering {
    match column {
        Column::Age => a.age.cmp(&b.age),
        Column::Client => a.peer.port().cmp(&b.peer.port()),
        Column::Protocol => a.dialect.cmp(&b.dialect),
        Column::Path => a.path.cmp(&b.path),
        Column::Progress | Column::Speed => rank(ranks, key_of(a)).total_cmp(&rank(ranks, key_of(b))),
    }
}
