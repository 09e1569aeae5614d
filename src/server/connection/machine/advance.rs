//! What a connection wants next, and the outcomes of its tasks.

use std::{
    net::Shutdown,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::state::{Connection, End, Peer, Stage, Want};
use crate::server::{
    connection::{
        deadlines::Waiting,
        dialect::step::Step,
        task::{Outcome, Task, Work},
    },
    limits::LINGER,
};

impl Connection {
    /// What the connection needs now. Produces at most one turn of output.
    pub fn next(&mut self, now: Instant) -> Want {
        self.guarded(|this| this.advance(now)).unwrap_or(Want::Close)
    }

    fn advance(&mut self, now: Instant) -> Want {
        if let Some(reason) = self.cut_by_us() {
            self.close(reason);
        }
        loop {
            if self.output.asked {
                self.deadlines.asked();
            }
            self.output.settle(now);
            match self.stage {
                Stage::Closed => return Want::Close,
                Stage::Running => return Want::Pause,
                _ => {}
            }
            match self.transport.must_write(&self.output) {
                Ok(false) => {}
                Ok(true) => {
                    if let Err(due) = self.pace(now) {
                        self.deadlines.pause(due, now);
                        return Want::Pause;
                    }
                    self.deadlines.wait_for(Waiting::Output, now);
                    self.output.offer(now);
                    return Want::Write;
                }
                Err(reason) => {
                    self.close(reason);
                    continue;
                }
            }
            let step = match &mut self.stage {
                Stage::Fresh if self.shared.lifecycle.accepting() => Step::Read,
                Stage::Fresh => Step::Abort("the server is stopping".into()),
                Stage::Open(dialect) => dialect.advance(&mut self.output, now),
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
                    self.transport.release(&mut self.output);
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
                            return Want::Run(Task::new(dialect, self.output.take(), now));
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
        let is_last = matches!(self.stage, Stage::Lingering { .. }) && !self.output.has_content();
        let is_short = is_last || !self.output.asked;
        self.allowed = if is_short { usize::MAX } else { self.pacing.allowed(&self.shared, now)? };
        Ok(())
    }

    /// Receives the outcome of the task that [`Want::Run`] gave to the loop.
    pub fn done(&mut self, outcome: Outcome, now: Instant) {
        let Outcome { work, step } = outcome;
        let Work { dialect, output } = *work;
        self.output = output;
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
        self.shared.services.warn("an internal error has ended a connection");
        self.close("an internal error of the server");
    }

    /// Does a part of what this connection does. A panic in it, which is a defect of ours, ends this connection and no
    /// other: there are architectures in which all of them share a thread. `None`: it has ended.
    pub(crate) fn guarded<T>(&mut self, part: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| part(self)));
        if result.is_err() {
            self.panicked();
        }
        result.ok()
    }
}
