//! The clients in the kernel's queue while the single-threaded server serves another one.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    platform,
    server::api::snapshot::{ConnectionState, ConnectionView},
    text::SafeText,
};

/// Looking costs reading the kernel's table of all connections.
const INTERVAL: Duration = Duration::from_secs(1);

/// Those who wait, as far as was seen.
#[derive(Default)]
pub(crate) struct Waiting {
    looked: Option<Instant>,
    peers: Vec<Peer>,
}

/// One who waits.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    address: SocketAddr,
    /// First seen; the kernel does not tell since when it waits.
    since: Instant,
}

impl Waiting {
    /// Those who wait for the listener at `local`, longest first, as of about now.
    pub fn refresh(&mut self, local: SocketAddr, now: Instant) -> &[Peer] {
        let due = self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= INTERVAL);
        if due && let Ok(addresses) = platform::waiting_peers(local) {
            let known: HashMap<_, _> = self.peers.iter().map(|peer| (peer.address, peer.since)).collect();
            let peer = |address| Peer { address, since: known.get(&address).copied().unwrap_or(now) };
            self.peers = addresses.into_iter().map(peer).collect();
            self.peers.sort_by_key(|peer| peer.since);
            self.looked = Some(now);
        }
        &self.peers
    }
}

impl Peer {
    /// As a row of the dashboard.
    pub fn view(&self, now: Instant) -> ConnectionView {
        ConnectionView {
            id: None,
            peer: self.address,
            dialect: None,
            path: SafeText::default(),
            state: ConnectionState::Waiting,
            sent: 0,
            progress: None,
            age: now.saturating_duration_since(self.since),
        }
    }
}
