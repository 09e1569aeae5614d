//! The connections of one transfer: when another one is opened, and when one is closed.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet, block_in_place},
    time::{sleep, timeout_at},
};

use super::{
    limits::Limits,
    permit::Permit,
    ranges::SegmentId,
    segment::{FIRST, Segment, SegmentEvent, Shared},
};
use crate::{
    client::{
        api::views::view::TroubleKind,
        content::blocks::Blocks,
        disk::part::Writer,
        error::Fault,
        source::{Connection, sink::Block},
    },
    protocol::{
        digest::{BLOCK_SIZE, Hash},
        message::Missing,
    },
    text::SafeText,
};

/// How often the number of connections is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How often the map of the content is updated with the blocks that connections receive: about as often as it is drawn.
const MAP_INTERVAL: Duration = Duration::from_millis(250);
/// Time until another connection is tried after one was refused or lost; it doubles each time.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Another connection is opened if a block is expected to take at most this long with it (in seconds).
const MAX_BLOCK_SECONDS_TO_OPEN: f64 = 4.0;
/// A connection is closed if a block takes longer than this.
const MAX_BLOCK_SECONDS: f64 = 8.0;
/// The time over which the rate of all connections is measured (in seconds).
const RATE_SECONDS: f64 = 3.0;
/// Time for connections to receive the rest of their blocks, before they are closed.
const FINISH_TIMEOUT: Duration = Duration::from_millis(400);

/// The partial file that a transfer writes to.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) writer: Writer,
    /// Its verified blocks.
    pub(crate) blocks: &'a mut Blocks,
}

/// What a transfer has received, however it ended.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Bytes of content that were received.
    pub(crate) transferred: u64,
    /// Bytes of those that are kept.
    pub(crate) kept: u64,
    /// Whether the source confirmed, after the last block that was kept, that the content is the same.
    pub(crate) proven: bool,
    /// Bytes of the content, if its end was received.
    pub(crate) size: Option<u64>,
    /// The digest of the content, as the source says.
    pub(crate) digest: Option<Hash>,
    /// Entries that are missing in an archive, as the source reported at the end of its last answer.
    pub(crate) missing: Option<Missing>,
}

/// What bounds a transfer.
#[derive(Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) limits: &'a Arc<Limits>,
    /// The permit of the first connection; others need their own.
    pub(crate) permit: Option<&'a Permit>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connections<'a> {
    shared: Arc<Shared>,
    bounds: Bounds<'a>,
    /// The name of the download, for the log.
    name: SafeText,
    tasks: JoinSet<Result<bool, Fault>>,
    aborts: Vec<(SegmentId, AbortHandle)>,
    sender: mpsc::UnboundedSender<SegmentEvent>,
    events: mpsc::UnboundedReceiver<SegmentEvent>,
    next: SegmentId,
    /// Connections beside another one that failed.
    failures: u32,
    /// Until when no other connection is opened.
    paused: Option<Instant>,
    /// Connections that were closed because they received nothing.
    stalls: u32,
    /// Bytes that had been received at these times, for the rate.
    measured: VecDeque<(Instant, u64)>,
    /// When the map is updated next.
    map_due: Instant,
}

/// What happens next.
enum Step {
    Event(SegmentEvent),
    Ended(Result<bool, Fault>),
    Check,
}

