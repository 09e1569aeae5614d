//! How many jobs may run, in all and with one server.

use std::collections::HashMap;

use crate::protocol::address::Authority;

use super::Speak;

/// A small number for a server, for the length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ServerId(usize);

#[derive(Debug)]
struct Server {
    /// Connections in use.
    used: usize,
    /// How many it serves us at the same time; `None` until it said so.
    parallel: Option<usize>,
    /// A job waits for a connection.
    wanted: bool,
}

/// What is known of the servers, and how many connections each has. Until a server has said how many it
/// serves at the same time it gets one: a single-threaded one would only make the others wait.
#[derive(Debug, Default)]
pub(super) struct Servers {
    numbers: HashMap<(Authority, bool), ServerId>,
    servers: Vec<Server>,
}

impl Servers {
    /// The number of a server, as spoken to in one way. The classic dialects cannot say how many connections
    /// are welcome, so there is no bound with them.
    pub(super) fn number(&mut self, authority: &Authority, speak: Speak) -> ServerId {
        let says = speak == Speak::V1;
        let key = (authority.clone(), says);
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let number = ServerId(self.servers.len());
        let parallel = if says { None } else { Some(usize::MAX) };
        self.servers.push(Server { used: 0, parallel, wanted: false });
        self.numbers.insert(key, number);
        number
    }

    /// Whether one more connection makes sense.
    pub(super) fn has_room(&self, server: ServerId) -> bool {
        self.servers[server.0].used < self.parallel(server)
    }

    /// Whether there is room that no job waits for.
    pub(super) fn has_spare(&self, server: ServerId) -> bool {
        self.has_room(server) && !self.is_wanted(server)
    }

    /// How many connections it serves us at the same time, as far as is known.
    pub(super) fn parallel(&self, server: ServerId) -> usize {
        self.servers[server.0].parallel.unwrap_or(1)
    }

    /// Notes the servers for which jobs wait that could run but for the connections that others have.
    pub(super) fn want(&mut self, wanted: impl Iterator<Item = ServerId>) {
        self.servers.iter_mut().for_each(|server| server.wanted = false);
        for server in wanted {
            self.servers[server.0].wanted = true;
        }
    }

    /// Whether a job waits for a connection to it.
    pub(super) fn is_wanted(&self, server: ServerId) -> bool {
        self.servers[server.0].wanted
    }

    /// A connection is used from now on.
    pub(super) fn take(&mut self, server: ServerId) {
        self.servers[server.0].used += 1;
    }

    /// It is no longer.
    pub(super) fn give_back(&mut self, server: ServerId) {
        let used = &mut self.servers[server.0].used;
        *used = used.saturating_sub(1);
    }

    /// The server said how many connections it serves at the same time. Returns whether that is news.
    pub(super) fn learned(&mut self, server: ServerId, parallel: usize) -> bool {
        let parallel = Some(parallel.max(1));
        std::mem::replace(&mut self.servers[server.0].parallel, parallel) != parallel
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::address::Security;

    #[test]
    fn a_server_gets_what_it_said() {
        let mut servers = Servers::default();
        let authority = Authority::new("h", 1, Security::Plain);
        let server = servers.number(&authority, Speak::V1);
        assert_eq!(servers.number(&authority, Speak::V1), server);
        servers.take(server);
        assert!(!servers.has_room(server), "one until it said more");
        assert!(servers.learned(server, 3));
        assert!(!servers.learned(server, 3));
        servers.take(server);
        servers.take(server);
        assert!(!servers.has_room(server));
        servers.give_back(server);
        assert!(servers.has_room(server));
        servers.learned(server, 0);
        servers.give_back(server);
        servers.give_back(server);
        assert!(servers.has_room(server), "nobody serves none");
    }
}
