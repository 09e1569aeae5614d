//! Content by this program's protocol: asks for the blocks that are missing until none is.

use std::{ops::ControlFlow, sync::Arc};

use tokio::task::block_in_place;

use crate::{
    protocol::{
        client::{Block, Event as Answer, Request},
        digest::BLOCK_SIZE,
        message::{Content, Form, Get, Welcome},
    },
    text::SafeText,
};

use super::{
    Event, TroubleKind,
    blocks::Wanted,
    compare,
    link::Link,
    memory::{Memory, Place, Source},
    name::SafeName,
    part::Part,
    place::{self, Target},
    queue::Announced,
    recall,
    retry::{Fault, Verdict},
    worker::Context,
};

/// Fetches what is missing; afterwards the memory has every block, and the root.
pub(super) async fn fetch(context: &mut Context, memory: &mut Memory) -> Result<(), Fault> {
    recall::recall(context, memory).await?;
    if memory.doubtful || memory.wanted().is_some() {
        let authority = context.new.address.authority.clone();
        let mut link = context.pool.link(&authority).await?;
        let fetched = fetch_on(&mut link, context, memory).await;
        context.pool.put(&authority, link);
        fetched?;
    }
    memory.root = memory.blocks.root();
    Ok(())
}

async fn fetch_on(link: &mut Link, context: &mut Context, memory: &mut Memory) -> Result<(), Fault> {
    let board = Arc::clone(&context.board);
    loop {
        let answer = if memory.doubtful {
            compare::compare(link, context, memory).await
        } else if let Some(wanted) = memory.wanted() {
            let request = request(context, memory, wanted);
            let mut receiver = Receiver::new(context, memory, wanted);
            let answer = link.ask(&request, &board.limiter, |event| receiver.take(event)).await;
            let corrupt = receiver.corrupt;
            match (&answer, corrupt) {
                (Ok(()), Some(index)) => count_corrupt(context, memory, index)?,
                (Ok(()), None) if memory.wanted() == Some(wanted) => {
                    return Err(Fault::never(
                        TroubleKind::Other,
                        format!("{} answers with nothing", link.peer()),
                    ));
                }
                _ => {}
            }
            answer
        } else {
            return Ok(());
        };
        match answer {
            Ok(()) => {}
            // It was closed while it rested: that is no fault of this try.
            Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
                *link = context.pool.fresh(&context.new.address.authority).await?;
            }
            // What an earlier run left is of another version; that is no fault of this try either.
            Err(fault) if memory.recalled && fault.verdict == Verdict::StartOver && link.is_usable() => {
                changed(context, memory)?;
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// What an earlier run left is of another version.
fn changed(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    let address = &context.new.address;
    if memory.doubt() {
        tracing::info!(
            "{address} is another version than what was fetched before; what still matches is kept"
        );
        return Ok(());
    }
    let archive = memory.source.as_ref().is_some_and(|source| source.form == Form::Zip);
    if archive {
        tracing::warn!("{address}: the folder is not what it was; its archive is fetched anew");
    }
    block_in_place(|| memory.start_over())?;
    context.progress.set_verified(0);
    context.progress.set_position(0);
    Ok(())
}

fn request(context: &Context, memory: &Memory, wanted: Wanted) -> Request {
    Request::Get(Get {
        path: context.new.address.path.as_str().to_owned(),
        form: context.new.form.on_the_wire(),
        first_block: wanted.first,
        blocks: wanted.count,
        identity: memory.source.as_ref().map(|source| source.identity.clone()),
    })
}

/// A block came corrupt: it is asked for again, but not for ever.
fn count_corrupt(context: &Context, memory: &mut Memory, index: u64) -> Result<(), Fault> {
    memory.corrupt += 1;
    let (attempt, of) = (memory.corrupt, context.retries);
    let reason = format!("block {index} arrived corrupt; it is fetched again");
    tracing::warn!("{}: {reason}", context.new.address);
    if attempt > of {
        return Err(Fault::never(
            TroubleKind::Integrity,
            format!("blocks arrived corrupt {attempt} times, the last one was block {index}"),
        ));
    }
    let name = context.name();
    context.board.tell(Event::Retry {
        id: context.id,
        name,
        attempt,
        of,
        seconds: 0.0,
        reason: SafeText::new(&reason),
    });
    Ok(())
}

/// Takes one answer.
struct Receiver<'a> {
    context: &'a Context,
    memory: &'a mut Memory,
    /// Where the next byte belongs.
    offset: u64,
    /// The last block that came corrupt.
    corrupt: Option<u64>,
}

impl<'a> Receiver<'a> {
    fn new(context: &'a Context, memory: &'a mut Memory, wanted: Wanted) -> Receiver<'a> {
        memory.proven = false;
        Receiver { context, memory, offset: wanted.first.saturating_mul(BLOCK_SIZE), corrupt: None }
    }

    fn take(&mut self, event: Answer<'_>) -> Result<ControlFlow<()>, Fault> {
        match event {
            Answer::Data { bytes, .. } => self.data(bytes)?,
            Answer::Block { block, .. } => self.block(&block),
            Answer::Content { content, .. } => self.content(&content)?,
            Answer::End { end, .. } => {
                if let Some(source) = &mut self.memory.source {
                    source.size = source.size.or(end.size);
                }
                self.memory.proven = true;
                return Ok(ControlFlow::Break(()));
            }
            Answer::Failed { failure, .. } => {
                return Err(Fault::refused(self.context.new.address.path.as_str(), &failure));
            }
            Answer::Welcome(welcome) => {
                self.context.welcomed(&welcome);
            }
            // The machine lets no other answer through.
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(place) = &self.memory.place else { return Ok(()) };
        place.part.write(bytes, self.offset)?;
        let count = bytes.len() as u64;
        self.offset += count;
        self.memory.transferred += count;
        let progress = &self.context.progress;
        progress.add_crossed(count);
        if self.memory.source.as_ref().is_some_and(|source| source.form == Form::File) {
            progress.set_position(self.memory.blocks.bytes() + self.offset % BLOCK_SIZE);
        }
        Ok(())
    }

    fn block(&mut self, block: &Block) {
        if !block.intact {
            self.corrupt = Some(block.index);
            self.memory.blocks.forget(block.index);
            return;
        }
        self.memory.blocks.insert(block.index, block.length, &block.digest);
        self.memory.received += u64::from(block.length);
        if let Some(place) = &mut self.memory.place {
            place.part.verified(block.index, block.length, &block.digest);
        }
        let progress = &self.context.progress;
        let verified = self.memory.blocks.bytes();
        progress.set_verified(verified);
        let position = match &self.memory.source {
            Some(source) if source.form != Form::File => progress.position().max(block.position),
            _ => verified,
        };
        progress.set_position(position);
    }

    fn content(&mut self, content: &Content) -> Result<(), Fault> {
        match &self.memory.source {
            Some(source) => {
                let same_size =
                    content.size.is_none() || source.size.is_none() || content.size == source.size;
                if source.identity != content.identity || !same_size {
                    return Err(Fault::changed("the source changed on the server"));
                }
            }
            None => {
                self.prepare(content)?;
                self.memory.source = Some(self.context.source(content));
                self.memory.record();
            }
        }
        self.memory.recalled = false;
        let Some(place) = &self.memory.place else { return Ok(()) };
        self.context.answered(&place.target, content);
        Ok(())
    }

    /// Decides where it goes, and makes room.
    fn prepare(&mut self, content: &Content) -> Result<(), Fault> {
        let new = &self.context.new;
        let archive = content.form == Form::Zip;
        let name = SafeName::for_content(new.address.path.name(), &content.name, archive);
        if let Some(place) = self.memory.place.take_if(|place| !place.target.fits(new, &name)) {
            place.part.discard();
        }
        if self.memory.place.is_none() {
            self.memory.place = Some(self.context.place(&name, content.size)?);
        }
        if let (Some(place), Some(size)) = (&self.memory.place, content.size) {
            place.part.claim(size)?;
        }
        if let Some(sources) = content.sources.filter(|sources| sources.omitted > 0) {
            tracing::warn!(
                "{}: the archive leaves out {} entries that are neither files nor directories of the served folder",
                new.address,
                sources.omitted
            );
        }
        Ok(())
    }
}

impl Context {
    /// What the server said of a content.
    pub(super) fn source(&self, content: &Content) -> Source {
        Source {
            address: self.new.address.to_string(),
            identity: content.identity.clone(),
            form: content.form,
            size: content.size,
            sources: content.sources,
            modified: Some(content.modified),
        }
    }

    /// The server said how many connections it wants.
    pub(super) fn welcomed(&self, welcome: &Welcome) {
        if let Some(slot) = &self.slot {
            slot.learned(usize::try_from(welcome.parallel).unwrap_or(usize::MAX));
        }
    }

    /// Tells that the server answered.
    pub(super) fn answered(&self, target: &Target, content: &Content) {
        self.board.answered(
            self.id,
            Announced {
                name: SafeText::from_bytes(target.name.as_encoded_bytes()),
                target: SafeText::from_path(&target.path()),
                size: content.size,
                total: content.sources.map(|sources| sources.bytes).or(content.size),
                files: None,
            },
        );
    }

    /// Decides where a content of this name goes, and opens its `.part`.
    pub(super) fn place(&self, name: &SafeName, size: Option<u64>) -> Result<Place, Fault> {
        let claim = |path: &std::path::Path| self.board.claim(path, self.id);
        let target = place::decide(&self.board.folders, &self.new, name, size, claim)?;
        let part = Part::create(&target.folder, &target.name)?;
        Ok(Place { target, part })
    }
}

/// Opens what an earlier try left, and tells the readers of the progress.
pub(super) fn take_up(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    block_in_place(|| memory.reopen())?;
    let verified = memory.blocks.bytes();
    context.progress.set_verified(verified);
    if memory.source.as_ref().is_none_or(|source| source.form == Form::File) {
        context.progress.set_position(verified);
    }
    Ok(())
}
