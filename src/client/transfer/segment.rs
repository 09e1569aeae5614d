//! One connection of a job: asks for the ranges that it is given, and writes what comes.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    client::{
        api::origin::Origin,
        disk::part::Writer,
        error::{Fault, Verdict},
        source::{
            link::{KEEP_INTERVAL, Link},
            pool::Pool,
        },
        transfer::{
            limits::Limits,
            permit::Permit,
            progress::Progress,
            ranges::{Ranges, SegmentId},
        },
    },
    protocol::{
        address::Authority,
        client::{Block, Event as Answer, Request},
        digest::BLOCK_SIZE,
        message::{Content, End, Form, Get, Welcome},
    },
};

/// Bytes that are read at once of a block whose rest comes.
const PIECE: usize = 64 * 1024;

/// What the connections of a job share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) authority: Authority,
    /// The server that all connections must lead to.
    pub(crate) origin: Origin,
    pub(crate) path: String,
    pub(crate) form: Form,
    /// What the content must be, if it is known already.
    pub(crate) identity: Option<String>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) progress: Arc<Progress>,
    /// Never held over I/O or hashing.
    pub(crate) ranges: Mutex<Ranges>,
    /// How many connections there may be.
    pub(crate) most: AtomicUsize,
    /// Bytes of content that came.
    pub(crate) crossed: AtomicU64,
    /// Connections end with the block that they hold.
    pub(crate) finishing: AtomicBool,
}

impl Site {
    /// The ranges, for a moment.
    pub(crate) fn ranges(&self) -> MutexGuard<'_, Ranges> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content that the first answer announced, and where it goes.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) identity: String,
    pub(crate) form: Form,
    pub(crate) size: Option<u64>,
    pub(crate) writer: Writer,
}

/// What a connection tells its crew.
#[derive(Debug)]
pub(crate) enum News {
    Welcome(Welcome),
    /// The first answer: it goes on once it is told where to.
    Content(Box<Content>, oneshot::Sender<Arc<Known>>),
    /// A block came, and was written; if it is intact, it is noted.
    Block(Block),
    /// An answer came to its end.
    End(End),
}

/// See the module. Dropping it gives back what it has not brought.
#[derive(Debug)]
pub(crate) struct Segment {
    id: SegmentId,
    site: Arc<Site>,
    news: mpsc::UnboundedSender<News>,
    known: Option<Arc<Known>>,
    /// Its permit, unless that is the job's own.
    permit: Option<Permit>,
    /// Requests without a complete answer.
    pending: usize,
    /// Where the next byte belongs.
    offset: u64,
    /// The block that is coming.
    coming: Option<Coming>,
    /// Whether content comes.
    running: bool,
}

/// A block that is coming.
#[derive(Clone, Copy, Debug)]
struct Coming {
    index: u64,
    /// Bytes of it that are written, from its first on.
    written: u32,
    /// How many of them are noted on the disk, and since when.
    noted: (u32, Instant),
}

impl Coming {
    /// Bytes that need not come again. The last one must: a block of which nothing is missing cannot be asked for.
    fn kept(&self) -> u32 {
        self.written.saturating_sub(1)
    }
}

/// Why the answers are left for a moment.
enum Pause {
    /// There may be something to ask for.
    Ask,
    /// What this is has to be told first, or what is here of its first block.
    Content(Box<Content>),
    /// What comes now is no longer wanted from here.
    Taken,
}

impl Segment {
    pub(crate) fn new(
        id: SegmentId,
        site: &Arc<Site>,
        news: mpsc::UnboundedSender<News>,
        known: Option<Arc<Known>>,
        permit: Option<Permit>,
    ) -> Segment {
        let site = Arc::clone(site);
        Segment { id, site, news, known, permit, pending: 0, offset: 0, coming: None, running: false }
    }

