//! The connections of one job: when there is another one, and when one is given up.
//!
//! Each runs as a task of its own, so that they hash side by side, and writes to the `.part` itself. What is
//! known of the content is changed by the job's own task alone, as they tell of their blocks.

mod news;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet, block_in_place},
    time::{sleep, timeout_at},
};

use self::news::{note, take};
use crate::{
    client::{
        api::{origin::Origin, view::TroubleKind},
        error::Fault,
        job::{memory::Memory, worker::Context},
        source::{dial, link::Link},
        transfer::{
            permit::Permit,
            ranges::{Ranges, SegmentId, WORTH},
            segment::{Known, News, Segment, Site},
        },
    },
    protocol::{digest::BLOCK_SIZE, message::Form},
};
pub(crate) use news::count_corrupt;

/// How often it is looked whether a connection could be relieved.
const LOOK: Duration = Duration::from_millis(500);
/// A server that refuses another connection, or loses one, is not asked for one again before this; each time
/// doubles it.
const REFUSED: Duration = Duration::from_secs(5);

/// Another connection is opened if a block is expected to take no longer than this with it (in seconds).
const BRISK: f64 = 4.0;
/// One is closed if a block takes longer than this.
const SLUGGISH: f64 = 8.0;
/// Over this time the rate of all connections is measured (in seconds).
const MEASURED: f64 = 3.0;
/// Connections may take this long for the block that they hold, before they are closed.
const FINISHING: Duration = Duration::from_millis(400);

/// See the module. Empty while nothing runs.
#[derive(Debug)]
pub(crate) struct Crew {
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
    /// What has come when, for the rate.
    measured: VecDeque<(Instant, u64)>,
}

/// What happens next.
enum Step {
    News(News),
    Ended(Result<bool, Fault>),
    /// It is time to look around.
    Look,
}

