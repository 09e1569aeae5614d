//! The limits of all transfers, which can be changed while they run.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::client::source::limiter::Limiter;

/// See the module.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Bytes a second of all transfers together.
    pub(crate) bandwidth: Arc<Limiter>,
    connections: AtomicUsize,
}

impl Limits {
    /// `rate`: bytes a second, `None` is unlimited; `connections`: for one file, at least 1.
    pub(crate) fn new(rate: Option<u64>, connections: usize) -> Limits {
        Limits { bandwidth: Arc::new(Limiter::new(rate)), connections: connections.max(1).into() }
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
