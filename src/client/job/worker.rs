//! One attempt of one job, from the connection to the finished file.

use std::{sync::Arc, time::Instant};

use tokio::{sync::watch, task::block_in_place};

use crate::{
    client::{
        api::{
            content::{
                proof::{DigestBy, Proof},
                sums::SumsAt,
            },
            new_job::Form,
            settings::config::{Extract, Names},
            views::view::{Finished, TroubleKind},
        },
        content::{Content, blocks::Blocks},
        disk::{part::aside::Aside, target::Target},
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Attempt,
            events::Outcome,
            extract::{self, Unpacked},
            file::{
                classic, fetch,
                finish::Finish,
                mirrors,
                resume::FileResume,
                state::{AtTarget, ResumeState},
            },
            metalink,
            placement::Placement,
            resume::JobResume,
            sums, tree,
        },
        transfer::cancel::Cancel,
    },
    text::ShowPath,
};

/// Makes one attempt. However it ends, all verified blocks are in the returned value.
pub(crate) async fn run(
    mut attempt: Attempt,
    mut resume: JobResume,
    stop: watch::Receiver<bool>,
) -> (JobResume, Outcome) {
    let _transfer = attempt.source.begin_transfer();
    let cancel = Cancel::new(stop);
    tokio::select! {
        biased;
        () = cancel.set() => return (resume, Outcome::Stopped),
        () = attempt.deletions.path_deleted(attempt.new_job().address.path()) => {}
    }
    let started = *resume.started.get_or_insert_with(Instant::now);
    resume.file.has_received = attempt.progress.received() > 0;
    if let Err(fault) = block_in_place(|| attempt.placement.collect(&attempt.events.name())) {
        return (resume, Outcome::Fault { fault, progressed: false });
    }
    if attempt.new_job().form == Form::Tree && attempt.source.has_trees() {
        if let Some(SumsAt::File(_) | SumsAt::Web(_)) = attempt.new_job().sums {
            let message = "a list has checksums of files, and none of a tree: fetch it as a zip archive";
            let fault = Fault::never(TroubleKind::Other, message).or_by(", or leave out --checksum-file");
            return (resume, Outcome::Fault { fault, progressed: false });
        }
        match tree::run(&mut attempt, &mut resume.tree, started, &cancel).await {
            Some(outcome) => return (resume, outcome),
            None => attempt.placement.new.form = Form::File,
        }
    }
    match cancel.unless_set(sums::find(&attempt, &mut resume)).await {
        Ok(()) => {}
        Err(Unfinished::Stopped) => return (resume, Outcome::Stopped),
        Err(Unfinished::Fault(fault)) => return (resume, Outcome::Fault { fault, progressed: false }),
    }
    if let Some((checksum, _)) = &resume.listed {
        attempt.placement.new.checksum.get_or_insert_with(|| checksum.clone());
    }
    if matches!(resume.file.state, ResumeState::Placed(_)) {
        attempt.permit = None;
        return finished(&attempt, resume, &cancel, started, false).await;
    }
    let before = resume.file.furthest();
    loop {
        let fetched = fetch(&attempt, &mut resume.file, &cancel).await;
        if attempt.mirrors.is_empty() {
            attempt.permit = None;
        }
        resume.file.gets_further();
        let after = resume.file.furthest();
        let progressed = after.0 > before.0 || after.1 > before.1;
        match fetched {
            Err(Unfinished::Stopped) => return (resume, Outcome::Stopped),
            Err(Unfinished::Fault(fault)) if fault.verdict == Verdict::Metalink => {
                let expanded = cancel.unless_set(metalink::expand(&attempt)).await;
                return match expanded {
                    Ok(()) | Err(Unfinished::Stopped) => (resume, Outcome::Stopped),
                    Err(Unfinished::Fault(fault)) => failed(&attempt, resume, fault, false),
                };
            }
            Err(Unfinished::Fault(fault)) => return failed(&attempt, resume, fault, progressed),
            Ok(()) => {}
        }
        attempt.events.complete(resume.file.state.content().and_then(|content| content.size).unwrap_or(0));
        let (finished, outcome) = finished(&attempt, resume, &cancel, started, progressed).await;
        resume = finished;
        // One of several sources has sent wrong bytes: find which.
        let is_mismatch =
            matches!(&outcome, Outcome::Fault { fault, .. } if matches!(fault.verdict, Verdict::Mismatch(_)));
        let sources = 1 + attempt.mirrors.len();
        if !is_mismatch || sources == 1 || !mirrors::doubt_sources(&mut resume.file, sources) {
            return judged(&attempt, resume, outcome);
        }
        tracing::warn!(
            "{}: checksum mismatch of what several sources have sent; each source is checked",
            attempt.events.name()
        );
        attempt.progress.set_local(resume.file.state.blocks().unwrap_or(&Blocks::default()), true);
    }
}

