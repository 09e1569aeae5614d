//! The limits of transfers, which can be changed while they run.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::client::source::limiter::Limiter;

/// See the module.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Bytes a second: of all transfers together, or of one job.
    pub(crate) bandwidth: Arc<Limiter>,
    connections: Arc<AtomicUsize>,
}

impl Limits {
    /// `rate`: bytes a second, `None` is unlimited; `connections`: for one file, at least 1.
    pub(crate) fn new(rate: Option<u64>, connections: usize) -> Limits {
        let connections = AtomicUsize::new(connections.max(1));
        Limits { bandwidth: Arc::new(Limiter::new(rate)), connections: Arc::new(connections) }
    }

    /// The limits of one job, with a bandwidth limit of its own below that of all.
    pub(crate) fn of_job(&self, rate: Option<u64>) -> Limits {
        let bandwidth = Arc::new(Limiter::within(&self.bandwidth, rate));
        Limits { bandwidth, connections: Arc::clone(&self.connections) }
    }

    /// Connections for one file, at most.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Changes how many connections one file may have, at least 1.
    pub(crate) fn set_connections(&self, connections: usize) {
        self.connections.store(connections.max(1), Relaxed);
    }
}
