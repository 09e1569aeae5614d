//! Which servers are trusted: those with the right pin, those that are valid by the system's authorities, and those that
//! were accepted before.

mod known;
mod servers;
mod sessions;
mod system;
mod verifier;

#[cfg(feature = "cli")]
pub(crate) use self::system::read_authorities;
pub(crate) use self::{
    known::AcceptedBy,
    servers::{KnownServers, Trusted, Untrusted},
    sessions::{Handshakes, Sessions},
    verifier::Verifier,
};