    /// Works until there is nothing more to do. Whether it had anything to do.
    pub(crate) async fn run(mut self, link: Option<Link>) -> Result<bool, Fault> {
        let site = Arc::clone(&self.site);
        let mut link = match link {
            Some(link) => link,
            None => site.pool.link_to(&site.authority, site.origin).await?,
        }
        .works_for(&site.progress);
        let mut worked = false;
        loop {
            self.ask(&mut link);
            if self.pending == 0 {
                site.pool.put(&site.authority, link);
                return Ok(worked);
            }
            worked = true;
            let take = |event: Option<Answer<'_>>| match event {
                Some(event) => self.take(event),
                None => {
                    self.note_begun(Instant::now());
                    Ok(ControlFlow::Continue(()))
                }
            };
            match link.answers(&site.limits.bandwidth, take).await {
                Ok(Pause::Ask) => {}
                Ok(Pause::Content(content)) => {
                    let skip = content.skip;
                    self.introduce(content).await?;
                    tokio::task::block_in_place(|| self.give_skipped(&mut link, skip));
                }
                Ok(Pause::Taken) => return Ok(worked),
                // It was closed while it rested: that is no fault of this try.
                Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
                    site.ranges().lost(self.id);
                    (self.pending, self.coming) = (0, None);
                    link = site.pool.fresh_to(&site.authority, site.origin).await?.works_for(&site.progress);
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Asks for as much as makes sense.
    fn ask(&mut self, link: &mut Link) {
        if self.permit.as_ref().is_some_and(Permit::is_wanted) {
            return;
        }
        let most = self.site.most.load(Ordering::Relaxed);
        loop {
            let mut ranges = self.site.ranges();
            let Some(range) = ranges.ask(self.id, most, Instant::now()) else { return };
            let skip = if range.is_empty() { 0 } else { ranges.skip(range.start) };
            let root = ranges.is_all_asked();
            drop(ranges);
            link.send(&Request::Get(Get {
                path: self.site.path.clone(),
                form: self.site.form,
                first_block: range.start,
                blocks: (range.end < u64::MAX).then_some(range.end - range.start),
                identity: match &self.known {
                    Some(known) => Some(known.identity.clone()),
                    None => self.site.identity.clone(),
                },
                skip: skip.into(),
                root,
                holes: true,
                missing: true,
                working: true,
            }));
            self.pending += 1;
        }
    }

    /// Gives what is here of a block whose rest comes. What cannot be read makes it one that is not intact.
    fn give_skipped(&mut self, link: &mut Link, skip: u64) {
        let Some(known) = &self.known else { return };
        let mut piece = vec![0; PIECE];
        let (mut from, mut left) = (self.offset.saturating_sub(skip), skip);
        while left > 0 {
            let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            if known.writer.read(&mut piece[..length], from).is_err() {
                return;
            }
            link.skipped(&piece[..length]);
            (from, left) = (from + length as u64, left - length as u64);
        }
    }

    /// Lets the crew see what is announced, if it has not seen it.
    async fn introduce(&mut self, content: Box<Content>) -> Result<(), Fault> {
        if self.known.is_some() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let _ = self.news.send(News::Content(content, answer));
        // Without an answer the crew stops, and says why.
        let known = answered.await.map_err(|_| Fault::lost("the content is not wanted any more"))?;
        self.known = Some(known);
        Ok(())
    }

    fn take(&mut self, event: Answer<'_>) -> Result<ControlFlow<Pause>, Fault> {
        match event {
            Answer::Data { bytes, .. } => return self.data(bytes),
            Answer::Hole { length, .. } => return self.hole(length),
            Answer::Block { block, .. } => {
                self.block(block);
                let finishing = self.site.finishing.load(Ordering::Relaxed);
                return Ok(ControlFlow::Break(if finishing { Pause::Taken } else { Pause::Ask }));
            }
            Answer::Content { content, .. } => return self.content(content),
            Answer::End { end, .. } => {
                let size = end.size;
                self.tell(News::End(end));
                let mut ranges = self.site.ranges();
                if let Some(size) = size {
                    ranges.known(size);
                }
                ranges.ended(self.id);
                drop(ranges);
                self.pending -= 1;
                return Ok(ControlFlow::Break(Pause::Ask));
            }
            Answer::Failed { failure, .. } => return Err(Fault::refused(&self.site.path, &failure)),
            Answer::Welcome(welcome) => self.tell(News::Welcome(welcome)),
            // The machine lets no other answer through.
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Nobody may be listening any more.
    fn tell(&self, news: News) {
        let _ = self.news.send(news);
    }

    fn content(&mut self, content: Content) -> Result<ControlFlow<Pause>, Fault> {
        self.offset = content.first_block.saturating_mul(BLOCK_SIZE).saturating_add(content.skip);
        if !std::mem::replace(&mut self.running, true) {
            self.site.progress.segment_begins();
        }
        let Some(known) = &self.known else {
            return Ok(ControlFlow::Break(Pause::Content(Box::new(content))));
        };
        let same_size = content.size.is_none() || known.size.is_none() || content.size == known.size;
        if known.identity != content.identity || !same_size {
            return Err(Fault::changed("the source changed on the server"));
        }
        if content.skip > 0 {
            return Ok(ControlFlow::Break(Pause::Content(Box::new(content))));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn data(&mut self, bytes: &[u8]) -> Result<ControlFlow<Pause>, Fault> {
        let Some(known) = &self.known else { return Ok(ControlFlow::Continue(())) };
        let (index, now) = (self.offset / BLOCK_SIZE, Instant::now());
        let mut ranges = self.site.ranges();
        if !ranges.coming(self.id, index, now) {
            return Ok(ControlFlow::Break(Pause::Taken));
        }
        let here = ranges.skip(index);
        drop(ranges);
        known.writer.write(bytes, self.offset)?;
        let count = bytes.len() as u64;
        self.site.progress.add_crossed(count);
        self.site.crossed.fetch_add(count, Ordering::Relaxed);
        self.wrote(count, index, here, now);
        Ok(ControlFlow::Continue(()))
    }

    /// More bytes of a block are written, of which `here` were there already.
    fn wrote(&mut self, count: u64, index: u64, here: u32, now: Instant) {
        let Some(known) = &self.known else { return };
        self.offset += count;
        let coming = self.coming.get_or_insert(Coming { index, written: here, noted: (here, now) });
        // A server that does not skip sends once more what was counted before.
        let end = u32::try_from(self.offset - index * BLOCK_SIZE).unwrap_or(u32::MAX);
        let more = end.saturating_sub(coming.written).into();
        self.site.progress.advance(more, known.form == Form::File);
        coming.written = coming.written.max(end);
        self.note_begun(now);
    }

    /// Notes on the disk now and then how much is there of the block that is coming.
    fn note_begun(&mut self, now: Instant) {
        let (Some(known), Some(coming)) = (&self.known, &mut self.coming) else { return };
        if coming.kept() > coming.noted.0 && now.duration_since(coming.noted.1) >= KEEP_INTERVAL {
            known.writer.begun(coming.index, coming.kept());
            coming.noted = (coming.kept(), now);
        }
    }

    /// A block of zeros, of which nothing crossed the link.
    fn hole(&mut self, length: u64) -> Result<ControlFlow<Pause>, Fault> {
        let Some(known) = &self.known else { return Ok(ControlFlow::Continue(())) };
        let (index, now) = (self.offset / BLOCK_SIZE, Instant::now());
        let mut ranges = self.site.ranges();
        if !ranges.coming(self.id, index, now) {
            return Ok(ControlFlow::Break(Pause::Taken));
        }
        let here = ranges.skip(index);
        drop(ranges);
        known.writer.hole(self.offset, length)?;
        self.wrote(length, index, here, now);
        Ok(ControlFlow::Continue(()))
    }

    fn block(&mut self, block: Block) {
        let coming = self.coming.take();
        let progress = &self.site.progress;
        if let Some(known) = &self.known {
            let is_file = known.form == Form::File;
            match (&block.verified, coming) {
                (Some(verified), _) => known.writer.verified(verified),
                (None, Some(coming)) => {
                    progress.retreat(coming.written.into(), is_file);
                    known.writer.begun(block.index, 0);
                }
                (None, None) => {}
            }
            if block.is_intact() && !is_file {
                progress.set_position(progress.position().max(block.position));
            }
        }
        // Told before it is done: who sees that everything is done has heard of every block.
        self.tell(News::Block(block));
        self.site.ranges().came(self.id, block.index, block.is_intact(), Instant::now());
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let mut ranges = self.site.ranges();
        if let Some(coming) = self.coming {
            ranges.keep(coming.index, coming.kept());
            if let Some(known) = self.known.as_ref().filter(|_| coming.kept() > coming.noted.0) {
                known.writer.begun(coming.index, coming.kept());
            }
        }
        ranges.lost(self.id);
        drop(ranges);
        if self.running {
            self.site.progress.segment_ends();
        }
    }
}
