//! Ranges of a content: several are requested ahead, so that a round trip is not waited for between them.

use std::ops::ControlFlow;

use tokio::task::block_in_place;

use crate::{
    client::{
        content::Content,
        error::Fault,
        source::{
            fdsp::connection::Connection,
            sink::{Answer, Block, End, Flow, Sink, Wanted},
        },
    },
    protocol::{
        client::{self, Event, Request},
        digest::{BLOCK_SIZE, Hash},
        message::{self, Get},
    },
};

/// Why received events are left for a moment.
enum Pause {
    /// There may be something to request.
    Request,
    /// The source skips what is local of the first block of this answer.
    Skips(message::Content),
    Stop,
}

impl Connection {
    /// Requests a range, and waits for what the server says of the content.
    pub(crate) async fn probe(&mut self, wanted: Wanted) -> Result<Content, Fault> {
        let request = self.get(wanted);
        let path = self.fdsp.path().to_owned();
        let take = |event: Event<'_>| match event {
            Event::Content { content, .. } => Ok(ControlFlow::Break(content)),
            Event::Failed { failure, .. } => Err(Fault::refused(&path, &failure)),
            _ => Ok(ControlFlow::Continue(())),
        };
        let content = self.ask(request, take).await?;
        let described = self.fdsp.described(&content, self.link.origin());
        self.begun = Some(content);
        Ok(described)
    }

    /// Receives what the sink wants, until it wants nothing more.
    pub(crate) async fn read(&mut self, sink: &mut impl Sink) -> Result<(), Fault> {
        if let Some(content) = self.begun.take() {
            block_in_place(|| {
                sink.begins(&answer(&content))?;
                self.skip(sink, &content);
                Ok(())
            })?;
        }
        let path = self.fdsp.path().to_owned();
        loop {
            while let Some(wanted) = sink.next() {
                let request = self.get(wanted);
                self.link.send(&request);
            }
            if self.link.pending() == 0 {
                return Ok(());
            }
            let pause = self.answers(|event| {
                let flow = match event {
                    Some(Event::Data { bytes, .. }) => sink.data(bytes)?,
                    Some(Event::Hole { length, .. }) => sink.hole(length)?,
                    Some(Event::Block { block, .. }) => {
                        let flow = sink.block(self::block(&block));
                        if flow == Flow::Continue {
                            return Ok(ControlFlow::Break(Pause::Request));
                        }
                        flow
                    }
                    Some(Event::Content { content, .. }) => {
                        sink.begins(&answer(&content))?;
                        if content.skip > 0 {
                            return Ok(ControlFlow::Break(Pause::Skips(content)));
                        }
                        Flow::Continue
                    }
                    Some(Event::End { end, .. }) => {
                        sink.ends(End {
                            size: end.size,
                            digest: end.root.as_deref().and_then(Hash::from_hex),
                            missing: end.missing,
                        });
                        return Ok(ControlFlow::Break(Pause::Request));
                    }
                    Some(Event::Failed { failure, .. }) => return Err(Fault::refused(&path, &failure)),
                    // The machine lets no other answer through.
                    Some(_) => Flow::Continue,
                    None => {
                        sink.quiet();
                        Flow::Continue
                    }
                };
                Ok(match flow {
                    Flow::Continue => ControlFlow::Continue(()),
                    Flow::Stop => ControlFlow::Break(Pause::Stop),
                })
            });
            match pause.await? {
                Pause::Request => {}
                Pause::Skips(content) => block_in_place(|| self.skip(sink, &content)),
                Pause::Stop => return Ok(()),
            }
        }
    }

    /// Gives the machine the local bytes of a block of which the server sends the rest.
    fn skip(&mut self, sink: &mut impl Sink, content: &message::Content) {
        if content.skip > 0 {
            let begin = content.first_block.saturating_mul(BLOCK_SIZE);
            sink.skipped(begin, content.skip, &mut |bytes| self.link.skipped(bytes));
        }
    }

    fn get(&self, wanted: Wanted) -> Request {
        get(self.fdsp.path(), wanted)
    }
}

/// The request for a range of the content at a path.
pub(super) fn get(path: &str, wanted: Wanted) -> Request {
    let Wanted { form, identity, blocks, skip, digest } = wanted;
    Request::Get(Get {
        path: path.to_owned(),
        form,
        first_block: blocks.start,
        blocks: (blocks.end < u64::MAX).then_some(blocks.end - blocks.start),
        identity,
        skip: skip.into(),
        root: digest,
        holes: true,
        missing: true,
        working: true,
    })
}

/// A block, as a sink takes it.
pub(super) fn block(block: &client::Block) -> Block {
    Block {
        index: block.index,
        length: block.length,
        skipped: block.skipped,
        position: block.position,
        verified: block.verified,
    }
}

impl super::Fdsp {
    /// What this server says of the content.
    pub(super) fn described(
        &self,
        content: &message::Content,
        origin: crate::client::api::content::origin::Origin,
    ) -> Content {
        Content {
            address: self.address.to_string(),
            name: content.name.clone(),
            origin,
            identity: content.identity.clone(),
            form: content.form,
            size: content.size,
            sources: content.sources,
            modified: Some(content.modified),
            data_bytes: content.data_bytes,
            access: crate::client::content::Access::default(),
            digest: None,
            is_metalink: false,
        }
    }
}

fn answer(content: &message::Content) -> Answer {
    Answer {
        identity: content.identity.clone(),
        size: content.size,
        offset: content.first_block.saturating_mul(BLOCK_SIZE).saturating_add(content.skip),
    }
}
