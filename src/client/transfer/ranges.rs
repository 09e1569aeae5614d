//! Which blocks of a content are requested on which connection: each of them once, whichever connections are lost.
//! No I/O, and time is an argument.
//!
//! Missing blocks are given out from the front in ranges of a few seconds' work, so that all connections end
//! at about the same time. When nothing is left to give, a connection without work takes blocks from one that would
//! take longer; never the block that is being received there. A block of which some bytes are local is the first of a range, since
//! only of that one these bytes need not be sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    time::{Duration, Instant},
};

use crate::client::content::blocks::Blocks;

/// Blocks that are worth another connection.
pub(crate) const MIN_BLOCKS_PER_CONNECTION: u64 = 8;
/// Blocks of one request, at most, where there are several connections.
const MAX_BLOCKS: u64 = 256;
/// Blocks of the first request of a connection whose pace is not known.
const FIRST_BLOCKS: u64 = 4;
/// Requests of one connection without an answer, at most.
const MAX_REQUESTS: usize = 16;
/// Seconds of work that are requested ahead, so that a connection is never idle for a round trip.
const AHEAD_SECONDS: f64 = 4.0;
/// Work that takes less than this (in seconds) is not taken away.
const MIN_STOLEN_SECONDS: f64 = 2.0;
/// A connection that receives nothing for this long is closed if only it has something left to receive.
const STALL_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection of a job.
pub(crate) type SegmentId = u32;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ranges {
    /// Ranges that were not requested: ends by beginnings.
    free: BTreeMap<u64, u64>,
    /// Local bytes of blocks that are not complete.
    begun: BTreeMap<u64, u32>,
    /// The numbers of the sources that have sent them, where it is not the first one of the transfer: within a block, sources are not mixed.
    begun_by: BTreeMap<u64, usize>,
    holds: BTreeMap<SegmentId, Hold>,
    /// Blocks of the content, once its size is known.
    blocks: Option<u64>,
    /// Blocks that are worth another connection.
    per_connection: u64,
    /// Blocks that are given to one connection together.
    unit: u64,
    /// Whether what was missing at first is worth several connections.
    shared: bool,
    /// Blocks of a request, at most, while the size is not known.
    max: u64,
    /// Rises whenever blocks were kept, and the source has not confirmed since that the content is still the same.
    doubts: u64,
    /// Up to which of these doubts an answer to a later request has ended.
    settled: u64,
}

/// What was requested on one connection.
#[derive(Debug)]
struct Hold {
    requested: VecDeque<Requested>,
    /// Seconds that a block takes.
    pace: Option<f64>,
    /// When the last block was received.
    block: Instant,
    /// When anything was received.
    heard: Instant,
}

#[derive(Debug)]
struct Requested {
    /// Blocks that are not received, without those that were taken away.
    left: Range<u64>,
    /// The doubts when it was requested.
    doubts: u64,
    /// Whether anything of it was kept.
    kept: bool,
}

impl Hold {
    fn left(&self) -> u64 {
        self.requested.iter().map(|request| length(&request.left)).fold(0, u64::saturating_add)
    }

    /// The most blocks of a request.
    fn ahead(&self) -> u64 {
        match self.pace {
            Some(pace) => ((AHEAD_SECONDS / pace) as u64).clamp(1, MAX_BLOCKS),
            None => FIRST_BLOCKS,
        }
    }

