//! What the loop and all connections of a server share.

pub(crate) mod lifecycle;
pub(crate) mod services;

use std::{ops::Range, time::Instant};

use self::{
    lifecycle::{Lifecycle, Phase},
    services::Services,
};
use super::{
    api::{arch::Arch, snapshot::Snapshot},
    registry::Registry,
};

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
            served: counts.served,
            refused: counts.refused,
            sent: counts.sent,
            uptime: now.saturating_duration_since(self.lifecycle.started),
            draining: self.lifecycle.phase() != Phase::Running,
            stopped: self.lifecycle.phase() == Phase::Stopped,
        }
    }
}
