//! What an earlier run left of a job: its `.part` and control file, found by the target alone, and a target that is
//! there already.

use std::ops::ControlFlow;

use rustix::fs::FileType;
use tokio::task::block_in_place;

use crate::{
    client::{
        api::new_job::Existing,
        content::Content,
        disk::{journal, name::SafeName, part::Part, target::Target},
        error::Fault,
        job::{
            destination,
            memory::{Memory, Place},
            worker::Context,
        },
    },
    protocol::{
        client::{Event, Request},
        message::{Form, Stat},
    },
    text::ShowPath,
    units,
};

/// Takes up what is there, if this job knows of nothing yet.
pub(crate) async fn recall(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    if memory.place.is_some() || memory.source.is_some() || memory.doubtful || memory.identical.is_some() {
        return Ok(());
    }
    let new = &context.new;
    let mut names = destination::names(new, context.names);
    if new.address.path.is_root() && is_anything_unfinished(context) {
        // Only the server knows what the served folder is called.
        let name = format!("{}.zip", served_name(context).await?);
        names.push((Form::Zip, SafeName::for_content(None, &name, true, context.names)));
    }
    block_in_place(|| names.iter().try_for_each(|(form, name)| look(context, memory, *form, name)))?;
    if memory.blocks.received() == 0 {
        // Whatever an earlier engine has said of it: nothing of that is there any more.
        context.progress.set_here(&memory.blocks, true);
    }
    Ok(())
}

/// Whether the folder to save in has any control file, for whatever target.
fn is_anything_unfinished(context: &Context) -> bool {
    let Ok(entries) = std::fs::read_dir(&context.new.folder) else { return false };
    context.new.save_as.is_some()
        || entries
            .flatten()
            .any(|entry| entry.file_name().as_encoded_bytes().ends_with(journal::SUFFIX.as_bytes()))
}

/// What the served folder is called.
pub(crate) async fn served_name(context: &Context) -> Result<String, Fault> {
    let authority = &context.new.address.authority;
    let mut link = context.pool.link(authority).await?;
    if link.is_stale() {
        link = context.pool.fresh(authority).await?;
    }
    let request = Request::Stat(Stat { path: String::new() });
    let take = |event: Event<'_>| match event {
        Event::Meta { meta, .. } => Ok(ControlFlow::Break(meta.name)),
        Event::Failed { failure, .. } => Err(Fault::refused("", &failure)),
        _ => Ok(ControlFlow::Continue(())),
    };
    let name = link.ask(&request, &context.limits.bandwidth, take).await;
    context.pool.put(authority, link);
    name
}

/// Looks what there is for a content of this name.
fn look(context: &Context, memory: &mut Memory, form: Form, name: &SafeName) -> Result<(), Fault> {
    if memory.place.is_some() {
        return Ok(());
    }
    let claim = |path: &std::path::Path| context.claims.claim(path, context.id);
    let Some(target) = destination::candidate(&context.folders, &context.new, name, claim)? else {
        return Ok(());
    };
    let compared = matches!(context.new.existing, Existing::Keep | Existing::Update) && form == Form::File;
    if compared && memory.old.is_none() {
        let found = target.look()?.filter(|found| found.kind == FileType::RegularFile);
        if found.is_some() {
            (memory.old, memory.doubtful) = (Some(target.clone()), true);
        }
    }
    if Part::is_there(&target.folder, &target.name) {
        target.claim(claim)?;
        take_up(context, memory, form, target)?;
    }
    Ok(())
}

/// Takes up a `.part` that a content of this form would have.
pub(crate) fn take_up(
    context: &Context,
    memory: &mut Memory,
    form: Form,
    target: Target,
) -> Result<(), Fault> {
    let part = context.open_part(&target)?;
    let (path, recorded) = (part.path(), part.recorded()?);
    let new = &context.new;
    if target.by_server && !recorded.as_ref().is_some_and(|(record, _)| record.source.is_from(&new.address)) {
        return Ok(());
    }
    let asked = new.asked_form();
    let recorded = recorded.filter(|(record, _)| {
        let source = &record.source;
        !source.identity.is_empty() && (asked == Form::Auto || asked == source.form)
    });
    let is_archive = |source: &Content| source.form == Form::Zip;
    if form == Form::Zip && !recorded.as_ref().is_some_and(|(record, _)| is_archive(&record.source)) {
        // Nothing proves a part of an archive but its identity.
        return Ok(());
    }
    memory.place = Some(Place { target, part });
    let Some((record, as_left)) = recorded else {
        tracing::info!("nothing shows what {} is; it is verified by the server's hashes", path.shown());
        memory.doubtful = true;
        return Ok(());
    };
    if !as_left {
        tracing::info!("{} was not left in order; it is verified", path.shown());
    }
    memory.source = Some(record.source);
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
    context.progress.set_here(&memory.blocks, is_file);
    Ok(())
}