    /// Seconds until all of it is received, as an estimate.
    fn expected(&self, now: Instant) -> f64 {
        let silent = now.saturating_duration_since(self.block).as_secs_f64();
        let pace = self.pace.unwrap_or(silent);
        match self.left() {
            0 => 0.0,
            left => pace.max(silent) + pace * (left - 1) as f64,
        }
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

impl Ranges {
    /// What is `missing` of a content of `size` bytes, where that is known. `max`: the most blocks of
    /// a request until it is. `proven`: the server confirmed, after all local blocks, that the content is still the same.
    pub(crate) fn new(missing: &[Range<u64>], size: Option<u64>, max: u64, proven: bool) -> Ranges {
        let mut ranges = Ranges {
            free: missing.iter().map(|range| (range.start, range.end)).collect(),
            begun: BTreeMap::new(),
            begun_by: BTreeMap::new(),
            holds: BTreeMap::new(),
            blocks: None,
            per_connection: MIN_BLOCKS_PER_CONNECTION,
            unit: 1,
            shared: false,
            max,
            doubts: u64::from(!proven),
            settled: 0,
        };
        if let Some(size) = size {
            ranges.known(size);
        }
        ranges
    }

    /// Some bytes of these blocks are local.
    pub(crate) fn with_begun(self, begun: BTreeMap<u64, u32>) -> Ranges {
        Ranges { begun, ..self }
    }

    /// Other sources may help: their links are not shared, so that each block is worth a connection.
    pub(crate) fn with_mirrors(self) -> Ranges {
        let shared = self.blocks.is_some() && self.left() >= 2;
        Ranges { per_connection: 1, shared, ..self }
    }

    /// So many blocks, from a multiple of that number on, are verified together: one source sends all of them.
    pub(crate) fn with_unit(self, unit: u64) -> Ranges {
        Ranges { unit: unit.max(1), ..self }
    }

    /// These blocks are not correct, although they were received: they have to be requested again.
    pub(crate) fn again(&mut self, blocks: Range<u64>) {
        self.give_back(blocks);
    }

    /// Whether there is enough left for another source.
    pub(crate) fn can_be_shared(&self) -> bool {
        self.blocks.is_some() && self.left() >= 2
    }

    /// The blocks of which some bytes are local.
    pub(crate) fn begun(&self) -> &BTreeMap<u64, u32> {
        &self.begun
    }

    /// Local bytes of a block.
    pub(crate) fn skip(&self, index: u64) -> u32 {
        self.begun.get(&index).copied().unwrap_or(0)
    }

    /// Bytes were received of a block that was requested on a connection.
    pub(crate) fn keep(&mut self, index: u64, bytes: u32) {
        if bytes > self.skip(index) {
            self.begun.insert(index, bytes);
        }
    }

    /// The blocks of which the first source of the transfer has sent some bytes.
    pub(crate) fn begun_by_first(&self) -> BTreeMap<u64, u32> {
        let is_first = |(index, _): &(&u64, &u32)| !self.begun_by.contains_key(index);
        self.begun.iter().filter(is_first).map(|(index, bytes)| (*index, *bytes)).collect()
    }

    /// The same, of a source that is not the first one of the transfer.
    pub(crate) fn keep_of(&mut self, index: u64, bytes: u32, source: usize) {
        if bytes > self.skip(index) {
            self.begun_by.insert(index, source);
        }
        self.keep(index, bytes);
    }

    /// Forgets the local bytes of a block if they are not of this source (`None`: the first one). Returns how many there were.
    pub(crate) fn forget_others(&mut self, index: u64, source: Option<usize>) -> u32 {
        if self.begun_by.get(&index).copied() == source {
            return 0;
        }
        self.begun_by.remove(&index);
        self.begun.remove(&index).unwrap_or(0)
    }

    /// The block that each connection receives.
    pub(crate) fn in_work(&self) -> impl Iterator<Item = u64> {
        let first = |hold: &Hold| {
            hold.requested.iter().find(|request| length(&request.left) > 0).map(|a| a.left.start)
        };
        self.holds.values().filter_map(first)
    }

    /// Whether everything is requested, on one connection or another.
    pub(crate) fn is_all_requested(&self) -> bool {
        self.free.is_empty()
    }

    /// The size of the content has become known.
    pub(crate) fn known(&mut self, size: u64) {
        let end = Blocks::in_all(size);
        if self.blocks.replace(end) == Some(end) {
            return;
        }
        self.free.retain(|start, _| *start < end);
        self.free.values_mut().for_each(|last| *last = end.min(*last));
        for request in self.holds.values_mut().flat_map(|hold| &mut hold.requested) {
            request.left.end = end.min(request.left.end).max(request.left.start);
        }
        self.shared = self.left() >= 2 * self.per_connection;
    }

    /// Blocks that were not received.
    fn left(&self) -> u64 {
        self.holds.values().map(Hold::left).fold(self.unrequested(), u64::saturating_add)
    }

    /// Blocks that were not requested.
    fn unrequested(&self) -> u64 {
        self.free.iter().map(|(start, end)| end - start).fold(0, u64::saturating_add)
    }

    /// The size is not known before the end: all of it is requested at once.
    pub(crate) fn unbounded(&mut self) {
        self.max = u64::MAX;
    }

    /// Whether everything is received and proven.
    pub(crate) fn is_done(&self) -> bool {
        self.blocks.is_some()
            && self.free.is_empty()
            && self.holds.values().all(|hold| hold.requested.is_empty())
            && self.is_proven()
    }

    /// Whether nothing can be requested although something is missing, and no connection receives anything.
    pub(crate) fn is_stuck(&self) -> bool {
        !self.is_done() && self.free.is_empty() && self.proof().is_none()
    }

    /// Whether the server confirmed, after the last block that was kept, that the content is still the same.
    pub(crate) fn is_proven(&self) -> bool {
        let open = |request: &Requested| request.kept;
        self.settled >= self.doubts && !self.holds.values().any(|hold| hold.requested.iter().any(open))
    }

    /// Whether one more connection, beside `others`, would have something to do.
    pub(crate) fn has_work(&self, others: usize, now: Instant) -> bool {
        if others == 0 {
            return !self.is_done();
        }
        let worth = !self.free.is_empty() && self.left() / self.per_connection > others as u64;
        self.shared && (worth || self.slowest(None, now).is_some())
    }

    /// The next range to request on a connection; `None` if it has enough to do, or nothing is left. An empty range only
    /// requests whether the content is still the same. `max`: the maximum number of connections.
    pub(crate) fn request(&mut self, id: SegmentId, max: usize, now: Instant) -> Option<Range<u64>> {
        let hold = self.holds.entry(id).or_insert_with(|| Hold {
            requested: VecDeque::new(),
            pace: None,
            block: now,
            heard: now,
        });
        let (idle, requested, held, ahead) =
            (hold.requested.is_empty(), hold.requested.len(), hold.left(), hold.ahead());
        let share = self.share(max, ahead);
        // One block is on its way while another one is requested.
        let full = requested >= MAX_REQUESTS || held >= share.max(2);
        if !idle && (full || self.blocks.is_none()) {
            return None;
        }
        let left = match self.take(share) {
            None if idle => self.steal(id, now).or_else(|| self.proof())?,
            taken => taken?,
        };
        let hold = self.holds.get_mut(&id)?;
        if idle {
            (hold.block, hold.heard) = (now, now);
        }
        hold.requested.push_back(Requested { left: left.clone(), doubts: self.doubts, kept: false });
        Some(left)
    }

    /// The most blocks of a request on one of several connections: it receives them soon, and enough is left for the others, which may not
    /// be open yet.
    fn share(&self, connections: usize, ahead: u64) -> u64 {
        match self.blocks {
            None => self.max,
            Some(_) if connections <= 1 => u64::MAX,
            Some(_) => {
                let connections =
                    (self.left() / self.per_connection).min(connections as u64).max(self.holds.len() as u64);
                ahead.min(self.unrequested().div_ceil(2 * connections)).max(1)
            }
        }
    }

    /// The first blocks that are not requested, at most `max`. A block of which some bytes are local is always the first.
    fn take(&mut self, max: u64) -> Option<Range<u64>> {
        let containing = |index: u64| {
            let (&start, &end) = self.free.range(..=index).next_back()?;
            (index < end).then_some((start, index, end))
        };
        let first = || self.free.first_key_value().map(|(&start, &end)| (start, start, end));
        let (start, from, end) = self.begun.keys().find_map(|&index| containing(index)).or_else(first)?;
        let next = self.begun.range(from + 1..).next().map_or(u64::MAX, |(&index, _)| index);
        let middle = end.min(self.unit_end(from.saturating_add(max))).min(next);
        self.free.remove(&start);
        for (start, end) in [(start, from), (middle, end)] {
            if start < end {
                self.free.insert(start, end);
            }
        }
        Some(from..middle)
    }

    /// Where the unit ends that the block before this one is in.
    fn unit_end(&self, end: u64) -> u64 {
        end.checked_next_multiple_of(self.unit).unwrap_or(u64::MAX)
    }

    /// The connection that needs longest for its blocks, if another one could receive some of them sooner.
    fn slowest(&self, thief: Option<SegmentId>, now: Instant) -> Option<SegmentId> {
        if !self.shared {
            return None;
        }
        let pace = thief.and_then(|thief| self.holds.get(&thief)?.pace).unwrap_or(0.0);
        let (id, hold) = self
            .holds
            .iter()
            .filter(|(id, hold)| Some(**id) != thief && hold.left() > 1)
            .max_by(|(_, a), (_, b)| a.expected(now).total_cmp(&b.expected(now)))?;
        (hold.expected(now) > MIN_STOLEN_SECONDS.max(2.0 * pace)).then_some(*id)
    }

    /// Takes blocks from the connection that needs longest.
    fn steal(&mut self, thief: SegmentId, now: Instant) -> Option<Range<u64>> {
        let victim = self.slowest(Some(thief), now)?;
        let unit = self.unit;
        let mut waiting =
            self.holds.get_mut(&victim)?.requested.iter_mut().filter(|request| length(&request.left) > 0);
        // The first block of the first range may be on its way.
        let first = waiting.next()?;
        let (from, keep) = match waiting.last() {
            Some(last) => (last, 0),
            None => {
                let keep = length(&first.left).div_ceil(2);
                (first, keep)
            }
        };
        let middle = from.left.start + keep;
        let middle = if keep == 0 { middle } else { middle.next_multiple_of(unit).min(from.left.end) };
        let stolen = middle..from.left.end;
        from.left.end = middle;
        (length(&stolen) > 0).then_some(stolen)
    }

    /// The empty range that only requests whether all blocks are of one version, if nothing else is missing.
    fn proof(&self) -> Option<Range<u64>> {
        let nothing_asked = self.holds.values().all(|hold| hold.requested.is_empty());
        (self.blocks.is_some() && nothing_asked && !self.is_proven()).then_some(0..0)
    }

    /// Bytes of a block are received on a connection. Returns `false` if the block was taken from it: they must not be written.
    pub(crate) fn receiving(&mut self, id: SegmentId, index: u64, now: Instant) -> bool {
        let Some(hold) = self.holds.get_mut(&id) else { return false };
        hold.heard = now;
        hold.requested
            .front()
            .is_some_and(|request| request.left.contains(&index) && request.left.start == index)
    }

    /// A block is complete on a connection. If it is corrupt, it has to be requested again.
    pub(crate) fn block_ended(&mut self, id: SegmentId, index: u64, intact: bool, now: Instant) {
        let Some(hold) = self.holds.get_mut(&id) else { return };
        let Some(request) = hold.requested.front_mut().filter(|request| request.left.start == index) else {
            return;
        };
        request.left.start = index + 1;
        request.kept |= intact;
        self.begun.remove(&index);
        self.begun_by.remove(&index);
        let took = now.saturating_duration_since(hold.block).as_secs_f64().max(1e-6);
        hold.pace = Some(hold.pace.map_or(took, |pace| 0.75 * pace + 0.25 * took));
        hold.block = now;
        if !intact {
            self.give_back(index..index + 1);
        }
    }

    /// The answer to the first request of a connection has ended: the content was still the same after it.
    pub(crate) fn ended(&mut self, id: SegmentId) {
        let Some(request) = self.holds.get_mut(&id).and_then(|hold| hold.requested.pop_front()) else {
            return;
        };
        self.settled = self.settled.max(request.doubts);
        // Of a content without a size, what is left is after its end.
        if self.blocks.is_some() {
            self.give_back(request.left);
        }
    }

    /// A connection is lost: other connections receive what is left of its ranges.
    pub(crate) fn lost(&mut self, id: SegmentId) {
        let Some(hold) = self.holds.remove(&id) else { return };
        if hold.requested.iter().any(|request| request.kept) {
            self.doubts += 1;
        }
        for request in hold.requested {
            self.give_back(request.left);
        }
    }

    /// The only connection that has something to receive, if it has received nothing for a while; `patience` makes that longer.
    pub(crate) fn stalled(&self, patience: u32, now: Instant) -> Option<SegmentId> {
        if !self.free.is_empty() {
            return None;
        }
        let limit = STALL_TIMEOUT.saturating_mul(1 << patience.min(16));
        let silent = |hold: &Hold| now.saturating_duration_since(hold.heard) > limit;
        self.holds.iter().find(|(_, hold)| hold.left() > 0 && silent(hold)).map(|(id, _)| *id)
    }

    /// Whether a connection is expected to receive the block that it holds within this time after `since`.
    pub(crate) fn is_about_to_finish(&self, since: Instant, now: Instant, within: Duration) -> bool {
        self.holds.values().filter(|hold| hold.left() > 0).any(|hold| {
            let left = hold.pace.map(|pace| pace - since.saturating_duration_since(hold.block).as_secs_f64());
            left.is_some_and(|left| left < within.as_secs_f64())
                && now.saturating_duration_since(hold.heard) < within
        })
    }

    fn give_back(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        if let Some((&before, &last)) = self.free.range(..start).next_back()
            && last >= start
        {
            self.free.remove(&before);
            (start, end) = (before, end.max(last));
        }
        if let Some(last) = self.free.remove(&range.end) {
            end = last;
        }
        self.free.insert(start, end);
    }
}

#[cfg(test)]
mod tests;
