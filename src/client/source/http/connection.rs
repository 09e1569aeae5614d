//! Ranges of a content of a web server, one after the other. The blocks are hashed here: what a block was received as is found in its file
//! later, and the validator of each answer shows that all blocks are of one version.

use std::time::Instant;

use reqwest::{Method, Response, StatusCode, Url, header::CONTENT_RANGE};
use tokio::{task::block_in_place, time::timeout};

use super::{Http, answer::Head, faults, fields, request::Ask, validator::Validator};
use crate::{
    client::{
        api::{address::web, content::origin::Origin},
        content::{Access, Content},
        error::Fault,
        source::{
            sink::{Answer, Block, End, Flow, KEEP_INTERVAL, Sink, Wanted},
            timeouts::{Timeouts, Watchdog},
        },
    },
    protocol::{
        digest::{BLOCK_SIZE, BlockHasher, VerifiedBlock},
        message::Form,
    },
    text::units,
};

/// See the module. Each request takes a TCP connection of the client's pool, and only one at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    http: Http,
    /// An answer whose content is not received completely.
    body: Option<Box<Body>>,
    /// A range that was requested, and not received yet.
    begun: Option<Wanted>,
    watchdog: Watchdog,
}

/// The content of an answer.
#[derive(Debug)]
struct Body {
    response: Response,
    url: Url,
    head: Head,
    /// Bytes that were received and not used.
    received: bytes::Bytes,
    /// Where the next byte belongs in the content.
    position: u64,
}

/// How much of a range was received.
enum Received {
    /// All of it.
    All(Box<Body>),
    /// The content has ended.
    End,
    /// The rest is not wanted.
    Stopped,
}

/// The offset of the first byte that is wanted.
fn first_byte(wanted: &Wanted) -> u64 {
    wanted.blocks.start.saturating_mul(BLOCK_SIZE).saturating_add(wanted.skip.into())
}

/// The offset after the last byte that is wanted; `None` up to the end of the content.
fn end(wanted: &Wanted) -> Option<u64> {
    (wanted.blocks.end < u64::MAX).then(|| wanted.blocks.end.saturating_mul(BLOCK_SIZE))
}

impl Connection {
    pub(in super::super) fn new(http: Http) -> Connection {
        let watchdog = Watchdog::new(http.clients.timeouts());
        Connection { http, body: None, begun: None, watchdog }
    }

    /// What the server of the address proves.
    pub(in super::super) fn origin(&self) -> Origin {
        self.http.address.origin()
    }

    /// Requests a range, and waits for what the server says of the content.
    pub(in super::super) async fn probe(&mut self, wanted: Wanted) -> Result<Content, Fault> {
        let content = if wanted.blocks.is_empty() {
            let head = self.http.head(true).await?;
            self.content(&head)
        } else {
            let body = self.request(&wanted).await?;
            let content = self.content(&body.head);
            self.body = Some(Box::new(body));
            content
        };
        self.begun = Some(wanted);
        Ok(content)
    }

    fn content(&self, head: &Head) -> Content {
        Content {
            address: self.http.address.to_string(),
            name: head.name.clone(),
            origin: self.origin(),
            identity: head.validator.identity(),
            form: Form::File,
            size: head.total,
            sources: None,
            modified: head.modified,
            data_bytes: None,
            access: head.access,
            digest: head.digest.clone(),
            is_metalink: head.is_metalink,
        }
    }

    /// Receives what the sink wants, until it wants nothing more.
    pub(in super::super) async fn read(&mut self, sink: &mut impl Sink) -> Result<(), Fault> {
        while let Some(wanted) = self.begun.take().or_else(|| sink.next()) {
            if wanted.blocks.is_empty() {
                self.confirm(sink).await?;
                continue;
            }
            let offset = first_byte(&wanted);
            let body = match self.body.take() {
                Some(body) if body.position == offset => body,
                _ => Box::new(self.request(&wanted).await?),
            };
            let answer = Answer { identity: body.head.validator.identity(), size: body.head.total, offset };
            block_in_place(|| sink.begins(&answer))?;
            match self.receive(body, &wanted, sink).await? {
                Received::All(body) => self.body = Some(body),
                Received::End => {}
                Received::Stopped => return Ok(()),
            }
        }
        Ok(())
    }

