//! What the connections of a job tell: held against what is known of the content, and noted.

use std::{fs::File, sync::Arc};

use crate::{
    client::{
        api::{event::Event, new_job::Existing, origin::Origin, view::TroubleKind},
        content::{
            Content,
            blocks::{buffer, hash_block},
        },
        disk::name::SafeName,
        error::Fault,
        job::{
            destination,
            memory::{Memory, Place},
            worker::Context,
        },
        transfer::segment::{Known, News},
    },
    protocol::{
        client::Block,
        digest::Hash,
        message::{self, Form, Missing},
    },
    text::SafeText,
};

/// Takes what a connection tells.
pub(super) fn take(context: &Context, memory: &mut Memory, news: News) -> Result<(), Fault> {
    match news {
        News::Welcome(welcome) => context.welcomed(&welcome),
        News::Content(content, answer) => {
            let known = introduce(context, memory, &content)?;
            if let Some(crew) = &mut memory.crew {
                match known.size {
                    Some(size) => crew.site.ranges().known(size),
                    None => crew.site.ranges().unbounded(),
                }
                crew.known = Some(Arc::clone(&known));
            }
            // It may have been given up meanwhile.
            let _ = answer.send(known);
        }
        News::Block(block) if note(context, memory, &block) => compare(memory, &block)?,
        News::Block(block) if block.skipped > 0 => {
            // What was here may be what is wrong.
            tracing::info!("{}: block {} is fetched whole", context.new.address, block.index);
        }
        News::Block(block) => count_corrupt(context, memory, None, block.index)?,
        News::End(end) => {
            memory.lost = Missing::default();
            end.missing.iter().for_each(|missing| memory.lost.merge(missing));
            if let Some(source) = &mut memory.source {
                source.size = source.size.or(end.size);
            }
            memory.claimed = end.root.as_deref().and_then(Hash::from_hex).or(memory.claimed);
        }
    }
    Ok(())
}

/// A block is written: notes it if it is verified. Whether it is.
pub(super) fn note(context: &Context, memory: &mut Memory, block: &Block) -> bool {
    match &block.verified {
        Some(verified) => {
            memory.blocks.insert(verified);
            memory.received += u64::from(block.length.saturating_sub(block.skipped));
        }
        None => memory.blocks.forget(block.index),
    }
    context.progress.set_verified(memory.blocks.bytes());
    block.is_intact()
}

/// A block came corrupt, of this file of a tree: it is asked for again, but not for ever.
pub(crate) fn count_corrupt(
    context: &Context,
    memory: &mut Memory,
    file: Option<&str>,
    index: u64,
) -> Result<(), Fault> {
    memory.corrupt += 1;
    let (attempt, of) = (memory.corrupt, context.retries);
    let of_file = file.map(|path| format!(" of /{path}")).unwrap_or_default();
    let reason = format!("block {index}{of_file} arrived corrupt; it is fetched again");
    tracing::warn!("{}: {reason}", context.new.address);
    if attempt > of {
        return Err(Fault::never(
            TroubleKind::Integrity,
            match attempt {
                1 => format!("block {index}{of_file} arrived corrupt"),
                _ => format!("{attempt} blocks arrived corrupt, the last one was block {index}{of_file}"),
            },
        ));
    }
    let (id, name) = (context.id, context.events.name());
    let reason = SafeText::new(&reason);
    context.events.report(Event::Retry { id, name, attempt, of, seconds: 0.0, reason });
    Ok(())
}

/// The first answer: holds it against what is known, or decides where the content goes.
fn introduce(
    context: &Context,
    memory: &mut Memory,
    content: &message::Content,
) -> Result<Arc<Known>, Fault> {
    let origin = memory.crew.as_ref().map_or(Origin::Unknown, |crew| crew.site.origin);
    match &memory.source {
        Some(source) => {
            let same_size = content.size.is_none() || source.size.is_none() || content.size == source.size;
            if source.identity != content.identity || !same_size {
                return Err(Fault::changed("the source changed on the server"));
            }
        }
        None => {
            let source = context.source(content, origin);
            prepare(context, memory, content, &source)?;
            memory.source = Some(source);
        }
    }
    memory.recalled = false;
    memory.rival = rival(context, memory, content);
    let Some(place) = &memory.place else {
        return Err(Fault::never(TroubleKind::Other, "there is no file to write to"));
    };
    context.answered(&place.target, content);
    Ok(Arc::new(Known {
        identity: content.identity.clone(),
        form: content.form,
        size: memory.size(),
        writer: place.part.writer()?.clone(),
    }))
}

/// The target of an archive, if it exists and is to stay. Where the server has chosen its name, it is not told by an early
/// end what is in it.
fn rival(context: &Context, memory: &Memory, content: &message::Content) -> Option<File> {
    let target = &memory.place.as_ref()?.target;
    let compared = content.form == Form::Zip && context.new.existing == Existing::Keep && !target.by_server;
    let file = target.folder.read(&target.name).ok().filter(|_| compared)?;
    file.metadata().is_ok_and(|data| data.is_file()).then_some(file)
}

/// A target that has another block than the server is not the same, whatever follows.
fn compare(memory: &Memory, block: &Block) -> Result<(), Fault> {
    let (Some(rival), Some(place)) = (&memory.rival, &memory.place) else { return Ok(()) };
    let same = hash_block(rival, block.index, block.length.into(), &mut buffer());
    if same.is_some_and(|digest| digest.chaining == block.digest.chaining) {
        return Ok(());
    }
    Err(place.target.differs(Some(&place.part.path())))
}

/// Decides where it goes, and makes room.
fn prepare(
    context: &Context,
    memory: &mut Memory,
    content: &message::Content,
    source: &Content,
) -> Result<(), Fault> {
    let new = &context.new;
    let archive = content.form == Form::Zip;
    let name = SafeName::for_content(new.address.path.name(), &content.name, archive, context.names);
    if let Some(place) = memory.place.take_if(|place| !destination::fits(&place.target, new, &name)) {
        place.part.discard();
    }
    if memory.place.is_none() {
        memory.place = Some(context.place(&name, content.size)?);
    }
    if let Some(Place { part, .. }) = &mut memory.place {
        // Noted before there is anything in it: nothing else tells that it was made here.
        part.record(source, &memory.blocks);
        content.size.map_or(Ok(()), |size| part.claim(size, content.data_bytes))?;
    }
    if let Some(sources) = content.sources.filter(|sources| sources.omitted > 0) {
        tracing::warn!(
            "{}: the archive skips {} of the folder's entries, which are not served: links, devices or sockets",
            new.address,
            sources.omitted
        );
    }
    Ok(())
}
