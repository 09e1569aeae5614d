//! What all connections of a server have in common: the root, the limits, the registry, the phase.

use std::{
    net::{Shutdown, SocketAddr, TcpListener},
    ops::{Deref, Range},
    os::fd::AsFd,
    sync::{
        Arc, Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Arch, Event, Limits, Sink, Snapshot,
    budget::Budget,
    connection::Connection,
    door::Door,
    hashes::BlockHashes,
    identity::TlsSetup,
    indexes::ArchiveIndexes,
    limits::{DRAIN_INTERVAL, MAX_OUTPUTS, MAX_PLANS},
    registry::{Registry, Socket, lock},
    slots::Slots,
    waiting::Waiting,
};
use crate::{
    bucket::Bucket,
    platform,
    protocol::{classic::Dialect, path::RemotePath},
    storage::{
        StorageError,
        root::{Node, Renewed, Root},
    },
    text::SafeText,
};

/// Bytes that the kernel may hold for a connection without having sent them.
const NOT_SENT: u32 = 128 * 1024;

/// Where a server is in its life; it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    /// It accepts and serves.
    Running,
    /// It accepts no client; transfers that run are finished.
    Draining,
    /// Everything is being closed.
    Stopping,
    /// Its loop has ended.
    Stopped,
}

/// What a server serves, to whom, and how.
pub(super) struct Terms {
    pub root: Root,
    pub arch: Arch,
    pub classic: Option<Dialect>,
    pub limits: Limits,
    /// With what it speaks TLS; without TLS if there is none.
    pub tls: Option<TlsSetup>,
    pub door: Door,
}

/// The state of one server.
pub(super) struct Shared {
    terms: Terms,
    pub registry: Registry,
    pub hashes: BlockHashes,
    pub indexes: ArchiveIndexes,
    /// Places for answers for which blocks are hashed.
    pub hashing: Slots,
    /// Places for archives and trees.
    pub archives: Slots,
    /// Bytes for what is planned and walked.
    pub plans: Budget,
    /// Bytes for large turns of output.
    pub outputs: Budget,
    /// The served folder was not there when it was looked for last.
    is_gone: AtomicBool,
    pub local: SocketAddr,
    sink: Sink,
    started: Instant,
    /// Numbers since the start.
    served: AtomicU64,
    refused: AtomicU64,
    sent: AtomicU64,
    phase: AtomicU8,
    /// Guards changes of the phase, and wakes who waits for one.
    change: Mutex<()>,
    changed: Condvar,
    /// Kept to wake a loop that waits in `accept`.
    listener: Mutex<Option<TcpListener>>,
    waiting: Mutex<Waiting>,
    /// What all connections together may write.
    bandwidth: Mutex<Bucket>,
}

impl Deref for Shared {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.terms
    }
}

