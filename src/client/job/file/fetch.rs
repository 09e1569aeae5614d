//! Receives one content: compares what is local, and requests what is missing until it is complete.

use std::{fs::File, time::Duration};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::views::view::TroubleKind,
        content::{
            Content,
            blocks::{Blocks, buffer, verify_block},
        },
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Fetch,
            file::{
                compare, overlap, recall,
                resume::FileResume,
                state::{Known, Place, ResumeState, Version},
            },
            placement::{Placement, destination::fits},
        },
        source::{Connection, sink::Block},
        transfer::{self, Bounds, Opened, Part, Request, cancel::Cancel, progress::Progress},
    },
    protocol::{digest::VerifiedBlock, message::Form},
};

/// Receives what is missing; afterwards the content is complete.
pub(crate) async fn fetch(
    fetch: &Fetch<'_>,
    resume: &mut FileResume,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    block_in_place(|| resume.readdress(fetch.address))?;
    if let Some(placement) = fetch.placement {
        cancel.unless_set(recall::recall(fetch, placement, resume)).await?;
    }
    loop {
        match &resume.state {
            ResumeState::Complete(..) | ResumeState::Identical(..) | ResumeState::Placed(_) => return Ok(()),
            ResumeState::Known(known) if known.is_complete() => {
                cancel.unless_set(complete(fetch, resume)).await?;
            }
            ResumeState::Doubtful(_) => {
                let connection = cancel.unless_set(fetch.source.connect(None)).await?;
                cancel.unless_set(compare::compare(fetch, resume, connection)).await?;
            }
            ResumeState::Fresh(_) | ResumeState::Known(_) => {
                let connection = cancel.unless_set(fetch.source.connect(None)).await?;
                advance(fetch, resume, connection, cancel).await?;
            }
        }
    }
}

/// Receives what is missing, beginning on this connection. After a lost connection that received something, the caller reconnects at once.
async fn advance(
    fetch: &Fetch<'_>,
    resume: &mut FileResume,
    mut connection: Connection,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    if resume.state.content().is_some_and(|content| content.origin != connection.origin()) {
        connection.put();
        return Ok(of_another(fetch, resume)?);
    }
    resume.gets_further();
    if !overlap::compare(fetch, resume, &mut connection, cancel).await? {
        return Ok(());
    }
    let Err(unfinished) = receive(fetch, resume, connection, cancel).await else { return Ok(()) };
    let Unfinished::Fault(fault) = &unfinished else { return Err(unfinished) };
    let is_recorded =
        matches!(&resume.state, ResumeState::Known(known) if known.version == Version::Recorded);
    match fault.verdict {
        Verdict::Again(Duration::ZERO) if resume.gets_further() => {
            let received = resume.state.local().received;
            fetch.reconnecting(&mut resume.totals, received, fault);
            Ok(())
        }
        // What an earlier run left is of another version; that is no failure of this attempt.
        Verdict::StartOver
            if is_recorded
                && (fetch.may_restart || resume.cannot_continue(fetch.source.has_hashes()).is_none()) =>
        {
            if !fetch.source.has_hashes() {
                tracing::warn!("{}; it is fetched again from its beginning", fault.trouble.message);
            }
            Ok(changed(fetch, resume)?)
        }
        _ => Err(unfinished),
    }
}

/// Transfers what is missing, beginning on this connection.
async fn receive(
    fetch: &Fetch<'_>,
    resume: &mut FileResume,
    connection: Connection,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    let FileResume { state, totals, .. } = resume;
    let none = Blocks::default();
    let form = fetch.form;
    let request = match state {
        ResumeState::Known(known) => {
            let missing = known.missing();
            let proven = known.version == Version::Proven;
            Request { form, known: Some(&known.content), missing, blocks: &known.blocks, proven }
        }
        _ => Request { form, known: None, missing: none.missing(None), blocks: &none, proven: false },
    };
    let opened = cancel.unless_set(transfer::open(connection, request, fetch.limits)).await?;
    let (known, rival) = block_in_place(|| introduce(fetch, state, &opened))?;
    let Known { content, place, blocks, version, claimed } = known;
    let corrupt = &mut totals.corrupt;
    let check = |block: &Block| match (&block.verified, &rival) {
        (Some(verified), Some(rival)) => compare_block(rival, place, verified),
        (Some(_), None) => Ok(()),
        (None, _) if block.skipped > 0 => {
            // The local bytes may be the wrong ones.
            tracing::info!("{}: all of block {} is requested", fetch.address, block.index);
            Ok(())
        }
        (None, _) => fetch.count_corrupt(corrupt, None, block.index),
    };
    let (received, ended) = transfer::transfer(
        opened,
        vec![(fetch.source.clone(), content.clone())],
        Part { writer: place.part.writer()?.clone(), blocks },
        Bounds { limits: fetch.limits, permit: fetch.permit },
        (fetch.progress, fetch.events.name()),
        cancel,
        check,
    )
    .await;
    totals.transferred += received.transferred;
    totals.kept += received.kept;
    *version = if received.proven { Version::Proven } else { Version::Unproven };
    *claimed = received.digest.or(*claimed);
    content.size = content.size.or(received.size);
    if let Some(missing) = received.missing {
        resume.missing = missing;
    }
    ended
}

