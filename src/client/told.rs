//! The hashes of a file's blocks, as its server tells them. They are asked for in pieces, and what arrived is kept from one connection to
//! the next: a comparison ends however soon each connection breaks.

use std::ops::ControlFlow;

use crate::protocol::{
    client::{Event, Request},
    digest::{BlockDigest, Hash, RootHasher},
    error::Code,
    message::{Content, Failure, Form, Get},
};

use super::{
    high_water::HighWater,
    link::Link,
    origin::Origin,
    retry::{Fault, Verdict},
    worker::Context,
};

/// Hashes that are asked for at first. After a piece that arrived the next one has twice as many, and after one that did not a quarter.
const FIRST_PIECE: u64 = 512;
const MIN_PIECE: u64 = 8;
const MAX_PIECE: u64 = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct Told {
    /// What they are of, and the server that says so.
    content: Option<(Origin, Content)>,
    /// Those of the first blocks.
    hashes: Vec<Hash>,
    /// How many are asked for next.
    piece: u64,
    /// How many were here at any time, of whichever version.
    furthest: HighWater,
    /// Whether the answer that broke off had begun.
    begun: bool,
}

impl Default for Told {
    fn default() -> Told {
        Told {
            content: None,
            hashes: Vec::new(),
            piece: FIRST_PIECE,
            furthest: HighWater::default(),
            begun: false,
        }
    }
}

/// How a question ended.
#[derive(Debug)]
pub(super) enum Answer {
    /// All hashes are here, and are of one version.
    All,
    /// The file is another version than before: nothing is known of it.
    Changed,
    /// The server does not answer it.
    Refused(Failure),
    /// Nobody wants to know more.
    Enough,
}

impl Told {
    /// Asks for the hashes of the first `blocks` blocks of the file at `path`, without those that are known. `take` has the content, and each
    /// hash that arrives with the index of its block. What arrived before a fault stays.
    pub(super) async fn ask(
        &mut self,
        context: &Context,
        link: &mut Link,
        (path, blocks): (&str, u64),
        mut take: impl FnMut(&Content, u64, &[Hash]) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<Answer, Fault> {
        let origin = link.origin();
        if self.content.as_ref().is_some_and(|(known, _)| *known != origin) {
            self.forget();
        }
        loop {
            let first = self.hashes.len() as u64;
            self.begun = false;
            let request = Request::Hashes(Get {
                path: path.to_owned(),
                form: Form::File,
                first_block: first,
                blocks: Some(self.piece.min(blocks.saturating_sub(first))),
                identity: self.content.as_ref().map(|(_, content)| content.identity.clone()),
                holes: true,
                ..Get::default()
            });
            let answer = link.ask(&request, &context.board.limiter, |event| {
                match event {
                    Event::Content { content, .. } => {
                        self.begun = true;
                        if self.content.as_ref().is_some_and(|(_, known)| known.size != content.size) {
                            return Ok(ControlFlow::Break(Some(Answer::Changed)));
                        }
                        let (_, content) = self.content.insert((origin, content));
                        if take(content, 0, &[])?.is_break() {
                            return Ok(ControlFlow::Break(Some(Answer::Enough)));
                        }
                    }
                    Event::Hashes { first_block, hashes, .. } => {
                        let known = self.hashes.len();
                        self.hashes.extend(hashes);
                        if let Some((_, content)) = &self.content
                            && take(content, first_block, &self.hashes[known..])?.is_break()
                        {
                            return Ok(ControlFlow::Break(Some(Answer::Enough)));
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
                        let answer = if changed { Answer::Changed } else { Answer::Refused(failure) };
                        return Ok(ControlFlow::Break(Some(answer)));
                    }
                    Event::Welcome(welcome) => context.welcomed(&welcome),
                    _ => {}
                }
                Ok(ControlFlow::Continue(()))
            });
            match answer.await? {
                Some(answer) => {
                    if matches!(answer, Answer::Changed) {
                        self.forget();
                    }
                    return Ok(answer);
                }
                None => self.piece = (self.piece * 2).min(MAX_PIECE),
            }
        }
    }

    /// Whether it is worth to ask again at once, on another connection: the one that was lost brought more than was here before, or less
    /// is asked of the next one.
    pub(super) fn goes_on(&mut self, fault: &Fault) -> bool {
        let further = self.gets_further();
        let less = self.begun
            && self.piece > MIN_PIECE
            && fault.verdict == Verdict::Again(std::time::Duration::ZERO);
        self.piece = (self.piece / 4).max(MIN_PIECE);
        fault.is_lost() && (further || less)
    }

    /// Whether more hashes are here than ever before.
    pub(super) fn gets_further(&mut self) -> bool {
        self.furthest.rises_to(self.hashes.len() as u64)
    }

    /// How many hashes were here at any time.
    pub(super) fn furthest(&self) -> HighWater {
        self.furthest
    }

    /// Forgets the hashes: they are of another version.
    pub(super) fn forget(&mut self) {
        (self.content, self.hashes) = (None, Vec::new());
    }

    /// What is known: the server, the content, and the hashes of its first blocks.
    pub(super) fn known(&self) -> Option<(Origin, &Content, &[Hash])> {
        self.content.as_ref().map(|(origin, content)| (*origin, content, &*self.hashes))
    }

    /// The digest of a whole content of more than one block, from the hashes of all of them.
    pub(super) fn root(&self) -> Option<Hash> {
        let mut root = RootHasher::default();
        self.hashes.iter().for_each(|&chaining| root.push(&BlockDigest { chaining, alone: None }));
        root.known()
    }
}
