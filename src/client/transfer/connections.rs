//! The connections of one transfer: when another one is opened, and when one is closed.

mod wrong_pieces;

use std::{
    collections::VecDeque,
    fmt,
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
    pieces::PieceCheck,
    ranges::SegmentId,
    running_digest::RunningDigest,
    segment::{FIRST, Segment, SegmentEvent, Shared},
    supply::{
        mirror::Mirror,
        prove::{Expected, Sample},
        roster::{Proven, Roster},
        shares::Senders,
        supplier::Supplier,
    },
};
use crate::{
    client::{
        api::{content::checksum::Checksum, views::view::TroubleKind},
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
    /// Which source has sent each of them.
    pub(crate) senders: &'a mut Senders,
    /// Verifies the pieces, if their digests are known.
    pub(crate) pieces: Option<&'a mut PieceCheck>,
    /// Computes the digest of all of them, if one is given.
    pub(crate) digest: Option<&'a mut RunningDigest>,
}

/// Where a transfer receives from.
pub(crate) struct Supply<'a> {
    /// The source that has announced the content.
    pub(crate) first: Supplier,
    /// Sources that may have the same content.
    pub(crate) mirrors: Vec<Mirror>,
    /// A digest of all of it that the user or a metalink has given.
    pub(crate) digest: Option<&'a Checksum>,
    /// Is notified when a source joins, or with the reason why it is dropped.
    pub(crate) notify: &'a (dyn Fn(usize, Option<&str>) + Send + Sync),
}

impl fmt::Debug for Supply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supply")
            .field("first", &self.first)
            .field("mirrors", &self.mirrors)
            .finish_non_exhaustive()
    }
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
pub(super) struct Connections<'a> {
    shared: Arc<Shared>,
    bounds: Bounds<'a>,
    /// The name of the download, for the log.
    name: SafeText,
    roster: Roster,
    digest: Option<&'a Checksum>,
    notify: &'a (dyn Fn(usize, Option<&str>) + Send + Sync),
    tasks: JoinSet<(usize, Result<bool, Fault>)>,
    aborts: Vec<Running>,
    sender: mpsc::UnboundedSender<SegmentEvent>,
    events: mpsc::UnboundedReceiver<SegmentEvent>,
    next: SegmentId,
    /// Connections that were closed because they received nothing.
    stalls: u32,
    /// Bytes that had been received at these times, for the rate.
    measured: VecDeque<(Instant, u64)>,
    /// When the map is updated next.
    map_due: Instant,
    /// Pieces that were wrong.
    wrong_pieces: u32,
}

/// A connection, with the number of its source.
#[derive(Debug)]
struct Running {
    id: SegmentId,
    number: usize,
    abort: AbortHandle,
}

/// What happens next.
enum Step {
    Event(SegmentEvent),
    /// A connection to this source has ended.
    Ended(usize, Result<bool, Fault>),
    /// A connection was closed from here.
    Closed,
    Proven(Proven),
    Check,
}

