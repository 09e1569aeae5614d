//! The server: one connection type, four loops around it, and the registry of what is live.
//!
//! ```text
//!  single.rs  threads.rs  select.rs  async.rs     four loops that move bytes, and nothing else
//!        └────────┴──────────┴──────────┘
//!                 connection/                      what is said on one connection; no socket, no clock
//!                 identity.rs  door.rs             what a server proves itself by, and whom it lets in
//!                 local_users.rs                   what keeps other users of the machine out of the folder
//!                 shared.rs                        the life of the server, and what connections share
//!                 hashes.rs                        what is known of the files' blocks
//!                 indexes.rs                       and of archives
//!                 slots.rs  budget.rs              how much costly work runs at the same time, and in how much memory
//!                 workers.rs  fair_queue.rs        threads for what may wait for the disk; clients take turns
//!                 registry.rs ──▶ snapshot.rs      what is live, for dashboards
//!                 event.rs                         what happens, for logs
//! ```
//!
//! [`start`] makes a [`Server`]; commands go in, [`Snapshot`]s and [`Event`]s come out.
//!
//! Stopping is the same in every architecture. A *drain* sets the phase, shuts the listener down (which
//! wakes whoever accepts) and shuts the reading side of every idle connection without a transfer down
//! (which wakes the loop that waits for its next request); what is being answered is finished first, and a connection with a transfer is
//! served until its client closes it. A *stop* shuts every socket down
//! in both directions.

mod accept;
mod r#async;
mod blocking;
mod budget;
mod connection;
mod door;
mod event;
mod fair_queue;
mod gate;
mod hashes;
mod identity;
mod indexes;
mod limits;
mod listen;
mod local_users;
mod lru;
mod origin;
mod registry;
mod select;
mod shared;
mod single;
mod slots;
mod snapshot;
mod threads;
mod waiting;
mod workers;

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};

use serde::{Deserialize, Serialize};

pub use self::{
    door::Access,
    event::{ConnectionId, Event, Sink},
    identity::{Identity, IdentityError},
    limits::Limits,
    snapshot::{ConnectionState, ConnectionView, Snapshot},
};
use self::{
    door::Door,
    shared::{Shared, Terms},
};
use crate::{
    protocol::{
        address::{Address, Authority, Security},
        classic::Dialect,
        path::RemotePath,
        token::MIN_SAFE_LEN,
    },
    storage::root::{Policy, Root},
    text::{SafeText, ShowPath},
};

/// The architecture of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// One connection at a time.
    Single,
    /// A thread for each connection.
    Threads,
    /// One thread, readiness from the kernel.
    Select,
    /// Tasks on tokio.
    #[default]
    Async,
}

impl std::fmt::Display for Arch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Arch::Single => "single",
            Arch::Threads => "threads",
            Arch::Select => "select",
            Arch::Async => "async",
        })
    }
}

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder to serve.
    pub root: PathBuf,
    /// Name or address to listen on.
    pub host: String,
    /// Port; 0 picks a free one.
    pub port: u16,
    /// The architecture.
    pub arch: Arch,
    /// The classic dialect to answer, if any.
    pub classic: Option<Dialect>,
    /// What of the folder is served.
    pub policy: Policy,
    /// Paths without links that are never served; a folder that takes the place of the first one is looked at for them.
    pub private: Vec<PathBuf>,
    /// What it proves itself by with TLS; without TLS if there is none.
    pub identity: Option<Identity>,
    /// Who may fetch.
    pub access: Access,
    /// Its limits.
    pub limits: Limits,
}

impl Config {
    /// For this machine only, and for everybody on it: a free port of the loopback address, without TLS.
    pub fn local(root: impl Into<PathBuf>) -> Config {
        Config {
            root: root.into(),
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: 0,
            arch: Arch::default(),
            classic: None,
            policy: Policy::default(),
            private: Vec::new(),
            identity: None,
            access: Access::Public,
            limits: Limits::default(),
        }
    }
}

/// What an operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Close one connection now.
    Disconnect(ConnectionId),
    /// Stop accepting, finish what runs within the drain deadline, stop.
    Drain,
    /// Stop now.
    Stop,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be served.
    #[error("cannot serve {path}: {error}")]
    Root {
        /// The folder.
        path: SafeText,
        /// Why.
        error: std::io::Error,
    },
    /// The host name has no address here.
    #[error("cannot listen on {host}: {error}")]
    Host {
        /// The name.
        host: SafeText,
        /// Why.
        error: std::io::Error,
    },
    /// The port is taken, or needs privileges.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// There is nothing to prove itself by.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// There is no token.
    #[error("cannot use the token in '{path}': {error}")]
    Token {
        /// The file.
        path: SafeText,
        /// Why.
        error: std::io::Error,
    },
    /// The original programs would be served what others need a token, or TLS, for.
    #[error(
        "the original programs know neither TLS nor tokens, and would be served at {address} without them"
    )]
    Classic {
        /// The address.
        address: SocketAddr,
    },
    /// The system gives no thread or poller.
    #[error("cannot start the server: {0}")]
    System(std::io::Error),
}

