//! What is known of each server: how many jobs may run with it, and whether it can be reached.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    client::api::{
        address::locator::{Locator, Server},
        speak::Speak,
    },
    text::SafeText,
};

/// A small number for a server, for the length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerId(usize);

#[derive(Debug)]
struct ServerState {
    server: Server,
    speak: Speak,
    /// Connections in use.
    used: usize,
    /// How many it serves at the same time; `None` until it announced that.
    parallel: Option<usize>,
    /// A job waits for a connection.
    wanted: bool,
    /// It has answered, in this run or an earlier one.
    known: bool,
    /// It cannot be reached.
    outage: Option<Outage>,
}

/// The time in which a server cannot be reached. Its jobs wait; one connection is tried after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outage {
    /// When the first attempt that failed began.
    since: Instant,
    /// When the next attempt begins; `None` while one is made.
    pub(crate) due: Option<Instant>,
    /// Attempts that failed.
    attempts: u32,
    /// Why the last one failed.
    pub(crate) reason: SafeText,
}

/// What an attempt that did not reach its server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It can no longer be reached: the next attempt is made after this.
    Now(Duration),
    /// It still cannot.
    Still,
    /// It could not be reached for too long.
    TooLong,
}

/// What is known of the servers, and how many connections each has. Until a server has announced how many it
/// serves at the same time it gets one: a single-threaded server would only make the others wait.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    numbers: HashMap<(Server, bool), ServerId>,
    servers: Vec<ServerState>,
}

impl Servers {
    /// The number of the server of an address, as spoken to in one way. The classic dialects cannot say how many connections
    /// are welcome, so there is no bound with them.
    pub(crate) fn number(&mut self, address: &Locator, speak: Speak) -> ServerId {
        let says = address.speaks_v1(speak);
        let key = (address.server(), says);
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let number = ServerId(self.servers.len());
        let parallel = if says { None } else { Some(usize::MAX) };
        self.servers.push(ServerState {
            server: key.0.clone(),
            speak,
            used: 0,
            parallel,
            wanted: false,
            known: false,
            outage: None,
        });
        self.numbers.insert(key, number);
        number
    }

    /// Whether one more connection makes sense.
    pub(crate) fn has_room(&self, server: ServerId) -> bool {
        self.outage(server).is_none() && self.servers[server.0].used < self.parallel(server)
    }

    /// Whether this server, reached with this pin and token, has answered, in whatever way it was spoken to.
    pub(crate) fn has_answered(&self, server: &Server) -> bool {
        [true, false].into_iter().any(|says| {
            let number = self.numbers.get(&(server.clone(), says));
            number.is_some_and(|number| self.is_known(*number))
        })
    }

    /// Whether it has answered, in this run or an earlier one.
    pub(crate) fn is_known(&self, server: ServerId) -> bool {
        self.servers[server.0].known
    }

    /// It has answered in an earlier run.
    pub(crate) fn set_known(&mut self, server: ServerId) {
        self.servers[server.0].known = true;
    }

    /// Its outage, if it cannot be reached.
    pub(crate) fn outage(&self, server: ServerId) -> Option<&Outage> {
        self.servers[server.0].outage.as_ref()
    }

    /// It has answered. Returns how long it could not be reached, if that is over with this.
    pub(crate) fn reached(&mut self, server: ServerId, now: Instant) -> Option<Duration> {
        let server = &mut self.servers[server.0];
        server.known = true;
        server.outage.take().map(|outage| now.saturating_duration_since(outage.since))
    }

    /// An attempt to reach it that began at `since` has failed. It is no longer retried `max` after the first one. `delay` is the time
    /// until the next attempt, given how many have failed.
    pub(crate) fn lost(
        &mut self,
        server: ServerId,
        (since, now): (Instant, Instant),
        reason: SafeText,
        max: Option<Duration>,
        delay: impl Fn(u32) -> Duration,
    ) -> Lost {
        let place = &mut self.servers[server.0].outage;
        let is_new = place.is_none();
        let outage = place.get_or_insert(Outage { since, due: None, attempts: 0, reason: reason.clone() });
        if outage.due.is_some() {
            // An attempt that began before the outage was known; there is one attempt at a time.
            return Lost::Still;
        }
        let left = max.map(|max| (outage.since + max).saturating_duration_since(now));
        if left == Some(Duration::ZERO) {
            *place = None;
            return Lost::TooLong;
        }
        outage.attempts += 1;
        outage.reason = reason;
        let wait = left.unwrap_or(Duration::MAX).min(delay(outage.attempts));
        outage.due = Some(now + wait);
        if is_new { Lost::Now(wait) } else { Lost::Still }
    }

