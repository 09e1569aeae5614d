//! What connections report of their server, beside its answers.

use std::fmt;

/// See the module.
pub(crate) trait Observer: fmt::Debug + Send + Sync {
    /// The server has answered.
    fn reached(&self) {}

    /// The server has announced how many connections it serves at the same time.
    fn announced(&self, _parallel: usize) {}

    /// Whether the last message of the server was that it prepares an answer.
    fn preparing(&self, _preparing: bool) {}
}

/// Ignores all reports.
#[derive(Debug)]
pub(crate) struct Unobserved;

impl Observer for Unobserved {}
