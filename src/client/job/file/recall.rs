//! What an earlier run left of a job: its `.part` and control file, found by the target alone, and a target that is
//! there already.

use rustix::fs::FileType;
use tokio::task::block_in_place;

use crate::{
    client::{
        api::new_job::{Existing, NewJob},
        content::Content,
        disk::{
            journal::file::FileLines,
            name::SafeName,
            part::{self, Part},
        },
        error::Fault,
        job::{
            attempt::Fetch,
            file::resume::{Memory, Place},
            placement::{Placement, destination},
        },
    },
    protocol::message::Form,
    text::{ShowPath, units},
};

/// Takes up what is there, if this job knows of nothing yet.
pub(crate) async fn recall(
    fetch: &Fetch<'_>,
    placement: &Placement,
    memory: &mut Memory,
) -> Result<(), Fault> {
    if memory.place.is_some() || memory.source.is_some() || memory.doubtful || memory.identical.is_some() {
        return Ok(());
    }
    let new = &placement.new;
    let mut names = destination::names(new, placement.names);
    if new.address.is_root()
        && is_anything_unfinished(new)
        && let Some(name) = fetch.source.root_name().await?
    {
        // Only the server knows the name of the served folder.
        names.push((Form::Zip, SafeName::for_content(None, &format!("{name}.zip"), true, placement.names)));
    }
    block_in_place(|| names.iter().try_for_each(|(form, name)| look(fetch, placement, memory, *form, name)))?;
    if memory.blocks.received() == 0 {
        // Whatever an earlier engine has said of it: nothing of that is there any more.
        fetch.progress.set_here(&memory.blocks, true);
    }
    Ok(())
}

/// Whether the folder to save in has any control file, for whatever target.
fn is_anything_unfinished(new: &NewJob) -> bool {
    let Ok(entries) = std::fs::read_dir(&new.folder) else { return false };
    new.save_as.is_some() || entries.flatten().any(|entry| part::is_journal(&entry.file_name()))
}

/// Looks what there is for a content of this name.
fn look(
    fetch: &Fetch<'_>,
    placement: &Placement,
    memory: &mut Memory,
    form: Form,
    name: &SafeName,
) -> Result<(), Fault> {
    if memory.place.is_some() {
        return Ok(());
    }
    let (claim, new) = (|path: &std::path::Path| placement.claim(path), &placement.new);
    let Some(target) = destination::candidate(&placement.folders, new, name, claim)? else {
        return Ok(());
    };
    let compared = matches!(new.existing, Existing::Keep | Existing::Update) && form == Form::File;
    if compared && memory.old.is_none() {
        let found = target.look()?.filter(|found| found.kind == FileType::RegularFile);
        if found.is_some() {
            (memory.old, memory.doubtful) = (Some(target.clone()), true);
        }
    }
    if Part::is_there(&target.folder, &target.name) {
        target.claim(claim)?;
        let part = placement.open_part(&target)?;
        take_up(fetch, memory, form, Place { target, part })?;
    }
    Ok(())
}

/// Takes up a partial file that a content of this form would have.
pub(crate) fn take_up(fetch: &Fetch<'_>, memory: &mut Memory, form: Form, place: Place) -> Result<(), Fault> {
    let Place { target, part } = &place;
    let (path, recorded) = (part.path(), part.recorded()?);
    let is_from = |record: &FileLines| record.content.is_from(fetch.address);
    if target.by_server && !recorded.as_ref().is_some_and(|(record, _)| is_from(record)) {
        return Ok(());
    }
    let asked = fetch.form;
    let recorded = recorded.filter(|(record, _)| {
        let source = &record.content;
        !source.identity.is_empty() && (asked == Form::Auto || asked == source.form)
    });
    let is_archive = |source: &Content| source.form == Form::Zip;
    if form == Form::Zip && !recorded.as_ref().is_some_and(|(record, _)| is_archive(&record.content)) {
        // Nothing proves a part of an archive but its identity.
        return Ok(());
    }
    memory.place = Some(place);
    let Some((record, as_left)) = recorded else {
        tracing::info!("nothing shows what {} is; it is verified by the server's hashes", path.shown());
        memory.doubtful = true;
        return Ok(());
    };
    if !as_left {
        tracing::info!("{} was not left in order; it is verified", path.shown());
    }
    memory.source = Some(record.content);
    memory.take_up(record.blocks, as_left)?;
    memory.record();
    memory.claim()?;
    let kept = memory.blocks.received();
    if kept > 0 {
        tracing::info!("{}: resumes with {} that were received before", path.shown(), units::bytes(kept));
    }
    memory.recalled = true;
    let is_file = memory.source.as_ref().is_some_and(|source| source.form == Form::File);
    if !is_file {
        // Archives are not compared.
        (memory.doubtful, memory.old) = (false, None);
    }
    fetch.progress.set_here(&memory.blocks, is_file);
    Ok(())
}
