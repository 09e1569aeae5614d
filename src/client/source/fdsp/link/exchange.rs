//! Sends what waits to be sent, and hands the events of the answers to the caller as they are received.

use std::{
    ops::ControlFlow,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{
    task::{block_in_place, yield_now},
    time::sleep,
};

use super::Link;
use crate::{
    client::{
        error::Fault,
        source::{
            limiter::Limiter,
            sink::KEEP_INTERVAL,
            timeouts::{compression_time, hashing_time},
            wire::Readiness,
        },
    },
    protocol::{
        client::Event,
        digest::BLOCK_SIZE,
        error::{UnknownProtocol, Violation},
    },
};

/// Time after which the task checks whether it was stopped, while it handles received events: writing the files of one buffer can take a second.
pub(super) const SLICE: Duration = Duration::from_millis(5);

/// How far the received events were handled.
enum Taken<T> {
    /// Up to the event at which the caller stopped with this result.
    Until(T),
    /// Some of them: the task has to check whether it was stopped.
    Some,
    /// All of them.
    All,
}

impl Link {
    /// Hands each event to `take` until it breaks, and `None` while none is received for a while. `take` may block.
    pub(crate) async fn answers<T>(
        &mut self,
        limiter: &Limiter,
        mut take: impl FnMut(Option<Event<'_>>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        let result = self.exchange(limiter, &mut take).await;
        self.broken |= result.is_err() && self.machine.pending() > 0;
        result
    }

    async fn exchange<T>(
        &mut self,
        limiter: &Limiter,
        take: &mut impl FnMut(Option<Event<'_>>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        self.wire.asked();
        loop {
            // A server need not read a request before the answer to an earlier one is sent: answers are received meanwhile.
            let (count, pending) = self.wire.try_write(self.machine.outgoing())?;
            self.machine.sent(count);
            // The first time, what was received with the answer before.
            match block_in_place(|| self.receive(take))? {
                Taken::Until(result) => return Ok(result),
                Taken::Some => {
                    yield_now().await;
                    self.looked = Instant::now();
                    continue;
                }
                Taken::All => {}
            }
            let turn = {
                let mut turn = pin!(self.wire.wait(limiter, pending));
                loop {
                    tokio::select! {
                        biased;
                        turn = &mut turn => break turn,
                        () = sleep(KEEP_INTERVAL) => drop(block_in_place(|| take(None))?),
                    }
                }
            };
            match turn? {
                Readiness::Writable => {}
                Readiness::Received if self.round_trip.is_none() => {
                    self.round_trip = self.asked.map(|asked| asked.elapsed());
                }
                Readiness::Received if self.stale => {
                    self.stale = false;
                    self.repeatable = Vec::new();
                }
                Readiness::Received => {}
                Readiness::Ended => {
                    self.broken = true;
                    let violation = self.machine.end_of_stream().err();
                    return Err(match violation {
                        // A server beyond its limits closes like this, and so does one that is just starting, or a
                        // proxy of a server that is not running.
                        Some(violation @ Violation::NotOurs(UnknownProtocol::Silent)) => {
                            self.wire.closed(format!("{}: {violation}", self.wire.peer()))
                        }
                        Some(violation) => Fault::violation(self.wire.peer(), &violation),
                        None => self.wire.closed(format!("{} closed the connection", self.wire.peer())),
                    });
                }
            }
        }
    }

    /// Handles received events, for at most [`SLICE`].
    fn receive<T>(
        &mut self,
        take: &mut impl FnMut(Option<Event<'_>>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<Taken<T>, Fault> {
        loop {
            if self.looked.elapsed() >= SLICE {
                return Ok(Taken::Some);
            }
            let (used, event) = self.machine.receive(self.wire.unread()).map_err(|violation| {
                self.broken = true;
                Fault::violation(self.wire.peer(), &violation)
            })?;
            let idle = used == 0 && event.is_none();
            self.broken |= matches!(event, Some(Event::Goodbye(_) | Event::Failed { request: 0, .. }));
            let (mut hashed, mut works, mut prepares) = (Duration::ZERO, false, None);
            match &event {
                Some(Event::Hashes { hashes, .. }) => {
                    hashed = hashing_time(BLOCK_SIZE.saturating_mul(hashes.len() as u64));
                }
                Some(Event::Working { .. }) => works = true,
                Some(Event::Welcome(welcome)) => {
                    if let Some(observer) = &self.observer {
                        observer.announced(usize::try_from(welcome.parallel).unwrap_or(usize::MAX));
                    }
                }
                Some(Event::Content { content, .. }) => prepares = Some(compression_time(content)),
                Some(Event::Data { .. }) => prepares = Some(Duration::ZERO),
                _ => {}
            }
            if let Some(Event::Goodbye(goodbye)) = &event {
                // There will be no answer, also where the server forgets to close.
                let reason = goodbye.reason.trim();
                return Err(Fault::lost(format!("{} closed the connection: {reason}", self.wire.peer())));
            }
            if let Some(observer) = self.observer.as_ref().filter(|_| event.is_some()) {
                observer.preparing(works);
            }
            let (is_event, pending) = (event.is_some(), self.machine.pending());
            let flow = event.map_or(Ok(ControlFlow::Continue(())), |event| take(Some(event)));
            self.wire.used(used);
            self.wire.hashed(&mut hashed);
            if let Some(time) = prepares {
                self.wire.prepares(time);
            }
            match self.working.front_mut() {
                Some(budget) if works => self.wire.works(budget)?,
                _ if is_event => self.wire.answered(),
                _ => {}
            }
            if self.working.len() > pending {
                self.working.pop_front();
            }
            match flow? {
                ControlFlow::Continue(()) if idle => return Ok(Taken::All),
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(result) => return Ok(Taken::Until(result)),
            }
        }
    }
}
