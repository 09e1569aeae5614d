//! Another source of a job, about which nothing is known yet.

use std::sync::Arc;

use crate::client::{
    source::Source,
    transfer::permit::{ConnectionLimit, Permit},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    /// Its number in the job: the job's own address has 0.
    pub(crate) number: usize,
    pub(crate) source: Source,
    /// How many connections its server may have.
    pub(crate) server: Arc<dyn ConnectionLimit>,
}

impl Mirror {
    /// A permit for a connection, if its server has room.
    pub(crate) fn permit(&self) -> Option<Permit> {
        self.server.take_spare().then(|| Permit::taken(Arc::clone(&self.server)))
    }
}
