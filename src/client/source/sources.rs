//! Makes sources of addresses, lists directories, and probes servers that were unreachable.

use std::sync::Arc;

use super::{
    Source,
    classic::Classic,
    fdsp::{Fdsp, list, pool::Pool, probe},
    limiter::Limiter,
    observer::Observer,
    timeouts::Timeouts,
};
use crate::{
    client::{
        api::{
            config::Trust,
            locator::{Locator, Server},
            speak::Speak,
        },
        error::Fault,
        trust::KnownServers,
    },
    protocol::message::Entries,
};

/// What all sources of an engine share: idle connections, known servers and timeouts.
#[derive(Debug)]
pub(crate) struct Sources {
    pool: Arc<Pool>,
}

impl Sources {
    pub(crate) fn new(timeouts: Timeouts, trust: Trust) -> Sources {
        Sources { pool: Arc::new(Pool::new(timeouts, trust)) }
    }

    /// The content at an address, from a server that speaks this protocol.
    pub(crate) fn source(
        &self,
        address: &Locator,
        speak: Speak,
        limiter: &Arc<Limiter>,
        observer: Arc<dyn Observer>,
    ) -> Source {
        let (pool, limiter) = (Arc::clone(&self.pool), Arc::clone(limiter));
        match (address.clone(), speak) {
            (Locator::Fdsp(address), Speak::V1) => Source::Fdsp(Fdsp::new(address, pool, limiter, observer)),
            (Locator::Fdsp(address), Speak::Classic(dialect)) => {
                Source::Classic(Classic::new(address, dialect, pool, limiter, observer))
            }
        }
    }

    /// Lists one page of a directory: the entries after a name.
    pub(crate) async fn list(&self, directory: &Locator, after: Option<String>) -> Result<Entries, Fault> {
        match directory {
            Locator::Fdsp(address) => list::list(&self.pool, address, after).await,
        }
    }

    /// Connects to a server that was unreachable. Returns how many connections it serves at the same time, if it announced
    /// that.
    pub(crate) async fn probe(&self, server: &Server, speak: Speak) -> Result<Option<u32>, Fault> {
        match server.root() {
            Locator::Fdsp(address) => probe::probe(&self.pool, &address.authority, speak).await,
        }
    }

    /// Known servers.
    pub(crate) fn servers(&self) -> &Arc<KnownServers> {
        self.pool.servers()
    }

    /// Closes all idle connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}
