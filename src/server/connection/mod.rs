//! One connection, without its socket: bytes in, bytes out, deadlines. All four loops share it.
//!
//! A loop asks [`Connection::next`] what the connection wants, does that in its own way (blocking, when ready, or awaiting),
//! and reports the result. The connection touches neither the socket nor the disk: reading and writing are
//! wants of it, and whatever may wait for the disk or take processor time is a [`Task`], which the loop runs where it likes.
//! Time is an argument everywhere.
//!
//! ```text
//!            first byte          ┌── Running ◀─┐       last answer written
//! Fresh ──────────────────▶ Open ┘  (a task)   │  ─────────────────────────▶ Lingering ──▶ Closed
//!   │                        └─────────────────┘                                 ▲
//!   └──────── anything else: one sentence ──────────────────────────────────────┘
//! ```
//!
//! With TLS the bytes pass through [`Transport`] on their way in and out, and the first byte is the first one inside of it.
//!
//! The connection is half-duplex: while an answer is being written nothing is read. Requests that were sent ahead
//! wait in the kernel's buffer (and at most one read of them here), which holds a client back that
//! sends more of them than it takes answers.
//!
//! *Lingering* is the orderly end: the last bytes are written, our side is shut down, and the peer's bytes
//! are read and dropped until it closes too. Closing with unread bytes would send a reset, and a
//! reset may destroy the answer before the peer has read it.

mod body;
mod classic;
mod deadlines;
mod dialect;
mod ending;
mod files;
#[cfg(test)]
mod fuzzing;
mod hashing;
mod incoming;
mod pacing;
mod refusal;
mod reply;
mod sending;
mod socket;
mod stage;
mod stranger;
mod task;
#[cfg(test)]
mod tests;
mod transport;
mod tree;
mod turn;
mod v1;

