//! The connections of one job: how many there are, and what they bring.
//!
//! Each runs as a task of its own, so that they hash side by side, and writes to the `.part` itself. What is
//! known of the content is changed here alone, by the job's own task, as they tell of their blocks.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet, block_in_place},
    time::sleep,
};

use crate::{
    protocol::{
        client::Block,
        message::{Content, Form},
    },
    text::SafeText,
};

use super::{
    Event, Existing, TroubleKind,
    board::Slot,
    dial,
    link::Link,
    memory::{Memory, buffer, hash_block},
    name::SafeName,
    place,
    ranges::{Ranges, SegmentId, WORTH},
    retry::{Fault, Verdict},
    segment::{Known, News, Segment, Site},
    worker::Context,
};

/// How often it is looked whether a connection could be relieved.
const LOOK: Duration = Duration::from_millis(500);
/// A server that refuses another connection, or loses one, is not asked for one again before this; each time
/// doubles it.
const REFUSED: Duration = Duration::from_secs(5);

/// See the module. Empty while nothing runs.
#[derive(Debug)]
pub(super) struct Crew {
    site: Arc<Site>,
    tasks: JoinSet<Result<bool, Fault>>,
    aborts: Vec<(SegmentId, AbortHandle)>,
    sender: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
    known: Option<Arc<Known>>,
    next: SegmentId,
    /// Connections beside the first that failed.
    failures: u32,
    /// Until when no other is tried.
    resting: Option<Instant>,
    /// Connections that were given up because nothing came.
    stalls: u32,
}

/// What happens next.
enum Step {
    News(News),
    Ended(Result<bool, Fault>),
    /// It is time to look around.
    Look,
}

/// Fetches what is missing, beginning on `link`. Cancelled, it needs [`settle`].
pub(super) async fn fetch(context: &Context, memory: &mut Memory, link: Link) -> Result<(), Fault> {
    let mut crew = Crew::new(context, memory)?;
    crew.start(Some(link), None);
    memory.crew = Some(Box::new(crew));
    let fetched = work(context, memory).await;
    settle(context, memory).await;
    fetched
}

async fn work(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    while let Some(crew) = &mut memory.crew {
        match crew.step().await {
            Step::News(news) => block_in_place(|| take(context, memory, news))?,
            Step::Ended(ended) => crew.ended(context, ended)?,
            Step::Look => {}
        }
        if let Some(crew) = &mut memory.crew {
            if crew.is_done() {
                break;
            }
            crew.widen(context);
        }
    }
    Ok(())
}

/// Stops what runs, and notes what it has brought.
pub(super) async fn settle(context: &Context, memory: &mut Memory) {
    let Some(mut crew) = memory.crew.take() else { return };
    crew.tasks.shutdown().await;
    block_in_place(|| {
        while let Ok(news) = crew.news.try_recv() {
            if let News::Block(block) = news {
                keep(context, memory, &block);
            }
        }
    });
    memory.transferred += crew.site.crossed.load(Ordering::Relaxed);
    memory.proven = crew.site.ranges().is_proven();
}

fn take(context: &Context, memory: &mut Memory, news: News) -> Result<(), Fault> {
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
        News::Block(block) if block.intact => {
            keep(context, memory, &block);
            compare(memory, &block)?;
        }
        News::Block(block) => {
            memory.blocks.forget(block.index);
            count_corrupt(context, memory, None, block.index)?;
        }
        News::End(end) => {
            if let Some(source) = &mut memory.source {
                source.size = source.size.or(end.size);
            }
        }
    }
    Ok(())
}

/// A block is written, intact and noted on the disk.
fn keep(context: &Context, memory: &mut Memory, block: &Block) {
    memory.blocks.insert(block.index, block.length, &block.digest);
    memory.received += u64::from(block.length);
    context.progress.set_verified(memory.blocks.bytes());
}

/// A block came corrupt, of this file of a tree: it is asked for again, but not for ever.
pub(super) fn count_corrupt(
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
            format!("blocks arrived corrupt {attempt} times, the last one was block {index}{of_file}"),
        ));
    }
    let (id, name) = (context.id, context.name());
    let reason = SafeText::new(&reason);
    context.board.tell(Event::Retry { id, name, attempt, of, seconds: 0.0, reason });
    Ok(())
}

/// The first answer: holds it against what is known, or decides where the content goes.
fn introduce(context: &Context, memory: &mut Memory, content: &Content) -> Result<Arc<Known>, Fault> {
    match &memory.source {
        Some(source) => {
            let same_size = content.size.is_none() || source.size.is_none() || content.size == source.size;
            if source.identity != content.identity || !same_size {
                return Err(Fault::changed("the source changed on the server"));
            }
        }
        None => {
            prepare(context, memory, content)?;
            memory.source = Some(context.source(content));
            memory.record();
        }
    }
    memory.recalled = false;
    memory.rival = rival(context, memory, content);
    let Some(place) = &memory.place else {
        return Err(Fault::never(TroubleKind::Other, "there is no place for what comes"));
    };
    context.answered(&place.target, content);
    Ok(Arc::new(Known {
        identity: content.identity.clone(),
        form: content.form,
        size: memory.size(),
        writer: place.part.writer()?.clone(),
    }))
}

/// The target of an archive, if it exists and is to stay.
fn rival(context: &Context, memory: &Memory, content: &Content) -> Option<File> {
    let target = &memory.place.as_ref()?.target;
    let compared = content.form == Form::Zip && context.new.existing == Existing::Keep;
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
    Err(place::differs(&place.target, Some(&place.part.path())))
}

