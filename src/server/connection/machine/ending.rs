//! How a connection ends: its deadlines, the last word, and what it leaves.

use std::{borrow::Cow, time::Instant};

use super::state::{Connection, End, Stage, WHILE_OTHERS_WAIT};
use crate::{
    protocol::error::Code,
    server::{api::event::Event, connection::deadlines::Overrun, limits::LINGER, registry::entry::Entry},
    text::SafeText,
};

impl Connection {
    /// When [`Connection::timed_out`] wants to be called, if nothing else happens before. `None` while a task runs.
    pub fn deadline(&self) -> Option<Instant> {
        if matches!(self.stage, Stage::Running(_)) { None } else { self.deadlines.next() }
    }

    /// Looks whether a deadline has passed, and does what that calls for.
    pub fn timed_out(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Running(_)) {
            return;
        }
        let (code, reason) = match self.deadlines.check(now, || self.entry.send_buffer()) {
            None => return,
            Some(Overrun::Linger) => return self.close("it did not close"),
            Some(Overrun::Handshake) => (Code::TimedOut, "no request within the handshake deadline"),
            Some(Overrun::Idle) => (Code::TimedOut, "idle for too long"),
            Some(Overrun::Rate) => (Code::TooSlow, "too slow"),
        };
        self.leave(Some(code), reason, now);
    }

    /// Asks a connection that only waits for a request to make room for another client.
    pub fn make_room(&mut self, now: Instant) {
        if self.is_idle() {
            self.leave(None, WHILE_OTHERS_WAIT, now);
        }
    }

    /// Whether its client has shown that it may fetch, and has a place.
    pub fn is_authenticated(&self) -> bool {
        self.entry.is_authenticated()
    }

    /// Whether nothing is being answered, nor was asked.
    pub fn is_idle(&self) -> bool {
        match &self.stage {
            Stage::Open(work) => work.dialect.is_idle() && work.output.out.is_empty(),
            Stage::Fresh(_) => true,
            _ => false,
        }
    }

    /// Ends the connection from our side, with a word where the dialect has one.
    fn leave(&mut self, code: Option<Code>, reason: &'static str, now: Instant) {
        let has_word = match &mut self.stage {
            Stage::Open(work) => work.dialect.leave(code, reason, &mut work.output),
            _ => false,
        };
        if has_word {
            self.linger(reason.into(), now);
            // It has had its time.
            self.deadlines.linger(now + LINGER);
        } else {
            self.close(reason);
        }
    }

    /// Nothing more is answered; what was answered still goes out.
    pub(crate) fn linger(&mut self, reason: Cow<'static, str>, now: Instant) {
        let mut output = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Fresh(output) | Stage::Lingering { output, .. } => output,
            Stage::Open(work) => work.output,
            Stage::Running(_) | Stage::Closed => return,
        };
        output.give_up(&reason);
        self.reason = reason;
        self.stage = Stage::Lingering { output, end: End::Owed, discarded: 0 };
        if self.entry.is_refused() {
            // Others are to be refused as well.
            self.deadlines.linger(now + LINGER);
        }
    }

    pub(crate) fn close(&mut self, reason: impl Into<Cow<'static, str>>) {
        let reason = reason.into();
        if !matches!(self.stage, Stage::Lingering { .. } | Stage::Closed) {
            self.reason = reason.clone();
        }
        self.abandon(&reason);
    }

    /// What is not written will never be.
    fn abandon(&mut self, reason: &str) {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Fresh(mut output) | Stage::Lingering { mut output, .. } => output.abandon(reason),
            Stage::Open(mut work) => work.output.abandon(reason),
            Stage::Running(Some(delivery)) => delivery.fail(&self.shared, &self.entry, reason),
            Stage::Running(None) | Stage::Closed => {}
        }
    }
}

impl Drop for Connection {
    /// However a loop or a task ends, its connections leave the registry.
    fn drop(&mut self) {
        self.abandon(&self.reason.clone());
        self.shared.services.give_back(self.pacing.end());
        self.shared.registry.remove(&self.entry);
        let Entry { id, peer, .. } = *self.entry;
        self.shared.services.emit(&Event::Disconnected { id, peer, reason: SafeText::new(&self.reason) });
        self.shared.registry.finished();
    }
}
