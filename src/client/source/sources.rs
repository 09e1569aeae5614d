//! Makes sources of addresses, lists directories, and probes servers that were unreachable.

use std::sync::Arc;

use super::{
    Source,
    classic::Classic,
    fdsp::{Fdsp, list, pool::Pool, probe},
    http::{Clients, Http},
    limiter::Limiter,
    observer::Observer,
    timeouts::Timeouts,
};
use crate::{
    client::{
        api::{
            address::{
                locator::{Locator, Server},
                web_header::WebHeader,
            },
            settings::config::{Trust, Web},
            speak::Speak,
            views::view::TroubleKind,
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
    clients: Arc<Clients>,
}

impl Sources {
    pub(crate) fn new(timeouts: Timeouts, trust: Trust, web: Web) -> Sources {
        let pool = Pool::new(timeouts, trust);
        let clients = Clients::new(timeouts, Arc::clone(pool.servers()), web);
        Sources { pool: Arc::new(pool), clients: Arc::new(clients) }
    }

    /// The content at an address, from a server that speaks this protocol. Web servers speak HTTP, and get these header fields, and
    /// those for all downloads; with `None` neither.
    pub(crate) fn source(
        &self,
        address: &Locator,
        headers: Option<&[WebHeader]>,
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
            (Locator::Http(address), _) => {
                Source::Http(Http::new(address, headers, Arc::clone(&self.clients), limiter, observer))
            }
        }
    }

    /// Lists one page of a directory: the entries after a name.
    pub(crate) async fn list(&self, directory: &Locator, after: Option<String>) -> Result<Entries, Fault> {
        match directory {
            Locator::Fdsp(address) => list::list(&self.pool, address, after).await,
            Locator::Http(address) => Err(Fault::never(
                TroubleKind::Other,
                format!("{address}: a web server has no list of its files; type the address of a file"),
            )),
        }
    }

    /// Connects to a server that was unreachable. Returns how many connections it serves at the same time, if it announced
    /// that.
    pub(crate) async fn probe(&self, server: &Server, speak: Speak) -> Result<Option<u32>, Fault> {
        match server.root() {
            Locator::Fdsp(address) => probe::probe(&self.pool, &address.authority, speak).await,
            Locator::Http(address) => self.clients.probe(address).await.map(|()| None),
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
