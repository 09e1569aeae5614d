//! What one attempt of a job works with, and how it ends.

use std::sync::Arc;

use crate::client::{
    api::{config::Extract, new_job::NewJob, view::Finished},
    error::Fault,
    job::{deletions::Deletions, events::Events, fetch::Fetch, placement::Placement},
    source::{Source, observer::Observer},
    transfer::{
        limits::Limits,
        permit::{Permit, Server},
        progress::Progress,
    },
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) source: Source,
    pub(crate) placement: Placement,
    pub(crate) events: Arc<Events>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) deletions: Arc<Deletions>,
    pub(crate) progress: Arc<Progress>,
    /// For the first connection, until none is needed any more.
    pub(crate) permit: Option<Permit>,
    /// How often an attempt that received nothing is repeated, and how often a block may be corrupt.
    pub(crate) retries: u32,
    pub(crate) sync: bool,
    pub(crate) extract: Extract,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Finished),
    /// `progressed`: bytes were received that had never been received before.
    Fault {
        fault: Fault,
        progressed: bool,
    },
    Stopped,
}

impl Attempt {
    /// The job.
    pub(crate) fn new_job(&self) -> &NewJob {
        &self.placement.new
    }

    /// What receiving the content as one file or archive works with.
    pub(crate) fn fetch(&self) -> Fetch<'_> {
        Fetch {
            source: &self.source,
            address: &self.new_job().address,
            form: self.new_job().asked_form(),
            limits: &self.limits,
            permit: self.permit.as_ref(),
            progress: &self.progress,
            events: &self.events,
            retries: self.retries,
            placement: Some(&self.placement),
        }
    }
}

/// Passes what connections report on to the queue.
#[derive(Debug)]
pub(crate) struct Reports {
    pub(crate) server: Arc<dyn Server>,
    pub(crate) progress: Arc<Progress>,
}

impl Observer for Reports {
    fn reached(&self) {
        self.server.reached();
    }

    fn announced(&self, parallel: usize) {
        self.server.announced(parallel);
    }

    fn preparing(&self, preparing: bool) {
        self.progress.set_prepares(preparing);
    }
}
