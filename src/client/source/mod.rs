//! Connections to a server.

pub(crate) mod dial;
pub(crate) mod limiter;
pub(crate) mod link;
pub(crate) mod patience;
pub(crate) mod pool;
pub(crate) mod secure;
pub(crate) mod wire;
