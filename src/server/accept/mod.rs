//! Accepting clients: what all loops do with a new connection, and when the system gives none.

pub(crate) mod listen;

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    os::fd::AsFd,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    api::event::Event, connection::Connection, limits::WARNING_INTERVAL, registry::entry::Socket,
    shared::Shared,
};
use crate::platform::reason;

/// The first wait after a failure; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(10);
/// The longest wait after a failure.
const MAX_DELAY: Duration = Duration::from_secs(1);
/// Bytes that the kernel may hold for a connection without having sent them.
const MAX_UNSENT: u32 = 128 * 1024;

/// Accepts clients for a loop. Waits longer and longer while accepting fails, so that a server without descriptors neither spins nor
/// floods its log, and continues when there are some.
pub(super) struct Acceptor {
    shared: Arc<Shared>,
    delay: Duration,
    warned: Option<Instant>,
}

/// The result of an attempt to accept a client.
#[derive(Debug)]
pub(super) enum Accepted<T> {
    /// It is served.
    Started(T),
    /// It is gone already, or was refused. The next one may wait.
    Skipped,
    /// No client waits, or the server accepts no more.
    Nothing,
    /// The system has no connection or thread for it. The next attempt is due after this time.
    Failed(Duration),
}

impl Acceptor {
    pub fn new(shared: Arc<Shared>) -> Acceptor {
        Acceptor { shared, delay: Duration::ZERO, warned: None }
    }

    /// Whether the server still accepts clients.
    pub fn is_open(&self) -> bool {
        self.shared.lifecycle.accepting()
    }

    /// Takes what `accept` on the listener returned, admits the client and lets `start` serve it.
    pub fn accept<S: AsFd + Send + Sync + 'static, T>(
        &mut self,
        accepted: io::Result<(S, SocketAddr)>,
        start: impl FnOnce(Connection, Arc<S>) -> io::Result<T>,
    ) -> Accepted<T> {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Accepted::Nothing,
            // A listener that was shut down fails as well.
            Err(_) if !self.is_open() => return Accepted::Nothing,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {
                return Accepted::Skipped;
            }
            Err(error) => return Accepted::Failed(self.failed(&error)),
        };
        let stream = Arc::new(stream);
        let connection = admit(&self.shared, &stream, peer);
        // A system without threads reports the same kind of error as a listener without clients, so that the two are handled apart.
        match connection.map(|connection| start(connection, stream)).transpose() {
            Ok(started) => {
                self.delay = Duration::ZERO;
                started.map_or(Accepted::Skipped, Accepted::Started)
            }
            Err(error) => Accepted::Failed(self.failed(&error)),
        }
    }

    /// Returns how long to wait after a failure. Warns of it once an interval.
    pub fn failed(&mut self, error: &io::Error) -> Duration {
        let now = Instant::now();
        self.delay = (self.delay * 2).clamp(FIRST_DELAY, MAX_DELAY);
        if self.warned.is_none_or(|warned| now.duration_since(warned) >= WARNING_INTERVAL) {
            self.warned = Some(now);
            self.shared.services.warn(&format!("new clients have to wait: {}", reason(error)));
        }
        self.delay
    }
}

/// Makes a connection of a socket that was just accepted; `None` if it is to be closed at once because
/// its network has too many, or all places are taken and no connection can be replaced.
fn admit<S: AsFd + Send + Sync + 'static>(
    shared: &Arc<Shared>,
    socket: &Arc<S>,
    peer: SocketAddr,
) -> Option<Connection> {
    let now = Instant::now();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    // Answers are written whole; waiting for more bytes to send would only delay them.
    let _ = socket2::SockRef::from(&**socket).set_tcp_nodelay(true);
    // Unsent bytes take memory of the kernel: for a slow client the buffer would grow
    // to megabytes, for a thousand of them to gigabytes, read and hashed long before they are sent.
    let _ = socket2::SockRef::from(&**socket).set_tcp_notsent_lowat(MAX_UNSENT);
    let weak: Weak<S> = Arc::downgrade(socket);
    let entry = shared.registry.enter(weak as Weak<Socket>, peer, &shared.services.terms.limits, now);
    // Once it is entered: a block closes what is entered when it begins.
    if let (Some(entry), Some(left)) = (&entry, shared.services.blocks.check(peer.ip(), now)) {
        entry.block(left);
        shared.services.refuse_blocked();
    }
    match &entry {
        Some(entry) => shared.services.emit(&Event::Connected { id: entry.id, peer }),
        None => shared.services.refuse(peer),
    }
    entry.map(|entry| Connection::new(Arc::clone(shared), entry, now))
}
