//! Idle connections, for the next request to the same server.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::block_in_place,
    time::{Instant, sleep_until},
};

use crate::{
    client::{
        api::{content::origin::Origin, settings::config::Trust},
        error::Fault,
        source::{fdsp::link::Link, timeouts::Timeouts},
        trust::{Handshakes, KnownServers},
    },
    protocol::address::Authority,
};

/// How long a connection may be idle while no transfer runs. Short: a server of one client at a time serves no other meanwhile.
const IDLE_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Idle {
    until: Instant,
    link: Link,
}

#[derive(Debug, Default)]
struct Inner {
    /// Those of one server, the one that was used last at the end.
    idle: HashMap<Authority, Vec<Idle>>,
    /// Whether a task closes connections that are idle for too long.
    swept: bool,
    /// The number of transfers that run, by server.
    transfers: HashMap<Authority, usize>,
}

/// A transfer from a server runs until this is dropped. One idle connection to the server stays open meanwhile: a server that is about to
/// stop takes no new ones.
#[derive(Debug)]
pub(crate) struct Transfer {
    pool: Arc<Pool>,
    authority: Authority,
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.pool.with(|inner| {
            if let Entry::Occupied(mut transfers) = inner.transfers.entry(self.authority.clone()) {
                *transfers.get_mut() -= 1;
                if *transfers.get() == 0 {
                    transfers.remove();
                }
            }
        });
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    inner: Mutex<Inner>,
    timeouts: Timeouts,
    handshakes: Handshakes,
}

impl Pool {
    pub(crate) fn new(timeouts: Timeouts, trust: Trust) -> Pool {
        Pool { inner: Mutex::default(), timeouts, handshakes: Handshakes::new(trust) }
    }

    /// The timeouts of its connections.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// A transfer from this server begins.
    pub(crate) fn begin(self: &Arc<Self>, authority: &Authority) -> Transfer {
        self.with(|inner| *inner.transfers.entry(authority.clone()).or_default() += 1);
        Transfer { pool: Arc::clone(self), authority: authority.clone() }
    }

    /// Known servers.
    pub(crate) fn servers(&self) -> &Arc<KnownServers> {
        &self.handshakes.servers
    }

    /// What TLS handshakes need.
    pub(crate) fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection to the server: an idle one, or a new one.
    pub(crate) async fn link(&self, authority: &Authority) -> Result<Link, Fault> {
        while let Some(mut idle) = self.with(|inner| inner.idle.get_mut(authority).and_then(Vec::pop)) {
            let link = &mut idle.link;
            if link.wake() && block_in_place(|| self.is_trusted(authority, link.origin())) {
                return Ok(idle.link);
            }
        }
        self.fresh(authority).await
    }

    /// Whether the server of an idle connection is still trusted.
    fn is_trusted(&self, authority: &Authority, origin: Origin) -> bool {
        match origin {
            Origin::Certificate(pin) => self.servers().is_still_trusted(authority, pin),
            Origin::Plain(_) | Origin::Site(_) | Origin::Unknown => true,
        }
    }

    /// A new connection to the server.
    pub(crate) async fn fresh(&self, authority: &Authority) -> Result<Link, Fault> {
        Link::open(authority, self.timeouts, &self.handshakes).await
    }

    /// A connection to the server of this origin.
    ///
    /// # Errors
    /// There is no connection, or another server answers.
    pub(crate) async fn link_to(&self, authority: &Authority, origin: Origin) -> Result<Link, Fault> {
        let link = self.link(authority).await?;
        if link.origin() == origin {
            return Ok(link);
        }
        let peer = authority.to_string();
        Err(Fault::changed(format!("{peer} shows another certificate than it did a moment ago")))
    }

    /// Takes a connection that is no longer needed; it is closed if it is not used again soon.
    pub(crate) fn put(self: &Arc<Self>, authority: &Authority, mut link: Link) {
        if !link.is_usable() {
            return;
        }
        link.rest();
        let idle = Idle { until: Instant::now() + IDLE_TIMEOUT, link };
        let swept = self.with(|inner| {
            inner.idle.entry(authority.clone()).or_default().push(idle);
            std::mem::replace(&mut inner.swept, true)
        });
        if !swept {
            tokio::spawn(Arc::clone(self).sweep());
        }
    }

