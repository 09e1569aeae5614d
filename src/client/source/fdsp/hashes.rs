//! The block hashes that the server sends for a file. They are requested in pieces and kept between connections and attempts, so that a
//! comparison resumes after a lost connection.

use std::ops::ControlFlow;

use crate::{
    client::{
        content::{Content, high_water::HighWater},
        error::{Fault, Verdict},
        source::fdsp::connection::Connection,
    },
    protocol::{
        client::{Event, Request},
        digest::{BlockDigest, Hash, RootHasher},
        error::Code,
        message::{Form, Get},
    },
};

/// Hashes in the first request. The number doubles after each complete piece, and is quartered after a lost connection.
const FIRST_PIECE: u64 = 512;
const MIN_PIECE: u64 = 8;
const MAX_PIECE: u64 = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct RemoteHashes {
    /// What the server says of the file.
    content: Option<Content>,
    /// The hashes of blocks 0, 1, …
    hashes: Vec<Hash>,
    /// Hashes in the next request.
    piece: u64,
    /// The largest number of hashes received so far, of any version.
    furthest: HighWater,
    /// Whether `content` was received for the current request.
    is_answered: bool,
}

impl Default for RemoteHashes {
    fn default() -> RemoteHashes {
        RemoteHashes {
            content: None,
            hashes: Vec::new(),
            piece: FIRST_PIECE,
            furthest: HighWater::default(),
            is_answered: false,
        }
    }
}

/// The result of a request for hashes.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All hashes are received, and are of one version.
    All,
    /// The file has changed on the server; the hashes are discarded.
    Changed,
    /// The server has no block hashes.
    Unsupported,
    /// The path is a directory.
    Directory,
    /// The server rejected the request for another reason.
    Refused(Fault),
    /// The receiver of the hashes stopped.
    Stopped,
}

impl RemoteHashes {
    /// Requests the hashes of the first `blocks` blocks of the file at `path` that are not received yet. `take` gets the announcement, and
    /// the hashes with the index of the first one as they are received. After an error the received hashes are kept.
    pub(crate) async fn request(
        &mut self,
        connection: &mut Connection,
        (path, blocks): (&str, u64),
        mut take: impl FnMut(&Content, u64, &[Hash]) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<Answer, Fault> {
        let origin = connection.origin();
        if self.content.as_ref().is_some_and(|known| known.origin != origin) {
            self.clear();
        }
        let fdsp = connection.fdsp.clone();
        loop {
            let first = self.hashes.len() as u64;
            self.is_answered = false;
            let request = Request::Hashes(Get {
                path: path.to_owned(),
                form: Form::File,
                first_block: first,
                blocks: Some(self.piece.min(blocks.saturating_sub(first))),
                identity: self.content.as_ref().map(|content| content.identity.clone()),
                holes: true,
                ..Get::default()
            });
            let answer = connection.ask(request, |event| {
                match event {
                    Event::Content { content, .. } => {
                        self.is_answered = true;
                        if self.content.as_ref().is_some_and(|known| known.size != content.size) {
                            return Ok(ControlFlow::Break(Some(Answer::Changed)));
                        }
                        let content = self.content.insert(fdsp.described(&content, origin));
                        if take(content, 0, &[])?.is_break() {
                            return Ok(ControlFlow::Break(Some(Answer::Stopped)));
                        }
                    }
                    Event::Hashes { first_block, hashes, .. } => {
                        let known = self.hashes.len();
                        self.hashes.extend(hashes);
                        if let Some(content) = &self.content
                            && take(content, first_block, &self.hashes[known..])?.is_break()
                        {
                            return Ok(ControlFlow::Break(Some(Answer::Stopped)));
                        }
                    }
                    Event::End { end, .. } => {
                        let all = end.size.is_some() || self.hashes.len() as u64 >= blocks;
                        return Ok(ControlFlow::Break(all.then_some(Answer::All)));
                    }
                    Event::Failed { request: 0, failure } => return Err(Fault::refused(path, &failure)),
                    Event::Failed { failure, .. } => {
                        let changed =
                            failure.code == Code::Changed || failure.code == Code::Range && first > 0;
                        let answer = match failure.code {
                            _ if changed => Answer::Changed,
                            Code::Unsupported => Answer::Unsupported,
                            Code::WrongKind => Answer::Directory,
                            Code::Busy => return Err(Fault::refused(path, &failure)),
                            _ => Answer::Refused(Fault::refused(path, &failure)),
                        };
                        return Ok(ControlFlow::Break(Some(answer)));
                    }
                    _ => {}
                }
                Ok(ControlFlow::Continue(()))
            });
            match answer.await? {
                Some(answer) => {
                    if matches!(answer, Answer::Changed) {
                        self.clear();
                    }
                    return Ok(answer);
                }
                None => self.piece = (self.piece * 2).min(MAX_PIECE),
            }
        }
    }

    /// Whether to reconnect at once after this error: the connection was lost and either more hashes were received than ever before, or the
    /// next request is smaller.
    pub(crate) fn should_reconnect(&mut self, fault: &Fault) -> bool {
        let further = self.gets_further();
        let less = self.is_answered
            && self.piece > MIN_PIECE
            && fault.verdict == Verdict::Again(std::time::Duration::ZERO);
        self.piece = (self.piece / 4).max(MIN_PIECE);
        fault.is_lost() && (further || less)
    }

    /// Updates the high-water mark. Returns whether more hashes are received than ever before.
    pub(crate) fn gets_further(&mut self) -> bool {
        self.furthest.rises_to(self.hashes.len() as u64)
    }

    /// The high-water mark of received hashes.
    pub(crate) fn furthest(&self) -> HighWater {
        self.furthest
    }

    /// Discards the hashes: they are of another version.
    pub(crate) fn clear(&mut self) {
        (self.content, self.hashes) = (None, Vec::new());
    }

    /// What the server says of the file, and the hashes received so far.
    pub(crate) fn received(&self) -> Option<(&Content, &[Hash])> {
        self.content.as_ref().map(|content| (content, &*self.hashes))
    }

    /// The root digest of a content of at least two blocks, once all hashes are received.
    pub(crate) fn root(&self) -> Option<Hash> {
        let mut root = RootHasher::default();
        self.hashes.iter().for_each(|&chaining| root.push(&BlockDigest { chaining, alone: None }));
        root.known()
    }
}
