//! Sends one request after the other without waiting for the answers.

use std::ops::ControlFlow;

use super::Link;
use crate::{
    client::{
        error::Fault,
        source::{
            limiter::Limiter,
            timeouts::{hashing_time, reading_time},
        },
    },
    protocol::client::{Event, Request},
};

/// Requests without an answer, at most, in a conversation.
const MAX_PIPELINED: usize = 16;

/// Makes requests, and takes the answers.
pub(crate) trait Talk {
    /// The next request, and how many bytes the server may have to hash before it answers; `None` if nothing is to be requested now.
    fn next(&mut self) -> Option<(Request, u64)>;
    /// Takes an event. Returns whether something else may be requested after it.
    fn take(&mut self, event: Event<'_>) -> Result<bool, Fault>;
    /// The local bytes that the server skips of what it has just announced, if it skips any.
    fn skipped(&mut self) -> Option<Vec<u8>>;
    /// Nothing was received for a while.
    fn quiet(&mut self) -> Result<(), Fault>;
}

impl Link {
    /// Sends one request after the other without waiting for the answers, until there are no more and everything is answered. `talk` may
    /// block.
    pub(crate) async fn converse(&mut self, limiter: &Limiter, talk: &mut impl Talk) -> Result<(), Fault> {
        loop {
            while self.machine.pending() < MAX_PIPELINED
                && let Some((request, hashed)) = talk.next()
            {
                let working = match request {
                    Request::Files(_) => hashing_time(hashed),
                    _ => reading_time(self.timeouts),
                };
                self.request(request, working);
            }
            if self.machine.pending() == 0 {
                return Ok(());
            }
            let answered = |event: Option<Event<'_>>| {
                let Some(event) = event else { return talk.quiet().map(ControlFlow::Continue) };
                let more = talk.take(event)?;
                Ok(match talk.skipped() {
                    Some(bytes) => ControlFlow::Break(bytes),
                    None if more => ControlFlow::Break(Vec::new()),
                    None => ControlFlow::Continue(()),
                })
            };
            let skipped = self.answers(limiter, answered).await?;
            self.machine.skipped(&skipped);
        }
    }
}
