//! The permits of one server, counted in the queue's servers.

use std::sync::Arc;

use crate::client::{
    engine::shared::Shared,
    queue::schedule::ServerId,
    transfer::permit::{ConnectionLimit, Permit},
};

/// See the module.
#[derive(Debug)]
struct ServerPermits {
    shared: Arc<Shared>,
    id: ServerId,
}

/// Takes a permit of a server.
pub(super) fn take(shared: &Arc<Shared>, id: ServerId) -> Permit {
    shared.with(|state| state.servers.take(id));
    Permit::taken(of(shared, id))
}

/// The permits of a server.
pub(super) fn of(shared: &Arc<Shared>, id: ServerId) -> Arc<dyn ConnectionLimit> {
    Arc::new(ServerPermits { shared: Arc::clone(shared), id })
}

impl ConnectionLimit for ServerPermits {
    fn take_spare(&self) -> bool {
        self.shared.with(|state| {
            let is_spare = state.servers.has_spare(self.id);
            if is_spare {
                state.servers.take(self.id);
            }
            is_spare
        })
    }

    fn give_back(&self) {
        self.shared.with(|state| state.servers.give_back(self.id));
        self.shared.freed.notify_one();
    }

    fn reached(&self) {
        self.shared.reached(self.id);
    }

    fn announced(&self, parallel: usize) {
        if self.shared.with(|state| state.servers.set_parallel(self.id, parallel)) {
            self.shared.freed.notify_one();
        }
        self.reached();
    }

    fn parallel(&self) -> usize {
        self.shared.with(|state| state.servers.parallel(self.id))
    }

    fn is_wanted(&self) -> bool {
        self.shared.with(|state| state.servers.is_wanted(self.id))
    }
}