use std::{
    borrow::Cow,
    net::Shutdown,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

pub(super) use self::task::{Outcome, Task};
use self::{
    deadlines::{Deadlines, Waiting},
    dialect::{Dialect, Step},
    pacing::Pacing,
    socket::Peer,
    task::Work,
    transport::Transport,
    turn::Turn,
};
use super::{
    ConnectionId,
    limits::{LINGER, LOOK},
    origin::Origin,
    registry::Entry,
    shared::Shared,
};
/// What a connection needs next.
#[derive(Debug)]
pub(super) enum Want {
    /// [`Connection::output`] written, or some of it.
    Write,
    /// Bytes read.
    Read,
    /// The task run, and its outcome given to [`Connection::done`]. Until then it wants nothing else but to be closed.
    Run(Task),
    /// Nothing, until [`Connection::deadline`]: it is held back, or a task runs.
    Pause,
    /// To be dropped, and its socket with it.
    Close,
}

/// A connection.
pub(super) struct Connection {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    turn: Turn,
    transport: Transport,
    stage: Stage,
    deadlines: Deadlines,
    pacing: Pacing,
    /// Bytes of the output that may be written now.
    allowed: usize,
    /// When to look whether the peer of a long work is still there.
    look: Instant,
    /// Why it ended, once it is about to.
    reason: Cow<'static, str>,
}

/// How far a connection is.
enum Stage {
    /// Nothing came yet.
    Fresh,
    /// The client speaks a dialect.
    Open(Dialect),
    /// A task has the dialect and the turn.
    Running,
    /// Nothing more is answered.
    Lingering {
        end: End,
        /// Bytes that were received and discarded.
        discarded: usize,
    },
    /// It is over.
    Closed,
}

/// How far the end of our side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The transport has not said it yet.
    Owed,
    /// It has, as soon as its output is written.
    Said,
    /// The socket is shut down.
    Shut,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(shared: Arc<Shared>, entry: Arc<Entry>, now: Instant) -> Connection {
        let deadlines = Deadlines::new(&shared.limits, now);
        let pacing = Pacing::new(&shared, now);
        let turn = Turn::new(Arc::clone(&shared), Arc::clone(&entry));
        Connection {
            shared,
            entry,
            turn,
            transport: Transport::Plain,
            stage: Stage::Fresh,
            deadlines,
            pacing,
            allowed: 0,
            look: now + LOOK,
            reason: "ended by the server".into(),
        }
    }

    /// Its number.
    pub fn id(&self) -> ConnectionId {
        self.entry.id
    }

    /// What counts as one client with it.
    pub fn origin(&self) -> Origin {
        Origin::from(self.entry.peer.ip())
    }

    /// What waits to be written, as far as it may be now.
    pub fn output(&self) -> &[u8] {
        let output = self.transport.output(&self.turn);
        output.get(..self.allowed).unwrap_or(output)
    }

    /// What the connection needs now. Produces at most one turn of output.
    pub fn next(&mut self, now: Instant) -> Want {
        self.guarded(|this| this.advance(now)).unwrap_or(Want::Close)
    }

    fn advance(&mut self, now: Instant) -> Want {
        if let Some(reason) = self.cut_by_us() {
            self.close(reason);
        }
        loop {
            if self.turn.asked {
                self.deadlines.asked();
            }
            self.turn.settle(now);
            match self.stage {
                Stage::Closed => return Want::Close,
                Stage::Running => return Want::Pause,
                _ => {}
            }
            match self.transport.must_write(&self.turn) {
                Ok(false) => {}
                Ok(true) => {
                    if let Err(due) = self.pace(now) {
                        self.deadlines.pause(due, now);
                        return Want::Pause;
                    }
                    self.deadlines.wait_for(Waiting::Output, now);
                    self.turn.offer(now);
                    return Want::Write;
                }
                Err(reason) => {
                    self.close(reason);
                    continue;
                }
            }
            let step = match &mut self.stage {
                Stage::Fresh if self.shared.accepting() => Step::Read,
                Stage::Fresh => Step::Abort("the server is stopping".into()),
                Stage::Open(dialect) => dialect.advance(&mut self.turn, now),
                Stage::Lingering { end: end @ End::Owed, .. } => {
                    self.transport.finish();
                    *end = End::Said;
                    Step::Again
                }
                Stage::Lingering { end, .. } => {
                    if *end == End::Said {
                        self.entry.shutdown(Shutdown::Write);
                        *end = End::Shut;
                        self.deadlines.linger(now + LINGER);
                    }
                    Step::Read
                }
                Stage::Running | Stage::Closed => continue,
            };
            match step {
                Step::Again => {}
                Step::Pause(until) => {
                    self.deadlines.pause(until, now);
                    return Want::Pause;
                }
                Step::Read => {
                    self.transport.release(&mut self.turn);
                    self.deadlines.wait_for(Waiting::Input, now);
                    return Want::Read;
                }
                Step::Run => {
                    match self.look_at_peer(now) {
                        Peer::Present => {}
                        Peer::Ended => {
                            // What it has sent before may be a goodbye: then it waits for the answer.
                            self.deadlines.wait_for(Waiting::Input, now);
                            return Want::Read;
                        }
                        Peer::Gone => {
                            self.close("closed by the client, before there was an answer");
                            continue;
                        }
                        Peer::Lost(error) => {
                            self.lost(&error);
                            continue;
                        }
                    }
                    match std::mem::replace(&mut self.stage, Stage::Running) {
                        Stage::Open(dialect) => {
                            self.deadlines.wait_for(Waiting::Nothing, now);
                            return Want::Run(Task::new(dialect, self.turn.take(), now));
                        }
                        stage => self.stage = stage,
                    }
                }
                Step::End(reason) => self.linger(reason, now),
                Step::Abort(reason) => self.close(reason),
            }
        }
    }

    /// Finds out how much may be written. First and last words do not wait for that: who has not asked for anything, or
    /// has no right to, has no share of the bandwidth.
    fn pace(&mut self, now: Instant) -> Result<(), Instant> {
        let is_last = matches!(self.stage, Stage::Lingering { .. }) && !self.turn.has_content();
        let is_short = is_last || !self.turn.asked;
        self.allowed = if is_short { usize::MAX } else { self.pacing.allowed(&self.shared, now)? };
        Ok(())
    }

    /// Receives the outcome of the task that [`Want::Run`] gave to the loop.
    pub fn done(&mut self, outcome: Outcome, now: Instant) {
        let Outcome { work, step } = outcome;
        let Work { dialect, turn } = *work;
        self.turn = turn;
        if matches!(self.stage, Stage::Running) {
            self.stage = Stage::Open(dialect);
        }
        match step {
            Some(Step::End(reason)) => self.linger(reason, now),
            Some(Step::Abort(reason)) => self.close(reason),
            Some(Step::Again | Step::Read | Step::Pause(_) | Step::Run) => {}
            None => self.panicked(),
        }
    }

    fn panicked(&mut self) {
        self.shared.warn("an internal error has ended a connection");
        self.close("an internal error of the server");
    }

    /// Does a part of what this connection does. A panic in it, which is a defect of ours, ends this connection and no
    /// other: there are architectures in which all of them share a thread. `None`: it has ended.
    fn guarded<T>(&mut self, part: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| part(self)));
        if result.is_err() {
            self.panicked();
        }
        result.ok()
    }
}
