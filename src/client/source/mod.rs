//! Where content comes from. A source knows the wire, but neither the disk nor a job: it hands what it receives to a [`Sink`].
//!
//! ```text
//! fdsp       servers of this program: ranges, verified blocks, block hashes, listings, trees
//! classic    the original programs: the whole content and nothing else
//! http       web servers: ranges, and validators of versions
//! sources    makes sources of addresses, lists directories, and probes servers
//! sink       what takes a content
//! observer   what connections report of their server
//! dial, secure, wire, timeouts, limiter    one TCP connection, with or without TLS
//! ```

pub(crate) mod classic;
pub(crate) mod dial;
pub(crate) mod fdsp;
pub(crate) mod http;
pub(crate) mod limiter;
pub(crate) mod observer;
pub(crate) mod secure;
pub(crate) mod sink;
mod sources;
pub(crate) mod timeouts;
pub(crate) mod wire;

use std::{ops::ControlFlow, time::Duration};

use self::{
    classic::{Classic, Exchange},
    fdsp::{Fdsp, pool},
    http::{Http, validator::Validator},
    sink::{Sink, Wanted},
};
pub(crate) use self::{
    fdsp::{
        files::{FileEvent, FilesSink, Wish},
        hashes::{Answer as HashesAnswer, RemoteHashes},
    },
    sources::Sources,
};
use crate::{
    client::{
        api::{
            address::locator::LocatorError, content::checksum::Checksum, content::origin::Origin,
            content::proof::Proof, views::view::TroubleKind,
        },
        content::Content,
        error::Fault,
    },
    protocol::{
        digest::Hash,
        message::{Totals, TreeEntry},
    },
};

/// Where a content comes from. Another scheme is another variant here, and one of [`Connection`].
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A server of this program.
    Fdsp(Fdsp),
    /// A server of the original programs.
    Classic(Classic),
    /// A web server.
    Http(Http),
}

/// One connection to a source.
#[derive(Debug)]
pub(crate) enum Connection {
    Fdsp(Box<fdsp::Connection>),
    Classic(Box<Exchange>),
    Http(Box<http::Connection>),
}

impl Source {
    /// Keeps an idle connection to the server open until the result is dropped, if the source has such connections.
    pub(crate) fn begin_transfer(&self) -> Option<pool::Transfer> {
        match self {
            Source::Fdsp(fdsp) => Some(fdsp.begin_transfer()),
            Source::Classic(_) | Source::Http(_) => None,
        }
    }

    /// Connects. `origin`: the server that has to answer, if that is known already.
    pub(crate) async fn connect(&self, origin: Option<Origin>) -> Result<Connection, Fault> {
        match self {
            Source::Fdsp(fdsp) => fdsp.connect(origin).await.map(Box::new).map(Connection::Fdsp),
            Source::Classic(classic) => Ok(Connection::Classic(Box::new(classic.connect().await?))),
            Source::Http(http) => Ok(Connection::Http(Box::new(http::Connection::new(http.clone())))),
        }
    }

    /// The server, for people.
    pub(crate) fn peer(&self) -> String {
        match self {
            Source::Fdsp(fdsp) => fdsp.server().to_string(),
            Source::Classic(classic) => classic.server().to_string(),
            Source::Http(http) => http.address().authority().to_string(),
        }
    }

    /// Another source: a path below this one.
    pub(crate) fn join(&self, path: &str) -> Result<Source, LocatorError> {
        Ok(match self {
            Source::Fdsp(fdsp) => Source::Fdsp(fdsp.join(path)?),
            Source::Classic(classic) => Source::Classic(classic.join(path)?),
            Source::Http(http) => Source::Http(http.join(path)?),
        })
    }

    /// Whether parts of a content can be requested. If not, a download that was interrupted starts over.
    pub(crate) fn has_ranges(&self) -> bool {
        match self {
            Source::Fdsp(_) | Source::Http(_) => true,
            Source::Classic(_) => false,
        }
    }

    /// Whether the source can send hashes of blocks, by which local ones are compared.
    pub(crate) fn has_hashes(&self) -> bool {
        matches!(self, Source::Fdsp(_))
    }

    /// Whether the source sends something that shows the version of the content with each part of it.
    pub(crate) fn has_validator(&self, content: &Content) -> bool {
        match self {
            Source::Fdsp(_) | Source::Classic(_) => true,
            Source::Http(_) => Validator::parse(&content.identity).is_strong(),
        }
    }

    /// How it is known that a content that was received is what the source has, if it has announced no digest of all of it.
    pub(crate) fn proof(&self, content: &Content) -> Proof {
        match self {
            Source::Fdsp(_) => Proof::BLOCKS,
            Source::Http(_) if self.has_validator(content) => Proof::SameVersion,
            Source::Classic(_) | Source::Http(_) => Proof::Unproven,
        }
    }

    /// Whether the source has trees: see [`Connection::tree`] and [`Connection::files`].
    pub(crate) fn has_trees(&self) -> bool {
        match self {
            Source::Fdsp(_) => true,
            Source::Classic(_) | Source::Http(_) => false,
        }
    }

