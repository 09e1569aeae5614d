//! The connections of one job: when there is another one, and when one is given up.
//!
//! Each runs as a task of its own, so that they hash side by side, and writes to the `.part` itself. What is
//! known of the content is changed by the job's own task alone, as they tell of their blocks.

mod news;

use std::{
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

use self::news::{keep, take};
use super::{
    TroubleKind,
    board::Slot,
    dial,
    link::Link,
    memory::Memory,
    ranges::{Ranges, SegmentId, WORTH},
    retry::Fault,
    segment::{Known, News, Segment, Site},
    worker::Context,
};
use crate::protocol::message::Form;

pub(super) use news::count_corrupt;

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

impl Crew {
    fn new(context: &Context, memory: &mut Memory) -> Result<Crew, Fault> {
        let form = context.new.asked_form();
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
            Err(fault) => match fault.retry_after() {
                Some(after) if !alone => {
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