impl Shared {
    /// A server that is about to run.
    pub fn new(terms: Terms, sink: Sink, listener: TcpListener, local: SocketAddr) -> Shared {
        let now = Instant::now();
        let terms = Terms { limits: terms.limits.bounded(), ..terms };
        let limits = &terms.limits;
        Shared {
            hashing: Slots::new(limits.max_hashing),
            archives: Slots::new(limits.max_archives),
            plans: Budget::new(MAX_PLANS),
            outputs: Budget::new(MAX_OUTPUTS),
            is_gone: AtomicBool::new(false),
            bandwidth: Mutex::new(Bucket::new(limits.rate, now)),
            terms,
            registry: Registry::default(),
            hashes: BlockHashes::new(),
            indexes: ArchiveIndexes::new(),
            local,
            sink,
            started: now,
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Running as u8),
            change: Mutex::new(()),
            changed: Condvar::new(),
            listener: Mutex::new(Some(listener)),
            waiting: Mutex::default(),
        }
    }

    /// Tells everybody, and the log.
    pub fn emit(&self, event: &Event) {
        event.log();
        (self.sink)(event);
    }

    /// Opens what a request names, in the folder that has the served path now.
    pub fn open_node(&self, path: &RemotePath) -> Result<Node, StorageError> {
        let renewed = self.root.renew();
        let is_gone = renewed.is_err();
        if self.is_gone.swap(is_gone, Ordering::Relaxed) != is_gone {
            self.warn(&match is_gone {
                true => format!("{} cannot be served any more: it was deleted or moved", self.root.path()),
                false => format!("{} is there again, and is served again", self.root.path()),
            });
        } else if matches!(renewed, Ok(Renewed::Replaced)) {
            self.warn(&format!(
                "{} is another folder than before; that is served from now on",
                self.root.path()
            ));
        }
        renewed?;
        self.root.open_node(path)
    }

    /// Tells people.
    pub fn warn(&self, message: &str) {
        self.emit(&Event::Warning { message: SafeText::new(message) });
    }

    /// Makes a connection of a socket that was just accepted; `None` if it is to be closed at once because
    /// too many come from its network, or all places are taken and no connection makes way.
    pub fn admit<S: AsFd + Send + Sync + 'static>(
        self: &Arc<Self>,
        socket: &Arc<S>,
        peer: SocketAddr,
    ) -> Option<Connection> {
        let now = Instant::now();
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        // Answers are written whole; waiting for more bytes to send would only delay them.
        let _ = socket2::SockRef::from(&**socket).set_tcp_nodelay(true);
        // What the kernel has taken and not sent yet is memory: for a slow client it would let its buffer grow
        // to megabytes, for a thousand of them to gigabytes, read and hashed long before they are wanted.
        let _ = socket2::SockRef::from(&**socket).set_tcp_notsent_lowat(NOT_SENT);
        let weak: Weak<S> = Arc::downgrade(socket);
        let entry = self.registry.enter(weak as Weak<Socket>, peer, &self.limits, now);
        match &entry {
            Some(entry) => self.emit(&Event::Connected { id: entry.id, peer }),
            None => self.refuse(peer),
        }
        entry.map(|entry| Connection::new(Arc::clone(self), entry, now))
    }

    /// Counts and reports a client that is not served because there are too many.
    pub fn refuse(&self, peer: SocketAddr) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.emit(&Event::Refused { peer });
    }

    /// Bytes of a turn under the limit for all connections; see [`Bucket::quantum`].
    pub fn turn_under_limit(&self, parts: u64, least: usize) -> usize {
        match self.limits.rate {
            Some(_) => lock(&self.bandwidth).quantum(parts, least),
            None => usize::MAX,
        }
    }

    /// Takes bytes of what all connections together may write; how long they have to wait.
    pub fn reserve(&self, bytes: usize, now: Instant) -> Duration {
        match self.limits.rate {
            Some(_) => lock(&self.bandwidth).reserve(bytes, now),
            None => Duration::ZERO,
        }
    }

    /// Gives back what [`Shared::reserve`] took and what was not written.
    pub fn give_back(&self, bytes: usize) {
        if self.limits.rate.is_some() {
            lock(&self.bandwidth).give_back(bytes);
        }
    }

    /// Content went out.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A content was sent, up to its end.
    pub fn add_served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// Where the server is in its life.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Running,
            1 => Phase::Draining,
            2 => Phase::Stopping,
            _ => Phase::Stopped,
        }
    }

    /// Whether clients are still accepted.
    pub fn accepting(&self) -> bool {
        self.phase() == Phase::Running
    }

    fn enter_phase(&self, phase: Phase) -> bool {
        let guard = lock(&self.change);
        let forward = self.phase() < phase;
        if forward {
            self.phase.store(phase as u8, Ordering::SeqCst);
            self.changed.notify_all();
        }
        drop(guard);
        forward
    }

    /// Stops accepting. Connections that wait for a request read an end of stream, see the phase and say
    /// goodbye. A connection with a transfer is served until its client closes it.
    pub fn drain(self: &Arc<Self>) {
        if !self.enter_phase(Phase::Draining) {
            return;
        }
        self.emit(&Event::Draining);
        self.close_listener();
        let shared = Arc::clone(self);
        let watchdog =
            std::thread::Builder::new().name("drain".into()).stack_size(64 * 1024).spawn(move || {
                let end = Instant::now() + shared.limits.drain;
                loop {
                    let now = Instant::now();
                    shared.registry.for_each(|entry| entry.interrupt());
                    let left = end.saturating_duration_since(now);
                    if shared.wait_for(Phase::Stopped, left.min(DRAIN_INTERVAL)) {
                        return;
                    }
                    if left.is_zero() {
                        return shared.stop();
                    }
                }
            });
        if let Err(error) = watchdog {
            self.warn(&format!("stopping at once, because a drain could not be started: {error}"));
            self.stop();
        }
    }

    /// Closes everything now.
    pub fn stop(&self) {
        if self.enter_phase(Phase::Stopping) {
            self.close_listener();
            self.registry.for_each(|entry| entry.disconnect());
        }
    }

    /// The loop has ended.
    pub fn stopped(&self) {
        self.enter_phase(Phase::Stopped);
    }

    /// A shutdown of the listener wakes a loop that waits for clients, in whichever way it waits.
    fn close_listener(&self) {
        if let Some(listener) = lock(&self.listener).take() {
            let _ = platform::shutdown(&listener, Shutdown::Both);
        }
    }

    /// Waits until `phase`, or for `limit`; whether it came.
    pub fn wait_for(&self, phase: Phase, limit: Duration) -> bool {
        let guard = lock(&self.change);
        let waited = self.changed.wait_timeout_while(guard, limit, |()| self.phase() < phase);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.phase() >= phase
    }

    /// The present state, with the rows in `rows`: first those that are served, then those that wait.
    pub fn snapshot(&self, rows: Range<usize>) -> Snapshot {
        let now = Instant::now();
        let waiting = match self.arch {
            Arch::Single => lock(&self.waiting).refresh(self.local, now).to_vec(),
            _ => Vec::new(),
        };
        let mut views = self.registry.view(rows.clone(), now);
        let live = self.registry.len();
        let rest = rows.len() - views.len();
        views.extend(
            waiting.iter().skip(rows.start.saturating_sub(live)).take(rest).map(|peer| peer.view(now)),
        );
        Snapshot {
            rows: views,
            live,
            waiting: waiting.len(),
            served: self.served.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            uptime: now.saturating_duration_since(self.started),
            draining: self.phase() != Phase::Running,
            stopped: self.phase() == Phase::Stopped,
        }
    }
}