    /// The name that only the server knows: that of all that it serves, or that of the content of a web server.
    /// `worked`: whether some of the content was received before.
    pub(crate) async fn server_name(&self, worked: bool) -> Result<Option<String>, Fault> {
        match self {
            Source::Fdsp(fdsp) => fdsp.root_name().await.map(Some),
            Source::Http(http) => http.name(worked).await.map(Some),
            Source::Classic(_) => Ok(None),
        }
    }

    /// All of a small file, of at most `max` bytes; `None` if the server does not have it or does not give it. Only of web servers.
    pub(crate) async fn small(&self, max: usize) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Source::Http(http) => http.small(max).await,
            Source::Fdsp(_) | Source::Classic(_) => Ok(None),
        }
    }

    /// A file with this name in the same folder of a web server.
    pub(crate) fn beside(&self, name: &str) -> Option<Source> {
        match self {
            Source::Http(http) => http.beside(name).map(Source::Http),
            Source::Fdsp(_) | Source::Classic(_) => None,
        }
    }

    /// The digest of this version of a file, if the source knows it without reading the file.
    pub(crate) async fn digest(&self, identity: &str) -> Result<Option<Hash>, Fault> {
        match self {
            Source::Fdsp(fdsp) => fdsp.digest(identity).await,
            Source::Classic(_) | Source::Http(_) => Ok(None),
        }
    }

    /// The digest that the source computes once its content is received; `None` for most sources, or if it does not answer.
    pub(crate) async fn digest_afterwards(&self) -> Option<Checksum> {
        match self {
            Source::Fdsp(_) | Source::Classic(_) => None,
            Source::Http(http) => http.digest_afterwards().await,
        }
    }
}

impl Connection {
    /// The server that answers.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Connection::Fdsp(connection) => connection.origin(),
            Connection::Classic(exchange) => exchange.origin(),
            Connection::Http(connection) => connection.origin(),
        }
    }

    /// About how long the link is, if that is known.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        match self {
            Connection::Fdsp(connection) => connection.round_trip(),
            Connection::Classic(_) | Connection::Http(_) => None,
        }
    }

    /// Requests a range, and waits for what the source says of the content. [`Connection::read`] receives the range.
    pub(crate) async fn probe(&mut self, wanted: Wanted) -> Result<Content, Fault> {
        match self {
            Connection::Fdsp(connection) => connection.probe(wanted).await,
            Connection::Classic(exchange) => exchange.probe().await,
            Connection::Http(connection) => connection.probe(wanted).await,
        }
    }

    /// Receives what the sink wants, until it wants nothing more.
    pub(crate) async fn read(&mut self, sink: &mut impl Sink) -> Result<(), Fault> {
        match self {
            Connection::Fdsp(connection) => connection.read(sink).await,
            Connection::Classic(exchange) => exchange.read(sink).await,
            Connection::Http(connection) => connection.read(sink).await,
        }
    }

    /// Whether the source has hashes of blocks.
    pub(crate) fn has_hashes(&self) -> bool {
        match self {
            Connection::Fdsp(_) => true,
            Connection::Classic(_) | Connection::Http(_) => false,
        }
    }

    /// Requests the hashes of the first blocks of a file: see [`RemoteHashes::request`].
    pub(crate) async fn hashes(
        &mut self,
        hashes: &mut RemoteHashes,
        range: (&str, u64),
        take: impl FnMut(&Content, u64, &[Hash]) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<HashesAnswer, Fault> {
        match self {
            Connection::Fdsp(connection) => hashes.request(connection, range, take).await,
            Connection::Classic(_) | Connection::Http(_) => Ok(HashesAnswer::Unsupported),
        }
    }

    /// Hands the entries of a tree after `after` to `take`. Returns the totals; `None` if the path is not a directory.
    pub(crate) async fn tree(
        &mut self,
        after: Option<String>,
        take: impl FnMut(&TreeEntry) -> Result<(), Fault>,
    ) -> Result<Option<Totals>, Fault> {
        match self {
            Connection::Fdsp(connection) => connection.tree(after, take).await,
            Connection::Classic(_) | Connection::Http(_) => Err(without_trees()),
        }
    }

    /// Receives the files of a tree that the sink wants, until it wants nothing more.
    pub(crate) async fn files(&mut self, sink: &mut impl FilesSink) -> Result<(), Fault> {
        match self {
            Connection::Fdsp(connection) => connection.files(sink).await,
            Connection::Classic(_) | Connection::Http(_) => Err(without_trees()),
        }
    }

    /// Keeps the connection for the next request, if there may be one.
    pub(crate) fn put(self) {
        if let Connection::Fdsp(connection) = self {
            connection.put();
        }
    }
}

/// A tree was requested of a source that has none.
fn without_trees() -> Fault {
    Fault::never(
        TroubleKind::Other,
        "the server cannot send a directory as a tree; fetch it as a zip archive",
    )
}
