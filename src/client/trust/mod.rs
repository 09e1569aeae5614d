//! Which servers are trusted: those with the right pin, those that the system's authorities vouch for, and those that were accepted
//! before.

mod known;
mod servers;
mod system;
mod verifier;

pub(crate) use self::{
    known::AcceptedBy,
    servers::{Belief, Distrust, Servers},
    verifier::Verifier,
};
