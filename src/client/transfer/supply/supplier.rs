//! A source that has the content of a transfer. Only the source that has announced the content is one without a proof; of another one,
//! [`prove`](super::prove::prove) makes it.

use std::sync::Arc;

use super::mirror::Mirror;
use crate::client::{
    content::Content,
    source::Source,
    transfer::permit::{ConnectionLimit, Permit},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Supplier {
    /// Its number in the job.
    pub(crate) number: usize,
    pub(crate) source: Source,
    /// The content, as it announces it.
    pub(crate) content: Content,
    /// How many connections its server may have; `None` if it gets only one.
    pub(super) server: Option<Arc<dyn ConnectionLimit>>,
}

impl Supplier {
    /// The source that has announced the content.
    pub(crate) fn first(
        number: usize,
        source: Source,
        content: Content,
        permit: Option<&Permit>,
    ) -> Supplier {
        Supplier { number, source, content, server: permit.map(|permit| Arc::clone(permit.server())) }
    }

    /// A mirror that was shown to have the same content.
    pub(super) fn proven(mirror: Mirror, content: Content) -> Supplier {
        let Mirror { number, source, server } = mirror;
        Supplier { number, source, content, server: Some(server) }
    }

    /// A permit for another connection, if its server has room.
    pub(crate) fn permit(&self) -> Option<Permit> {
        let server = self.server.as_ref()?;
        server.take_spare().then(|| Permit::taken(Arc::clone(server)))
    }

    /// Whether a permit is for its server.
    pub(crate) fn has_server_of(&self, permit: &Permit) -> bool {
        self.server.as_ref().is_some_and(|server| Arc::ptr_eq(server, permit.server()))
    }

    /// How many connections its server serves at the same time.
    pub(crate) fn parallel(&self) -> usize {
        self.server.as_ref().map_or(1, |server| server.parallel())
    }
}
