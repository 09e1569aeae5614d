//! Finds what an earlier run left of a content: its `.part` and journal, by the name of the target, and an existing target.

use rustix::fs::FileType;
use tokio::task::block_in_place;

use crate::{
    client::{
        api::new_job::{Existing, NewJob},
        content::{Content, blocks::Blocks},
        disk::{
            journal::file::FileLines,
            name::SafeName,
            part::{self, Part},
        },
        error::Fault,
        job::{
            attempt::Fetch,
            file::{
                resume::FileResume,
                state::{Doubtful, Known, Place, ResumeState, Version},
            },
            placement::{Placement, destination},
        },
    },
    protocol::message::Form,
    text::{ShowPath, units},
};

/// Looks for what is local, if nothing is known of the content yet.
pub(crate) async fn recall(
    fetch: &Fetch<'_>,
    placement: &Placement,
    resume: &mut FileResume,
) -> Result<(), Fault> {
    if !matches!(resume.state, ResumeState::Fresh(None)) {
        return Ok(());
    }
    let new = &placement.new;
    let mut names = destination::names(new, placement.names);
    let worked = resume.has_received;
    if new.address.is_root()
        && is_anything_unfinished(new)
        && let Some(name) = fetch.source.server_name(worked).await?
    {
        // Only the server knows the name of the served folder.
        names.push((Form::Zip, SafeName::for_content(None, &format!("{name}.zip"), true, placement.names)));
    }
    if !new.address.has_directories()
        && is_anything_unfinished(new)
        && let Some(name) = fetch.source.server_name(worked).await?
    {
        names = vec![(Form::File, placement.content_name(&name, false))];
    }
    block_in_place(|| names.iter().try_for_each(|(form, name)| look(fetch, placement, resume, *form, name)))?;
    if resume.state.local().received == 0 {
        // An earlier process may have reported more, which is not local any more.
        fetch.progress.set_local(&Blocks::default(), true);
    }
    Ok(())
}

/// Whether the folder to save in has any journal, for whatever target.
fn is_anything_unfinished(new: &NewJob) -> bool {
    let Ok(entries) = std::fs::read_dir(&new.folder) else { return false };
    new.save_as.is_some() || entries.flatten().any(|entry| part::is_journal(&entry.file_name()))
}

/// Looks for a partial file and a target with this name.
fn look(
    fetch: &Fetch<'_>,
    placement: &Placement,
    resume: &mut FileResume,
    form: Form,
    name: &SafeName,
) -> Result<(), Fault> {
    if resume.state.place().is_some() {
        return Ok(());
    }
    let (claim, new) = (|path: &std::path::Path| placement.claim(path), &placement.new);
    let Some(target) = destination::candidate(&placement.folders, new, name, claim)? else {
        return Ok(());
    };
    if Part::is_there(&target.folder, &target.name) {
        placement.claim_target(&target)?;
        let part = placement.open_part(&target)?;
        open(fetch, resume, form, Place { target: target.clone(), part })?;
    }
    // Archives are not compared.
    let is_archive = resume.state.content().is_some_and(|content| content.form == Form::Zip);
    let is_compared = matches!(new.existing, Existing::Keep | Existing::Update) && form == Form::File;
    if is_compared && !is_archive && target.look()?.is_some_and(|found| found.kind == FileType::RegularFile) {
        resume.compare_with(target);
    }
    Ok(())
}

/// Resumes from a partial file that a content of this form would have, if something shows that it is one.
pub(crate) fn open(
    fetch: &Fetch<'_>,
    resume: &mut FileResume,
    form: Form,
    place: Place,
) -> Result<(), Fault> {
    let Place { target, part } = &place;
    let (path, recorded) = (part.path(), part.recorded()?);
    let is_from = |record: &FileLines| match fetch.placement {
        Some(placement) => placement.new.addresses().any(|address| record.content.is_from(address)),
        None => record.content.is_from(fetch.address),
    };
    if target.by_server && !recorded.as_ref().is_some_and(|(record, _)| is_from(record)) {
        return Ok(());
    }
    let asked = fetch.form;
    let recorded = recorded.filter(|(FileLines { content, .. }, _)| {
        !content.identity.is_empty() && (asked == Form::Auto || asked == content.form)
    });
    let is_archive = |content: &Content| content.form == Form::Zip;
    if form == Form::Zip && !recorded.as_ref().is_some_and(|(record, _)| is_archive(&record.content)) {
        // Nothing proves a part of an archive but its identity.
        return Ok(());
    }
    let Some((FileLines { content, blocks, .. }, as_left)) = recorded else {
        if fetch.source.has_hashes() {
            tracing::info!("nothing shows what {} is; it is verified by the server's hashes", path.shown());
        }
        resume.state = ResumeState::Doubtful(Doubtful { place: Some(place), ..Doubtful::default() });
        return Ok(());
    };
    let blocks = if as_left {
        blocks.into_blocks()
    } else {
        tracing::info!("{} was not closed properly; it is verified", path.shown());
        blocks.still_in(part.file()?).0
    };
    let (local, is_file) = (blocks.local(), content.form == Form::File);
    let version = Version::Recorded;
    resume.state = ResumeState::Known(Known { content, place, blocks, version, claimed: None });
    resume.record();
    resume.claim()?;
    if local.received > 0 {
        let received = units::bytes(local.received);
        // That the download begins says how much is local.
        tracing::debug!("{}: {received} were received before", path.shown());
    }
    fetch.progress.set_local(resume.state.blocks().unwrap_or(&Blocks::default()), is_file);
    Ok(())
}