/// Decides where it goes, and makes room.
fn prepare(context: &Context, memory: &mut Memory, content: &Content) -> Result<(), Fault> {
    let new = &context.new;
    let archive = content.form == Form::Zip;
    let name = SafeName::for_content(new.address.path.name(), &content.name, archive);
    if let Some(place) = memory.place.take_if(|place| !place.target.fits(new, &name)) {
        place.part.discard();
    }
    if memory.place.is_none() {
        memory.place = Some(context.place(&name, content.size)?);
    }
    if let (Some(place), Some(size)) = (&memory.place, content.size) {
        place.part.claim(size)?;
    }
    if let Some(sources) = content.sources.filter(|sources| sources.omitted > 0) {
        tracing::warn!(
            "{}: the archive leaves out {} entries that are neither files nor directories of the served folder",
            new.address,
            sources.omitted
        );
    }
    Ok(())
}

impl Crew {
    fn new(context: &Context, memory: &mut Memory) -> Result<Crew, Fault> {
        let form = context.new.form.on_the_wire();
        let segments = context.board.segments();
        let source = memory.source.as_ref();
        // How large an unknown content is the first answer tells: until then others may want their share of it.
        let most = if source.is_none() && segments > 1 && form != Form::Zip { WORTH } else { u64::MAX };
        let identity = source.map(|source| source.identity.clone());
        let missing = memory.missing();
        let (sender, news) = mpsc::unbounded_channel();
        let site = Site {
            authority: context.new.address.authority.clone(),
            path: context.new.address.path.as_str().to_owned(),
            form,
            identity,
            board: Arc::clone(&context.board),
            pool: Arc::clone(&context.pool),
            progress: Arc::clone(&context.progress),
            ranges: Ranges::new(&missing, memory.size(), most, memory.proven).into(),
            most: AtomicUsize::new(segments),
            crossed: AtomicU64::new(0),
        };
        Ok(Crew {
            site: Arc::new(site),
            tasks: JoinSet::new(),
            aborts: Vec::new(),
            sender,
            news,
            known: None,
            next: 0,
            failures: 0,
            resting: None,
            stalls: 0,
        })
    }

    fn start(&mut self, link: Option<Link>, slot: Option<Slot>) {
        let id = self.next;
        self.next += 1;
        let segment = Segment::new(id, &self.site, self.sender.clone(), self.known.clone(), slot);
        self.aborts.push((id, self.tasks.spawn(segment.run(link))));
    }

    /// Waits for what happens next. Nothing is lost if it is dropped.
    async fn step(&mut self) -> Step {
        tokio::select! {
            biased;
            Some(news) = self.news.recv() => Step::News(news),
            Some(ended) = self.tasks.join_next() => match ended {
                Ok(ended) => Step::Ended(ended),
                // Given up from here.
                Err(error) if error.is_cancelled() => Step::Ended(Ok(true)),
                Err(_) => Step::Ended(Err(Fault::never(
                    TroubleKind::Other,
                    "the transfer ended by a defect of this program",
                ))),
            },
            () = sleep(LOOK) => Step::Look,
        }
    }

    /// Whether everything is here, proven and noted.
    fn is_done(&self) -> bool {
        self.tasks.is_empty() && self.news.is_empty() && self.site.ranges().is_done()
    }

    /// A connection ended.
    fn ended(&mut self, context: &Context, ended: Result<bool, Fault>) -> Result<(), Fault> {
        self.aborts.retain(|(_, abort)| !abort.is_finished());
        let alone = self.tasks.is_empty();
        match ended {
            // Otherwise another one has given back its work after this one had looked for some: it is asked for anew.
            Ok(false) if alone && self.site.ranges().is_stuck() => {
                let peer = dial::peer(&self.site.authority);
                Err(Fault::never(TroubleKind::Other, format!("{peer} answers with nothing")))
            }
            Ok(_) => Ok(()),
            Err(fault) => match fault.verdict {
                Verdict::Again(after) if !alone => {
                    self.failed(context, &fault, after);
                    Ok(())
                }
                _ => Err(fault),
            },
        }
    }

    /// A connection failed while others go on: they get what it has not brought.
    fn failed(&mut self, context: &Context, fault: &Fault, after: Duration) {
        self.failures += 1;
        let wait = REFUSED.saturating_mul(1 << (self.failures - 1).min(6)).max(after);
        self.resting = Some(Instant::now() + wait);
        tracing::info!("{}: {}; the other connections go on", context.name(), fault.trouble.message);
    }

    /// Starts other connections if they would have something to do, and gives up one from which nothing comes.
    fn widen(&mut self, context: &Context) {
        let now = Instant::now();
        // An archive is made from its front: in several pieces it would only be made several times.
        let is_archive = self.known.as_ref().is_some_and(|known| known.form != Form::File);
        let parallel = context.slot.as_ref().map_or(1, Slot::parallel);
        let most = if is_archive { 1 } else { parallel.min(context.board.segments()) };
        self.site.most.store(most, Ordering::Relaxed);
        if self.tasks.is_empty() {
            // Something was taken from the last one, or given back.
            if self.news.is_empty() {
                self.start(None, None);
            }
            return;
        }
        if self.known.is_none() || most <= 1 {
            return;
        }
        while self.tasks.len() < most
            && self.resting.is_none_or(|until| until <= now)
            && self.site.ranges().has_work(self.tasks.len(), now)
        {
            let Some(slot) = context.slot.as_ref().and_then(Slot::another) else { break };
            self.start(None, Some(slot));
        }
        if self.next > 1 && self.tasks.len() < most {
            let stalled = self.site.ranges().stalled(self.stalls, now);
            if let Some((id, abort)) =
                stalled.and_then(|id| self.aborts.iter().find(|(other, _)| *other == id))
            {
                tracing::debug!("connection {id} of {} is given up: nothing comes", context.name());
                self.stalls += 1;
                abort.abort();
            }
        }
    }
}