    /// Asks whether the content is still the same.
    async fn confirm(&mut self, sink: &mut impl Sink) -> Result<(), Fault> {
        let head = self.http.head(true).await?;
        block_in_place(|| {
            sink.begins(&Answer { identity: head.validator.identity(), size: head.total, offset: 0 })?;
            sink.ends(End { size: head.total, digest: None, missing: None });
            Ok(())
        })
    }

    /// Requests a range, and waits for the beginning of the answer.
    async fn request(&mut self, wanted: &Wanted) -> Result<Body, Fault> {
        self.body = None;
        self.watchdog.begin();
        let known = wanted.identity.as_deref().map(Validator::parse);
        let offset = first_byte(wanted);
        let last = end(wanted).map(|end| (end - 1).to_string()).unwrap_or_default();
        let mut ask = Ask {
            method: Method::GET,
            range: Some(format!("bytes={offset}-{last}")),
            condition: known.as_ref().and_then(Validator::condition).map(str::to_owned),
            worked: known.is_some(),
        };
        loop {
            let reply = self.http.send(&ask).await?;
            let (response, url) = (reply.response, reply.url);
            match response.status() {
                StatusCode::PARTIAL_CONTENT => {
                    let head = Head::read(&response, &url, &ask.method)?;
                    let total = head.total.unwrap_or(u64::MAX);
                    if head.range != (offset..end(wanted).map_or(total, |end| end.min(total))) {
                        return Err(faults::violation(&url, "it sends another part than was asked for"));
                    }
                    if known.is_none() && !head.validator.is_strong() && head.range != (0..total) {
                        // Nothing shows that the next part would be of the same version: all in one answer.
                        if ask.range.take().is_none() {
                            let why = "it sends a part although all of the file was requested";
                            return Err(faults::violation(&url, why));
                        }
                        continue;
                    }
                    return Ok(Body { response, url, head, received: bytes::Bytes::new(), position: offset });
                }
                StatusCode::OK => {
                    let head = Head::read(&response, &url, &ask.method)?;
                    if offset == 0 {
                        let head = Head { access: Access::Sequential, ..head };
                        return Ok(Body { response, url, head, received: bytes::Bytes::new(), position: 0 });
                    }
                    if known.as_ref().is_some_and(|known| *known != head.validator) {
                        return Err(faults::start_over(&url, "the file has changed on the server"));
                    }
                    if ask.condition.take().is_none() {
                        let why = "the server sends all of it instead of the part that is missing";
                        return Err(faults::cannot_resume(&url, why));
                    }
                    // Some servers know the version, and answer with all of it: they are asked without a condition.
                }
                StatusCode::RANGE_NOT_SATISFIABLE if offset == 0 && ask.range.is_some() => {
                    // Of an empty content no range can be asked for.
                    (ask.range, ask.condition) = (None, None);
                }
                StatusCode::RANGE_NOT_SATISFIABLE => {
                    let total = fields::text(&response, CONTENT_RANGE).and_then(fields::unsatisfied_range);
                    let is_shorter = total.is_some_and(|total| total <= offset);
                    return Err(match is_shorter {
                        true => faults::start_over(&url, "the file is shorter now"),
                        false => faults::cannot_resume(&url, "the server refuses the part that is missing"),
                    });
                }
                StatusCode::NOT_MODIFIED => {
                    let why = "the server answers \"not modified\" to a request for a part";
                    return Err(faults::cannot_resume(&url, why));
                }
                _ => return Err(faults::refused(&response, &url, ask.worked)),
            }
        }
    }

    /// Receives a range of an answer.
    async fn receive(
        &mut self,
        mut body: Box<Body>,
        wanted: &Wanted,
        sink: &mut impl Sink,
    ) -> Result<Received, Fault> {
        let end = end(wanted).unwrap_or(u64::MAX).min(body.head.range.end);
        let mut blocks = block_in_place(|| Blocks::begin(wanted, sink));
        while body.position < end {
            if body.received.is_empty() && !self.fill(&mut body, sink).await? {
                break;
            }
            let flow = block_in_place(|| blocks.take(&mut body, end, sink))?;
            if flow == Flow::Stop {
                return Ok(Received::Stopped);
            }
        }
        let ended = body.head.total.unwrap_or(body.head.range.end) <= body.position || body.position < end;
        let size = ended.then_some(body.position);
        let flow = block_in_place(|| {
            let flow = if ended { blocks.finish(sink) } else { Flow::Continue };
            sink.ends(End { size, digest: None, missing: None });
            flow
        });
        Ok(match (flow, ended) {
            (Flow::Stop, _) => Received::Stopped,
            (Flow::Continue, true) => Received::End,
            (Flow::Continue, false) if body.position < body.head.range.end => Received::All(body),
            (Flow::Continue, false) => Received::End,
        })
    }

