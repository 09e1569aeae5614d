//! What the end of a transfer means for its job.

use std::{
    hash::BuildHasher,
    time::{Duration, Instant},
};

use super::Actor;
use crate::{
    client::{
        Event, JobId,
        memory::Memory,
        phase::Phase,
        queue::Ended,
        retry::{self, Verdict},
        worker::Outcome,
    },
    text::SafeText,
    units,
};

impl Actor {
    /// A transfer ended.
    pub(super) fn ended(&mut self, id: JobId, mut memory: Memory, outcome: Outcome) {
        self.workers.remove(&id);
        let (ended, mut event) = self.judge(id, &memory, outcome);
        let before = self.board.with(|state| state.queue.phase(id));
        let phase = self.board.with(|state| state.queue.ended(id, ended));
        match phase {
            None | Some(Phase::Cancelled) => self.discard(id, Some(memory)),
            Some(Phase::Done) => self.board.release(id),
            Some(now) => {
                if now == Phase::Failed {
                    self.board.release(id);
                    // It takes no time to wait for somebody's answer before anything has come.
                    if memory.transferred == 0 {
                        memory.started = None;
                    }
                }
                // While it waits for the next try the `.part` stays locked; at rest others may have it.
                if now == Phase::Waiting || now == Phase::Queued {
                    self.kept.insert(id, memory);
                } else {
                    let event = event.take_if(|_| phase != before);
                    self.close(id, memory, event);
                }
            }
        }
        if phase != before
            && let Some(event) = event
        {
            self.board.tell(event);
        }
        if self.workers.is_empty() {
            self.board.with(|state| state.queue.at_rest());
        }
    }

    /// What the end of a transfer means for its job, and what is to be said of it.
    fn judge(&self, id: JobId, memory: &Memory, outcome: Outcome) -> (Ended, Option<Event>) {
        let name = self.board.with(|state| state.queue.name(id)).unwrap_or_default();
        let (fault, progressed) = match outcome {
            Outcome::Stopped => return (Ended::Stopped, None),
            Outcome::Done(finished) => {
                let size = units::bytes(finished.bytes);
                tracing::info!("{name}: done, {size}, BLAKE3 {}", finished.blake3);
                let name = finished
                    .path
                    .file_name()
                    .map_or(name, |name| SafeText::from_bytes(name.as_encoded_bytes()));
                let event = Event::Done { id, name, finished: finished.clone() };
                return (Ended::Finished(finished), Some(event));
            }
            Outcome::Fault { fault, progressed } => (fault, progressed),
        };
        let of = self.config.retries;
        let attempt = self.board.with(|state| state.queue.count_try(id, progressed));
        let mut trouble = fault.trouble;
        let after = match fault.verdict {
            Verdict::Again(after) if attempt <= of => Some(after),
            Verdict::StartOver | Verdict::Discard if attempt.max(memory.restarts) <= of => {
                let then = if memory.doubtful { "keeping what still matches" } else { "starting over" };
                trouble.message = SafeText::new(&format!("{}; {then}", trouble.message));
                Some(Duration::ZERO)
            }
            _ => None,
        };
        let Some(after) = after else {
            if attempt > 1 && fault.verdict != Verdict::Never {
                trouble.message = SafeText::new(&format!("{} (tried {attempt} times)", trouble.message));
            }
            tracing::warn!("{name}: failed, {}", trouble.message);
            return (Ended::Failed(trouble.clone()), Some(Event::Failed { id, name, trouble }));
        };
        let delay = retry::delay(attempt, after, self.random.hash_one((id, attempt)));
        let (seconds, reason) = (delay.as_secs_f64(), trouble.message.clone());
        tracing::warn!("{name}: {reason}; trying again in {seconds:.1} s ({attempt} of {of})");
        let event = Event::Retry { id, name, attempt, of, seconds, reason };
        (Ended::Again { trouble, due: Instant::now() + delay }, Some(event))
    }
}
