//! The end of a transfer: what follows for its job and server.

use std::{
    hash::BuildHasher,
    time::{Duration, Instant},
};

use crate::{
    client::{
        api::{
            event::Event,
            job_id::JobId,
            views::view::{Trouble, TroubleKind},
        },
        engine::actor::Actor,
        error::{self, Fault, Verdict},
        job::{events::Outcome, resume::JobResume},
        queue::{
            Ended,
            phase::Phase,
            schedule::{Lost, ServerId},
        },
    },
    text::{SafeText, units},
};
impl Actor {
    /// A transfer ended.
    pub(super) fn ended(&mut self, id: JobId, mut resume: JobResume, outcome: Outcome) {
        self.workers.remove(&id);
        self.limiters.remove(&id);
        let replaced = self.shared.with(|state| state.queue.is_replaced(id));
        let outcome = if replaced { Outcome::Stopped } else { outcome };
        let lost = self.lost_server(id, &outcome);
        let (ended, mut event) = match &lost {
            Some(_) => (Ended::Unreachable, None),
            None => self.judge(id, &resume, outcome),
        };
        let before = self.shared.with(|state| state.queue.phase(id));
        let phase = self.shared.with(|state| state.queue.ended(id, ended));
        match phase {
            None | Some(Phase::Cancelled) => self.dispose(id, Some(resume)),
            Some(Phase::Done) => self.shared.claims.release(id),
            Some(now) => {
                if matches!(now, Phase::Failed | Phase::Undecided) {
                    self.shared.claims.release(id);
                    resume.failed();
                }
                // While it waits for the next try the `.part` stays locked; at rest others may have it.
                if matches!(now, Phase::Waiting | Phase::Queued) && !replaced {
                    self.kept.insert(id, resume);
                } else {
                    let event = event.take_if(|_| phase != before);
                    self.close(id, resume, event, replaced);
                }
            }
        }
        if phase != before
            && let Some(event) = event
        {
            self.shared.report(event);
        }
        if let Some((server, since, trouble)) = lost {
            self.unreachable(server, since, trouble);
        }
        self.asks(id);
        if self.workers.is_empty() {
            self.shared.with(|state| state.queue.at_rest());
        }
    }

    /// The server that a transfer did not reach, and since when, if that is why it ended.
    fn lost_server(&self, id: JobId, outcome: &Outcome) -> Option<(ServerId, Instant, Trouble)> {
        let Outcome::Fault { fault, progressed } = outcome else { return None };
        self.shared.with(|state| {
            if *progressed && fault.verdict != Verdict::TooSlow {
                state.queue.progressed(id);
            }
            let server = state.queue.server(id)?;
            let since = fault.unreachable_since(state.servers.is_known(server))?;
            Some((server, since, fault.trouble.clone()))
        })
    }

    /// A server that could not be reached was tried.
    pub(super) fn probed(&mut self, server: ServerId, result: Result<Option<u32>, Fault>) {
        // It has answered before, or it would not have an outage.
        let lost = result.as_ref().err().and_then(|fault| Some((fault.unreachable_since(true)?, fault)));
        match lost {
            Some((since, fault)) => self.unreachable(server, since, fault.trouble.clone()),
            // Any other fault is reported by the jobs.
            None => {
                if let Ok(Some(parallel)) = result {
                    let parallel = usize::try_from(parallel).unwrap_or(usize::MAX);
                    self.shared.with(|state| state.servers.set_parallel(server, parallel));
                }
                self.shared.reached(server);
            }
        }
    }

    /// An attempt to reach a server that began at `since` has failed.
    fn unreachable(&mut self, server: ServerId, since: Instant, mut trouble: Trouble) {
        let (now, max) = (Instant::now(), self.config.retry_max_time);
        let reason = trouble.message.clone();
        let (lost, peer) = self.shared.with(|state| {
            let delay =
                |attempt| error::delay(attempt, Duration::ZERO, self.random.hash_one((server, attempt)));
            let lost = state.servers.lost(server, (since, now), reason.clone(), max, delay);
            (lost, SafeText::new(&state.servers.server(server).to_string()))
        });
        match lost {
            Lost::Still => tracing::debug!("{peer}: still unreachable: {reason}"),
            Lost::Now(wait) => {
                let seconds = wait.as_secs_f64();
                tracing::warn!(
                    "{peer}: unreachable, its downloads wait: {reason}; next try in {seconds:.1} s"
                );
                let max_seconds = max.map(|max| max.as_secs_f64());
                self.shared.report(Event::Unreachable { server: peer, seconds, max_seconds, reason });
            }
            Lost::TooLong => {
                let tried = units::duration(max.unwrap_or_default());
                trouble.message = SafeText::new(&format!("{} (tried for {tried})", trouble.message));
                tracing::error!("{peer}: no longer retried: {}", trouble.message);
                let failed = self.shared.with(|state| state.queue.fail_waiting(server, &trouble));
                let mut events = Vec::new();
                for (id, name, trouble) in failed {
                    self.shared.claims.release(id);
                    let event = Event::Failed { id, name, trouble: self.shared.worded(trouble) };
                    match self.kept.remove(&id) {
                        Some(resume) if resume.is_open() => self.close(id, resume, Some(event), false),
                        resume => {
                            self.kept.extend(resume.map(|resume| (id, resume)));
                            events.push(event);
                        }
                    }
                }
                self.shared.report_all(events);
            }
        }
    }

