//! Receives one content: compares what is local, and requests what is missing until nothing is.

use std::{fs::File, time::Duration};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::view::TroubleKind,
        content::{
            Content,
            blocks::{Blocks, buffer, hash_block},
        },
        disk::part::Writer,
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Fetch,
            file::{
                compare, recall,
                resume::{Memory, Place},
            },
            placement::{Placement, destination::fits},
        },
        source::{Connection, sink::Block},
        transfer::{self, Bounds, Opened, Part, Request, cancel::Cancel, progress::Progress},
    },
    protocol::message::Form,
};

/// Receives what is missing; afterwards all blocks are in `memory`, and the root.
pub(crate) async fn fetch(fetch: &Fetch<'_>, memory: &mut Memory, cancel: &Cancel) -> Result<(), Unfinished> {
    if let Some(placement) = fetch.placement {
        cancel.unless_set(recall::recall(fetch, placement, memory)).await?;
    }
    if memory.source.as_ref().is_some_and(|source| !fetch.address.allows(source.origin)) {
        // What another server has said of it is worth nothing here.
        memory.proven = false;
    }
    while memory.doubtful || !memory.is_complete() || !cancel.unless_set(holds(fetch, memory)).await? {
        let connection = cancel.unless_set(fetch.source.connect(None)).await?;
        if memory.doubtful {
            cancel.unless_set(compare::compare(fetch, memory, connection)).await?;
            continue;
        }
        if memory.is_of_another(connection.origin()) {
            connection.put();
            of_another(fetch, memory)?;
            continue;
        }
        memory.gets_further();
        match receive(fetch, memory, connection, cancel).await {
            Err(Unfinished::Fault(fault))
                if fault.verdict == Verdict::Again(Duration::ZERO) && memory.gets_further() =>
            {
                fetch.reconnecting(memory, &fault);
            }
            // What an earlier run left is of another version; that is no failure of this attempt.
            Err(Unfinished::Fault(fault)) if memory.recalled && fault.verdict == Verdict::StartOver => {
                changed(fetch, memory)?;
            }
            received => received?,
        }
    }
    Ok(())
}

/// Transfers what is missing, beginning on this connection.
async fn receive(
    fetch: &Fetch<'_>,
    memory: &mut Memory,
    connection: Connection,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    let missing = memory.missing();
    let (known, blocks, proven) = (memory.source.as_ref(), &memory.blocks, memory.proven);
    let request = Request { form: fetch.form, known, missing, blocks, proven };
    let opened = cancel.unless_set(transfer::open(connection, request, fetch.limits)).await?;
    let (writer, rival) = block_in_place(|| introduce(fetch, memory, &opened))?;
    let content = memory.source.clone().unwrap_or_else(|| opened.content.clone());
    let place = memory.place.as_ref();
    let corrupt = &mut memory.corrupt;
    let check = |block: &Block| match (&block.verified, &rival, place) {
        (Some(_), Some(rival), Some(place)) => compare_block(rival, place, block),
        (Some(_), ..) => Ok(()),
        (None, ..) if block.skipped > 0 => {
            // The local bytes may be the wrong ones.
            tracing::info!("{}: block {} is fetched whole", fetch.address, block.index);
            Ok(())
        }
        (None, ..) => fetch.count_corrupt(corrupt, None, block.index),
    };
    let (received, ended) = transfer::transfer(
        opened,
        vec![(fetch.source.clone(), content)],
        Part { writer, blocks: &mut memory.blocks },
        Bounds { limits: fetch.limits, permit: fetch.permit },
        (fetch.progress, fetch.events.name()),
        cancel,
        check,
    )
    .await;
    memory.transferred += received.transferred;
    memory.received += received.kept;
    memory.proven = received.proven;
    memory.claimed = received.digest.or(memory.claimed);
    if let Some(missing) = received.missing {
        memory.lost = missing;
    }
    if let Some(source) = &mut memory.source {
        source.size = source.size.or(received.size);
    }
    ended
}

/// The first answer: compares it with what is known, or decides where the content goes. Returns what writes to the partial file, and a file
/// that has to be the same.
fn introduce(
    fetch: &Fetch<'_>,
    memory: &mut Memory,
    opened: &Opened,
) -> Result<(Writer, Option<File>), Fault> {
    let content = &opened.content;
    match &memory.source {
        Some(known) if known.is_same_as(&content.identity, content.size) => {}
        Some(_) => return Err(Fault::changed("the source changed on the server")),
        None => {
            prepare(fetch, memory, content)?;
            memory.source = Some(content.clone());
        }
    }
    memory.recalled = false;
    let Some(place) = &memory.place else {
        return Err(Fault::never(TroubleKind::Other, "there is no file to write to"));
    };
    fetch.answered(&place.target, content);
    Ok((place.part.writer()?.clone(), rival(fetch, place, content)))
}

/// The target of an archive, if it exists and is to stay. Where the server has chosen its name, an early end must not tell the server what is
/// in it.
fn rival(fetch: &Fetch<'_>, place: &Place, content: &Content) -> Option<File> {
    let target = &place.target;
    let compared = content.form == Form::Zip && fetch.keeps_existing() && !target.by_server;
    let file = target.folder.read(&target.name).ok().filter(|_| compared)?;
    file.metadata().is_ok_and(|data| data.is_file()).then_some(file)
}

