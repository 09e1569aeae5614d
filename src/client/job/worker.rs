//! One try of one job, from the connection to the finished file.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::sync::watch;

use crate::{
    client::{
        api::{
            command::JobId,
            config::{Extract, Names},
            new_job::{Form, NewJob, Speak},
            origin::Origin,
            view::{Finished, TroubleKind},
        },
        content::blocks::Blocks,
        disk::{folder::Folders, target::Target},
        error::{Fault, Verdict},
        job::{
            claims::Claims,
            classic,
            deletions::Deletions,
            events::Events,
            extract, fetch,
            finish::{Finish, Unfinished},
            memory::Memory,
            tree,
        },
        source::pool::Pool,
        transfer::{crew, limits::Limits, permit::Permit, progress::Progress},
    },
    text::ShowPath,
};

/// What a try works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) id: JobId,
    pub(crate) new: NewJob,
    pub(crate) events: Arc<Events>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) folders: Arc<Folders>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) deletions: Arc<Deletions>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) progress: Arc<Progress>,
    /// For its connections, until none is needed any more.
    pub(crate) permit: Option<Permit>,
    pub(crate) retries: u32,
    pub(crate) sync: bool,
    pub(crate) extract: Extract,
    pub(crate) names: Names,
}

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Finished),
    /// `progressed`: it brought bytes that were not there before.
    Fault {
        fault: Fault,
        progressed: bool,
    },
    Stopped,
}

/// Makes one try. Whatever happens, what was verified is in the memory that comes back.
pub(crate) async fn run(
    mut context: Context,
    mut memory: Memory,
    mut stop: watch::Receiver<bool>,
) -> (Memory, Outcome) {
    let _transfer = context.pool.begin(&context.new.address.authority);
    let path = context.new.address.path.clone();
    tokio::select! {
        biased;
        () = told_to_stop(&mut stop) => return (memory, Outcome::Stopped),
        () = context.deletions.path_deleted(&path) => {}
    }
    if context.new.form == Form::Tree && context.new.speak == Speak::V1 {
        match tree::run(&mut context, &mut memory, stop.clone()).await {
            Some(outcome) => return (memory, outcome),
            None => context.new.form = Form::File,
        }
    }
    let started = *memory.started.get_or_insert_with(Instant::now);
    if memory.placed.is_some() {
        context.permit = None;
        return finished(&context, memory, stop, started, false).await;
    }
    let before = (memory.furthest, memory.remote.furthest());
    // Dropping the transfer at any of its waits loses nothing: blocks are noted as they are verified, here or below.
    let fetched = tokio::select! {
        biased;
        () = told_to_stop(&mut stop) => None,
        fetched = fetch(&mut context, &mut memory) => Some(fetched),
    };
    crew::settle(&context, &mut memory).await;
    context.permit = None;
    memory.gets_further();
    let progressed = memory.furthest > before.0 || memory.remote.furthest() > before.1;
    match fetched {
        None => return (memory, Outcome::Stopped),
        Some(Err(fault)) => return failed(&context.progress, memory, fault, progressed),
        Some(Ok(())) => {}
    }
    context.events.complete(memory.size().unwrap_or(0));
    finished(&context, memory, stop, started, progressed).await
}

/// Finishes what is all here.
async fn finished(
    context: &Context,
    memory: Memory,
    stop: watch::Receiver<bool>,
    started: Instant,
    progressed: bool,
) -> (Memory, Outcome) {
    let (mut memory, finished) = finish(context, memory, stop).await;
    match finished {
        Ok((path, unpacked)) => {
            let mut missing = memory.lost.clone();
            let extracted = unpacked.map(|unpacked| {
                missing.merge(&unpacked.missing);
                context.tell_renamed(unpacked.renamed);
                unpacked.folder
            });
            let bytes = memory.size().unwrap_or(0);
            let finished = Finished {
                path,
                bytes,
                transferred: memory.transferred,
                resumed: match context.new.speak {
                    Speak::V1 => bytes.saturating_sub(memory.received),
                    Speak::Classic(_) => 0,
                },
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
        Err(Unfinished::Fault(fault)) => failed(&context.progress, memory, fault, progressed),
    }
}

/// Waits for the word, or for the engine to be gone.
pub(crate) async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(drop);
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

async fn fetch(context: &mut Context, memory: &mut Memory) -> Result<(), Fault> {
    fetch::take_up(context, memory)?;
    match context.new.speak {
        Speak::V1 => fetch::fetch(context, memory).await,
        Speak::Classic(dialect) => classic::fetch(context, memory, dialect).await,
    }
}

/// Puts the file in place on a thread that may block. It is not abandoned when told to stop but told so itself:
/// otherwise a file could appear after the job was reported as paused.
async fn finish(
    context: &Context,
    mut memory: Memory,
    mut stop: watch::Receiver<bool>,
) -> (Memory, Result<(PathBuf, Option<extract::Unpacked>), Unfinished>) {
    let finish =
        Finish { existing: context.new.existing, checksum: context.new.checksum.clone(), sync: context.sync };
    let (folders, claims, id) = (Arc::clone(&context.folders), Arc::clone(&context.claims), context.id);
    let unpack = context.new.extract.then_some((context.extract, context.names));
    let go_on = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&go_on);
    let mut work = tokio::task::spawn_blocking(move || {
        let claim = |path: &std::path::Path| claims.claim(path, id);
        let go_on = || asked.load(Ordering::Relaxed);
        let result = finish.run(&mut memory, claim, go_on);
        let result = result.and_then(|path| match unpack {
            Some(accepted) => unpacked(&folders, &finish, accepted, &mut memory, path, go_on),
            None => Ok((path, None)),
        });
        (memory, result)
    });
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = told_to_stop(&mut stop) => {
            go_on.store(false, Ordering::Relaxed);
            work.await
        }
    };
    ended.unwrap_or_else(|_| {
        let fault = Fault::never(TroubleKind::Other, "finishing the file failed with an internal error");
        (Memory::default(), Err(fault.into()))
    })
}

/// Unpacks a file that is in its place, if it is an archive. One that could not be stays where it is, and another try
/// begins with the unpacking.
fn unpacked(
    folders: &Folders,
    finish: &Finish,
    (limits, names): (Extract, Names),
    memory: &mut Memory,
    path: PathBuf,
    go_on: impl Fn() -> bool,
) -> Result<(PathBuf, Option<extract::Unpacked>), Unfinished> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok((path, None)) };
    if !extract::is_archive(name) {
        tracing::info!("{} is not a zip archive, and stays as it is", path.shown());
        return Ok((path, None));
    }
    let folder = folders.open(parent)?;
    memory.placed = Some(Target::new(Arc::clone(&folder), name.to_owned()));
    let archive = extract::Archive {
        folder: &folder,
        name,
        limits,
        names,
        existing: finish.existing,
        sync: finish.sync,
    };
    let target = archive.unpack(go_on)?;
    Ok((path, Some(target)))
}