/// The first answer: compares it with what is known, or decides where the content is saved. Returns what is known now, and a file that has
/// to be the same.
fn introduce<'a>(
    fetch: &Fetch<'_>,
    state: &'a mut ResumeState,
    opened: &Opened,
) -> Result<(&'a mut Known, Option<File>), Fault> {
    let content = &opened.content;
    if let ResumeState::Fresh(place) = state {
        prepare(fetch, place, content)?;
        if let Some(place) = place.take() {
            *state = ResumeState::Known(Known::new(content.clone(), place));
        }
    }
    let ResumeState::Known(known) = state else {
        return Err(Fault::never(TroubleKind::Other, "there is no file to write to"));
    };
    if !known.content.is_same_as(&content.identity, content.size) {
        return Err(Fault::changed("the source changed on the server"));
    }
    if known.version == Version::Recorded {
        known.version = Version::Unproven;
    }
    known.content.digest.clone_from(&content.digest);
    fetch.answered(&known.place.target, content);
    let rival = rival(fetch, &known.place, content);
    Ok((known, rival))
}

/// The target of an archive, if it exists and is to stay. Where the server has chosen its name, an early end must not show the server what
/// is in it.
fn rival(fetch: &Fetch<'_>, place: &Place, content: &Content) -> Option<File> {
    let target = &place.target;
    let compared = content.form == Form::Zip && fetch.keeps_existing() && !target.by_server;
    let file = target.folder.read(&target.name).ok().filter(|_| compared)?;
    file.metadata().is_ok_and(|data| data.is_file()).then_some(file)
}

/// Fails if the target has another block than the source.
fn compare_block(rival: &File, place: &Place, block: &VerifiedBlock) -> Result<(), Fault> {
    let (length, chaining) = (block.length().into(), block.digest().chaining);
    let same = verify_block(rival, block.index(), length, chaining, &mut buffer()).is_some();
    if same { Ok(()) } else { Err(place.target.differs(Some(&place.part.path()))) }
}

/// Decides where the content is saved, and claims the space.
fn prepare(fetch: &Fetch<'_>, place: &mut Option<Place>, content: &Content) -> Result<(), Fault> {
    if let Some(placement) = fetch.placement {
        let name = placement.name_of(content);
        if let Some(place) = place.take_if(|place| !fits(&place.target, &placement.new, &name)) {
            place.part.discard();
        }
        if place.is_none() {
            let placed = placement.place(fetch.events, &name, content.size);
            *place = Some(placed.map_err(|fault| content.describe(fault))?);
        }
    }
    if let Some(Place { part, .. }) = place {
        // Recorded before its first byte: nothing else shows that this program has created it.
        part.record(content, &Blocks::default());
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
fn of_another(fetch: &Fetch<'_>, resume: &mut FileResume) -> Result<(), Fault> {
    let (address, peer) = (fetch.address, fetch.source.peer());
    if resume.totals.restart(fetch.retries) {
        let message = format!("{peer} shows another certificate on each connection");
        return Err(Fault::never(TroubleKind::Integrity, message));
    }
    if doubt(fetch, resume)? {
        tracing::info!("{address}: what was received came from another server than {peer}; it is compared");
    } else {
        tracing::warn!(
            "{address}: what was received came from another server than {peer}; it is fetched again"
        );
    }
    Ok(())
}

/// All blocks are received: compares their digest with the one that the server knows, if it knows one without reading the content for it.
/// The blocks may have been received from several servers, and from this one before it was restarted. If they differ, the blocks are compared next.
async fn complete(fetch: &Fetch<'_>, resume: &mut FileResume) -> Result<(), Fault> {
    let ResumeState::Known(known) = &mut resume.state else { return Ok(()) };
    if known.claimed.is_none() && resume.totals.transferred > 0 && known.content.form == Form::File {
        known.claimed = fetch.source.digest(&known.content.identity).await?;
    }
    let root = known.blocks.root().filter(|root| known.claimed.is_none_or(|claimed| claimed == *root));
    if let Some(root) = root {
        resume.complete(root);
        return Ok(());
    }
    let (address, peer) = (fetch.address, fetch.source.peer());
    if resume.totals.restart(fetch.retries) {
        let message = format!("what was fetched is not what {peer} has, though each block was verified");
        return Err(Fault::never(TroubleKind::Integrity, message));
    }
    tracing::warn!("{address}: what was fetched is not what {peer} has; the blocks are compared");
    doubt(fetch, resume).map(drop)
}

/// What an earlier run left is of another version.
fn changed(fetch: &Fetch<'_>, resume: &mut FileResume) -> Result<(), Fault> {
    let address = fetch.address;
    let is_archive = resume.state.content().is_some_and(|content| content.form == Form::Zip);
    if doubt(fetch, resume)? {
        tracing::info!(
            "{address} is another version than what was fetched before; what still matches is kept"
        );
    } else if is_archive {
        tracing::warn!("{address}: the folder has changed; its archive is fetched again");
    }
    Ok(())
}

/// What was received may be of another version: nothing of it is verified for this one. Returns whether it can be compared; otherwise the
/// content is started over.
fn doubt(fetch: &Fetch<'_>, resume: &mut FileResume) -> Result<bool, Fault> {
    fetch.progress.set_local(&Blocks::default(), true);
    let is_comparable = resume.doubt(fetch.source.has_hashes());
    if !is_comparable {
        block_in_place(|| resume.start_over())?;
    }
    Ok(is_comparable)
}

/// Opens what an earlier attempt left, and reports how much it is.
pub(crate) fn reopen(
    placement: &Placement,
    progress: &Progress,
    resume: &mut FileResume,
) -> Result<(), Fault> {
    block_in_place(|| {
        // A job that had failed has released its claims.
        if let Some(place) = resume.state.place() {
            placement.claim_target(&place.target)?;
        }
        resume.reopen()?;
        resume.state.place().map_or(Ok(()), |place| placement.claim_part(&place.part))
    })?;
    let is_file = resume.state.content().is_none_or(|content| content.form == Form::File);
    progress.set_local(resume.state.blocks().unwrap_or(&Blocks::default()), is_file);
    Ok(())
}