    /// What the end of a transfer means for its job, and which event reports it.
    fn judge(&self, id: JobId, resume: &JobResume, outcome: Outcome) -> (Ended, Option<Event>) {
        let name = self.shared.with(|state| state.queue.name(id)).unwrap_or_default();
        let fault = match outcome {
            Outcome::Stopped => return (Ended::Stopped, None),
            Outcome::Done(finished) => {
                let (size, digest) = (units::bytes(finished.bytes), units::short_digest(&finished.blake3));
                let from = finished.origin.brief().map_or(String::new(), |from| format!(", {from}"));
                let proof = finished.proof.filter(|proof| !proof.is_by_blocks());
                let from = proof.map_or(from.clone(), |proof| format!(", {}{from}", proof.brief()));
                if finished.missing.is_none() {
                    tracing::info!("{name}: done, {size}, BLAKE3 {digest}{from}");
                } else {
                    let missing = finished.missing.sentence();
                    tracing::warn!("{name}: incomplete, {size}, BLAKE3 {digest}{from}; {missing}");
                }
                let name = finished
                    .path
                    .file_name()
                    .map_or(name, |name| SafeText::from_bytes(name.as_encoded_bytes()));
                let event = Event::Done { id, name, finished: finished.clone() };
                return (Ended::Finished(finished), Some(event));
            }
            Outcome::Fault { fault, .. } => fault,
        };
        self.reached_by(id, &fault);
        if let Some(asked) = self.undecided(id, &name, &fault) {
            return asked;
        }
        let of = self.config.retries;
        let mut trouble = self.shared.worded(fault.trouble.clone());
        if let Verdict::Busy(after) = fault.verdict {
            return self.busy(id, name, trouble, after);
        }
        let attempt = self.shared.with(|state| state.queue.count_try(id));
        let after = match fault.verdict {
            Verdict::StartOver | Verdict::Discard if attempt.max(resume.file.totals.restarts) <= of => {
                let then =
                    if resume.file.is_doubtful() { "keeping what still matches" } else { "starting over" };
                trouble.message = SafeText::new(&format!("{}; {then}", trouble.message));
                Some(Duration::ZERO)
            }
            _ => fault.retry_after().filter(|_| attempt <= of),
        };
        let Some(after) = after else {
            if attempt > 1 && !fault.is_final() {
                trouble.message = SafeText::new(&format!("{} (tried {attempt} times)", trouble.message));
            }
            tracing::error!("{name}: failed, {}", trouble.message);
            return (Ended::Failed(trouble.clone()), Some(Event::Failed { id, name, trouble }));
        };
        let delay = error::delay(attempt, after, self.random.hash_one((id, attempt)));
        let (seconds, reason) = (delay.as_secs_f64(), trouble.message.clone());
        tracing::warn!("{name}: {reason}; trying again in {seconds:.1} s ({attempt} of {of})");
        let event = Event::Retry { id, name, attempt, of, seconds, reason };
        (Ended::Again { trouble, due: Instant::now() + delay }, Some(event))
    }
    /// A fault that only an answer of the server can be says that it is reachable.
    fn reached_by(&self, id: JobId, fault: &Fault) {
        let answered = matches!(fault.verdict, Verdict::Busy(_) | Verdict::StartOver | Verdict::Discard)
            || matches!(fault.trouble.kind, TroubleKind::NotFound | TroubleKind::Refused);
        if let (true, Some(server)) = (answered, self.shared.with(|state| state.queue.server(id))) {
            self.shared.reached(server);
        }
    }

    /// The server has no room: that costs no attempt, and ends when a server that cannot be reached is no longer retried.
    fn busy(
        &self,
        id: JobId,
        name: SafeText,
        mut trouble: Trouble,
        after: Duration,
    ) -> (Ended, Option<Event>) {
        let now = Instant::now();
        let (times, since) = self.shared.with(|state| state.queue.count_busy(id, now));
        let left = self.config.retry_max_time.map(|max| (since + max).saturating_duration_since(now));
        if left == Some(Duration::ZERO) {
            let tried = units::duration(self.config.retry_max_time.unwrap_or_default());
            trouble.message = SafeText::new(&format!("{} (tried for {tried})", trouble.message));
            tracing::error!("{name}: failed, {}", trouble.message);
            return (Ended::Failed(trouble.clone()), Some(Event::Failed { id, name, trouble }));
        }
        let delay = error::delay(times, after, self.random.hash_one((id, times)));
        let delay = delay.min(left.unwrap_or(Duration::MAX));
        let (seconds, reason) = (delay.as_secs_f64(), trouble.message.clone());
        tracing::info!("{name}: {reason}; trying again in {seconds:.1} s");
        let event = Event::Retry { id, name, attempt: 0, of: self.config.retries, seconds, reason };
        (Ended::Again { trouble, due: now + delay }, Some(event))
    }
}