    /// Receives something; `false` at the end of a content whose length the server has not announced.
    async fn fill(&mut self, body: &mut Body, sink: &mut impl Sink) -> Result<bool, Fault> {
        let limiter = &self.http.limiter;
        let Timeouts { silence, speed_limit, speed_time } = self.http.clients.timeouts();
        limiter.allowed().await;
        let since = Instant::now();
        let chunk = loop {
            let left = silence.saturating_sub(since.elapsed());
            if left.is_zero() {
                let peer = web::authority(&body.url, None);
                return Err(Fault::lost(format!("{peer} sent nothing for {} s", silence.as_secs_f32())));
            }
            match timeout(left.min(KEEP_INTERVAL), body.response.chunk()).await {
                Ok(chunk) => break chunk.map_err(|error| faults::lost(&error, &body.url))?,
                Err(_) => block_in_place(|| sink.quiet()),
            }
        };
        let Some(chunk) = chunk else {
            if body.head.range.end < u64::MAX {
                let peer = web::authority(&body.url, None);
                return Err(Fault::lost(format!("{peer} closed the connection before the end")));
            }
            return Ok(false);
        };
        limiter.spend(chunk.len());
        if !self.watchdog.took(since, chunk.len()) {
            return Err(Fault::too_slow(format!(
                "{} sent less than {} for {} s",
                web::authority(&body.url, None),
                units::rate(speed_limit as f64),
                speed_time.as_secs_f32()
            )));
        }
        body.received = chunk;
        Ok(true)
    }
}

/// Hashes the blocks of a range while they are received.
struct Blocks {
    index: u64,
    hasher: BlockHasher,
    /// Local bytes of the current block.
    skipped: u32,
    /// Whether they could be read.
    is_intact: bool,
}

impl Blocks {
    /// Begins with the local bytes of the first block.
    fn begin(wanted: &Wanted, sink: &mut impl Sink) -> Blocks {
        let (index, skipped) = (wanted.blocks.start, wanted.skip);
        let mut hasher = BlockHasher::new(index);
        if skipped > 0 {
            sink.skipped(index * BLOCK_SIZE, skipped.into(), &mut |bytes| hasher.update(bytes));
        }
        let is_intact = hasher.len() == u64::from(skipped);
        Blocks { index, hasher, skipped, is_intact }
    }

    /// Hands what was received to the sink, up to `end`.
    fn take(&mut self, body: &mut Body, end: u64, sink: &mut impl Sink) -> Result<Flow, Fault> {
        while !body.received.is_empty() && body.position < end {
            let room = end.min((self.index + 1) * BLOCK_SIZE) - body.position;
            let count =
                usize::try_from(room).map_or(body.received.len(), |room| room.min(body.received.len()));
            let bytes = body.received.split_to(count);
            if sink.data(&bytes)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            self.hasher.update(&bytes);
            body.position += count as u64;
            if body.position == (self.index + 1) * BLOCK_SIZE && self.finish(sink) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// The current block is complete, if it has begun.
    fn finish(&mut self, sink: &mut impl Sink) -> Flow {
        let next = BlockHasher::new(self.index + 1);
        let hasher = std::mem::replace(&mut self.hasher, next);
        let (index, length) = (self.index, u32::try_from(hasher.len()).unwrap_or(u32::MAX));
        self.index += 1;
        if length == 0 {
            return Flow::Continue;
        }
        let digest = hasher.finish();
        let verified =
            VerifiedBlock::compare(index, length, digest, digest.chaining).filter(|_| self.is_intact);
        let skipped = std::mem::take(&mut self.skipped);
        let position = index * BLOCK_SIZE + u64::from(length);
        self.is_intact = true;
        sink.block(Block { index, length, skipped, position, verified })
    }
}
