//! What a connection needs next, and the outcomes of its tasks.

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
        task::{Outcome, Task},
    },
    limits::LINGER_TIMEOUT,
};

impl Connection {
    /// What the connection needs now. Produces at most one output.
    pub fn next(&mut self, now: Instant) -> Want {
        self.guarded(|this| this.advance(now)).unwrap_or(Want::Close)
    }

    fn advance(&mut self, now: Instant) -> Want {
        if let Some(reason) = self.shutdown_reason() {
            self.close(reason);
        }
        loop {
            let is_lingering = matches!(self.stage, Stage::Lingering { .. });
            let output = match &mut self.stage {
                Stage::Closed => return Want::Close,
                Stage::Running(_) => return Want::Pause,
                Stage::Fresh(output) | Stage::Lingering { output, .. } => output,
                Stage::Open(work) => &mut work.output,
            };
            if output.asked {
                self.deadlines.asked();
            }
            output.settle(now);
            match self.transport.must_write(output) {
                Ok(false) => {}
                Ok(true) => {
                    // The first output and the last error or goodbye are not paced: a client that has requested nothing, or may
                    // not, has no share of the bandwidth.
                    let is_paced = output.asked && (!is_lingering || output.has_content());
                    let allowed = match is_paced {
                        true => self.pacing.allowed(&self.shared, now),
                        false => Ok(usize::MAX),
                    };
                    match allowed {
                        Ok(allowed) => self.allowed = allowed,
                        Err(due) => {
                            self.deadlines.pause(due, now);
                            return Want::Pause;
                        }
                    }
                    self.deadlines.wait_for(Waiting::Output, now);
                    output.offer(now);
                    return Want::Write;
                }
                Err(reason) => {
                    self.close(reason);
                    continue;
                }
            }
            let step = match &mut self.stage {
                Stage::Fresh(_) if self.shared.lifecycle.accepting() => Step::Read,
                Stage::Fresh(_) => Step::Abort("the server is stopping".into()),
                Stage::Open(work) => work.dialect.advance(&mut work.output, now),
                Stage::Lingering { end: end @ End::Pending, .. } => {
                    self.transport.finish();
                    *end = End::Written;
                    Step::Again
                }
                Stage::Lingering { end, .. } => {
                    if *end == End::Written {
                        self.entry.shutdown(Shutdown::Write);
                        *end = End::ShutDown;
                        self.deadlines.linger(now + LINGER_TIMEOUT);
                    }
                    Step::Read
                }
                Stage::Running(_) | Stage::Closed => continue,
            };
            match step {
                Step::Again => {}
                Step::Pause(until) => {
                    self.deadlines.pause(until, now);
                    return Want::Pause;
                }
                Step::Read => {
                    if let Some(output) = self.stage.output_mut() {
                        self.transport.release(output);
                    }
                    self.deadlines.wait_for(Waiting::Input, now);
                    return Want::Read;
                }
                Step::Run => {
                    match self.check_peer(now) {
                        Peer::Present => {}
                        Peer::Ended => {
                            // The last bytes before the end may be a goodbye: then the client waits for the answer.
                            self.deadlines.wait_for(Waiting::Input, now);
                            return Want::Read;
                        }
                        Peer::Gone => {
                            self.close("closed by the client before the answer");
                            continue;
                        }
                        Peer::Lost(error) => {
                            self.lost(&error);
                            continue;
                        }
                    }
                    match std::mem::replace(&mut self.stage, Stage::Running(None)) {
                        Stage::Open(work) => {
                            self.stage = Stage::Running(work.output.delivery().cloned());
                            self.deadlines.wait_for(Waiting::Nothing, now);
                            return Want::Run(Task::new(work, now));
                        }
                        stage => self.stage = stage,
                    }
                }
                Step::End(reason) => self.linger(reason, now),
                Step::Abort(reason) => self.close(reason),
            }
        }
    }

    /// Receives the outcome of the task that [`Want::Run`] gave to the loop.
    pub fn done(&mut self, outcome: Outcome, now: Instant) {
        let Outcome { work, step } = outcome;
        if matches!(self.stage, Stage::Running(_)) {
            self.stage = Stage::Open(work);
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

    /// Runs `part`. A panic in it, which is an internal error, ends this connection and no other, although connections share a thread in some
    /// architectures. `None`: the connection has ended.
    pub(crate) fn guarded<T>(&mut self, part: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| part(self)));
        if result.is_err() {
            self.panicked();
        }
        result.ok()
    }
}
