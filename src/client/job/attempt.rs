//! What one attempt of a job works with.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    client::{
        api::{
            address::locator::Locator,
            content::{announced::Announced, checksum::Checksum, described::Described},
            event::Event,
            new_job::{Existing, NewJob},
            settings::config::Extract,
            views::view::TroubleKind,
        },
        content::Content,
        disk::target::Target,
        error::Fault,
        job::{deletions::Deletions, events::Events, placement::Placement, totals::JobTotals},
        source::{Source, observer::Observer},
        transfer::{
            limits::Limits,
            permit::{ConnectionLimit, Permit},
            progress::Progress,
            supply::mirror::Mirror,
        },
    },
    protocol::message::Form,
    text::{SafeText, units},
};

/// Lost connections of one download are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) source: Source,
    /// The list of its checksum, if that is at a web server.
    pub(crate) sums: Option<Source>,
    /// The other sources of the content.
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) placement: Placement,
    pub(crate) events: Arc<Events>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) deletions: Arc<Deletions>,
    pub(crate) progress: Arc<Progress>,
    /// The permit for the first connection, while one is needed.
    pub(crate) permit: Option<Permit>,
    /// How often an attempt that received nothing is repeated, and how often a block may be corrupt.
    pub(crate) retries: u32,
    pub(crate) restart: Restart,
    pub(crate) sync: bool,
    pub(crate) extract: Extract,
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
            number: 0,
            mirrors: &[],
            digest: self.new_job().digest().map(|(digest, _)| digest),
            described: self.new_job().described.as_deref(),
            address: &self.new_job().address,
            form: self.new_job().asked_form(),
            limits: &self.limits,
            permit: self.permit.as_ref(),
            progress: &self.progress,
            events: &self.events,
            retries: self.retries,
            restart: self.restart,
            placement: Some(&self.placement),
        }
    }
}

/// Whether a content may begin again if it has changed and cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// The user is asked.
    Asks,
    /// No user can be asked: it begins again, but nothing that can be kept is deleted for it.
    Unasked,
    /// The user has agreed, also that what was received of the earlier version is deleted.
    Agreed,
}

impl Restart {
    /// Whether it may begin again.
    pub(crate) fn is_allowed(self) -> bool {
        self != Restart::Asks
    }
}

/// What receiving one content works with: that of a job, or a large file of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch<'a> {
    pub(crate) source: &'a Source,
    /// The number of the source in the job: 0 but for a mirror.
    pub(crate) number: usize,
    /// Other sources, which may help once they are shown to have the same content.
    pub(crate) mirrors: &'a [Mirror],
    /// The digest of the content that the user or a metalink has given.
    pub(crate) digest: Option<&'a Checksum>,
    /// What a metalink says of the content.
    pub(crate) described: Option<&'a Described>,
    pub(crate) address: &'a Locator,
    pub(crate) form: Form,
    pub(crate) limits: &'a Arc<Limits>,
    pub(crate) permit: Option<&'a Permit>,
    pub(crate) progress: &'a Arc<Progress>,
    pub(crate) events: &'a Events,
    pub(crate) retries: u32,
    pub(crate) restart: Restart,
    /// Decides where the content is saved; `None` for a file of a tree, whose place is known.
    pub(crate) placement: Option<&'a Placement>,
}

impl Fetch<'_> {
    /// Whether a file that exists at the target has to be the same as the content.
    pub(crate) fn keeps_existing(&self) -> bool {
        self.placement.is_some_and(|placement| placement.new.existing == Existing::Keep)
    }

    /// Reports that the server answered.
    pub(crate) fn answered(&self, target: &Target, content: &Content) {
        self.events.answered(Announced {
            name: SafeText::from_bytes(target.name.as_encoded_bytes()),
            target: SafeText::from_path(&target.path()),
            size: content.size,
            total: content.sources.map(|sources| sources.bytes).or(content.size),
            here: self.progress.received(),
            files: None,
        });
    }

    /// Logs that a connection was lost after it made progress, and that the client reconnects at once.
    pub(crate) fn reconnecting(&self, totals: &mut JobTotals, received: u64, fault: &Fault) {
        let (count, logged) = &mut totals.reconnected;
        *count += 1;
        if logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
            *logged = Some(Instant::now());
            let (name, received) = (self.events.name(), units::bytes(received));
            let times = if *count == 1 { String::new() } else { format!(" ({count} times so far)") };
            tracing::info!(
                "{name}: {}; reconnecting{times}, with {received} received",
                fault.trouble.message
            );
        }
    }

    /// Reports that a source joins, or why it is dropped.
    pub(crate) fn source_event(&self, address: SafeText, dropped: Option<&str>) {
        let (id, name) = (self.events.id(), self.events.name());
        match dropped {
            None => tracing::info!("{name}: {address} has the same content, and sends parts of it"),
            Some(why) => tracing::warn!("{name}: {address} is dropped: {why}"),
        }
        let dropped = dropped.map(SafeText::new);
        self.events.report(Event::Source { id, name, address, dropped });
    }

    /// A block was received corrupt; `file`: of this file of a tree. It is requested again, at most `retries` times.
    pub(crate) fn count_corrupt(
        &self,
        corrupt: &mut u32,
        file: Option<&str>,
        index: u64,
    ) -> Result<(), Fault> {
        let Fetch { address, events, retries, .. } = self;
        *corrupt += 1;
        let (attempt, of) = (*corrupt, *retries);
        let of_file = file.map(|path| format!(" of /{path}")).unwrap_or_default();
        let reason = format!("block {index}{of_file} arrived corrupt; it is fetched again");
        tracing::warn!("{address}: {reason}");
        if attempt > of {
            return Err(Fault::never(
                TroubleKind::Integrity,
                match attempt {
                    1 => format!("block {index}{of_file} arrived corrupt"),
                    _ => format!("{attempt} blocks arrived corrupt, the last one was block {index}{of_file}"),
                },
            ));
        }
        let (id, name, reason) = (events.id(), events.name(), SafeText::new(&reason));
        events.report(Event::Retry { id, name, attempt, of, seconds: 0.0, reason });
        Ok(())
    }
}

/// Passes the reports of connections to the queue.
#[derive(Debug)]
pub(crate) struct Reports {
    pub(crate) server: Arc<dyn ConnectionLimit>,
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
