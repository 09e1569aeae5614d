//! Starting a server, and commanding one that runs.

pub(crate) mod drain;
pub(crate) mod handle;
pub(crate) mod start;
