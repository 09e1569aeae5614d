//! Receives a content that several sources have: each is tried as the first one, and the others help. One that has another content is dropped.

use tokio::task::block_in_place;

use crate::{
    client::{
        api::{address::locator::Locator, question::Question, views::view::TroubleKind},
        content::Content,
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::{Attempt, Fetch},
            file::{
                fetch, recall,
                resume::{FileResume, Sieve},
                state::{Known, ResumeState, Version},
            },
        },
        transfer::{
            cancel::Cancel,
            permit::Permit,
            supply::{
                mirror::Mirror,
                prove::{Expected, Sample, prove},
                shares::{Senders, Shares},
            },
        },
    },
    protocol::digest::{BLOCK_SIZE, Hash},
    text::units,
};

/// Receives what is missing, from whichever sources have it; afterwards the content is complete.
pub(crate) async fn fetch(
    attempt: &Attempt,
    resume: &mut FileResume,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    let addresses: Vec<_> = attempt.new_job().addresses().collect();
    if !resume.senders.shares().are_of(addresses.iter().copied()) {
        resume.senders = Senders::of(Shares::of(addresses.iter().copied()));
        resume.sieve = None;
    }
    attempt.progress.show_shares(resume.senders.shares());
    let sources = sources(attempt);
    let mut first_fault = None;
    for number in order(&addresses, resume) {
        let (Some(source), Some(address)) = (sources.get(number), addresses.get(number)) else { continue };
        let own = if number == 0 { None } else { source.permit() };
        let permit = if number == 0 { attempt.permit.as_ref() } else { own.as_ref() };
        let is_alone = resume.sieve.is_some();
        let is_helper = |mirror: &&Mirror| {
            !is_alone && mirror.number != number && !resume.senders.shares().is_dropped(mirror.number)
        };
        let mirrors: Vec<_> = sources.iter().filter(is_helper).cloned().collect();
        let fetch =
            Fetch { source: &source.source, number, mirrors: &mirrors, address, permit, ..attempt.fetch() };
        let fault = match from(&fetch, source, resume, cancel).await {
            Ok(()) => return Ok(()),
            Err(Unfinished::Stopped) => return Err(Unfinished::Stopped),
            Err(Unfinished::Fault(fault)) => fault,
        };
        let is_local = fault.trouble.kind == TroubleKind::Disk
            || matches!(fault.trouble.question.as_deref(), Some(Question::Exists(_)));
        if is_local || is_alone {
            return Err(fault.into());
        }
        let (shares, message) = (resume.senders.shares().clone(), fault.trouble.message.clone());
        if fault.is_of_moment() {
            tracing::info!("{}: {message}; the next source is tried", shares.address(number));
            first_fault.get_or_insert(fault);
        } else if mirrors.is_empty() {
            return Err(first_fault.unwrap_or(fault).into());
        } else {
            if shares.drop_source(number, message.as_str()) {
                fetch.source_event(shares.address(number), Some(message.as_str()));
            }
            if fault.verdict == Verdict::Discard {
                block_in_place(|| resume.start_over())?;
            }
        }
    }
    let none = || {
        Fault::never(
            TroubleKind::Integrity,
            "none of the sources has the content; retry tries all of them again",
        )
    };
    Err(first_fault.unwrap_or_else(none).into())
}

/// All sources of the job by their numbers.
fn sources(attempt: &Attempt) -> Vec<Mirror> {
    let own = attempt.permit.as_ref().map(|permit| Mirror {
        number: 0,
        source: attempt.source.clone(),
        server: std::sync::Arc::clone(Permit::server(permit)),
    });
    own.into_iter().chain(attempt.mirrors.iter().cloned()).collect()
}

/// The sources in the order in which they are tried: first the one that the local blocks are from.
fn order(addresses: &[&Locator], resume: &FileResume) -> Vec<usize> {
    if let Some(sieve) = &resume.sieve {
        return vec![sieve.source];
    }
    let content = resume.state.content();
    let first = content.and_then(|content| addresses.iter().position(|address| content.is_from(address)));
    let shares = resume.senders.shares();
    let all = first.into_iter().chain((0..addresses.len()).filter(|number| Some(*number) != first));
    all.filter(|number| !shares.is_dropped(*number)).collect()
}

