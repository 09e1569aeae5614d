//! Where content comes from. A source knows the wire, but neither the disk nor a job: it hands what it receives to a [`Sink`].
//!
//! ```text
//! fdsp       servers of this program: ranges, verified blocks, block hashes, listings, trees
//! classic    the original programs: the whole content and nothing else
//! sink       what takes a content
//! observer   what connections report of their server
//! dial, secure, wire, timeouts, limiter    one TCP connection, with or without TLS
//! ```

pub(crate) mod classic;
pub(crate) mod dial;
pub(crate) mod fdsp;
pub(crate) mod limiter;
pub(crate) mod observer;
pub(crate) mod secure;
pub(crate) mod sink;
pub(crate) mod timeouts;
pub(crate) mod wire;

use std::sync::Arc;

use self::{
    classic::{Classic, Exchange},
    fdsp::{
        Fdsp,
        pool::{self, Pool},
    },
    limiter::Limiter,
    observer::Observer,
    sink::{Sink, Wanted},
};
use crate::{
    client::{
        api::{
            locator::{Locator, Server},
            new_job::Speak,
            origin::Origin,
        },
        content::Content,
        error::Fault,
    },
    protocol::message::Entries,
};

/// Where a content comes from. Another scheme is another variant here, and one of [`Connection`].
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A server of this program.
    Fdsp(Fdsp),
    /// A server of the original programs.
    Classic(Classic),
}

/// Lists one page of a directory: the entries after a name.
pub(crate) async fn list(
    pool: &Arc<Pool>,
    directory: &Locator,
    after: Option<String>,
) -> Result<Entries, Fault> {
    match directory {
        Locator::Fdsp(address) => fdsp::list::list(pool, address, after).await,
    }
}

/// Returns once a server that was unreachable answers again, with how many connections it serves at the same time, if it
/// announced that.
pub(crate) async fn probe(pool: &Arc<Pool>, server: &Server, speak: Speak) -> Result<Option<u32>, Fault> {
    match server.root() {
        Locator::Fdsp(address) => fdsp::probe::probe(pool, &address.authority, speak).await,
    }
}

/// One connection to a source.
#[derive(Debug)]
pub(crate) enum Connection {
    Fdsp(Box<fdsp::Connection>),
    Classic(Box<Exchange>),
}

impl Source {
    /// A path of a server, in the protocol that it speaks.
    pub(crate) fn new(
        address: &Locator,
        speak: Speak,
        pool: &Arc<Pool>,
        limiter: &Arc<Limiter>,
        observer: Arc<dyn Observer>,
    ) -> Source {
        let (pool, limiter) = (Arc::clone(pool), Arc::clone(limiter));
        match (address.clone(), speak) {
            (Locator::Fdsp(address), Speak::V1) => Source::Fdsp(Fdsp::new(address, pool, limiter, observer)),
            (Locator::Fdsp(address), Speak::Classic(dialect)) => {
                Source::Classic(Classic::new(address, dialect, pool, limiter, observer))
            }
        }
    }

    /// Keeps an idle connection to the server open until the result is dropped, if the source has such connections.
    pub(crate) fn begin_transfer(&self) -> Option<pool::Transfer> {
        self.fdsp().map(Fdsp::begin_transfer)
    }

    /// Connects. `origin`: the server that has to answer, if that is known already.
    pub(crate) async fn connect(&self, origin: Option<Origin>) -> Result<Connection, Fault> {
        match self {
            Source::Fdsp(fdsp) => fdsp.connect(origin).await.map(Box::new).map(Connection::Fdsp),
            Source::Classic(classic) => Ok(Connection::Classic(Box::new(classic.connect().await?))),
        }
    }

    /// The server, for people.
    pub(crate) fn peer(&self) -> String {
        match self {
            Source::Fdsp(fdsp) => dial::peer(fdsp.server()),
            Source::Classic(classic) => dial::peer(classic.server()),
        }
    }

    /// Block hashes, listings and trees, if the source has them.
    pub(crate) fn fdsp(&self) -> Option<&Fdsp> {
        match self {
            Source::Fdsp(fdsp) => Some(fdsp),
            Source::Classic(_) => None,
        }
    }
}

impl Connection {
    /// The server that answers.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Connection::Fdsp(connection) => connection.origin(),
            Connection::Classic(exchange) => exchange.origin(),
        }
    }

    /// Requests a range, and waits for what the source says of the content. [`Connection::read`] receives the range.
    pub(crate) async fn probe(&mut self, wanted: Wanted) -> Result<Content, Fault> {
        match self {
            Connection::Fdsp(connection) => connection.probe(wanted).await,
            Connection::Classic(exchange) => exchange.probe().await,
        }
    }

    /// Receives what the sink wants, until it wants nothing more.
    pub(crate) async fn read(&mut self, sink: &mut impl Sink) -> Result<(), Fault> {
        match self {
            Connection::Fdsp(connection) => connection.read(sink).await,
            Connection::Classic(exchange) => exchange.read(sink).await,
        }
    }

    /// Keeps the connection for the next request, if there may be one.
    pub(crate) fn put(self) {
        if let Connection::Fdsp(connection) = self {
            connection.put();
        }
    }
}
