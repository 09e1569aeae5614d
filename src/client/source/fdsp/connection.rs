//! One connection to a server of this program. If the server has closed it while it was idle, another one takes its place, with the same
//! requests: nothing of their answers was received.

use std::{ops::ControlFlow, time::Duration};

use crate::{
    client::{
        api::content::origin::Origin,
        error::{Fault, Verdict},
        source::fdsp::{
            Fdsp,
            link::{Link, Talk},
        },
    },
    protocol::{
        client::{Event, Request},
        message,
    },
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) fdsp: Fdsp,
    pub(super) link: Link,
    /// An answer that has begun, of which only the description of the content was handed on.
    pub(super) begun: Option<message::Content>,
}

impl Connection {
    pub(super) fn new(fdsp: Fdsp, link: Link) -> Connection {
        let link = link.observed_by(&fdsp.observer);
        Connection { fdsp, link, begun: None }
    }

    /// The server that answers.
    pub(crate) fn origin(&self) -> Origin {
        self.link.origin()
    }

    /// About how long the link is, once something was received.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.link.round_trip()
    }

    /// Keeps the connection for the next request, if there may be one.
    pub(crate) fn put(self) {
        self.fdsp.pool.put(self.fdsp.server(), self.link);
    }

    /// Sends a request, and hands each event of the answer to `take` until it breaks.
    pub(super) async fn ask<T>(
        &mut self,
        request: Request,
        mut take: impl FnMut(Event<'_>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        self.link.send(&request);
        self.answers(|event| event.map_or(Ok(ControlFlow::Continue(())), &mut take)).await
    }

    /// Hands each event to `take` until it breaks, and `None` while nothing is received.
    pub(super) async fn answers<T>(
        &mut self,
        mut take: impl FnMut(Option<Event<'_>>) -> Result<ControlFlow<T>, Fault>,
    ) -> Result<T, Fault> {
        loop {
            match self.link.answers(&self.fdsp.limiter, &mut take).await {
                Err(fault) if self.was_closed(&fault) => self.replace(fault).await?,
                answered => return answered,
            }
        }
    }

    /// Sends requests without waiting for the answers, until everything is answered.
    pub(super) async fn converse(&mut self, talk: &mut impl Talk) -> Result<(), Fault> {
        loop {
            match self.link.converse(&self.fdsp.limiter, talk).await {
                Err(fault) if self.was_closed(&fault) => self.replace(fault).await?,
                answered => return answered,
            }
        }
    }

    /// Whether the server closed the connection while it was idle.
    fn was_closed(&self, fault: &Fault) -> bool {
        self.link.is_stale() && matches!(fault.verdict, Verdict::Again(_))
    }

    /// Connects again, and repeats the requests. Returns `fault` if another server answers.
    async fn replace(&mut self, fault: Fault) -> Result<(), Fault> {
        let fresh = self.fdsp.pool.fresh(self.fdsp.server()).await?;
        if fresh.origin() != self.link.origin() {
            return Err(fault);
        }
        let mut fresh = fresh.observed_by(&self.fdsp.observer);
        fresh.repeat(&mut self.link);
        self.link = fresh;
        Ok(())
    }
}
