//! One connection of a transfer: requests the ranges that it is given, and writes what it receives.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::mpsc;

use super::{
    limits::Limits,
    permit::Permit,
    progress::Progress,
    ranges::{Ranges, SegmentId},
    supply::supplier::Supplier,
};
use crate::{
    client::{
        content::{Access, Content},
        disk::part::Writer,
        error::Fault,
        source::{
            Connection,
            sink::{Answer, Block, End, Flow, KEEP_INTERVAL, Sink, Wanted},
        },
    },
    protocol::{digest::BLOCK_SIZE, message::Form},
};

/// The connection on which a content is opened.
pub(super) const FIRST: SegmentId = 0;

/// Bytes that are read at once of the local part of a block.
const READ_LEN: usize = 64 * 1024;

/// What the connections of a transfer share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The content, as its first source announced it.
    content: Content,
    /// The number of that source.
    first: usize,
    /// The form that is requested.
    form: Form,
    writer: Writer,
    pub(super) limits: Arc<Limits>,
    pub(super) progress: Arc<Progress>,
    /// Never locked during I/O or hashing.
    ranges: Mutex<Ranges>,
    /// How many connections there may be.
    pub(super) max: AtomicUsize,
    /// Bytes of content that were received.
    pub(super) transferred: AtomicU64,
    /// Connections end with the block that they are receiving.
    pub(super) finishing: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        (content, first): (Content, usize),
        form: Form,
        writer: Writer,
        limits: &Arc<Limits>,
        progress: &Arc<Progress>,
        ranges: Ranges,
    ) -> Arc<Shared> {
        Arc::new(Shared {
            content,
            first,
            form,
            writer,
            max: AtomicUsize::new(limits.connections()),
            limits: Arc::clone(limits),
            progress: Arc::clone(progress),
            ranges: Mutex::new(ranges),
            transferred: AtomicU64::new(0),
            finishing: AtomicBool::new(false),
        })
    }

    /// The ranges, for a moment.
    pub(super) fn ranges(&self) -> MutexGuard<'_, Ranges> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content, as its first source announced it.
    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// Whether several connections can receive the content.
    pub(super) fn is_divisible(&self) -> bool {
        // An archive is made from its beginning: in several pieces it would only be made several times.
        self.is_file() && self.content.access == Access::Ranges
    }

    /// Whether the content is a file; else it is an archive, which a server makes from its beginning.
    pub(super) fn is_file(&self) -> bool {
        self.content.form == Form::File
    }
}

/// The next range to request on a connection.
pub(super) fn wanted(
    ranges: &mut Ranges,
    id: SegmentId,
    max: usize,
    form: Form,
    identity: Option<String>,
) -> Option<Wanted> {
    let blocks = ranges.request(id, max, Instant::now())?;
    let skip = if blocks.is_empty() { 0 } else { ranges.skip(blocks.start) };
    Some(Wanted { form, identity, blocks, skip, digest: ranges.is_all_requested() })
}

/// What a connection reports.
#[derive(Debug)]
pub(super) enum SegmentEvent {
    /// A block is received and written; if it is verified, it is recorded in the journal. The number is that of the source.
    Block(Block, usize),
    /// An answer has ended.
    End(End),
}

/// See the module. When it is dropped, its ranges are free for other connections.
#[derive(Debug)]
pub(super) struct Segment {
    id: SegmentId,
    supplier: Arc<Supplier>,
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<SegmentEvent>,
    /// Its permit, unless that is the attempt's own.
    permit: Option<Permit>,
    /// Where the next byte belongs.
    offset: u64,
    /// The block that is being received.
    partial: Option<Partial>,
    /// Whether content was received.
    running: bool,
    /// Whether anything was requested.
    worked: bool,
}

/// A block that is being received.
#[derive(Clone, Copy, Debug)]
struct Partial {
    index: u64,
    /// Bytes of it that are written, from its first on.
    written: u32,
    /// How many of them are recorded in the journal, and since when.
    noted: (u32, Instant),
}

impl Partial {
    /// Bytes that need not be received again. The last one must: a block of which nothing is missing cannot be requested.
    fn kept(&self) -> u32 {
        self.written.saturating_sub(1)
    }
}

impl Segment {
    pub(super) fn new(
        (id, supplier): (SegmentId, Arc<Supplier>),
        shared: &Arc<Shared>,
        events: mpsc::UnboundedSender<SegmentEvent>,
        permit: Option<Permit>,
    ) -> Segment {
        let shared = Arc::clone(shared);
        Segment {
            id,
            supplier,
            shared,
            events,
            permit,
            offset: 0,
            partial: None,
            running: false,
            worked: id == FIRST,
        }
    }

