//! One connection of a job: asks for the ranges that it is given, and writes what comes.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};

use crate::protocol::{
    address::Authority,
    client::{Block, Event as Answer, Request},
    digest::BLOCK_SIZE,
    message::{Content, End, Form, Get, Welcome},
};

use super::{
    board::{Board, Slot},
    link::Link,
    part::Writer,
    pool::Pool,
    progress::Progress,
    ranges::{Ranges, SegmentId},
    retry::{Fault, Verdict},
};

/// What the connections of a job share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) authority: Authority,
    pub(super) path: String,
    pub(super) form: Form,
    /// What the content must be, if it is known already.
    pub(super) identity: Option<String>,
    pub(super) board: Arc<Board>,
    pub(super) pool: Arc<Pool>,
    pub(super) progress: Arc<Progress>,
    /// Never held over I/O or hashing.
    pub(super) ranges: Mutex<Ranges>,
    /// How many connections there may be.
    pub(super) most: AtomicUsize,
    /// Bytes of content that came.
    pub(super) crossed: AtomicU64,
}

impl Site {
    /// The ranges, for a moment.
    pub(super) fn ranges(&self) -> MutexGuard<'_, Ranges> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content that the first answer announced, and where it goes.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) identity: String,
    pub(super) form: Form,
    pub(super) size: Option<u64>,
    pub(super) writer: Writer,
}

/// What a connection tells its crew.
#[derive(Debug)]
pub(super) enum News {
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
pub(super) struct Segment {
    id: SegmentId,
    site: Arc<Site>,
    news: mpsc::UnboundedSender<News>,
    known: Option<Arc<Known>>,
    /// Its place with the server, unless that is the job's own.
    slot: Option<Slot>,
    /// Requests without a complete answer.
    pending: usize,
    /// Where the next byte belongs.
    offset: u64,
    /// Bytes of the block that is coming.
    partial: u64,
    /// Whether content comes.
    running: bool,
}

/// Why the answers are left for a moment.
enum Pause {
    /// There may be something to ask for.
    Ask,
    /// What this is has to be told first.
    Content(Box<Content>),
    /// What comes now is no longer wanted from here.
    Taken,
}

impl Segment {
    pub(super) fn new(
        id: SegmentId,
        site: &Arc<Site>,
        news: mpsc::UnboundedSender<News>,
        known: Option<Arc<Known>>,
        slot: Option<Slot>,
    ) -> Segment {
        let site = Arc::clone(site);
        Segment { id, site, news, known, slot, pending: 0, offset: 0, partial: 0, running: false }
    }

    /// Works until there is nothing more to do. Whether it had anything to do.
    pub(super) async fn run(mut self, link: Option<Link>) -> Result<bool, Fault> {
        let site = Arc::clone(&self.site);
        let mut link = match link {
            Some(link) => link,
            None => site.pool.link(&site.authority).await?,
        };
        let mut worked = false;
        loop {
            self.ask(&mut link);
            if self.pending == 0 {
                site.pool.put(&site.authority, link);
                return Ok(worked);
            }
            worked = true;
            match link.answers(&site.board.limiter, |event| self.take(event)).await {
                Ok(Pause::Ask) => {}
                Ok(Pause::Content(content)) => self.introduce(content).await?,
                Ok(Pause::Taken) => return Ok(worked),
                // It was closed while it rested: that is no fault of this try.
                Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
                    site.ranges().lost(self.id);
                    self.pending = 0;
                    link = site.pool.fresh(&site.authority).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Asks for as much as makes sense.
    fn ask(&mut self, link: &mut Link) {
        if self.slot.as_ref().is_some_and(Slot::is_wanted) {
            return;
        }
        let most = self.site.most.load(Ordering::Relaxed);
        loop {
            let Some(range) = self.site.ranges().ask(self.id, most, Instant::now()) else { return };
            link.send(&Request::Get(Get {
                path: self.site.path.clone(),
                form: self.site.form,
                first_block: range.start,
                blocks: (range.end < u64::MAX).then_some(range.end - range.start),
                identity: match &self.known {
                    Some(known) => Some(known.identity.clone()),
                    None => self.site.identity.clone(),
                },
                holes: true,
                ..Get::default()
            }));
            self.pending += 1;
        }
    }

    /// Lets the crew see what is announced.
    async fn introduce(&mut self, content: Box<Content>) -> Result<(), Fault> {
        let (answer, answered) = oneshot::channel();
        let _ = self.news.send(News::Content(content, answer));
        // Without an answer the crew stops, and says why.
        let known = answered.await.map_err(|_| Fault::lost("nobody waits for the content any more"))?;
        self.known = Some(known);
        Ok(())
    }

    fn take(&mut self, event: Answer<'_>) -> Result<ControlFlow<Pause>, Fault> {
        match event {
            Answer::Data { bytes, .. } => return self.data(bytes),
            Answer::Hole { length, .. } => return self.hole(length),
            Answer::Block { block, .. } => {
                self.block(block);
                return Ok(ControlFlow::Break(Pause::Ask));
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
        self.offset = content.first_block.saturating_mul(BLOCK_SIZE);
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
        Ok(ControlFlow::Continue(()))
    }

    fn data(&mut self, bytes: &[u8]) -> Result<ControlFlow<Pause>, Fault> {
        let Some(known) = &self.known else { return Ok(ControlFlow::Continue(())) };
        if !self.site.ranges().coming(self.id, self.offset / BLOCK_SIZE, Instant::now()) {
            return Ok(ControlFlow::Break(Pause::Taken));
        }
        known.writer.write(bytes, self.offset)?;
        let count = bytes.len() as u64;
        self.offset += count;
        let progress = &self.site.progress;
        progress.add_crossed(count);
        self.site.crossed.fetch_add(count, Ordering::Relaxed);
        if known.form == Form::File {
            self.partial += count;
            progress.advance(count);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// A block of zeros, of which nothing crossed the link.
    fn hole(&mut self, length: u64) -> Result<ControlFlow<Pause>, Fault> {
        let Some(known) = &self.known else { return Ok(ControlFlow::Continue(())) };
        if !self.site.ranges().coming(self.id, self.offset / BLOCK_SIZE, Instant::now()) {
            return Ok(ControlFlow::Break(Pause::Taken));
        }
        known.writer.hole(self.offset, length)?;
        self.offset += length;
        self.partial += length;
        self.site.progress.advance(length);
        Ok(ControlFlow::Continue(()))
    }

    fn block(&mut self, block: Block) {
        let partial = std::mem::take(&mut self.partial);
        let progress = &self.site.progress;
        if let (Some(known), true) = (&self.known, block.intact) {
            known.writer.verified(block.index, block.length, &block.digest);
        }
        match &self.known {
            _ if !block.intact => progress.retreat(partial),
            Some(known) if known.form != Form::File => {
                progress.set_position(progress.position().max(block.position));
            }
            _ => {}
        }
        // Told before it is done: who sees that everything is done has heard of every block.
        self.tell(News::Block(block));
        self.site.ranges().came(self.id, block.index, block.intact, Instant::now());
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.site.ranges().lost(self.id);
        self.site.progress.retreat(self.partial);
        if self.running {
            self.site.progress.segment_ends();
        }
    }
}