/// What does not match the digest that the server announces is no version of the content: it starts over.
fn judged(attempt: &Attempt, resume: JobResume, outcome: Outcome) -> (JobResume, Outcome) {
    match outcome {
        Outcome::Fault { fault, progressed } if fault.verdict == Verdict::Mismatch(DigestBy::Server) => {
            failed(attempt, resume, Fault { verdict: Verdict::Discard, ..fault }, progressed)
        }
        outcome => (resume, outcome),
    }
}

/// Finishes a content that is complete.
async fn finished(
    attempt: &Attempt,
    mut resume: JobResume,
    cancel: &Cancel,
    started: Instant,
    progressed: bool,
) -> (JobResume, Outcome) {
    let wrong = mirrors::wrong_sources(&resume.file);
    let is_of_one = attempt.mirrors.is_empty() || mirrors::is_of_one_source(&resume.file);
    let pieces = resume.file.pieces.as_ref().filter(|pieces| pieces.is_complete());
    let by_pieces = pieces.filter(|_| attempt.new_job().digest().is_none());
    let by_pieces = by_pieces.map(|pieces| Proof::of_pieces(pieces.pieces()));
    let (file, finished) = finish(attempt, resume.file, cancel).await;
    resume.file = file;
    match finished {
        Ok((AtTarget { content, root, in_place }, unpacked)) => {
            let beside = Aside::of(in_place.target());
            beside.discard(|known| attempt.new_job().addresses().any(|address| known.is_from(address)));
            resume.file.discard_aside();
            let shares = resume.file.senders.shares();
            for (number, why) in wrong {
                if shares.is_wrong(number, &why) {
                    attempt.fetch().source_event(shares.address(number), Some(&why));
                }
            }
            let FileResume { totals, missing, .. } = &resume.file;
            let mut missing = missing.clone();
            let extracted = unpacked.map(|unpacked| {
                missing.merge(&unpacked.missing);
                attempt.placement.report_renamed(&attempt.events, unpacked.renamed);
                unpacked.folder
            });
            let bytes = content.size.unwrap_or(0);
            let finished = Finished {
                path: in_place.path(),
                bytes,
                transferred: totals.transferred,
                resumed: if attempt.source.has_ranges() { bytes.saturating_sub(totals.kept) } else { 0 },
                blake3: root.to_string(),
                origin: content.origin,
                proof: Some(by_pieces.unwrap_or_else(|| {
                    proof(attempt, &content, is_of_one, resume.listed.as_ref().map(|(_, by)| *by))
                })),
                sources: attempt.progress.shares(),
                seconds: started.elapsed().as_secs_f64(),
                files: None,
                omitted: content.sources.map_or(0, |sources| sources.omitted),
                deleted: 0,
                missing,
                extracted,
            };
            (resume, Outcome::Done(finished))
        }
        Err(Unfinished::Stopped) => (resume, Outcome::Stopped),
        Err(Unfinished::Fault(fault)) => failed(attempt, resume, fault, progressed),
    }
}

/// How it is known that a finished content is what its source has. All digests were compared before it was put in place. `listed`: whose
/// list has the checksum.
fn proof(attempt: &Attempt, content: &Content, is_of_one: bool, listed: Option<DigestBy>) -> Proof {
    match (attempt.new_job().digest(), &content.digest) {
        (Some((digest, by)), _) => Proof::verified(digest, listed.unwrap_or(by)),
        (None, Some(announced)) => Proof::verified(announced, DigestBy::Server),
        // Only some of its blocks were compared.
        (None, None) if !is_of_one => Proof::Unproven,
        (None, None) => attempt.source.proof(content),
    }
}

