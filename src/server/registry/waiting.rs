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

/// The minimum time between two reads of the kernel's table of connections, which are expensive.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Waiting clients at the last refresh.
#[derive(Default)]
pub(crate) struct Waiting {
    looked: Option<Instant>,
    peers: Vec<Peer>,
}

/// A waiting client.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    address: SocketAddr,
    /// When it was seen first; the kernel does not say since when it waits.
    since: Instant,
}

impl Waiting {
    /// The clients that wait for the listener at `local`, longest first, as of about now.
    pub fn refresh(&mut self, local: SocketAddr, now: Instant) -> &[Peer] {
        let due = self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= REFRESH_INTERVAL);
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
