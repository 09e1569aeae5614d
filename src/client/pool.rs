//! Connections at rest, for the next job of the same server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::block_in_place,
    time::{Instant, sleep_until},
};

use crate::protocol::address::Authority;

use super::{
    dial,
    link::Link,
    origin::Origin,
    patience::Timeouts,
    retry::Fault,
    trust::{Servers, Trust},
};

/// How long a connection may rest. Short: a single-threaded server serves nobody else meanwhile.
const REST: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Resting {
    until: Instant,
    link: Link,
}

#[derive(Debug, Default)]
struct Inner {
    /// Those of one server in the order in which they came to rest.
    resting: HashMap<Authority, Vec<Resting>>,
    /// Whether a task closes what has rested for too long.
    swept: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pool {
    inner: Mutex<Inner>,
    timeouts: Timeouts,
    servers: Arc<Servers>,
}

impl Pool {
    pub(super) fn new(timeouts: Timeouts, trust: Trust) -> Pool {
        Pool { inner: Mutex::default(), timeouts, servers: Arc::new(Servers::new(trust)) }
    }

    /// The timeouts of its connections.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// What is known of servers.
    pub(super) fn servers(&self) -> &Arc<Servers> {
        &self.servers
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection to the server: one at rest, or a new one.
    pub(super) async fn link(&self, authority: &Authority) -> Result<Link, Fault> {
        while let Some(mut resting) = self.with(|inner| inner.resting.get_mut(authority).and_then(Vec::pop)) {
            let link = &mut resting.link;
            if link.wake() && block_in_place(|| self.is_trusted(authority, link.origin())) {
                return Ok(resting.link);
            }
        }
        self.fresh(authority).await
    }

    /// Whether the server of an idle connection is still trusted.
    fn is_trusted(&self, authority: &Authority, origin: Origin) -> bool {
        match origin {
            Origin::Certificate(pin) => self.servers.is_still_trusted(authority, pin),
            Origin::Plain(_) | Origin::Unknown => true,
        }
    }

    /// A new connection to the server.
    pub(super) async fn fresh(&self, authority: &Authority) -> Result<Link, Fault> {
        Link::open(authority, self.timeouts, &self.servers).await
    }

    /// A connection to the server of this origin.
    ///
    /// # Errors
    /// There is no connection, or another server answers.
    pub(super) async fn link_to(&self, authority: &Authority, origin: Origin) -> Result<Link, Fault> {
        self.link(authority).await.and_then(|link| must_be(link, authority, origin))
    }

    /// A new connection to the server of this origin. Errors: see [`Pool::link_to`].
    pub(super) async fn fresh_to(&self, authority: &Authority, origin: Origin) -> Result<Link, Fault> {
        self.fresh(authority).await.and_then(|link| must_be(link, authority, origin))
    }

    /// Takes a connection that is no longer needed; it is closed if nobody asks for it soon.
    pub(super) fn put(self: &Arc<Self>, authority: &Authority, mut link: Link) {
        if !link.is_usable() {
            return;
        }
        link.rest();
        let resting = Resting { until: Instant::now() + REST, link };
        let swept = self.with(|inner| {
            inner.resting.entry(authority.clone()).or_default().push(resting);
            std::mem::replace(&mut inner.swept, true)
        });
        if !swept {
            tokio::spawn(Arc::clone(self).sweep());
        }
    }

    /// Closes what has rested for too long, until nothing rests.
    async fn sweep(self: Arc<Self>) {
        loop {
            let now = Instant::now();
            let (over, next) = self.with(|inner| {
                let over = inner.take(|resting| resting.until <= now);
                let next = inner.resting.values().flatten().map(|resting| resting.until).min();
                inner.swept = next.is_some();
                (over, next)
            });
            close(over).await;
            match next {
                Some(next) => sleep_until(next).await,
                None => return,
            }
        }
    }

    /// Says goodbye on all connections.
    pub(super) async fn close(&self) {
        close(self.with(|inner| inner.take(|_| true))).await;
    }
}

/// What one server has proven is not mixed with what another one says.
fn must_be(link: Link, authority: &Authority, origin: Origin) -> Result<Link, Fault> {
    if link.origin() == origin {
        return Ok(link);
    }
    let peer = dial::peer(authority);
    Err(Fault::changed(format!("{peer} shows another certificate than it did a moment ago")))
}

impl Inner {
    fn take(&mut self, chosen: impl Fn(&Resting) -> bool) -> Vec<Link> {
        let mut taken = Vec::new();
        self.resting.retain(|_, links| {
            taken.extend(links.extract_if(.., |resting| chosen(resting)).map(|resting| resting.link));
            !links.is_empty()
        });
        taken
    }
}

async fn close(links: Vec<Link>) {
    for link in links {
        link.close().await;
    }
}
