//! Permission to have one connection to a server.

use std::{fmt, sync::Arc};

/// How many connections there may be to one server, as its connections see it.
pub(crate) trait ConnectionLimit: fmt::Debug + Send + Sync {
    /// Takes a permit that no job waits for. Returns whether there was one.
    fn take_spare(&self) -> bool;

    /// A permit is no longer used.
    fn give_back(&self);

    /// The server has answered.
    fn reached(&self);

    /// The server has announced how many connections it serves at the same time.
    fn announced(&self, parallel: usize);

    /// How many connections the server serves at the same time, if known.
    fn parallel(&self) -> usize;

    /// Whether a job waits for a permit.
    fn is_wanted(&self) -> bool;
}

/// Permission to have one connection to a server; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<dyn ConnectionLimit>);

impl Permit {
    /// A permit that has been taken from a server.
    pub(crate) fn taken(server: Arc<dyn ConnectionLimit>) -> Permit {
        Permit(server)
    }

    /// Another permit of the same server, if no job waits for it.
    pub(crate) fn another(&self) -> Option<Permit> {
        self.0.take_spare().then(|| Permit(Arc::clone(&self.0)))
    }

    /// The server.
    pub(crate) fn server(&self) -> &Arc<dyn ConnectionLimit> {
        &self.0
    }

    /// See [`ConnectionLimit::parallel`].
    pub(crate) fn parallel(&self) -> usize {
        self.0.parallel()
    }

    /// See [`ConnectionLimit::is_wanted`].
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_wanted()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}