/// Receives what is missing, with this source as the first one.
async fn from(
    fetch: &Fetch<'_>,
    source: &Mirror,
    resume: &mut FileResume,
    cancel: &Cancel,
) -> Result<(), Unfinished> {
    if let Some(placement) = fetch.placement {
        cancel.unless_set(recall::recall(fetch, placement, resume)).await?;
    }
    cancel.unless_set(take_over(fetch, source, resume)).await?;
    fetch::fetch(fetch, resume, cancel).await
}

/// The local blocks are from another source: shows that this one has the same content before anything of it is added.
async fn take_over(fetch: &Fetch<'_>, source: &Mirror, resume: &mut FileResume) -> Result<(), Fault> {
    let is_of_another = |state: &ResumeState| matches!(state, ResumeState::Known(known) if !known.content.is_from(fetch.address));
    if !is_of_another(&resume.state) {
        return Ok(());
    }
    block_in_place(|| fetch::verify_pieces(fetch, resume))?;
    let ResumeState::Known(Known { content, blocks, .. }) = &resume.state else { return Ok(()) };
    let is_shown = |block| resume.pieces.as_ref().is_none_or(|pieces| pieces.has(block));
    let Some(sample) = Sample::of(blocks, is_shown)? else {
        return block_in_place(|| resume.start_over());
    };
    let proven = prove(source.clone(), &Expected::new(content, fetch.digest, sample)).await?;
    let ResumeState::Known(known) = &mut resume.state else { return Ok(()) };
    // Of a block that is not complete there is no digest to compare.
    known.blocks.set_begun(Default::default());
    known.content = Content { name: known.content.name.clone(), ..proven.content };
    known.version = Version::Unproven;
    block_in_place(|| resume.record());
    fetch.progress.set_local(resume.state.blocks().unwrap_or(&Default::default()), true);
    Ok(())
}

/// The digest of the content does not match. If it is from several sources, one of them is believed at a time, and what others have
/// sent is received again from it. Returns whether there is one to believe.
pub(crate) fn doubt_sources(resume: &mut FileResume, sources: usize) -> bool {
    let FileResume { state, senders, sieve, .. } = resume;
    let ResumeState::Complete(known, _) = state else { return false };
    let is_wrong = |senders: &Senders, number: usize| {
        senders.shares().is_wrong(number, "what it sends does not match the digest of the content");
        senders.shares().forgive_different();
    };
    if let Some(sieve) = sieve.take() {
        is_wrong(senders, sieve.source);
    }
    let Some(mut source) = senders.main(sources) else { return false };
    let before = known.blocks.bytes();
    let mut suspects = senders.keep_only(source, &mut known.blocks);
    if known.blocks.bytes() == before {
        // All of it is from this source alone.
        is_wrong(senders, source);
        let Some(next) = senders.main(sources) else { return false };
        (source, suspects) = (next, senders.keep_only(next, &mut known.blocks));
    }
    *sieve = Some(Sieve { source, suspects });
    known.unproven();
    resume.incomplete();
    resume.record();
    true
}

/// The sources that have sent other bytes than those in a complete content that is from one source alone, and what is wrong with them. It is
/// true once the content is shown to have its digest.
pub(crate) fn wrong_sources(resume: &FileResume) -> Vec<(usize, String)> {
    let (ResumeState::Complete(known, _), Some(sieve)) = (&resume.state, &resume.sieve) else {
        return Vec::new();
    };
    let differs = |(index, (sender, hash)): (&u64, &(usize, Hash))| {
        let digest = known.blocks.digest(*index, known.blocks.length(*index));
        let is_same = digest.is_some_and(|digest| digest.chaining == *hash);
        let offset = index.saturating_mul(BLOCK_SIZE);
        (!is_same).then(|| (*sender, format!("it has sent wrong bytes at {}", units::count(offset))))
    };
    sieve.suspects.iter().filter_map(differs).collect()
}

/// Whether a complete content is shown to be from one source alone.
pub(crate) fn is_of_one_source(resume: &FileResume) -> bool {
    match &resume.state {
        ResumeState::Complete(known, _) => resume.senders.is_one(&known.blocks),
        _ => true,
    }
}