/// A target that has another block than the source is not the same, whatever follows.
fn compare_block(rival: &File, place: &Place, block: &Block) -> Result<(), Fault> {
    let local = hash_block(rival, block.index, block.length.into(), &mut buffer());
    let same =
        local.zip(block.verified).is_some_and(|(local, block)| local.chaining == block.digest().chaining);
    if same { Ok(()) } else { Err(place.target.differs(Some(&place.part.path()))) }
}

/// Decides where the content goes, and claims the space.
fn prepare(fetch: &Fetch<'_>, memory: &mut Memory, content: &Content) -> Result<(), Fault> {
    if let Some(placement) = fetch.placement {
        let name = placement.name_of(content);
        if let Some(place) = memory.place.take_if(|place| !fits(&place.target, &placement.new, &name)) {
            place.part.discard();
        }
        if memory.place.is_none() {
            memory.place = Some(placement.place(fetch.events, &name, content.size)?);
        }
    }
    if let Some(Place { part, .. }) = &mut memory.place {
        // Noted before there is anything in it: nothing else shows that it was made here.
        part.record(content, &memory.blocks);
        content.size.map_or(Ok(()), |size| part.claim(size, content.data_bytes))?;
    }
    if let Some(sources) = content.sources.filter(|sources| sources.omitted > 0) {
        tracing::warn!(
            "{}: the archive skips {} of the folder's entries, which are not served: links, devices or sockets",
            fetch.address,
            sources.omitted
        );
    }
    Ok(())
}

/// The local blocks were proven by another server, which may send the same identity: only this server's hashes show which of them
/// match.
fn of_another(fetch: &Fetch<'_>, memory: &mut Memory) -> Result<(), Fault> {
    let (address, peer) = (fetch.address, fetch.source.peer());
    memory.restarts += 1;
    if memory.restarts > fetch.retries.max(1) {
        let message = format!("{peer} shows another certificate on each connection");
        return Err(Fault::never(TroubleKind::Integrity, message));
    }
    fetch.progress.set_here(&Blocks::default(), true);
    if memory.doubt() {
        tracing::info!("{address}: what was received came from another server than {peer}; it is compared");
        return Ok(());
    }
    tracing::warn!("{address}: what was received came from another server than {peer}; it is fetched again");
    block_in_place(|| memory.start_over())
}

/// Compares the digest of what is local with the one that the server knows, if it knows one without reading the content for it. The blocks
/// may have come from several servers, and from this one before it was restarted. If they differ, `false`: the blocks are compared next.
async fn holds(fetch: &Fetch<'_>, memory: &mut Memory) -> Result<bool, Fault> {
    memory.root = memory.blocks.root();
    if memory.claimed.is_none()
        && memory.transferred > 0
        && let Some(source) = &memory.source
        && source.form == Form::File
    {
        memory.claimed = fetch.source.digest(&source.identity).await?;
    }
    if memory.claimed.is_none() || memory.claimed == memory.root {
        return Ok(true);
    }
    memory.restarts += 1;
    let (address, peer) = (fetch.address, fetch.source.peer());
    if memory.restarts > fetch.retries.max(1) {
        let message = format!("what was fetched is not what {peer} has, though each block was verified");
        return Err(Fault::never(TroubleKind::Integrity, message));
    }
    tracing::warn!("{address}: what was fetched is not what {peer} has; the blocks are compared");
    fetch.progress.set_here(&Blocks::default(), true);
    if !memory.doubt() {
        block_in_place(|| memory.start_over())?;
    }
    Ok(false)
}

/// What an earlier run left is of another version.
fn changed(fetch: &Fetch<'_>, memory: &mut Memory) -> Result<(), Fault> {
    let address = fetch.address;
    // Nothing of it is verified for this version yet.
    fetch.progress.set_here(&Blocks::default(), true);
    if memory.doubt() {
        tracing::info!(
            "{address} is another version than what was fetched before; what still matches is kept"
        );
        return Ok(());
    }
    let archive = memory.source.as_ref().is_some_and(|source| source.form == Form::Zip);
    if archive {
        tracing::warn!("{address}: the folder has changed; its archive is fetched again");
    }
    block_in_place(|| memory.start_over())
}

/// Opens what an earlier attempt left, and reports how much it is.
pub(crate) fn reopen(placement: &Placement, progress: &Progress, memory: &mut Memory) -> Result<(), Fault> {
    block_in_place(|| {
        // A job that had failed has released its claims.
        if let Some(place) = &memory.place {
            place.target.claim(|path| placement.claim(path))?;
        }
        memory.reopen()?;
        memory.place.as_ref().map_or(Ok(()), |place| placement.claim_part(&place.part))
    })?;
    let is_file = memory.source.as_ref().is_none_or(|source| source.form == Form::File);
    progress.set_here(&memory.blocks, is_file);
    Ok(())
}
