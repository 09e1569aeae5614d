//! One attempt of one job, from the connection to the finished file.

use std::{path::PathBuf, sync::Arc, time::Instant};

use tokio::sync::watch;

use crate::{
    client::{
        api::{
            config::{Extract, Names},
            new_job::Form,
            origin::Origin,
            view::{Finished, TroubleKind},
        },
        content::blocks::Blocks,
        disk::{commit::InPlace, target::Target},
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Attempt,
            events::Outcome,
            extract,
            file::{classic, fetch, finish::Finish, resume::Memory},
            placement::Placement,
            tree,
        },
        transfer::{cancel::Cancel, progress::Progress},
    },
    text::ShowPath,
};

/// Makes one attempt. However it ends, all verified blocks are in the returned memory.
pub(crate) async fn run(
    mut attempt: Attempt,
    mut memory: Memory,
    stop: watch::Receiver<bool>,
) -> (Memory, Outcome) {
    let _transfer = attempt.source.begin_transfer();
    let cancel = Cancel::new(stop);
    tokio::select! {
        biased;
        () = cancel.set() => return (memory, Outcome::Stopped),
        () = attempt.deletions.path_deleted(attempt.new_job().address.path()) => {}
    }
    if attempt.new_job().form == Form::Tree && attempt.source.has_trees() {
        match tree::run(&mut attempt, &mut memory, &cancel).await {
            Some(outcome) => return (memory, outcome),
            None => attempt.placement.new.form = Form::File,
        }
    }
    let started = *memory.started.get_or_insert_with(Instant::now);
    if memory.placed.is_some() {
        attempt.permit = None;
        return finished(&attempt, memory, &cancel, started, false).await;
    }
    let before = (memory.furthest, memory.remote.furthest());
    let fetched = fetch(&attempt, &mut memory, &cancel).await;
    attempt.permit = None;
    memory.gets_further();
    let progressed = memory.furthest > before.0 || memory.remote.furthest() > before.1;
    match fetched {
        Err(Unfinished::Stopped) => return (memory, Outcome::Stopped),
        Err(Unfinished::Fault(fault)) => return failed(&attempt.progress, memory, fault, progressed),
        Ok(()) => {}
    }
    attempt.events.complete(memory.size().unwrap_or(0));
    finished(&attempt, memory, &cancel, started, progressed).await
}

/// Finishes a content that is complete.
async fn finished(
    attempt: &Attempt,
    memory: Memory,
    cancel: &Cancel,
    started: Instant,
    progressed: bool,
) -> (Memory, Outcome) {
    let (mut memory, finished) = finish(attempt, memory, cancel).await;
    match finished {
        Ok((path, unpacked)) => {
            let mut missing = memory.lost.clone();
            let extracted = unpacked.map(|unpacked| {
                missing.merge(&unpacked.missing);
                attempt.placement.report_renamed(&attempt.events, unpacked.renamed);
                unpacked.folder
            });
            let bytes = memory.size().unwrap_or(0);
            let finished = Finished {
                path,
                bytes,
                transferred: memory.transferred,
                resumed: if attempt.source.has_ranges() { bytes.saturating_sub(memory.received) } else { 0 },
                blake3: memory.root.map(|root| root.to_string()).unwrap_or_default(),
                origin: memory.source.as_ref().map_or(Origin::Unknown, |source| source.origin),
                seconds: started.elapsed().as_secs_f64(),
                files: None,
                omitted: memory.source.as_ref().and_then(|source| source.sources).map_or(0, |s| s.omitted),
                deleted: 0,
                missing,
                extracted,
            };
            memory.placed = None;
            memory.close();
            (memory, Outcome::Done(finished))
        }
        Err(Unfinished::Stopped) => (memory, Outcome::Stopped),
        Err(Unfinished::Fault(fault)) => failed(&attempt.progress, memory, fault, progressed),
    }
}

fn failed(progress: &Progress, mut memory: Memory, mut fault: Fault, progressed: bool) -> (Memory, Outcome) {
    if fault.verdict == Verdict::StartOver && memory.doubt() {
        progress.set_here(&Blocks::default(), true);
        memory.restarts += 1;
        return (memory, Outcome::Fault { fault, progressed: false });
    }
    if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) {
        progress.set_here(&Blocks::default(), true);
        memory.restarts += 1;
        if let Err(disk) = memory.start_over() {
            fault = disk;
        }
        return (memory, Outcome::Fault { fault, progressed: false });
    }
    (memory, Outcome::Fault { fault, progressed })
}

async fn fetch(attempt: &Attempt, memory: &mut Memory, cancel: &Cancel) -> Result<(), Unfinished> {
    let (fetch, placement) = (attempt.fetch(), &attempt.placement);
    fetch::reopen(placement, &attempt.progress, memory)?;
    match attempt.source.has_ranges() {
        true => fetch::fetch(&fetch, memory, cancel).await,
        false => classic::fetch(&fetch, placement, memory, cancel).await,
    }
}

/// Puts the file in place on a thread that may block. It is waited for also after `cancel` is set: otherwise a file could appear after the
/// job was reported as paused.
async fn finish(
    attempt: &Attempt,
    mut memory: Memory,
    cancel: &Cancel,
) -> (Memory, Result<(PathBuf, Option<extract::Unpacked>), Unfinished>) {
    let Placement { id, new, names, claims, .. } = &attempt.placement;
    let finish = Finish { existing: new.existing, checksum: new.checksum.clone(), sync: attempt.sync };
    let unpack = new.extract.then_some((attempt.extract, *names));
    let (claims, id) = (Arc::clone(claims), *id);
    let cancelled = cancel.clone();
    let work = tokio::task::spawn_blocking(move || {
        let claim = |path: &std::path::Path| claims.claim(path, id);
        let go_on = || !cancelled.is_set();
        let result = finish.run(&mut memory, claim, go_on);
        let result = result.and_then(|in_place| match unpack {
            Some(accepted) => unpacked(&finish, accepted, &mut memory, in_place, go_on),
            None => Ok((in_place.path(), None)),
        });
        (memory, result)
    });
    work.await.unwrap_or_else(|_| {
        let fault = Fault::never(TroubleKind::Other, "finishing the file failed with an internal error");
        (Memory::default(), Err(fault.into()))
    })
}

/// Unpacks a file that is in its place, if it is an archive. One that could not be stays where it is, and the next attempt
/// begins with the unpacking.
fn unpacked(
    finish: &Finish,
    (limits, names): (Extract, Names),
    memory: &mut Memory,
    in_place: InPlace,
    go_on: impl Fn() -> bool,
) -> Result<(PathBuf, Option<extract::Unpacked>), Unfinished> {
    let path = in_place.path();
    let Target { folder, name, .. } = memory.placed.insert(in_place).target();
    if !extract::is_archive(name) {
        tracing::info!("{} is not a zip archive, and stays as it is", path.shown());
        return Ok((path, None));
    }
    let archive =
        extract::Archive { folder, name, limits, names, existing: finish.existing, sync: finish.sync };
    let target = archive.unpack(go_on)?;
    Ok((path, Some(target)))
}
