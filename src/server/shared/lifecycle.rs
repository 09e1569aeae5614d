//! The life of a server: running, draining, stopping, stopped.

use std::{
    net::{Shutdown, TcpListener},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{platform, server::sync::lock};

/// Where a server is in its life; it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It accepts and serves.
    Running,
    /// It accepts no client; transfers that run are finished.
    Draining,
    /// Everything is being closed.
    Stopping,
    /// Its loop has ended.
    Stopped,
}

/// The phase of a server, and what ends its loop.
pub(crate) struct Lifecycle {
    pub started: Instant,
    phase: AtomicU8,
    /// Guards changes of the phase, and wakes threads that wait for one.
    change: Mutex<()>,
    changed: Condvar,
    /// To wake a loop that waits in `accept`.
    listener: Mutex<Option<TcpListener>>,
}

impl Lifecycle {
    /// Of a server that is about to run and accepts on this listener.
    pub fn new(listener: TcpListener) -> Lifecycle {
        Lifecycle {
            started: Instant::now(),
            phase: AtomicU8::new(Phase::Running as u8),
            change: Mutex::new(()),
            changed: Condvar::new(),
            listener: Mutex::new(Some(listener)),
        }
    }

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

    fn enter(&self, phase: Phase) -> bool {
        let guard = lock(&self.change);
        let forward = self.phase() < phase;
        if forward {
            self.phase.store(phase as u8, Ordering::SeqCst);
            self.changed.notify_all();
        }
        drop(guard);
        forward
    }

    /// Stops accepting. Returns whether that is new.
    pub fn drain(&self) -> bool {
        self.enter(Phase::Draining)
    }

    /// Begins to stop. Returns whether that is new.
    pub fn stop(&self) -> bool {
        let is_new = self.enter(Phase::Stopping);
        if is_new {
            self.close_listener();
        }
        is_new
    }

    /// The loop has ended.
    pub fn stopped(&self) {
        self.enter(Phase::Stopped);
    }

    /// A shutdown of the listener wakes a loop that waits for clients, in whichever way it waits.
    pub fn close_listener(&self) {
        if let Some(listener) = lock(&self.listener).take() {
            let _ = platform::shutdown(&listener, Shutdown::Both);
        }
    }

    /// Waits until `phase`, or for `limit`. Returns whether the server is in that phase or a later one.
    pub fn wait_for(&self, phase: Phase, limit: Duration) -> bool {
        let guard = lock(&self.change);
        let waited = self.changed.wait_timeout_while(guard, limit, |()| self.phase() < phase);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.phase() >= phase
    }
}
