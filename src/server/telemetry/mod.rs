//! What an operator sees of a server from outside: a line in the access log for each request, metrics for Prometheus, and its health.

pub(super) mod access_log;
pub(super) mod line;
pub(super) mod metrics;
pub(super) mod monitor;
pub(super) mod record;
mod redact;