fn failed(
    attempt: &Attempt,
    mut resume: JobResume,
    mut fault: Fault,
    mut progressed: bool,
) -> (JobResume, Outcome) {
    if let Some(content) = resume.file.state.content() {
        fault = content.describe(fault);
    }
    if fault.verdict == Verdict::StartOver
        && !attempt.restart.is_allowed()
        && let Some(question) = resume.file.cannot_continue(attempt.source.has_hashes())
    {
        fault = Fault { verdict: Verdict::Never, ..fault }.asking(question);
    }
    if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) {
        attempt.progress.set_local(&Blocks::default(), true);
        progressed = false;
        let file = &mut resume.file;
        file.totals.restarts += 1;
        let begun = match fault.verdict {
            Verdict::Discard => file.start_over(),
            _ if file.doubt(attempt.source.has_hashes()) => Ok(()),
            _ => file.set_aside(),
        };
        if let Err(disk) = begun {
            fault = disk;
        }
    }
    (resume, Outcome::Fault { fault, progressed })
}

async fn fetch(attempt: &Attempt, resume: &mut FileResume, cancel: &Cancel) -> Result<(), Unfinished> {
    let (fetch, placement) = (attempt.fetch(), &attempt.placement);
    fetch::reopen(placement, &attempt.progress, resume)?;
    match attempt.source.has_ranges() {
        true if !attempt.mirrors.is_empty() => mirrors::fetch(attempt, resume, cancel).await,
        true => fetch::fetch(&fetch, resume, cancel).await,
        false => classic::fetch(&fetch, placement, resume, cancel).await,
    }
}

/// Puts the file in place and unpacks it, on a thread that may block. It is waited for also after `cancel` is set: otherwise a file could
/// appear after the job was reported as paused.
async fn finish(
    attempt: &Attempt,
    mut resume: FileResume,
    cancel: &Cancel,
) -> (FileResume, Result<(AtTarget, Option<Unpacked>), Unfinished>) {
    let Placement { id, new, names, claims, .. } = &attempt.placement;
    let checksum = new.digest().map(|(digest, _)| digest.clone());
    let progress = Arc::clone(&attempt.progress);
    let finish = Finish { existing: new.existing, checksum, sync: attempt.sync, progress };
    let unpack = new.extract.then_some((attempt.extract, *names));
    let (claims, id) = (Arc::clone(claims), *id);
    let cancelled = cancel.clone();
    let work = tokio::task::spawn_blocking(move || {
        let claim = |path: &std::path::Path| claims.claim(path, id);
        let should_continue = || !cancelled.is_set();
        let placed = finish.run(&mut resume, claim, should_continue);
        let finished = placed.and_then(|placed| {
            let unpacked = match unpack {
                Some(accepted) => {
                    unpack_into_folder(&finish, accepted, placed.in_place.target(), should_continue)?
                }
                None => None,
            };
            Ok((placed, unpacked))
        });
        (resume, finished)
    });
    work.await.unwrap_or_else(|_| {
        let fault = Fault::never(TroubleKind::Other, "finishing the file failed with an internal error");
        (FileResume::default(), Err(fault.into()))
    })
}

/// Unpacks a file that is in its place, if it is an archive. If that fails, the file stays, and the next attempt begins with the unpacking.
fn unpack_into_folder(
    finish: &Finish,
    (limits, names): (Extract, Names),
    Target { folder, name, .. }: &Target,
    should_continue: impl Fn() -> bool,
) -> Result<Option<Unpacked>, Unfinished> {
    if !extract::is_archive(name) {
        tracing::info!("{} is not a zip archive, and stays as it is", folder.join(name).shown());
        return Ok(None);
    }
    let archive =
        extract::Archive { folder, name, limits, names, existing: finish.existing, sync: finish.sync };
    archive.unpack(should_continue).map(Some)
}