    /// Closes connections that are idle for too long, until there are none.
    async fn sweep(self: Arc<Self>) {
        loop {
            let now = Instant::now();
            let (over, next) = self.with(|inner| {
                inner.keep_for_transfers(now);
                let over = inner.take(|idle| idle.until <= now);
                let next = inner.idle.values().flatten().map(|idle| idle.until).min();
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

    /// Closes all idle connections.
    pub(crate) async fn close(&self) {
        close(self.with(|inner| inner.take(|_| true))).await;
    }
}

impl Inner {
    /// Keeps the connection that was used last where a transfer runs, until the server closes it: a server of one client at a time does that when
    /// another client waits.
    fn keep_for_transfers(&mut self, now: Instant) {
        for authority in self.transfers.keys() {
            let last = self.idle.get_mut(authority).and_then(|links| links.last_mut());
            if let Some(last) = last.filter(|last| last.until <= now && last.link.is_quiet()) {
                last.until = now + IDLE_TIMEOUT;
            }
        }
    }

    fn take(&mut self, chosen: impl Fn(&Idle) -> bool) -> Vec<Link> {
        let mut taken = Vec::new();
        self.idle.retain(|_, links| {
            taken.extend(links.extract_if(.., |idle| chosen(idle)).map(|idle| idle.link));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use crate::{
        client::source::fdsp::list,
        protocol::{address::Address, path::RemotePath},
        server::{self, Arch, Event},
    };

    use super::*;

    fn timeouts() -> Timeouts {
        Timeouts { silence: Duration::from_secs(30), speed_limit: 0, speed_time: Duration::from_secs(30) }
    }

    fn root(authority: &Authority) -> Address {
        Address { authority: authority.clone(), path: RemotePath::default() }
    }

    /// A server that is stopping accepts no new connection, not even for a transfer that runs.
    #[tokio::test(flavor = "multi_thread")]
    async fn one_idle_connection_stays_open_while_a_transfer_runs() {
        for arch in [Arch::Async, Arch::Single] {
            stays_open(arch).await;
        }
    }

    async fn stays_open(arch: Arch) {
        let folder = tempfile::tempdir().unwrap();
        let start = || {
            let (events, seen) = mpsc::channel();
            let sink = move |event: &Event| drop(events.send(event.clone()));
            let config = server::Config { arch, ..server::Config::local(folder.path()) };
            let server = server::start(config, Arc::new(sink)).unwrap();
            let authority = server.address().authority.clone();
            (server, authority, seen)
        };
        let pool = Arc::new(Pool::new(timeouts(), Trust::default()));
        let ((_server, authority, seen), (_other, idle, closed)) = (start(), start());
        let transfer = pool.begin(&authority);
        for server in [&authority, &idle] {
            list::list(&pool, &root(server), None).await.unwrap();
        }
        // This one has rested for no longer than the other.
        while !matches!(closed.recv().unwrap(), Event::Disconnected { .. }) {}
        list::list(&pool, &root(&authority), None).await.unwrap();
        let before: Vec<Event> = seen.try_iter().collect();
        let connected = before.iter().filter(|event| matches!(event, Event::Connected { .. }));
        assert_eq!(connected.count(), 1, "{arch}: {before:?}");
        drop(transfer);
        while !matches!(seen.recv().unwrap(), Event::Disconnected { .. }) {}
    }

    /// A server of one client at a time closes the idle connection of a transfer when another client waits.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_idle_connection_of_a_transfer_delays_no_other_client() {
        let folder = tempfile::tempdir().unwrap();
        let config = server::Config { arch: Arch::Single, ..server::Config::local(folder.path()) };
        let server = server::start(config, Arc::new(|_: &Event| {})).unwrap();
        let authority = server.address().authority.clone();
        let [pool, other] = [(); 2].map(|()| Arc::new(Pool::new(timeouts(), Trust::default())));
        let _transfer = pool.begin(&authority);
        list::list(&pool, &root(&authority), None).await.unwrap();
        list::list(&other, &root(&authority), None).await.unwrap();
    }
}
