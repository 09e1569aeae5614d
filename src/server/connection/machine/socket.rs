//! Results of the socket: of reading and of writing, and how it failed.

use std::{
    io::{self, ErrorKind},
    time::Instant,
};

use super::state::{Connection, IDLE_WHILE_OTHERS_WAIT, Peer, Stage};
use crate::server::{
    api::event::{BY_CLIENT, BY_OPERATOR, SERVER_STOPPED},
    connection::{output::Output, v1::requests::Ending},
    limits::{HALF_CLOSED_TIMEOUT, PEER_CHECK_INTERVAL},
    shared::lifecycle::Phase,
};

impl Connection {
    /// Takes the result of a read. Returns whether the socket would block.
    pub fn after_read(&mut self, now: Instant, result: io::Result<usize>, buffer: &[u8]) -> bool {
        match result {
            Ok(count) => self.received(now, buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) => self.lost(&error),
        }
        false
    }

    /// Takes the result of a write that has returned at `now`. Returns whether the socket would block.
    pub fn after_write(&mut self, now: Instant, result: io::Result<usize>) -> bool {
        match result {
            Ok(0) => self.lost(&ErrorKind::WriteZero.into()),
            Ok(count) => self.wrote(now, count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) => self.lost(&error),
        }
        false
    }

    /// The first `count` bytes of [`Want::Write`](crate::server::connection::Want::Write) were written.
    pub fn wrote(&mut self, now: Instant, count: usize) {
        self.deadlines.wrote(count);
        self.pacing.wrote(count);
        if let Some(output) = self.stage.output_mut() {
            self.transport.wrote(count, output, now);
        }
    }

    /// The socket failed.
    pub fn lost(&mut self, error: &io::Error) {
        // A write that waits when the socket is shut down fails as if the client had closed.
        if let Some(reason) = self.shutdown_reason() {
            return self.close(reason);
        }
        let reason = match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                BY_CLIENT.to_owned()
            }
            _ => format!("connection lost: {error}"),
        };
        let progress = self.stage.output().map(Output::progress);
        self.close(reason + &progress.unwrap_or_default());
    }

    /// Checks now and then whether the client of a long task is still connected, so that nothing is computed for one that is gone. A client that
    /// has only shut down its sending side is answered. Sending shows whether it is gone; while nothing is sent for [`HALF_CLOSED_TIMEOUT`], a
    /// client that has shut down without a goodbye counts as gone.
    pub(crate) fn check_peer(&mut self, now: Instant) -> Peer {
        if now < self.next_peer_check {
            return Peer::Present;
        }
        if let Some(error) = self.entry.failure() {
            return Peer::Lost(error);
        }
        let ending = match &self.stage {
            Stage::Open(work) => work.dialect.ending_of_preparation(),
            _ => None,
        };
        let ending = ending.filter(|_| self.entry.has_peer_ended());
        if ending != Some(Ending::Silent) {
            self.half_closed = None;
        }
        let peer = match ending {
            Some(Ending::NotRead) => Peer::Ended,
            Some(Ending::Silent) if now >= *self.half_closed.get_or_insert(now) + HALF_CLOSED_TIMEOUT => {
                Peer::Gone
            }
            Some(Ending::Silent | Ending::Goodbye) | None => Peer::Present,
        };
        // The rest of its bytes is read before the next task.
        if !matches!(peer, Peer::Ended) {
            self.next_peer_check = now + PEER_CHECK_INTERVAL;
        }
        peer
    }

    /// Whether it must be closed now, even while a task runs: the server stops, the operator disconnects it, or another client gets its place.
    pub fn must_close(&self) -> bool {
        self.shutdown_reason().is_some()
    }

    /// Why the socket was shut down, if that was not the client.
    pub(crate) fn shutdown_reason(&self) -> Option<&'static str> {
        if self.shared.lifecycle.phase() >= Phase::Stopping {
            Some(SERVER_STOPPED)
        } else if self.entry.is_disconnected() {
            let evicted = self.entry.is_evicted();
            Some(if evicted { IDLE_WHILE_OTHERS_WAIT } else { BY_OPERATOR })
        } else {
            None
        }
    }
}
