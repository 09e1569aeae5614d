//! One live connection: its loop reports to it, and the operator commands it.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::AsFd,
    sync::{
        Mutex, Weak,
        atomic::{
            AtomicBool, AtomicU8, AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use crate::{
    platform,
    server::{
        api::{
            event::ConnectionId,
            snapshot::{ConnectionState, ConnectionView},
        },
        sync::lock,
    },
    text::SafeText,
};

/// A socket as the registry needs it: it can be shut down from any thread, and that is all.
pub(crate) type Socket = dyn AsFd + Send + Sync;

/// The state of one connection. The loop that serves it writes, dashboards read, and neither waits.
pub(crate) struct Entry {
    /// Its number.
    pub id: ConnectionId,
    /// Its peer.
    pub peer: SocketAddr,
    since: Instant,
    /// Weak: a connection is closed when its loop drops it, also while a dashboard reads the registry.
    socket: Weak<Socket>,
    disconnected: AtomicBool,
    evicted: AtomicBool,
    authenticated: AtomicBool,
    refused: AtomicBool,
    /// Seconds for which the operator has blocked its address; 0 if it is not blocked.
    blocked: AtomicU32,
    state: AtomicU8,
    dialect: AtomicU8,
    sent: AtomicU64,
    /// Content, hashes or a tree were requested.
    transferring: AtomicBool,
    position: AtomicU64,
    total: AtomicU64,
    path: Mutex<SafeText>,
    /// Why its last request failed.
    failed: Mutex<SafeText>,
}

/// No answer is running, or its total is not known.
const UNKNOWN: u64 = u64::MAX;

const STATES: [ConnectionState; 6] = [
    ConnectionState::Handshake,
    ConnectionState::Idle,
    ConnectionState::Planning,
    ConnectionState::Hashing,
    ConnectionState::Sending,
    ConnectionState::Refused,
];

/// The names of the dialects, in the order of their numbers.
pub(crate) const DIALECTS: [Option<&str>; 5] =
    [None, Some("v1"), Some("classic"), Some("classic-select"), Some("http")];

impl Entry {
    /// Of a connection that begins.
    pub(crate) fn new(id: ConnectionId, socket: Weak<Socket>, peer: SocketAddr, now: Instant) -> Entry {
        let entry = Entry {
            id,
            peer,
            since: now,
            socket,
            disconnected: AtomicBool::new(false),
            evicted: AtomicBool::new(false),
            authenticated: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            blocked: AtomicU32::new(0),
            state: AtomicU8::new(0),
            dialect: AtomicU8::new(0),
            sent: AtomicU64::new(0),
            transferring: AtomicBool::new(false),
            position: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
            path: Mutex::default(),
            failed: Mutex::default(),
        };
        entry.set_state(ConnectionState::Handshake);
        entry
    }

    /// Whether its client has a place among those that are served: it has shown that it may fetch.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Relaxed)
    }

    /// Records that its client has a place.
    pub(crate) fn set_authenticated(&self) {
        self.authenticated.store(true, Relaxed);
    }

    /// Records that its address is blocked for this time: it ends with that.
    pub(crate) fn block(&self, left: Duration) {
        let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        self.blocked.store(seconds, Relaxed);
        self.refuse();
    }

    /// Seconds for which its address is blocked, if it was when the connection was accepted.
    pub fn blocked(&self) -> Option<u32> {
        Some(self.blocked.load(Relaxed)).filter(|seconds| *seconds > 0)
    }

    /// Records that it ends with "busy".
    pub fn refuse(&self) {
        self.set_state(ConnectionState::Refused);
        self.refused.store(true, Relaxed);
    }

    /// Whether it ends with "busy".
    pub fn is_refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// What the connection does now.
    pub fn set_state(&self, state: ConnectionState) {
        if self.is_refused() {
            return;
        }
        let number = STATES.iter().position(|&known| known == state).unwrap_or_default();
        self.state.store(number as u8, SeqCst);
    }

    /// Sets its dialect: one of the names of [`ConnectionView::dialect`].
    pub fn set_dialect(&self, name: &'static str) {
        let number = DIALECTS.iter().position(|&known| known == Some(name)).unwrap_or_default();
        self.dialect.store(number as u8, Relaxed);
    }

    /// Its dialect, once it is known.
    pub fn dialect(&self) -> Option<&'static str> {
        DIALECTS[usize::from(self.dialect.load(Relaxed))]
    }

    /// An answer begins.
    pub fn set_path(&self, path: &SafeText) {
        *lock(&self.path) = path.clone();
    }

    /// Records why a request failed, which is reported.
    pub(crate) fn set_reported(&self, reason: &SafeText) {
        reason.clone_into(&mut lock(&self.failed));
    }

    /// Whether this was reported as the reason why the last request failed.
    pub(crate) fn has_reported(&self, reason: &SafeText) -> bool {
        *lock(&self.failed) == *reason
    }

    /// How far the running answer is, out of a total that is known.
    pub fn set_progress(&self, position: u64, total: u64) {
        self.position.store(position, Relaxed);
        self.total.store(total, Relaxed);
    }

    /// No answer is running.
    pub fn clear_progress(&self) {
        self.total.store(UNKNOWN, Relaxed);
    }

    /// Content was written.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// Closes one or both directions of the socket; a loop that waits for it wakes up.
    pub fn shutdown(&self, how: Shutdown) {
        if let Some(socket) = self.socket.upgrade() {
            // It fails only if the peer has closed first, and then there is nothing to shut down.
            let _ = platform::shutdown(&*socket, how);
        }
    }

    /// The error of the socket after a reset by the client, if there was one. Reading it clears it.
    pub fn failure(&self) -> Option<io::Error> {
        let socket = self.socket.upgrade()?;
        socket2::SockRef::from(&socket.as_fd()).take_error().ok().flatten()
    }

    /// Whether the peer has shut its sending side down, though perhaps not all that it has sent is read yet.
    pub fn has_peer_ended(&self) -> bool {
        let Some(socket) = self.socket.upgrade() else { return false };
        platform::has_peer_ended(&*socket)
    }

    /// Bytes that the kernel may hold for the peer, as it counts them now.
    pub fn send_buffer(&self) -> usize {
        let Some(socket) = self.socket.upgrade() else { return 0 };
        socket2::SockRef::from(&socket.as_fd()).send_buffer_size().unwrap_or(0)
    }

    /// From now on the kernel sends whole segments only, up to the end.
    pub fn cork(&self) {
        if let Some(socket) = self.socket.upgrade() {
            // A failure concerns only the original clients.
            let _ = socket2::SockRef::from(&socket.as_fd()).set_tcp_cork(true);
        }
    }

    /// A request of a transfer was received.
    pub fn set_transferring(&self) {
        self.transferring.store(true, SeqCst);
    }

    /// Whether the client makes a transfer: then further requests may follow until the client closes the connection.
    /// The server cannot know better. When it has written an answer, megabytes may still wait in the client's kernel, so that a
    /// slow client requests the next part much later; and a client with several connections lets one idle while another one
    /// still receives, and moves requests between them.
    pub fn is_transferring(&self) -> bool {
        self.transferring.load(SeqCst)
    }

    /// Wakes a loop that waits for a request, by an end of the stream. Does nothing while an answer or a transfer runs.
    pub fn interrupt(&self) {
        let is_waiting = matches!(
            self.state(),
            ConnectionState::Handshake | ConnectionState::Idle | ConnectionState::Refused
        );
        if is_waiting && !self.is_transferring() {
            self.shutdown(Shutdown::Read);
        }
    }

    fn state(&self) -> ConnectionState {
        STATES[usize::from(self.state.load(SeqCst))]
    }

    /// Ends the connection now, whatever it does.
    pub fn disconnect(&self) {
        self.disconnected.store(true, SeqCst);
        self.shutdown(Shutdown::Both);
    }

    /// Whether it is to end.
    pub fn is_disconnected(&self) -> bool {
        self.disconnected.load(SeqCst)
    }

    /// Whether it waits for a request, and is not to end.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.is_disconnected() && matches!(self.state(), ConnectionState::Handshake | ConnectionState::Idle)
    }

    /// Ends the connection so that another client has its place.
    pub(crate) fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.disconnect();
    }

    /// Whether it ends for that.
    pub fn is_evicted(&self) -> bool {
        self.evicted.load(Relaxed)
    }

    /// Its row.
    pub(crate) fn view(&self, now: Instant) -> ConnectionView {
        let total = self.total.load(Relaxed);
        ConnectionView {
            id: Some(self.id),
            peer: self.peer,
            dialect: DIALECTS[usize::from(self.dialect.load(Relaxed))],
            path: lock(&self.path).clone(),
            state: self.state(),
            sent: self.sent.load(Relaxed),
            progress: (total != UNKNOWN).then(|| (self.position.load(Relaxed), total)),
            age: now.saturating_duration_since(self.since),
        }
    }
}