    /// The servers that are to be tried now, among those for which jobs are ready. They count as being tried from now on.
    pub(crate) fn take_due(
        &mut self,
        ready: impl Iterator<Item = ServerId>,
        now: Instant,
    ) -> Vec<(ServerId, Server, Speak)> {
        let due: Vec<_> = ready.filter(|&server| self.due(server).is_some_and(|due| due <= now)).collect();
        let begin = |id: ServerId| {
            let server = &mut self.servers[id.0];
            server.outage.iter_mut().for_each(|outage| outage.due = None);
            (id, server.server.clone(), server.speak)
        };
        due.into_iter().map(begin).collect()
    }

    /// Those of these servers that cannot be reached.
    pub(crate) fn outages(
        &self,
        of: impl Iterator<Item = ServerId>,
    ) -> impl Iterator<Item = (&Server, &Outage)> {
        of.filter_map(|server| Some((self.server(server), self.outage(server)?)))
    }

    /// Where it is, and what it is reached with.
    pub(crate) fn server(&self, server: ServerId) -> &Server {
        &self.servers[server.0].server
    }

    /// When the next server is to be tried, among those for which jobs are ready.
    pub(crate) fn next_due(&self, ready: impl Iterator<Item = ServerId>) -> Option<Instant> {
        ready.filter_map(|server| self.due(server)).min()
    }

    /// While it has a connection, that shows more than another one could.
    fn due(&self, server: ServerId) -> Option<Instant> {
        let server = &self.servers[server.0];
        server.outage.as_ref().filter(|_| server.used == 0).and_then(|outage| outage.due)
    }

    /// The user wants to try it now. Returns whether it is a server that cannot be reached.
    pub(crate) fn try_now(&mut self, server: ServerId, now: Instant) -> bool {
        let Some(outage) = &mut self.servers[server.0].outage else { return false };
        outage.attempts = 0;
        outage.due = outage.due.map(|due| due.min(now));
        true
    }

    /// Whether there is room that no job waits for.
    pub(crate) fn has_spare(&self, server: ServerId) -> bool {
        self.has_room(server) && !self.is_wanted(server)
    }

    /// How many connections it serves at the same time; 1 until it announced that.
    pub(crate) fn parallel(&self, server: ServerId) -> usize {
        self.servers[server.0].parallel.unwrap_or(1)
    }

    /// Notes the servers for which jobs wait that could run but for the connections that others have.
    pub(crate) fn want(&mut self, wanted: impl Iterator<Item = ServerId>) {
        self.servers.iter_mut().for_each(|server| server.wanted = false);
        for server in wanted {
            self.servers[server.0].wanted = true;
        }
    }

    /// Whether a job waits for a connection to it.
    pub(crate) fn is_wanted(&self, server: ServerId) -> bool {
        self.servers[server.0].wanted
    }

    /// A connection is used from now on.
    pub(crate) fn take(&mut self, server: ServerId) {
        self.servers[server.0].used += 1;
    }

    /// A connection is no longer used.
    pub(crate) fn give_back(&mut self, server: ServerId) {
        let used = &mut self.servers[server.0].used;
        *used = used.saturating_sub(1);
    }

    /// The server announced how many connections it serves at the same time. Returns whether that changed.
    pub(crate) fn set_parallel(&mut self, server: ServerId, parallel: usize) -> bool {
        let parallel = Some(parallel.max(1));
        std::mem::replace(&mut self.servers[server.0].parallel, parallel) != parallel
    }
}

#[cfg(test)]
mod tests;
