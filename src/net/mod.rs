//! What both engines need for a connection, without sockets: TLS sessions and rate limits.

pub(crate) mod bucket;
pub(crate) mod tls;
