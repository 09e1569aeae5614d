//! Receives one content: compares what is local, and requests what is missing until it is complete.

use std::{fs::File, time::Duration};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::{
            content::described::Described,
            question::Question,
            views::view::{Trouble, TroubleKind},
        },
        content::{
            Access, Content,
            blocks::{Blocks, buffer, verify_block},
        },
        disk::{
            journal::file::FileLines,
            part::{Part, aside::Aside},
            target::Target,
        },
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::{Fetch, Restart},
            file::{
                compare, overlap, recall,
                resume::FileResume,
                state::{Known, Place, ResumeState, Version},
            },
            placement::{Placement, destination::fits},
            totals::JobTotals,
        },
        source::{Connection, sink::Block},
        transfer::{
            self, Bounds, Opened, Request, Supply,
            cancel::Cancel,
            pieces::{PieceCheck, WrongPiece},
            progress::Progress,
            running_digest::RunningDigest,
            supply::supplier::Supplier,
        },
    },
    protocol::{digest::VerifiedBlock, message::Form},
    text::{SafeText, ShowPath, units},
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
                && (fetch.restart.is_allowed()
                    || resume.cannot_continue(fetch.source.has_hashes()).is_none()) =>
        {
            if !fetch.source.has_hashes() {
                tracing::warn!("{}; it is fetched again from its beginning", fault.trouble.message);
            }
            Ok(changed(fetch, resume)?)
        }
        Verdict::Discard if is_recorded => {
            tracing::warn!("{}; it is fetched again from its beginning", fault.trouble.message);
            fetch.progress.set_local(&Blocks::default(), true);
            Ok(block_in_place(|| resume.start_over())?)
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
    block_in_place(|| verify_pieces(fetch, resume))?;
    let FileResume { state, totals, senders, pieces, digest, aside, .. } = resume;
    let none = Blocks::default();
    let (form, mirrors) = (fetch.form, fetch.mirrors.len());
    let request = match state {
        ResumeState::Known(known) => {
            let missing = known.missing();
            let proven = known.version == Version::Proven;
            Request { form, known: Some(&known.content), missing, blocks: &known.blocks, proven, mirrors }
        }
        _ => {
            Request { form, known: None, missing: none.missing(None), blocks: &none, proven: false, mirrors }
        }
    };
    let opened = cancel.unless_set(transfer::open(connection, request, fetch.limits)).await?;
    if block_in_place(|| restore(fetch, (aside, totals), state, &opened.content))? {
        return Ok(());
    }
    let (known, rival) = block_in_place(|| introduce(fetch, state, &opened))?;
    if let (None, Some(described)) = (&pieces, fetch.described) {
        *pieces = piece_check(described, known.content.size)?;
    }
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
    let wanted = fetch.digest.or(content.digest.as_ref());
    if digest.is_none() && blocks.bytes() == 0 {
        *digest = wanted.and_then(RunningDigest::like);
    }
    let shares = senders.shares().clone();
    let supply = Supply {
        first: Supplier::first(fetch.number, fetch.source.clone(), content.clone(), fetch.permit),
        mirrors: fetch.mirrors.to_vec(),
        digest: fetch.digest,
        notify: &|number, dropped| fetch.source_event(shares.address(number), dropped),
    };
    let (received, ended) = transfer::transfer(
        opened,
        supply,
        transfer::Part {
            writer: place.part.writer()?.clone(),
            blocks,
            senders,
            pieces: pieces.as_mut(),
            digest: digest.as_mut(),
        },
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

/// The server has an earlier version again, of which something is kept aside: it is resumed. Returns whether it is.
fn restore(
    fetch: &Fetch<'_>,
    (aside, totals): (&mut Option<Aside>, &mut JobTotals),
    state: &mut ResumeState,
    content: &Content,
) -> Result<bool, Fault> {
    let (ResumeState::Fresh(place), Some(placement)) = (&mut *state, fetch.placement) else {
        return Ok(false);
    };
    if content.is_metalink || !fetch.source.has_validator(content) {
        return Ok(false);
    }
    if place.is_none() {
        let name = placement.name_of(content);
        let placed = placement.place(fetch.events, &name, content.size);
        *place = Some(placed.map_err(|fault| content.describe(fault))?);
    }
    let Some(Place { target, part }) = place else { return Ok(false) };
    let kept = Aside::of(target);
    let is_same = |known: &Content| {
        known.is_from(fetch.address)
            && known.origin == content.origin
            && known.is_same_as(&content.identity, content.size)
    };
    let is_restored = kept.has(is_same)
        && content.access == Access::Ranges
        && !totals.restart(fetch.retries)
        && kept.restore(is_same, part)?;
    if !is_restored {
        // It could not be resumed a moment ago, nor can it now.
        kept.discard(is_same);
    }
    *aside = kept.found().is_some().then_some(kept);
    if let Some(aside) = aside {
        aside.keep_one();
    }
    if !is_restored {
        return Ok(false);
    }
    let target = target.clone();
    let part = placement.open_part(&target)?;
    tracing::info!("{}: the server has an earlier version again; it is resumed", fetch.address);
    *state = ResumeState::Fresh(None);
    let Some((FileLines { content, blocks, .. }, as_left)) = part.recorded()? else {
        *state = ResumeState::Fresh(Some(Place { target, part }));
        return Ok(false);
    };
    let blocks = if as_left { blocks.into_blocks() } else { blocks.still_in(part.file()?).0 };
    fetch.progress.set_local(&blocks, true);
    let (place, version) = (Place { target, part }, Version::Recorded);
    *state = ResumeState::Known(Known { content, place, blocks, version, claimed: None });
    if let Some((part, Some((content, blocks)))) = state.part() {
        part.record(content, blocks);
    }
    Ok(true)
}

/// Verifies the pieces of what is local, and forgets those that are wrong: in an earlier run they may have been received, and not verified yet.
pub(super) fn verify_pieces(fetch: &Fetch<'_>, resume: &mut FileResume) -> Result<(), Fault> {
    let (Some(described), ResumeState::Known(known)) = (fetch.described, &mut resume.state) else {
        return Ok(());
    };
    if resume.pieces.is_none() {
        resume.pieces = piece_check(described, known.content.size)?;
    }
    let Some(pieces) = &mut resume.pieces else { return Ok(()) };
    let writer = known.place.part.writer()?;
    let wrong = pieces.local(&known.blocks, |bytes, offset| writer.read(bytes, offset));
    for WrongPiece { index, blocks } in &wrong {
        tracing::warn!(
            "{}: piece {index} does not match the checksum in the metalink; it is fetched again",
            fetch.address
        );
        for block in blocks.clone() {
            known.blocks.forget(block);
            resume.senders.forget(block);
        }
    }
    if !wrong.is_empty() {
        fetch.progress.set_local(&known.blocks, true);
        resume.record();
    }
    Ok(())
}

/// Verifies the pieces of a content of this size, if a metalink has their digests.
///
/// # Errors
/// The metalink describes a content of another size.
fn piece_check(described: &Described, size: Option<u64>) -> Result<Option<PieceCheck>, Fault> {
    let Some(size) = size else { return Ok(None) };
    if let Some(expected) = described.size.filter(|expected| *expected != size) {
        let (size, expected) = (units::count(size), units::count(expected));
        let message = format!("another content: it has {size} bytes, and {expected} by the metalink");
        return Err(Fault::never(TroubleKind::Integrity, message));
    }
    Ok(described.pieces.as_ref().and_then(|pieces| PieceCheck::new(pieces, size)))
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
        let is_download = fetch.placement.is_some_and(|placement| placement.new.mirrors.is_empty());
        // Where a digest is given, it is that of the answer itself: a metalink would name contents that it does not verify.
        if content.is_metalink && is_download && fetch.described.is_none() && fetch.digest.is_none() {
            return Err(Fault::metalink());
        }
        if let Some(described) = fetch.described {
            piece_check(described, content.size)?;
        }
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
    if let Some(Place { part, target }) = place {
        // Recorded before its first byte: nothing else shows that this program has created it.
        part.record(content, &Blocks::default());
        content.size.map_or(Ok(()), |size| claim_beside(fetch, part, target, size, content.data_bytes))?;
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

/// Claims the space of a new version beside what is kept of an earlier one. Only the user decides that the earlier one is deleted for it.
fn claim_beside(
    fetch: &Fetch<'_>,
    part: &Part,
    target: &Target,
    size: u64,
    data: Option<u64>,
) -> Result<(), Fault> {
    let (claimed, aside) = (part.claim(size, data), Aside::of(target));
    let (Err(fault), Some((path, kept))) = (&claimed, aside.found()) else { return claimed };
    if fetch.restart == Restart::Agreed {
        aside.discard(|_| true);
        return part.claim(size, data);
    }
    let message = format!(
        "{}: the file has changed, and there is no room for the new version beside the {} that were received of the earlier one, {}; \
         make room or delete that file, then retry",
        fetch.address,
        units::bytes(kept),
        path.shown()
    );
    Err(Fault { trouble: Trouble::new(TroubleKind::Disk, SafeText::new(&message)), ..fault.clone() }
        .asking(Question::Changed { part: path, received: kept }))
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
    if known.content.digest.is_none() && known.content.form == Form::File {
        known.content.digest = fetch.source.digest_afterwards().await;
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
        block_in_place(|| resume.set_aside())?;
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
