//! The state of a connection.

use std::{borrow::Cow, io, sync::Arc, time::Instant};

use crate::server::{
    api::event::ConnectionId,
    connection::{
        deadlines::Deadlines,
        output::{Delivery, Output},
        pacing::Pacing,
        task::{Task, Work},
        transport::Transport,
    },
    limits::{PEER_CHECK_INTERVAL, origin::Origin},
    registry::entry::Entry,
    shared::Shared,
};

/// What a connection needs next.
#[derive(Debug)]
pub(crate) enum Want {
    /// [`Connection::output`] written, or some of it.
    Write,
    /// Bytes read.
    Read,
    /// The task run, and its outcome given to [`Connection::done`]. Until then it wants nothing else but to be closed.
    Run(Task),
    /// Nothing, until [`Connection::deadline`]: it waits for bandwidth, or a task runs.
    Pause,
    /// To be dropped, and its socket with it.
    Close,
}

/// A connection.
pub(crate) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(crate) entry: Arc<Entry>,
    pub(super) transport: Transport,
    pub(crate) stage: Stage,
    /// The first bytes, until they show which protocol the client speaks.
    pub(super) first: Vec<u8>,
    pub(super) deadlines: Deadlines,
    pub(super) pacing: Pacing,
    /// Bytes of the output that may be written now.
    pub(super) allowed: usize,
    /// When to check whether the client of a long task is still connected.
    pub(super) next_peer_check: Instant,
    /// When the server noticed that the client has shut down its sending side without a goodbye, while an answer is prepared.
    pub(super) half_closed: Option<Instant>,
    /// Why it ends.
    pub(super) reason: Cow<'static, str>,
}

/// The stage of a connection.
pub(crate) enum Stage {
    /// Nothing was received yet.
    Fresh(Output),
    /// The client speaks a dialect.
    Open(Box<Work>),
    /// A task has the work. If the connection ends before the task does, this answer has failed.
    Running(Option<Delivery>),
    /// Nothing more is answered.
    Lingering {
        output: Output,
        end: End,
        /// Bytes that were received and discarded.
        discarded: usize,
    },
    /// It is over.
    Closed,
}

impl Stage {
    /// The output, unless a task has it or the connection is closed.
    pub(crate) fn output(&self) -> Option<&Output> {
        match self {
            Stage::Fresh(output) | Stage::Lingering { output, .. } => Some(output),
            Stage::Open(work) => Some(&work.output),
            Stage::Running(_) | Stage::Closed => None,
        }
    }

    pub(crate) fn output_mut(&mut self) -> Option<&mut Output> {
        match self {
            Stage::Fresh(output) | Stage::Lingering { output, .. } => Some(output),
            Stage::Open(work) => Some(&mut work.output),
            Stage::Running(_) | Stage::Closed => None,
        }
    }
}

/// The progress of closing the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The end of TLS is not written yet.
    Pending,
    /// It is in the output.
    Written,
    /// The socket is shut down.
    ShutDown,
}

/// The state of the client of a long task.
pub(crate) enum Peer {
    /// It is connected.
    Present,
    /// It has shut down its sending side; what it has sent is not read yet.
    Ended,
    /// It is gone.
    Gone,
    /// The socket has failed.
    Lost(io::Error),
}

/// Why an idle connection is closed.
pub(crate) const IDLE_WHILE_OTHERS_WAIT: &str = "idle while others wait";

impl Connection {
    /// A connection that was just accepted.
    pub fn new(shared: Arc<Shared>, entry: Arc<Entry>, now: Instant) -> Connection {
        let deadlines = Deadlines::new(&shared.services.terms.limits, now);
        let pacing = Pacing::new(&shared, now);
        let output = Output::new(Arc::clone(&shared), Arc::clone(&entry));
        Connection {
            shared,
            entry,
            transport: Transport::Plain,
            stage: Stage::Fresh(output),
            first: Vec::new(),
            deadlines,
            pacing,
            allowed: 0,
            next_peer_check: now + PEER_CHECK_INTERVAL,
            half_closed: None,
            reason: "ended by the server".into(),
        }
    }

    /// Its number.
    pub fn id(&self) -> ConnectionId {
        self.entry.id
    }

    /// Its origin.
    pub fn origin(&self) -> Origin {
        Origin::from(self.entry.peer.ip())
    }

    /// The bytes to write now.
    pub fn output(&self) -> &[u8] {
        let output = self.stage.output().map_or(&[][..], |output| self.transport.output(output));
        output.get(..self.allowed).unwrap_or(output)
    }
}