impl<'a> Connections<'a> {
    pub(super) fn new(
        shared: Arc<Shared>,
        supply: Supply<'a>,
        bounds: Bounds<'a>,
        name: SafeText,
    ) -> Connections<'a> {
        let (sender, events) = mpsc::unbounded_channel();
        let Supply { first, mirrors, digest, notify } = supply;
        Connections {
            shared,
            bounds,
            name,
            roster: Roster::new(Arc::new(first), mirrors),
            digest,
            notify,
            tasks: JoinSet::new(),
            aborts: Vec::new(),
            sender,
            events,
            next: FIRST,
            stalls: 0,
            measured: VecDeque::new(),
            map_due: Instant::now(),
            wrong_pieces: 0,
        }
    }

    /// Begins with an open connection to the first source.
    pub(super) fn begin(&mut self, connection: Connection) {
        if let Some(first) = self.roster.suppliers().first() {
            self.start(Arc::clone(first), Some(connection), None);
        }
    }

    /// Starts a connection; an open one if there is one.
    fn start(&mut self, supplier: Arc<Supplier>, connection: Option<Connection>, permit: Option<Permit>) {
        let (id, number) = (self.next, supplier.number);
        self.next += 1;
        let segment = Segment::new((id, supplier), &self.shared, self.sender.clone(), permit);
        let abort = self.tasks.spawn(async move { (number, segment.run(connection).await) });
        self.aborts.push(Running { id, number, abort });
    }

    /// How many connections a source has.
    fn running(&self, number: usize) -> usize {
        self.aborts.iter().filter(|running| running.number == number && !running.abort.is_finished()).count()
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
                Step::Event(SegmentEvent::Block(block, number)) => block_in_place(|| {
                    self.note(part, received, &block, number);
                    self.check_pieces(part, received, &block)?;
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
                Step::Ended(number, ended) => self.ended(number, ended, part)?,
                Step::Proven(proven) => self.proven(proven, part),
                Step::Closed | Step::Check => {}
            }
            if self.is_done() {
                return Ok(());
            }
            self.prove(part)?;
            self.adjust();
        }
    }

    /// Closes all connections, and records what they have received.
    pub(super) async fn settle(mut self, part: &mut Part<'_>, received: &mut Received) {
        self.finish().await;
        self.tasks.shutdown().await;
        block_in_place(|| {
            while let Ok(event) = self.events.try_recv() {
                if let SegmentEvent::Block(block, number) = event {
                    self.note(part, received, &block, number);
                    // Nothing more is requested of a source that was wrong.
                    let _ = self.check_pieces(part, received, &block);
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
        // The next transfer may begin with another source.
        let begun = ranges.begun_by_first();
        received.kept += begun.iter().map(more).map(u64::from).sum::<u64>();
        part.blocks.set_begun(begun);
    }

    /// A block is written: records whether it is verified, and who has sent it.
    fn note(&self, part: &mut Part<'_>, received: &mut Received, block: &Block, number: usize) {
        match &block.verified {
            Some(verified) => {
                part.blocks.insert(verified);
                part.senders.sent(number, block.index, block.length.into());
                if let Some(digest) = &mut part.digest {
                    digest.advance(part.blocks, |bytes, offset| part.writer.read(bytes, offset));
                }
                received.kept += u64::from(block.length.saturating_sub(block.skipped));
            }
            None => {
                part.blocks.forget(block.index);
                part.senders.forget(block.index);
            }
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
                Ok((number, ended)) => Step::Ended(number, ended),
                Err(error) if error.is_cancelled() => Step::Closed,
                Err(_) => Step::Ended(usize::MAX, Err(Fault::never(
                    TroubleKind::Other,
                    "the transfer ended with an internal error",
                ))),
            },
            proven = self.roster.proven() => Step::Proven(proven),
            () = sleep(CHECK_INTERVAL) => Step::Check,
        }
    }

    /// Whether everything is received, proven and recorded.
    fn is_done(&self) -> bool {
        self.tasks.is_empty() && self.events.is_empty() && self.shared.ranges().is_done()
    }

    /// A connection ended.
    fn ended(&mut self, number: usize, ended: Result<bool, Fault>, part: &Part<'_>) -> Result<(), Fault> {
        self.aborts.retain(|running| !running.abort.is_finished());
        let (alone, now) = (self.tasks.is_empty(), Instant::now());
        let fault = match ended {
            // Otherwise another one has returned its work after this one had looked for some: it is requested again.
            Ok(false) if alone && self.shared.ranges().is_stuck() => {
                let peer = self.roster.suppliers().first().map(|supplier| supplier.source.peer());
                let peer = peer.unwrap_or_default();
                return Err(Fault::never(TroubleKind::Other, format!("{peer} sends empty answers")));
            }
            Ok(_) => return Ok(()),
            Err(fault) => fault,
        };
        let is_local = fault.trouble.kind == TroubleKind::Disk || number == usize::MAX;
        let has_other = !is_local && self.roster.has_other(number, now);
        match fault.retry_after() {
            // One more connection was not needed.
            Some(after) if !alone || has_other || self.shared.ranges().is_done() => {
                self.failed(number, &fault, after);
                Ok(())
            }
            None if !is_local && self.roster.suppliers().len() > 1 => {
                self.drop_source(number, &fault, part);
                Ok(())
            }
            _ => Err(fault),
        }
    }

    /// A connection failed while others continue: they receive its ranges.
    fn failed(&mut self, number: usize, fault: &Fault, after: Duration) {
        self.roster.failed(number, after, Instant::now());
        tracing::info!("{}: {}; the other connections continue", self.name, fault.trouble.message);
    }

    /// Nothing more is requested of a source. What it has sent of the same version stays: digests decide about it.
    fn drop_source(&mut self, number: usize, fault: &Fault, part: &Part<'_>) {
        self.roster.remove(number);
        for running in self.aborts.iter().filter(|running| running.number == number) {
            running.abort.abort();
        }
        let why = fault.trouble.message.as_str();
        if part.senders.shares().drop_source(number, why) {
            (self.notify)(number, Some(why));
        }
    }

    /// Begins to prove mirrors, as soon as there is something to compare, and if enough is left to be shared.
    fn prove(&mut self, part: &Part<'_>) -> Result<(), Fault> {
        let now = Instant::now();
        if !self.roster.has_candidates(now)
            || !self.shared.is_divisible()
            || !self.shared.ranges().can_be_shared()
        {
            return Ok(());
        }
        let is_shown = |block| part.pieces.as_ref().is_none_or(|pieces| pieces.has(block));
        if let Some(sample) = Sample::of(part.blocks, is_shown)? {
            self.roster.prove(&Expected::new(self.shared.content(), self.digest, sample), now);
        }
        Ok(())
    }

    /// A mirror is proven or rejected.
    fn proven(&mut self, proven: Proven, part: &Part<'_>) {
        match proven {
            Proven::Joined(supplier) => {
                self.measured.clear();
                (self.notify)(supplier.number, None);
            }
            Proven::Rejected(number, fault) => self.drop_source(number, &fault, part),
            Proven::Unreached(number, fault) => {
                let address = part.senders.shares().address(number);
                tracing::info!(
                    "{}: the mirror {address} does not help: {}",
                    self.name,
                    fault.trouble.message
                );
            }
        }
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
        let sources = self.roster.suppliers().len();
        let parallel = self.roster.suppliers().iter().map(|supplier| supplier.parallel());
        let parallel = parallel.fold(0, usize::saturating_add).max(1);
        let limits = Arc::clone(&self.shared.limits);
        let divisible = self.shared.is_divisible();
        // Each further source has at least one connection of its own.
        let wanted = limits.connections().saturating_add(sources.saturating_sub(1));
        let max = if divisible { parallel.min(wanted) } else { 1 };
        // Each source has a link of its own.
        let max = if max > 1 {
            self.worthwhile(max, limits.bandwidth.rate(), now).max(sources.min(max))
        } else {
            max
        };
        self.shared.max.store(max, Ordering::Relaxed);
        if self.tasks.is_empty() {
            // Something was taken from the last one, or given back.
            let next = self.roster.next(|_| 0, now).or(self.roster.suppliers().first()).cloned();
            if let Some(next) = next.filter(|_| self.events.is_empty()) {
                let permit = if self.holds_permit(&next) { None } else { next.permit() };
                self.start(next, None, permit);
            }
            return;
        }
        let is_one_of_several = |running: &&Running| {
            !running.abort.is_finished() && (sources <= 1 || self.running(running.number) > 1)
        };
        if self.tasks.len() > max
            && let Some(Running { id, abort, .. }) = self.aborts.iter().rev().find(is_one_of_several)
        {
            tracing::debug!("connection {id} of {} is closed: the rate is low", self.name);
            // The received bytes of its block are kept.
            abort.abort();
            self.measured.clear();
        }
        if max <= 1 {
            return;
        }
        while self.tasks.len() < max && self.shared.ranges().has_work(self.tasks.len(), now) {
            let Some(next) = self.roster.next(|number| self.running(number), now).cloned() else { break };
            let Some(permit) = next.permit() else { break };
            self.start(next, None, Some(permit));
        }
        if self.next > 1 && self.tasks.len() < max {
            let stalled = self.shared.ranges().stalled(self.stalls, now);
            if let Some(Running { id, number, abort }) =
                stalled.and_then(|id| self.aborts.iter().find(|running| running.id == id))
            {
                tracing::debug!("connection {id} of {} is closed: it receives nothing", self.name);
                self.stalls += 1;
                if sources > 1 {
                    self.roster.failed(*number, Duration::ZERO, now);
                }
                abort.abort();
            }
        }
    }

    /// Whether the permit of the attempt is for the server of this source.
    fn holds_permit(&self, supplier: &Supplier) -> bool {
        self.bounds.permit.is_some_and(|permit| supplier.has_server_of(permit))
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
