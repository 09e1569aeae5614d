//! TLS sessions that a later connection to the same server resumes: one store for each address, pin included, in memory only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::ClientConfig;

use crate::{
    client::{
        api::settings::config::Trust,
        trust::{KnownServers, Verifier},
    },
    protocol::{address::Authority, trust::pin::Pin},
};

/// The most servers of which sessions are kept.
const MAX_SERVERS: usize = 64;

/// What the connections to one server use, one after the other.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// With the store of the tickets that the server has sent.
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) verifier: Arc<Verifier>,
    /// The certificate that the server has proven to own; absent before the first handshake.
    pub(crate) pin: Option<Pin>,
}

/// What the handshakes with all servers need.
#[derive(Debug)]
pub(crate) struct Handshakes {
    pub(crate) servers: Arc<KnownServers>,
    /// The sessions of servers, but for those that a handshake uses now.
    sessions: Mutex<HashMap<Authority, Sessions>>,
}

impl Handshakes {
    pub(crate) fn new(trust: Trust) -> Handshakes {
        Handshakes { servers: Arc::new(KnownServers::new(trust)), sessions: Mutex::default() }
    }

    /// Takes the sessions of a server, if it is still trusted with the certificate that it has shown. Otherwise they are dropped: the next
    /// handshake shows the certificate again.
    pub(crate) fn take(&self, authority: &Authority) -> Option<Sessions> {
        let taken = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(authority)?;
        taken.pin.is_some_and(|pin| self.servers.is_still_trusted(authority, pin)).then_some(taken)
    }

    /// Keeps those of a server after a handshake.
    pub(crate) fn put(&self, authority: &Authority, sessions: Sessions) {
        let mut all = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_SERVERS {
            all.clear();
        }
        all.insert(authority.clone(), sessions);
    }
}