    /// Works until nothing is left to request. Returns whether anything was requested.
    pub(super) async fn run(mut self, connection: Option<Connection>) -> Result<bool, Fault> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.supplier.source.connect(Some(self.supplier.content.origin)).await?,
        };
        connection.read(&mut self).await?;
        connection.put();
        Ok(self.worked)
    }

    /// The transfer may have ended.
    fn report(&self, event: SegmentEvent) {
        let _ = self.events.send(event);
    }

    /// The number of its source, if that is not the first one of the transfer.
    fn other(&self) -> Option<usize> {
        let number = self.supplier.number;
        (number != self.shared.first).then_some(number)
    }

    /// Whether bytes of a block may be written: how many of it are local, or `None` if another connection receives it now.
    fn may_write(&self, index: u64, now: Instant) -> Option<u32> {
        let mut ranges = self.shared.ranges();
        ranges.receiving(self.id, index, now).then(|| ranges.skip(index))
    }

    /// More bytes of a block are written, of which `local` were local before.
    fn wrote(&mut self, count: u64, index: u64, local: u32, now: Instant) {
        self.offset += count;
        let partial = self.partial.get_or_insert(Partial { index, written: local, noted: (local, now) });
        // A server that does not skip sends again what was counted before.
        let end = u32::try_from(self.offset - index * BLOCK_SIZE).unwrap_or(u32::MAX);
        let more = end.saturating_sub(partial.written).into();
        self.shared.progress.advance(more, self.shared.is_file());
        partial.written = partial.written.max(end);
        self.note(now);
    }

    /// Records in the journal from time to time how much of the current block is written.
    fn note(&mut self, now: Instant) {
        // The journal does not say which source they are of.
        if self.other().is_some() {
            return;
        }
        let Some(partial) = &mut self.partial else { return };
        if partial.kept() > partial.noted.0 && now.duration_since(partial.noted.1) >= KEEP_INTERVAL {
            self.shared.writer.begun(partial.index, partial.kept());
            partial.noted = (partial.kept(), now);
        }
    }
}

impl Sink for Segment {
    fn next(&mut self) -> Option<Wanted> {
        if self.permit.as_ref().is_some_and(Permit::is_wanted) {
            return None;
        }
        let max = self.shared.max.load(Ordering::Relaxed);
        let identity = Some(self.supplier.content.identity.clone());
        let mut ranges = self.shared.ranges();
        let mut wanted = wanted(&mut ranges, self.id, max, self.shared.form, identity)?;
        let dropped = match wanted.skip {
            0 => 0,
            _ => ranges.forget_others(wanted.blocks.start, self.other()),
        };
        drop(ranges);
        if dropped > 0 {
            wanted.skip = 0;
            self.shared.writer.begun(wanted.blocks.start, 0);
            self.shared.progress.retreat(dropped.into(), self.shared.is_file());
        }
        self.worked = true;
        Some(wanted)
    }

    fn begins(&mut self, answer: &Answer) -> Result<(), Fault> {
        self.offset = answer.offset;
        if !std::mem::replace(&mut self.running, true) {
            self.shared.progress.segment_begins();
        }
        if self.supplier.content.is_same_as(&answer.identity, answer.size) {
            return Ok(());
        }
        Err(Fault::changed("the source changed on the server"))
    }

    fn skipped(&mut self, offset: u64, length: u64, give: &mut dyn FnMut(&[u8])) {
        let mut bytes = vec![0; READ_LEN];
        let (mut from, mut left) = (offset, length);
        while left > 0 {
            let length = usize::try_from(left).map_or(READ_LEN, |left| left.min(READ_LEN));
            if self.shared.writer.read(&mut bytes[..length], from).is_err() {
                return;
            }
            give(&bytes[..length]);
            (from, left) = (from + length as u64, left - length as u64);
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<Flow, Fault> {
        let (index, now) = (self.offset / BLOCK_SIZE, Instant::now());
        let Some(local) = self.may_write(index, now) else { return Ok(Flow::Stop) };
        self.shared.writer.write(bytes, self.offset)?;
        let count = bytes.len() as u64;
        self.shared.progress.add_crossed(count);
        self.shared.transferred.fetch_add(count, Ordering::Relaxed);
        self.wrote(count, index, local, now);
        Ok(Flow::Continue)
    }

    fn hole(&mut self, length: u64) -> Result<Flow, Fault> {
        let (index, now) = (self.offset / BLOCK_SIZE, Instant::now());
        let Some(local) = self.may_write(index, now) else { return Ok(Flow::Stop) };
        self.shared.writer.hole(self.offset, length)?;
        self.wrote(length, index, local, now);
        Ok(Flow::Continue)
    }

    fn block(&mut self, block: Block) -> Flow {
        let partial = self.partial.take();
        let shared = Arc::clone(&self.shared);
        match (&block.verified, partial) {
            (Some(verified), _) => shared.writer.verified(verified),
            (None, Some(partial)) => {
                shared.progress.retreat(partial.written.into(), shared.is_file());
                shared.writer.begun(block.index, 0);
            }
            (None, None) => {}
        }
        let is_intact = block.verified.is_some();
        if is_intact && !shared.is_file() {
            shared.progress.set_position(shared.progress.position().max(block.position));
        }
        // Reported before it is done: when all ranges are done, all blocks are reported.
        self.report(SegmentEvent::Block(block, self.supplier.number));
        shared.ranges().block_ended(self.id, block.index, is_intact, Instant::now());
        if shared.finishing.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
    }

    fn ends(&mut self, end: End) {
        let size = end.size;
        self.report(SegmentEvent::End(end));
        let mut ranges = self.shared.ranges();
        if let Some(size) = size {
            ranges.known(size);
        }
        ranges.ended(self.id);
    }

    fn quiet(&mut self) {
        self.note(Instant::now());
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let mut ranges = self.shared.ranges();
        if let Some(partial) = self.partial {
            match self.other() {
                None => ranges.keep(partial.index, partial.kept()),
                Some(source) => ranges.keep_of(partial.index, partial.kept(), source),
            }
            if partial.kept() > partial.noted.0 && self.other().is_none() {
                self.shared.writer.begun(partial.index, partial.kept());
            }
        }
        ranges.lost(self.id);
        drop(ranges);
        if self.running {
            self.shared.progress.segment_ends();
        }
    }
}