impl<'a> Connections<'a> {
    pub(super) fn new(shared: Arc<Shared>, bounds: Bounds<'a>, name: SafeText) -> Connections<'a> {
        let (sender, events) = mpsc::unbounded_channel();
        Connections {
            shared,
            bounds,
            name,
            tasks: JoinSet::new(),
            aborts: Vec::new(),
            sender,
            events,
            next: FIRST,
            failures: 0,
            paused: None,
            stalls: 0,
            measured: VecDeque::new(),
            map_due: Instant::now(),
        }
    }

    /// Starts a connection; an open one if there is one.
    pub(super) fn start(&mut self, connection: Option<Connection>, permit: Option<Permit>) {
        let id = self.next;
        self.next += 1;
        let segment = Segment::new(id, &self.shared, self.sender.clone(), permit);
        self.aborts.push((id, self.tasks.spawn(segment.run(connection))));
    }

    /// Works until everything is received. It may be dropped at any wait; then [`Connections::settle`] has to follow.
    pub(super) async fn work(
        &mut self,
        part: &mut Part<'_>,
        received: &mut Received,
        check: &mut impl FnMut(&Block) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.adjust();
        loop {
            match self.step().await {
                Step::Event(SegmentEvent::Block(block)) => block_in_place(|| {
                    self.note(part, received, &block);
                    check(&block)
                })?,
                Step::Event(SegmentEvent::End(end)) => {
                    // Merged, because the source may send more than a list has room for.
                    let mut missing = Missing::default();
                    end.missing.iter().for_each(|named| missing.merge(named));
                    received.missing = Some(missing);
                    received.size = received.size.or(end.size);
                    received.digest = end.digest.or(received.digest);
                }
                Step::Ended(ended) => self.ended(ended)?,
                Step::Check => {}
            }
            if self.is_done() {
                return Ok(());
            }
            self.adjust();
        }
    }

    /// Closes all connections, and records what they have received.
    pub(super) async fn settle(mut self, part: &mut Part<'_>, received: &mut Received) {
        self.finish().await;
        self.tasks.shutdown().await;
        block_in_place(|| {
            while let Ok(event) = self.events.try_recv() {
                if let SegmentEvent::Block(block) = event {
                    self.note(part, received, &block);
                }
            }
        });
        self.shared.progress.with_map(|map| map.set_in_work(Vec::new(), Vec::new()));
        received.transferred = self.shared.transferred.load(Ordering::Relaxed);
        let ranges = self.shared.ranges();
        received.proven = ranges.is_proven();
        let more = |(index, bytes): (&u64, &u32)| {
            bytes.saturating_sub(part.blocks.begun().get(index).copied().unwrap_or(0))
        };
        received.kept += ranges.begun().iter().map(more).map(u64::from).sum::<u64>();
        part.blocks.set_begun(ranges.begun().clone());
    }

    /// A block is written: records whether it is verified.
    fn note(&self, part: &mut Part<'_>, received: &mut Received, block: &Block) {
        match &block.verified {
            Some(verified) => {
                part.blocks.insert(verified);
                received.kept += u64::from(block.length.saturating_sub(block.skipped));
            }
            None => part.blocks.forget(block.index),
        }
        self.shared.progress.with_map(|map| map.set(block.index, block.verified.is_some()));
        self.shared.progress.set_verified(part.blocks.bytes());
    }

    /// Lets connections finish the blocks that they are receiving, if that takes a short time.
    async fn finish(&mut self) {
        self.shared.finishing.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let deadline = tokio::time::Instant::now() + FINISH_TIMEOUT;
        while self.shared.ranges().is_about_to_finish(now, Instant::now(), FINISH_TIMEOUT) {
            match timeout_at(deadline, self.tasks.join_next()).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// How many connections the rate is enough for, at most `max`.
    fn worthwhile(&mut self, max: usize, limit: Option<u64>, now: Instant) -> usize {
        let transferred = self.shared.transferred.load(Ordering::Relaxed);
        let is_due =
            self.measured.back().is_none_or(|(last, _)| now.duration_since(*last) >= CHECK_INTERVAL / 2);
        if is_due {
            self.measured.push_back((now, transferred));
        }
        let is_old = |(at, _): &(Instant, u64)| now.duration_since(*at).as_secs_f64() >= RATE_SECONDS;
        while self.measured.get(1).is_some_and(is_old) {
            self.measured.pop_front();
        }
        let running = self.tasks.len().max(1);
        let rate = self.measured.front().filter(|first| is_old(first)).map(|(at, before)| {
            transferred.saturating_sub(*before) as f64 / now.duration_since(*at).as_secs_f64()
        });
        connections(max, running, rate, limit)
    }

    /// Waits for what happens next. It may be dropped.
    async fn step(&mut self) -> Step {
        tokio::select! {
            biased;
            Some(event) = self.events.recv() => Step::Event(event),
            Some(ended) = self.tasks.join_next() => match ended {
                Ok(ended) => Step::Ended(ended),
                // Closed from here.
                Err(error) if error.is_cancelled() => Step::Ended(Ok(true)),
                Err(_) => Step::Ended(Err(Fault::never(
                    TroubleKind::Other,
                    "the transfer ended with an internal error",
                ))),
            },
            () = sleep(CHECK_INTERVAL) => Step::Check,
        }
    }

    /// Whether everything is received, proven and recorded.
    fn is_done(&self) -> bool {
        self.tasks.is_empty() && self.events.is_empty() && self.shared.ranges().is_done()
    }

    /// A connection ended.
    fn ended(&mut self, ended: Result<bool, Fault>) -> Result<(), Fault> {
        self.aborts.retain(|(_, abort)| !abort.is_finished());
        let alone = self.tasks.is_empty();
        match ended {
            // Otherwise another one has returned its work after this one had looked for some: it is requested again.
            Ok(false) if alone && self.shared.ranges().is_stuck() => {
                let peer = self.shared.source(FIRST).0.peer();
                Err(Fault::never(TroubleKind::Other, format!("{peer} sends empty answers")))
            }
            Ok(_) => Ok(()),
            Err(fault) => match fault.retry_after() {
                // One more connection was not needed.
                Some(after) if !alone || self.shared.ranges().is_done() => {
                    self.failed(&fault, after);
                    Ok(())
                }
                _ => Err(fault),
            },
        }
    }

    /// A connection failed while others continue: they receive its ranges.
    fn failed(&mut self, fault: &Fault, after: Duration) {
        self.failures += 1;
        let wait = RETRY_INTERVAL.saturating_mul(1 << (self.failures - 1).min(6)).max(after);
        self.paused = Some(Instant::now() + wait);
        tracing::info!("{}: {}; the other connections continue", self.name, fault.trouble.message);
    }

    /// Opens other connections if they would have something to do, and closes one that receives nothing.
    fn adjust(&mut self) {
        let now = Instant::now();
        // Not after each block: a fast transfer has hundreds of them a second.
        if now >= self.map_due {
            self.map_due = now + MAP_INTERVAL;
            self.shared.progress.with_map(|map| {
                let ranges = self.shared.ranges();
                map.set_in_work(ranges.in_work().collect(), ranges.begun().keys().copied().collect());
            });
        }
        let parallel = self.bounds.permit.map_or(1, Permit::parallel);
        let limits = Arc::clone(&self.shared.limits);
        let max = if self.shared.is_divisible() { parallel.min(limits.connections()) } else { 1 };
        let max = if max > 1 { self.worthwhile(max, limits.bandwidth.rate(), now) } else { max };
        self.shared.max.store(max, Ordering::Relaxed);
        if self.tasks.is_empty() {
            // Something was taken from the last one, or given back.
            if self.events.is_empty() {
                self.start(None, None);
            }
            return;
        }
        if self.tasks.len() > max
            && let Some((id, abort)) = self.aborts.iter().rev().find(|(_, abort)| !abort.is_finished())
        {
            tracing::debug!("connection {id} of {} is closed: the rate is low", self.name);
            // The received bytes of its block are kept.
            abort.abort();
            self.measured.clear();
        }
        if max <= 1 {
            return;
        }
        while self.tasks.len() < max
            && self.paused.is_none_or(|until| until <= now)
            && self.shared.ranges().has_work(self.tasks.len(), now)
        {
            let Some(permit) = self.bounds.permit.and_then(Permit::another) else { break };
            self.start(None, Some(permit));
        }
        if self.next > 1 && self.tasks.len() < max {
            let stalled = self.shared.ranges().stalled(self.stalls, now);
            if let Some((id, abort)) =
                stalled.and_then(|id| self.aborts.iter().find(|(other, _)| *other == id))
            {
                tracing::debug!("connection {id} of {} is closed: it receives nothing", self.name);
                self.stalls += 1;
                abort.abort();
            }
        }
    }
}

/// How many connections are worth it, at most `max`: at a rate (bytes a second) of those that run, and with a limit.
fn connections(max: usize, running: usize, rate: Option<f64>, limit: Option<u64>) -> usize {
    let block = BLOCK_SIZE as f64;
    // At most as many as receive a block each within that time, if they share that rate.
    let within = |seconds: f64, rate: f64| ((rate * seconds / block) as usize).max(1);
    let max = limit.map_or(max, |limit| max.min(within(MAX_BLOCK_SECONDS_TO_OPEN, limit as f64)));
    match rate {
        None => max,
        Some(rate) => {
            max.min(within(MAX_BLOCK_SECONDS_TO_OPEN, rate).max(running.min(within(MAX_BLOCK_SECONDS, rate))))
        }
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
