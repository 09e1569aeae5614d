//! Questions that only the user can decide: which faults are questions, and which jobs they are about.

use std::time::{Duration, Instant};

use crate::{
    client::{
        api::{
            event::Event,
            job_id::JobId,
            question::{Claimed, Question},
            views::view::{Trouble, TroubleKind},
        },
        engine::actor::Actor,
        error::{Fault, Verdict},
        queue::{Ended, phase::Phase},
    },
    text::SafeText,
};

/// How long a job waits for one that was cancelled to release its target.
const RELEASE_INTERVAL: Duration = Duration::from_millis(500);
/// Why a job waits whose target is that of a job which can be restored.
const HELD_TARGET: &str = "the cancelled download of the same target can still be restored";

impl Actor {
    /// How the attempt of a job ends whose fault is for the user to decide, if it is.
    pub(super) fn undecided(
        &self,
        id: JobId,
        name: &SafeText,
        fault: &Fault,
    ) -> Option<(Ended, Option<Event>)> {
        if !self.config.asks || !fault.is_final() {
            return None;
        }
        let question = match fault.trouble.question.as_deref() {
            Some(Question::Claimed(claimed)) => match self.claimed(claimed) {
                Some(claimed) => Question::Claimed(claimed),
                // The other one has ended, and releases it: at once, or when that can no longer be undone.
                None => {
                    let mut trouble = fault.trouble.clone();
                    let until = claimed.by.and_then(|by| self.undo.until(by));
                    if until.is_some() {
                        trouble.message = SafeText::new(HELD_TARGET);
                    }
                    let due = (Instant::now() + RELEASE_INTERVAL).max(until.unwrap_or_else(Instant::now));
                    return Some((Ended::Again { trouble, due }, None));
                }
            },
            Some(question) => question.clone(),
            None if fault.verdict == Verdict::WrongToken => {
                let (new, _) = self.shared.with(|state| state.queue.asked(id))?;
                Question::Token(new.address.server().with_token(None))
            }
            None => {
                let is_gone = fault.trouble.kind == TroubleKind::NotFound
                    && self.shared.with(|state| state.queue.has_received(id));
                is_gone.then_some(Question::Gone)?
            }
        };
        if !question.is_open() {
            return None;
        }
        let trouble = Trouble { question: Some(Box::new(question)), ..fault.trouble.clone() };
        tracing::warn!("{name}: needs a decision, {}", trouble.message);
        let event = Event::Undecided { id, name: name.clone(), trouble: trouble.clone() };
        Some((Ended::Undecided(trouble), Some(event)))
    }

    /// A claim of another job that has not ended, with its address.
    fn claimed(&self, claimed: &Claimed) -> Option<Claimed> {
        let by = claimed.by?;
        self.shared.with(|state| {
            let has_ended = matches!(state.queue.phase(by), None | Some(Phase::Cancelled | Phase::Done));
            let (new, _) = state.queue.asked(by).filter(|_| !has_ended)?;
            Some(Claimed { other: SafeText::new(&new.address.to_string()), ..claimed.clone() })
        })
    }

    /// A job waits for a decision: one for all jobs may have been made, and it may be for others that wait as well.
    pub(super) fn asks(&mut self, id: JobId) {
        let Some(question) = self.shared.with(|state| state.queue.question(id)) else { return };
        if let Question::Token(_) = question {
            self.asks_for_token(id);
        }
        self.answer_standing(id, question.kind());
    }

    /// The other jobs that wait for the server would be refused as well, and a server counts how often.
    fn asks_for_token(&mut self, id: JobId) {
        let waiting = self.shared.with(|state| {
            let (server, trouble) = (state.queue.server(id)?, state.queue.trouble(id)?);
            Some((state.queue.ask_waiting(server, &trouble), trouble))
        });
        let Some((waiting, trouble)) = waiting else { return };
        for (id, name) in waiting {
            self.shared.claims.release(id);
            let event = Event::Undecided { id, name, trouble: trouble.clone() };
            match self.kept.remove(&id) {
                Some(resume) => self.close(id, resume, Some(event), false),
                None => self.shared.report(event),
            }
        }
    }
}
