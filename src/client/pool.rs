//! Connections at rest, for the next job of the same server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::protocol::address::Authority;

use super::{link::Link, retry::Fault};

/// How long a connection may rest. Short: a single-threaded server serves nobody else meanwhile.
const REST: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Resting {
    number: u64,
    link: Link,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    resting: HashMap<Authority, Vec<Resting>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pool {
    inner: Mutex<Inner>,
    patience: Duration,
}

impl Pool {
    pub(super) fn new(patience: Duration) -> Pool {
        Pool { inner: Mutex::default(), patience }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection to the server: one at rest, or a new one.
    pub(super) async fn link(&self, authority: &Authority) -> Result<Link, Fault> {
        while let Some(mut resting) = self.with(|inner| inner.resting.get_mut(authority).and_then(Vec::pop)) {
            if resting.link.wake() {
                return Ok(resting.link);
            }
        }
        self.fresh(authority).await
    }

    /// A new connection to the server.
    pub(super) async fn fresh(&self, authority: &Authority) -> Result<Link, Fault> {
        Link::open(authority, self.patience).await
    }

    /// Takes a connection that is no longer needed; it is closed if nobody asks for it soon.
    pub(super) fn put(self: &Arc<Self>, authority: &Authority, mut link: Link) {
        if !link.is_usable() {
            return;
        }
        link.rest();
        let number = self.with(|inner| {
            inner.next += 1;
            let resting = Resting { number: inner.next, link };
            inner.resting.entry(authority.clone()).or_default().push(resting);
            inner.next
        });
        let (pool, authority) = (Arc::clone(self), authority.clone());
        tokio::spawn(async move {
            tokio::time::sleep(REST).await;
            if let Some(link) = pool.remove(&authority, number) {
                link.close().await;
            }
        });
    }

    fn remove(&self, authority: &Authority, number: u64) -> Option<Link> {
        self.with(|inner| {
            let resting = inner.resting.get_mut(authority)?;
            let at = resting.iter().position(|resting| resting.number == number)?;
            let link = resting.swap_remove(at).link;
            if resting.is_empty() {
                inner.resting.remove(authority);
            }
            Some(link)
        })
    }
}
