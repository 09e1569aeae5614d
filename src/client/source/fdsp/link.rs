//! One connection to a server of this program: connected, greeted, and sent one request after the other.

mod conversation;
mod exchange;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

pub(crate) use self::conversation::Talk;
use crate::{
    AGENT,
    client::{
        api::content::origin::Origin,
        error::Fault,
        source::{
            limiter::Limiter,
            observer::Observer,
            timeouts::{Timeouts, reading_time},
            wire::Wire,
        },
        trust::Handshakes,
    },
    protocol::{
        address::Authority,
        client::{Client, Event, Request},
    },
};

/// Time for sending a goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    wire: Wire,
    machine: Client,
    timeouts: Timeouts,
    /// For each request without a complete answer, how long the server may still only say that it works on it.
    working: VecDeque<Duration>,
    /// Taken from the pool, and nothing was received since.
    stale: bool,
    /// Requests since then, and for how long the server may only say that it works on each.
    repeatable: Vec<(Request, Duration)>,
    /// The server sent a goodbye, or an error occurred.
    broken: bool,
    /// When the first request was made, and how long it took until something was received.
    asked: Option<Instant>,
    round_trip: Option<Duration>,
    /// When the task last checked whether it was stopped.
    looked: Instant,
    observer: Option<Arc<dyn Observer>>,
}

impl Link {
    /// Connects. The greeting is sent with the first request.
    pub(crate) async fn open(
        authority: &Authority,
        timeouts: Timeouts,
        handshakes: &Handshakes,
    ) -> Result<Link, Fault> {
        let (wire, credential) = Wire::open(authority, timeouts, handshakes).await?;
        let machine = Client::with_credential(AGENT, credential);
        Ok(Link {
            wire,
            machine,
            timeouts,
            working: VecDeque::new(),
            stale: false,
            repeatable: Vec::new(),
            broken: false,
            asked: None,
            round_trip: None,
            looked: Instant::now(),
            observer: None,
        })
    }

    /// Which server it is.
    pub(crate) fn origin(&self) -> Origin {
        self.wire.origin()
    }

    /// Whether an earlier TLS session was resumed.
    #[cfg(test)]
    pub(crate) fn is_resumed(&self) -> bool {
        self.wire.is_resumed()
    }

    /// Whether this connection was idle and nothing was received since: the server may have closed it long ago.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether another request may follow.
    pub(crate) fn is_usable(&self) -> bool {
        !self.broken && self.machine.pending() == 0 && self.wire.unread().is_empty()
    }

    /// Whether the server has neither sent anything nor closed since the last answer.
    pub(crate) fn is_quiet(&self) -> bool {
        self.wire.is_quiet()
    }

    /// Reports to an observer from now on.
    pub(crate) fn observed_by(mut self, observer: &Arc<dyn Observer>) -> Link {
        self.observer = Some(Arc::clone(observer));
        self
    }

    /// The time from the first request to the first bytes of the server, which are its greeting.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Requests without a complete answer.
    pub(crate) fn pending(&self) -> usize {
        self.machine.pending()
    }

    /// Becomes idle, and frees the buffer.
    pub(crate) fn rest(&mut self) {
        self.observer = None;
        self.wire.rest();
    }

    /// Is no longer idle; `false` if the server has closed meanwhile.
    pub(crate) fn wake(&mut self) -> bool {
        self.stale = true;
        self.is_quiet()
    }

    /// Sends a request, and hands each event to `take` until it breaks. `take` may block.
    pub(crate) async fn ask<T>(
        &mut self,
        request: &Request,
        limiter: &Limiter,
        mut take: impl FnMut(Event<'_>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        self.send(request);
        self.answers(limiter, |event| event.map_or(Ok(ControlFlow::Continue(())), &mut take)).await
    }

    /// Sends a request without waiting for the answer: answers arrive in the order of the requests.
    pub(crate) fn send(&mut self, request: &Request) {
        self.request(request.clone(), reading_time(self.timeouts));
    }

    /// `working`: how long the server may only say that it works on the answer.
    fn request(&mut self, request: Request, working: Duration) {
        self.machine.request(&request);
        self.asked.get_or_insert_with(Instant::now);
        self.working.push_back(working);
        if self.stale {
            self.repeatable.push((request, working));
        }
    }

    /// Sends the requests that were sent on a connection which had been idle, and whose answers have not begun.
    pub(crate) fn repeat(&mut self, idle: &mut Link) {
        for (request, working) in idle.repeatable.drain(..) {
            self.request(request, working);
        }
    }

    /// Gives the next of the bytes that the content which was just announced skips.
    pub(crate) fn skipped(&mut self, bytes: &[u8]) {
        self.machine.skipped(bytes);
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        while !self.machine.outgoing().is_empty() {
            let count = self.wire.write(self.machine.outgoing()).await?;
            self.machine.sent(count);
        }
        Ok(())
    }

    /// Sends a goodbye, and closes.
    pub(crate) async fn close(mut self) {
        self.machine.goodbye("done");
        // It closes either way.
        let _ = timeout(GOODBYE_TIMEOUT, async {
            let _ = self.flush().await;
            self.wire.close().await;
        })
        .await;
    }
}
