//! Which servers are trusted: those with the right pin, those that are valid by the system's authorities, and those that
//! were accepted before.

mod known;
mod servers;
mod system;
mod verifier;

pub(crate) use self::{
    known::AcceptedBy,
    servers::{KnownServers, Trusted, Untrusted},
    verifier::Verifier,
};
