//! Servers of this program as a source: one path of one server.

pub(crate) mod connection;
pub(crate) mod files;
pub(crate) mod hashes;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod read;
pub(crate) mod tree;

use std::{ops::ControlFlow, sync::Arc};

pub(crate) use connection::Connection;

use self::pool::Pool;
use super::{limiter::Limiter, observer::Observer};
use crate::{
    client::{api::content::origin::Origin, error::Fault},
    protocol::{
        address::{Address, Authority},
        client::{Event, Request},
        digest::Hash,
        message::{Form, Get, Stat},
        path::PathError,
    },
};

/// A path of a server, and what its connections work with.
#[derive(Clone, Debug)]
pub(crate) struct Fdsp {
    address: Address,
    pool: Arc<Pool>,
    limiter: Arc<Limiter>,
    observer: Arc<dyn Observer>,
}

impl Fdsp {
    pub(crate) fn new(
        address: Address,
        pool: Arc<Pool>,
        limiter: Arc<Limiter>,
        observer: Arc<dyn Observer>,
    ) -> Fdsp {
        Fdsp { address, pool, limiter, observer }
    }

    /// A path below this one.
    pub(crate) fn join(&self, path: &str) -> Result<Fdsp, PathError> {
        Ok(Fdsp { address: self.address.join(path)?, ..self.clone() })
    }

    /// Keeps an idle connection to the server open until the result is dropped.
    pub(super) fn begin_transfer(&self) -> pool::Transfer {
        self.pool.begin(self.server())
    }

    /// The server.
    pub(crate) fn server(&self) -> &Authority {
        &self.address.authority
    }

    /// The path on the server.
    pub(super) fn path(&self) -> &str {
        self.address.path.as_str()
    }

    /// Takes an idle connection, or makes one. `origin`: the server that has to answer, if that is known already.
    pub(crate) async fn connect(&self, origin: Option<Origin>) -> Result<Connection, Fault> {
        let link = match origin {
            Some(origin) => self.pool.link_to(self.server(), origin).await?,
            None => self.pool.link(self.server()).await?,
        };
        Ok(Connection::new(self.clone(), link))
    }

    /// The name of the served folder.
    pub(crate) async fn root_name(&self) -> Result<String, Fault> {
        let request = Request::Stat(Stat { path: String::new() });
        self.ask(request, |event| match event {
            Event::Meta { meta, .. } => Some(meta.name),
            _ => None,
        })
        .await
    }

    /// The digest of this version of a file, if the server knows it without reading the file.
    pub(crate) async fn digest(&self, identity: &str) -> Result<Option<Hash>, Fault> {
        let request = Request::Get(Get {
            path: self.path().to_owned(),
            form: Form::File,
            blocks: Some(0),
            identity: Some(identity.to_owned()),
            root: true,
            ..Get::default()
        });
        self.ask(request, |event| match event {
            Event::End { end, .. } => Some(end.root.as_deref().and_then(Hash::from_hex)),
            _ => None,
        })
        .await
    }

    /// Sends a request on any connection. Returns what `take` makes of the first event for which it returns a value.
    async fn ask<T>(
        &self,
        request: Request,
        mut take: impl FnMut(Event<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        let mut connection = self.connect(None).await?;
        let answer = connection.ask(request, |event| match event {
            Event::Failed { failure, .. } => Err(Fault::refused(self.path(), &failure)),
            event => Ok(take(event).map_or(ControlFlow::Continue(()), ControlFlow::Break)),
        });
        let answer = answer.await;
        connection.put();
        answer
    }
}