/// Fetches what is missing, beginning on `link`. Cancelled, it needs [`settle`].
pub(crate) async fn fetch(context: &Context, memory: &mut Memory, link: Link) -> Result<(), Fault> {
    let mut crew = Crew::new(context, memory, link.origin())?;
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
pub(crate) async fn settle(context: &Context, memory: &mut Memory) {
    let Some(mut crew) = memory.crew.take() else { return };
    crew.finish().await;
    crew.tasks.shutdown().await;
    block_in_place(|| {
        while let Ok(news) = crew.news.try_recv() {
            if let News::Block(block) = news {
                note(context, memory, &block);
            }
        }
    });
    memory.transferred += crew.site.crossed.load(Ordering::Relaxed);
    let ranges = crew.site.ranges();
    memory.proven = ranges.is_proven();
    let more = |(index, bytes): (&u64, &u32)| {
        bytes.saturating_sub(memory.blocks.begun().get(index).copied().unwrap_or(0))
    };
    memory.received += ranges.begun().iter().map(more).map(u64::from).sum::<u64>();
    memory.blocks.set_begun(ranges.begun().clone());
}

impl Crew {
    fn new(context: &Context, memory: &mut Memory, origin: Origin) -> Result<Crew, Fault> {
        let form = context.new.asked_form();
        let segments = context.limits.connections();
        let source = memory.source.as_ref();
        // How large an unknown content is the first answer tells: until then others may want their share of it.
        let most = if source.is_none() && segments > 1 && form != Form::Zip { WORTH } else { u64::MAX };
        let identity = source.map(|source| source.identity.clone());
        let missing = memory.missing();
        let (sender, news) = mpsc::unbounded_channel();
        let site = Site {
            authority: context.new.address.authority.clone(),
            origin,
            path: context.new.address.path.as_str().to_owned(),
            form,
            identity,
            limits: Arc::clone(&context.limits),
            pool: Arc::clone(&context.pool),
            progress: Arc::clone(&context.progress),
            ranges: Ranges::new(&missing, memory.size(), most, memory.proven)
                .with_begun(memory.blocks.begun().clone())
                .into(),
            most: AtomicUsize::new(segments),
            crossed: AtomicU64::new(0),
            finishing: AtomicBool::new(false),
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
            measured: VecDeque::new(),
        })
    }

    /// Lets connections finish the blocks that they hold, if that takes but a moment.
    async fn finish(&mut self) {
        self.site.finishing.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let deadline = tokio::time::Instant::now() + FINISHING;
        while self.site.ranges().is_about_to_finish(now, Instant::now(), FINISHING) {
            match timeout_at(deadline, self.tasks.join_next()).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// How many connections the rate is enough for, of these many that there may be.
    fn worthwhile(&mut self, most: usize, limit: Option<u64>, now: Instant) -> usize {
        let crossed = self.site.crossed.load(Ordering::Relaxed);
        let is_due = self.measured.back().is_none_or(|(last, _)| now.duration_since(*last) >= LOOK / 2);
        if is_due {
            self.measured.push_back((now, crossed));
        }
        let is_old = |(at, _): &(Instant, u64)| now.duration_since(*at).as_secs_f64() >= MEASURED;
        while self.measured.get(1).is_some_and(is_old) {
            self.measured.pop_front();
        }
        let running = self.tasks.len().max(1);
        let rate = self.measured.front().filter(|first| is_old(first)).map(|(at, before)| {
            crossed.saturating_sub(*before) as f64 / now.duration_since(*at).as_secs_f64()
        });
        connections(most, running, rate, limit)
    }

    fn start(&mut self, link: Option<Link>, permit: Option<Permit>) {
        let id = self.next;
        self.next += 1;
        let segment = Segment::new(id, &self.site, self.sender.clone(), self.known.clone(), permit);
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
                    "the transfer ended with an internal error",
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
                // One more connection was not needed.
                Some(after) if !alone || self.site.ranges().is_done() => {
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
        tracing::info!(
            "{}: {}; the other connections continue",
            context.events.name(),
            fault.trouble.message
        );
    }

    /// Starts other connections if they would have something to do, and gives up one from which nothing comes.
    fn widen(&mut self, context: &Context) {
        let now = Instant::now();
        // An archive is made from its front: in several pieces it would only be made several times.
        let is_archive = self.known.as_ref().is_some_and(|known| known.form != Form::File);
        let parallel = context.permit.as_ref().map_or(1, Permit::parallel);
        let most = if is_archive { 1 } else { parallel.min(context.limits.connections()) };
        let most = if most > 1 { self.worthwhile(most, context.limits.bandwidth.rate(), now) } else { most };
        self.site.most.store(most, Ordering::Relaxed);
        if self.tasks.is_empty() {
            // Something was taken from the last one, or given back.
            if self.news.is_empty() {
                self.start(None, None);
            }
            return;
        }
        if self.known.is_none() {
            return;
        }
        if self.tasks.len() > most
            && let Some((id, abort)) = self.aborts.iter().rev().find(|(_, abort)| !abort.is_finished())
        {
            tracing::debug!("connection {id} of {} is closed: the rate is low", context.events.name());
            // What it has of a block is kept.
            abort.abort();
            self.measured.clear();
        }
        if most <= 1 {
            return;
        }
        while self.tasks.len() < most
            && self.resting.is_none_or(|until| until <= now)
            && self.site.ranges().has_work(self.tasks.len(), now)
        {
            let Some(permit) = context.permit.as_ref().and_then(Permit::another) else { break };
            self.start(None, Some(permit));
        }
        if self.next > 1 && self.tasks.len() < most {
            let stalled = self.site.ranges().stalled(self.stalls, now);
            if let Some((id, abort)) =
                stalled.and_then(|id| self.aborts.iter().find(|(other, _)| *other == id))
            {
                tracing::debug!(
                    "connection {id} of {} is closed: it receives nothing",
                    context.events.name()
                );
                self.stalls += 1;
                abort.abort();
            }
        }
    }
}

/// How many of the connections that there may be are worth it, at a rate (bytes a second) of those that run, and with a limit.
fn connections(most: usize, running: usize, rate: Option<f64>, limit: Option<u64>) -> usize {
    let block = BLOCK_SIZE as f64;
    // At most as many as receive a block each within that time, if they share that rate.
    let within = |seconds: f64, rate: f64| ((rate * seconds / block) as usize).max(1);
    let most = limit.map_or(most, |limit| most.min(within(BRISK, limit as f64)));
    match rate {
        None => most,
        Some(rate) => most.min(within(BRISK, rate).max(running.min(within(SLUGGISH, rate)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_rate_is_not_shared_by_many_connections() {
        let kilo = 1000.0;
        assert_eq!(connections(4, 1, None, None), 4, "the rate is not known yet");
        assert_eq!(connections(4, 4, Some(100_000.0 * kilo), None), 4);
        assert_eq!(connections(4, 1, Some(300.0 * kilo), None), 1, "a second one would make both slow");
        assert_eq!(connections(4, 4, Some(300.0 * kilo), None), 2, "one after the other is closed");
        assert_eq!(connections(4, 2, Some(300.0 * kilo), None), 2, "and not opened again soon after that");
        assert_eq!(connections(4, 2, Some(200.0 * kilo), None), 1);
        assert_eq!(connections(4, 1, Some(0.0), None), 1, "one is always there");
        assert_eq!(connections(4, 1, None, Some(100_000)), 1, "a limit decides before anything is received");
        assert_eq!(connections(4, 1, None, Some(10_000_000)), 4);
    }
}
