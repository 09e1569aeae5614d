//! What the loop and all connections of a server share.

pub(crate) mod lifecycle;
pub(crate) mod services;

use std::{
    net::IpAddr,
    ops::Range,
    time::{Duration, Instant},
};

use self::{
    lifecycle::{Lifecycle, Phase},
    services::Services,
};
use super::{
    api::{arch::Arch, event::Event, snapshot::Snapshot, summary::Summary},
    limits::origin::Origin,
    registry::{Registry, entry::Entry},
};
use crate::text::SafeText;

/// What the loop and all connections of a server share.
pub(super) struct Shared {
    /// What is served, and with what.
    pub services: Services,
    /// Where the server is in its life.
    pub lifecycle: Lifecycle,
    /// The live connections.
    pub registry: Registry,
}

impl Shared {
    /// Of a server that is about to run.
    pub fn new(services: Services, lifecycle: Lifecycle) -> Shared {
        Shared { services, lifecycle, registry: Registry::default() }
    }

    /// Closes everything now.
    pub fn stop(&self) {
        if self.lifecycle.stop() {
            self.registry.for_each(|entry| entry.disconnect());
        }
    }

    /// Closes all connections whose addresses `chosen` accepts.
    pub fn disconnect(&self, chosen: impl Fn(IpAddr) -> bool) {
        let chosen = |entry: &Entry| chosen(entry.peer.ip());
        self.registry.for_each(|entry| {
            if chosen(entry) {
                entry.disconnect()
            }
        });
    }

    /// Blocks the origin of an address: its connections are closed, and further ones refused.
    pub fn block(&self, address: IpAddr, time: Duration) {
        let origin = Origin::from(address);
        // Before the connections are closed: one that is accepted meanwhile is either closed here or refused.
        self.services.blocks.add(address, time, Instant::now());
        self.disconnect(|peer| Origin::from(peer) == origin);
        let network = SafeText::new(&origin.to_string());
        self.services.emit(&Event::Blocked { network, seconds: time.as_secs() });
    }

    /// Lifts the block of the origin of an address.
    pub fn unblock(&self, address: IpAddr) {
        if self.services.blocks.lift(address) {
            let network = SafeText::new(&Origin::from(address).to_string());
            self.services.emit(&Event::Unblocked { network });
        }
    }

    /// What the server did so far.
    pub fn summary(&self) -> Summary {
        let counts = self.services.counts();
        Summary {
            clients: self.registry.clients(),
            requests: counts.requests,
            bytes: counts.sent,
            errors: counts.errors,
            seconds: self.lifecycle.started.elapsed().as_secs_f64(),
        }
    }

    /// The present state, with the rows in `rows`: first those that are served, then those that wait.
    pub fn snapshot(&self, rows: Range<usize>) -> Snapshot {
        let now = Instant::now();
        let waiting = match self.services.terms.arch {
            Arch::Single => self.registry.waiting(self.services.terms.local, now),
            _ => Vec::new(),
        };
        let mut views = self.registry.view(rows.clone(), now);
        let live = self.registry.len();
        let rest = rows.len() - views.len();
        views.extend(
            waiting.iter().skip(rows.start.saturating_sub(live)).take(rest).map(|peer| peer.view(now)),
        );
        let counts = self.services.counts();
        Snapshot {
            rows: views,
            live,
            waiting: waiting.len(),
            blocks: self.services.blocks.view(now),
            clients: self.registry.clients(),
            requests: counts.requests,
            errors: counts.errors,
            last_error: self.services.last_error(),
            served: counts.served,
            refused: counts.refused,
            sent: counts.sent,
            uptime: now.saturating_duration_since(self.lifecycle.started),
            draining: self.lifecycle.phase() != Phase::Running,
            stopped: self.lifecycle.phase() == Phase::Stopped,
        }
    }
}
