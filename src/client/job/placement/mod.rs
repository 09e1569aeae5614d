//! Where the content of a job is saved: its name, its target, and the claims of other jobs.

pub(crate) mod claims;
pub(crate) mod destination;
mod earlier;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    client::{
        api::{
            event::{Change, Event},
            job_id::JobId,
            new_job::NewJob,
            question::{Claimed, Question},
            settings::config::Names,
        },
        content::Content,
        disk::{
            folder::Folders,
            name::SafeName,
            part::Part,
            target::{Target, of_another_download},
        },
        error::Fault,
        job::{events::Events, file::state::Place, placement::claims::Claims},
    },
    protocol::message::Form,
    text::{SafeText, ShowPath},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) id: JobId,
    pub(crate) new: NewJob,
    pub(crate) names: Names,
    pub(crate) folders: Arc<Folders>,
    pub(crate) claims: Arc<Claims>,
}

impl Placement {
    /// Claims a path for this job. Fails with the job that has it.
    pub(crate) fn claim(&self, path: &Path) -> Result<(), JobId> {
        self.claims.claim(path, self.id)
    }

    /// Claims a target and its partial file.
    pub(crate) fn claim_target(&self, target: &Target) -> Result<(), Fault> {
        target.claim(|path| self.claim(path)).map_err(claimed)
    }

    /// The name of a content.
    pub(crate) fn name_of(&self, content: &Content) -> SafeName {
        let archive = content.form == Form::Zip;
        self.content_name(&content.name, archive)
    }

    /// The name of a content that the server calls so. A web server may have another name for it than that of the address.
    pub(crate) fn content_name(&self, announced: &str, archive: bool) -> SafeName {
        let address = &self.new.address;
        let asked = address.name().filter(|asked| address.has_directories() || *asked == announced);
        SafeName::for_content(asked, announced, archive, self.names)
    }

    /// Decides where a content of this name is saved, and opens its partial file.
    pub(crate) fn place(&self, events: &Events, name: &SafeName, size: Option<u64>) -> Result<Place, Fault> {
        let claim = |path: &Path| self.claim(path);
        let target = destination::decide(&self.folders, &self.new, (name, self.names), size, claim)?;
        if target.by_server && Part::is_there(&target.folder, &target.name) {
            return Err(of_another_download(&target.folder.join(&target.folder.part_name(&target.name))));
        }
        self.report_substitute(events, &target);
        let mut part = self.open_part(&target)?;
        if part.is_of_another_version() {
            part.set_aside()?;
            part = self.open_part(&target)?;
        }
        part.clear()?;
        Ok(Place { target, part })
    }

    /// Opens the partial file of a target for this job alone.
    pub(crate) fn open_part(&self, target: &Target) -> Result<Part, Fault> {
        let part = Part::open(&target.folder, &target.name)?;
        self.claim_part(&part)?;
        Ok(part)
    }

    /// Claims an open partial file.
    pub(crate) fn claim_part(&self, part: &Part) -> Result<(), Fault> {
        self.claims.claim_file(part.id()?, self.id).map_err(|by| claimed((part.path(), by)))
    }

    /// Reports a content that cannot be saved under its own name.
    pub(crate) fn report_substitute(&self, events: &Events, target: &Target) {
        if destination::is_substitute(target, &self.new) {
            let name = SafeText::from_bytes(target.name.as_encoded_bytes());
            tracing::warn!("{}: saved as {name}, since its own name cannot be used", self.new.address);
            events.report(Event::Changed { id: self.id, name, what: Change::Renamed });
        }
    }

    /// Reports entries that are saved under other names: their own names, and those.
    pub(crate) fn report_renamed(
        &self,
        events: &Events,
        names: impl IntoIterator<Item = (SafeText, SafeText)>,
    ) {
        for (own, name) in names {
            tracing::warn!("{}: {own} is saved as {name}", self.new.address);
            events.report(Event::Changed { id: self.id, name, what: Change::Renamed });
        }
    }
}

/// The error for a path that this other job of the queue saves to.
pub(crate) fn claimed((path, by): (PathBuf, JobId)) -> Fault {
    let message = format!("another job of the queue saves to {}", path.shown());
    Fault::disk(message).asking(Question::Claimed(Claimed { path, by: Some(by), other: SafeText::default() }))
}