/// A running server. Dropping it stops it at once.
pub struct Server {
    handle: Handle,
    address: Address,
    others: Vec<Address>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Reaches a running server from anywhere.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// A loop, ready to run.
type Loop = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Starts a server; it listens when this returns, on a thread of its own.
///
/// # Errors
/// See [`StartError`].
pub fn start(config: Config, sink: Sink) -> Result<Server, StartError> {
    let Config { root: folder, host, port, arch, classic, policy, private, identity, access, limits } =
        config;
    let root = Root::open(&folder, policy)
        .map(|root| root.without(private))
        .map_err(|error| StartError::Root { path: SafeText::new(&folder.to_string_lossy()), error })?;
    let listener = listen::listen(&host, port)?;
    let local = listener.local_addr().map_err(StartError::System)?;
    let own = listener.try_clone().map_err(StartError::System)?;
    let loopback = local.ip().to_canonical().is_loopback();
    let is_guarded =
        matches!(access, Access::Token(_)) || !loopback && (identity.is_some() || access != Access::Public);
    if classic.is_some() && is_guarded {
        return Err(StartError::Classic { address: local });
    }
    if classic.is_some() && identity.is_none() {
        listen::for_classic(&listener).map_err(StartError::System)?;
    }
    let tls = identity.as_ref().map(Identity::prove).transpose()?;
    let barrier = match access {
        Access::Kept(_) if loopback => local_users::barrier(&folder),
        _ => None,
    };
    let open_because = match (&tls, classic) {
        (None, _) => Some("without TLS, none of them needs a token; leave out --plain"),
        (_, Some(_)) => Some("the original programs have no token; leave out --classic"),
        _ => None,
    };
    let asks = !loopback || (barrier.is_some() && open_because.is_none());
    let token = access.token(asks).map_err(|(path, error)| StartError::Token { path, error })?;
    let security = match &tls {
        Some(tls) => Security::Tls { pin: Some(tls.pin) },
        None => Security::Plain,
    };
    let (first, others) = listen::public_hosts(&host, local);
    let address = |host: String| {
        let authority = Authority { token: token.clone(), ..Authority::new(host, local.port(), security) };
        Address { authority, path: RemotePath::default() }
    };
    let others: Vec<Address> = others.into_iter().map(address).collect();
    let address = address(first);
    let terms = Terms { root, arch, classic, limits, tls, door: Door::new(token) };
    let shared = Arc::new(Shared::new(terms, sink, own, local));
    let run = prepare(arch, &shared, listener).map_err(StartError::System)?;
    let event =
        Event::Listening { address: address.clone(), others: others.clone(), port: local.port(), arch };
    shared.emit(&event);
    if let (Some(barrier), Some(because)) = (barrier, open_because) {
        shared.warn(&format!(
            "other users of this machine can fetch this folder, although the permissions of '{}' keep them out of it: {because}, \
             or add --public if that is meant",
            barrier.shown()
        ));
    }
    if let Access::Token(token) = &access
        && token.is_short()
    {
        shared.warn(&format!(
            "the token has fewer than {MIN_SAFE_LEN} characters: another server that a client proves it to could guess it; use a \
             longer one, or leave it out and one is made"
        ));
    }
    let ending = Ending(Arc::clone(&shared));
    let thread = thread::Builder::new()
        .name("server".into())
        .spawn(move || {
            let _ending = ending;
            run()
        })
        .map_err(StartError::System)?;
    Ok(Server { handle: Handle { shared }, address, others, thread: Some(thread) })
}

fn prepare(arch: Arch, shared: &Arc<Shared>, listener: TcpListener) -> io::Result<Loop> {
    let shared = Arc::clone(shared);
    Ok(match arch {
        Arch::Single => Box::new(single::prepare(shared, listener)?),
        Arch::Threads => Box::new(threads::prepare(shared, listener)?),
        Arch::Select => Box::new(select::prepare(shared, listener)?),
        Arch::Async => Box::new(r#async::prepare(shared, listener)?),
    })
}

/// However a loop ends, the server has stopped then.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stopped();
    }
}

impl Server {
    /// The address to paste.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same at the other addresses of this machine.
    pub fn other_addresses(&self) -> &[Address] {
        &self.others
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.handle.shared.local
    }

    /// For those who command or watch the server while somebody else waits in [`Server::join`].
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Does what the operator says.
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
    /// Does what the operator says.
    pub fn command(&self, command: Command) {
        match command {
            Command::Disconnect(id) => self.shared.registry.with(id, |entry| entry.disconnect()),
            Command::Drain => self.shared.drain(),
            Command::Stop => self.shared.stop(),
        }
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
        f.debug_struct("Handle").field("local", &self.shared.local).finish_non_exhaustive()
    }
}
