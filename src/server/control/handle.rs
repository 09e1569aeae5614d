//! A running server, for the program.

use std::{fmt, io, net::SocketAddr, ops::Range, sync::Arc, thread::JoinHandle};

use super::drain::drain;
use crate::{
    protocol::address::Address,
    server::{
        api::{command::Command, snapshot::Snapshot, summary::Summary, web::WebAccess},
        shared::Shared,
    },
};

/// A running server. Dropping it stops it at once.
pub struct Server {
    handle: Handle,
    address: Address,
    others: Vec<Address>,
    web: WebAccess,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Commands and watches a running server from any thread.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Server {
    pub(super) fn new(
        shared: Arc<Shared>,
        address: Address,
        others: Vec<Address>,
        web: WebAccess,
        thread: JoinHandle<io::Result<()>>,
    ) -> Server {
        Server { handle: Handle { shared }, address, others, web, thread: Some(thread) }
    }

    /// The address for clients.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same at the other addresses of this machine.
    pub fn other_addresses(&self) -> &[Address] {
        &self.others
    }

    /// How browsers and curl reach it.
    pub fn web(&self) -> &WebAccess {
        &self.web
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.handle.shared.services.terms.local
    }

    /// A handle for another thread, while this one waits in [`Server::join`].
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Carries out a command of the operator.
    pub fn command(&self, command: Command) {
        self.handle.command(command);
    }

    /// The present state, with the rows in `rows`.
    pub fn snapshot(&self, rows: Range<usize>) -> Snapshot {
        self.handle.snapshot(rows)
    }

    /// Blocks until it has stopped.
    ///
    /// # Errors
    /// The loop itself failed.
    pub fn join(mut self) -> io::Result<()> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the server's loop panicked")),
            None => Ok(()),
        }
    }
}

impl Handle {
    /// Carries out a command of the operator.
    pub fn command(&self, command: Command) {
        match command {
            Command::Disconnect(id) => self.shared.registry.with(id, |entry| entry.disconnect()),
            Command::DisconnectAddress(address) => self.shared.disconnect(|peer| peer == address),
            Command::Block(address, time) => self.shared.block(address, time),
            Command::Unblock(address) => self.shared.unblock(address),
            Command::Drain => drain(&self.shared),
            Command::Stop => self.shared.stop(),
        }
    }

    /// Opens the access log again, after its file was moved. Returns whether there is one that will be.
    pub fn reopen_access_log(&self) -> bool {
        self.shared.services.access_log().is_some_and(|log| log.reopen())
    }

    /// What the server did so far.
    pub fn summary(&self) -> Summary {
        self.shared.summary()
    }

    /// The present state, with the rows in `rows`.
    pub fn snapshot(&self, rows: Range<usize>) -> Snapshot {
        self.shared.snapshot(rows)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shared.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("local", &self.shared.services.terms.local).finish_non_exhaustive()
    }
}
