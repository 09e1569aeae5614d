//! How a connection ends: its deadlines, the last message, and the events.

use std::{borrow::Cow, time::Instant};

use super::state::{Connection, End, IDLE_WHILE_OTHERS_WAIT, Stage};
use crate::{
    protocol::error::Code,
    server::{
        api::event::Event, connection::deadlines::Overrun, limits::LINGER_TIMEOUT, registry::entry::Entry,
    },
    text::SafeText,
};

impl Connection {
    /// When to call [`Connection::timed_out`], unless something else happens before. `None` while a task runs.
    pub fn deadline(&self) -> Option<Instant> {
        if matches!(self.stage, Stage::Running(_)) { None } else { self.deadlines.next() }
    }

    /// Closes the connection if a deadline has passed.
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

    /// Closes a connection that waits for a request, because another client waits.
    pub fn make_room(&mut self, now: Instant) {
        if self.is_idle() {
            self.leave(None, IDLE_WHILE_OTHERS_WAIT, now);
        }
    }

    /// Whether its client has authenticated, and has a place.
    pub fn is_authenticated(&self) -> bool {
        self.entry.is_authenticated()
    }

    /// Whether it waits for a request.
    pub fn is_idle(&self) -> bool {
        match &self.stage {
            Stage::Open(work) => work.dialect.is_idle() && work.output.out.is_empty(),
            Stage::Fresh(_) => true,
            _ => false,
        }
    }

    /// Ends the connection, with an error or goodbye if the dialect has one.
    fn leave(&mut self, code: Option<Code>, reason: &'static str, now: Instant) {
        let is_written = match &mut self.stage {
            Stage::Open(work) => work.dialect.leave(code, reason, &mut work.output),
            _ => false,
        };
        if is_written {
            self.linger(reason.into(), now);
            // Its deadline has passed already: the wait for the close begins now.
            self.deadlines.linger(now + LINGER_TIMEOUT);
        } else {
            self.close(reason);
        }
    }

    /// Stops answering. What was answered is still written.
    pub(crate) fn linger(&mut self, reason: Cow<'static, str>, now: Instant) {
        let mut output = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Fresh(output) | Stage::Lingering { output, .. } => output,
            Stage::Open(work) => work.output,
            Stage::Running(_) | Stage::Closed => return,
        };
        output.give_up(&reason);
        self.reason = reason;
        self.stage = Stage::Lingering { output, end: End::Pending, discarded: 0 };
        if self.entry.is_refused() {
            // The connection makes room for the next client that is refused.
            self.deadlines.linger(now + LINGER_TIMEOUT);
        }
    }

    pub(crate) fn close(&mut self, reason: impl Into<Cow<'static, str>>) {
        let reason = reason.into();
        if !matches!(self.stage, Stage::Lingering { .. } | Stage::Closed) {
            self.reason = reason.clone();
        }
        self.abandon(&reason);
    }

    /// All answers that are not written fail.
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
        if self.entry.dialect().is_none() {
            self.shared.services.metrics.connection(None);
        }
        self.shared.registry.remove(&self.entry);
        let Entry { id, peer, .. } = *self.entry;
        let reason = SafeText::new(&self.reason);
        let (view, reported) = (self.entry.view(Instant::now()), self.entry.has_reported(&reason));
        let (seconds, bytes) = (view.age.as_secs_f64(), view.sent);
        self.shared.services.emit(&Event::Disconnected { id, peer, reason, seconds, bytes, reported });
        self.shared.registry.finished();
    }
}
