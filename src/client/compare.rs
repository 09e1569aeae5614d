//! Which blocks that are here are also those of the server: asks for the hashes of its blocks, and keeps what matches, at
//! any block, from the `.part` and from a target that exists.

use std::{fs::File, ops::ControlFlow, sync::Arc};

use tokio::task::block_in_place;

use crate::{
    platform,
    protocol::{
        client::{Event, Request},
        digest::{BLOCK_SIZE, Hash},
        error::Code,
        message::{Content, Failure, Form, Get},
    },
    units,
};

use super::{
    Existing,
    blocks::Blocks,
    link::Link,
    memory::{Memory, Place, Source, buffer, hash_block},
    part::Part,
    place::{self, Target},
    retry::{Fault, Verdict},
    worker::Context,
};

/// Compares, on `link`; afterwards the memory knows what to fetch.
pub(super) async fn compare(context: &Context, memory: &mut Memory, mut link: Link) -> Result<(), Fault> {
    let authority = &context.new.address.authority;
    loop {
        match compare_on(&mut link, context, memory).await {
            // It was closed while it rested: that is no fault of this try.
            Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
                link = context.pool.fresh(authority).await?;
            }
            compared => {
                context.pool.put(authority, link);
                return compared;
            }
        }
    }
}

async fn compare_on(link: &mut Link, context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    let mut comparison = Comparison::new(context, memory)?;
    let request = Request::Hashes(Get {
        path: context.new.address.path.as_str().to_owned(),
        form: Form::File,
        first_block: 0,
        // There is nothing here to hold further ones against, however many a server would tell.
        blocks: Some(comparison.here),
        identity: None,
        skip: 0,
    });
    let compared = link.ask(&request, &context.board.limiter, |event| comparison.take(event)).await?;
    let Comparison { source, part, old, .. } = comparison;
    match (compared, source) {
        (Compared::All, Some(source)) => block_in_place(|| adopt(context, memory, source, part, old)),
        (Compared::Not(Code::Unsupported), _) if memory.recalled => {
            // The identity tells what is in the `.part`; the target is compared when all is there.
            (memory.doubtful, memory.old) = (false, None);
            Ok(())
        }
        (Compared::Not(code), _) => {
            let address = &context.new.address;
            let is_lost = memory.place.as_ref().is_some_and(|place| place.part.is_ours());
            if is_lost && code == Code::Unsupported {
                tracing::warn!("{address}: the server cannot tell the hashes of its blocks; starting over");
            }
            if is_lost && code == Code::WrongKind {
                tracing::warn!("{address} is a folder now; starting over with its archive");
            }
            block_in_place(|| memory.start_over())
        }
        // The machine lets no end through without its beginning.
        (Compared::All, None) => Ok(()),
    }
}

/// How it ended.
enum Compared {
    All,
    /// The server cannot: it knows no such request, or the path is a directory.
    Not(Code),
}

/// Takes the answer.
struct Comparison<'a> {
    context: &'a Context,
    /// What is known of the `.part`.
    known: Blocks,
    file: Option<Arc<File>>,
    target: Option<Target>,
    source: Option<Source>,
    /// Blocks of the `.part` that match.
    part: Blocks,
    old: Option<Old>,
    /// Blocks of `.part` and target, whichever has more.
    here: u64,
    buffer: Vec<u8>,
}

/// The target that exists.
struct Old {
    target: Target,
    file: File,
    size: u64,
    /// Its blocks that match.
    blocks: Blocks,
}

impl<'a> Comparison<'a> {
    fn new(context: &'a Context, memory: &Memory) -> Result<Comparison<'a>, Fault> {
        let (file, length) = match &memory.place {
            Some(place) => (Some(Arc::clone(place.part.file()?)), place.part.length()?),
            None => (None, 0),
        };
        let old = memory.old.as_ref().and_then(|target| {
            let file = target.folder.read(&target.name).ok()?;
            let size = file.metadata().ok().filter(|data| data.is_file())?.len();
            Some(Old { target: target.clone(), file, size, blocks: Blocks::default() })
        });
        Ok(Comparison {
            context,
            known: memory.blocks.clone(),
            file,
            target: memory.place.as_ref().map(|place| &place.target).or(memory.old.as_ref()).cloned(),
            source: None,
            part: Blocks::default(),
            here: Blocks::in_all(old.as_ref().map_or(0, |old| old.size).max(length)),
            old,
            buffer: buffer(),
        })
    }

    fn take(&mut self, event: Event<'_>) -> Result<ControlFlow<Compared>, Fault> {
        match event {
            Event::Content { content, .. } => self.begin(&content)?,
            Event::Hashes { first_block, hashes, .. } => {
                for (index, hash) in (first_block..).zip(hashes) {
                    self.block(index, hash)?;
                }
            }
            Event::End { .. } => return Ok(ControlFlow::Break(Compared::All)),
            Event::Failed { failure, .. } => return self.failed(&failure),
            Event::Welcome(welcome) => self.context.welcomed(&welcome),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn failed(&self, failure: &Failure) -> Result<ControlFlow<Compared>, Fault> {
        match failure.code {
            code @ (Code::Unsupported | Code::WrongKind) => Ok(ControlFlow::Break(Compared::Not(code))),
            _ => Err(Fault::refused(self.context.new.address.path.as_str(), failure)),
        }
    }

    fn begin(&mut self, content: &Content) -> Result<(), Fault> {
        if let Some(old) = &self.old {
            let claim = |path: &std::path::Path| self.context.board.claim(path, self.context.id);
            place::take(&old.target, claim)?;
            place::refuse_existing(&old.target, self.context.new.existing, content.size)?;
        }
        if let Some(target) = &self.target {
            self.context.answered(target, content);
        }
        self.source = Some(self.context.source(content));
        Ok(())
    }

    fn block(&mut self, index: u64, hash: Hash) -> Result<(), Fault> {
        let size = self.source.as_ref().and_then(|source| source.size).unwrap_or(0);
        let Some(rest) = index.checked_mul(BLOCK_SIZE).and_then(|begin| size.checked_sub(begin)) else {
            return Ok(());
        };
        let length = rest.min(BLOCK_SIZE);
        let short = u32::try_from(length).unwrap_or(u32::MAX);
        let known = self.known.digest(index, length).filter(|digest| digest.chaining == hash);
        if let Some(digest) = known
            && self.context.new.existing != Existing::Keep
        {
            self.part.insert(index, short, &digest);
            return Ok(());
        }
        if let Some(old) = &mut self.old {
            match hash_block(&old.file, index, length, &mut self.buffer) {
                Some(digest) if digest.chaining == hash => {
                    old.blocks.insert(index, short, &digest);
                    return Ok(());
                }
                // It is known now, and nothing more has to be.
                _ if self.context.new.existing == Existing::Keep => {
                    return Err(place::differs(&old.target, None));
                }
                _ => {}
            }
        }
        let Some(file) = &self.file else { return Ok(()) };
        let digest = known.or_else(|| hash_block(file, index, length, &mut self.buffer));
        if let Some(digest) = digest.filter(|digest| digest.chaining == hash) {
            self.part.insert(index, short, &digest);
        }
        Ok(())
    }
}

/// Goes on with what matches.
fn adopt(
    context: &Context,
    memory: &mut Memory,
    source: Source,
    kept: Blocks,
    old: Option<Old>,
) -> Result<(), Fault> {
    let size = source.size.unwrap_or(0);
    // The blocks are proven by hashes of which the server said at their end that they are of this version.
    (memory.doubtful, memory.recalled, memory.proven) = (false, false, true);
    memory.source = Some(source);
    memory.blocks = kept;
    match old {
        Some(old) if old.size == size && old.blocks.missing(Some(size)).is_empty() => {
            tracing::info!("{} was there already, byte for byte", old.target.path().display());
            memory.identical = Some(old.target.path());
            memory.blocks = old.blocks;
            if let Some(place) = memory.place.take() {
                place.part.discard();
            }
        }
        Some(old) if context.new.existing == Existing::Keep => {
            return Err(place::differs(&old.target, None));
        }
        Some(old) => {
            memory.believe()?;
            copy(context, memory, size, &old)?;
        }
        None => {
            memory.believe()?;
            memory.record();
            match &memory.place {
                Some(place) => place.part.claim(size)?,
                // The target that was to be compared is gone.
                None => memory.start_over()?,
            }
        }
    }
    let bytes = memory.blocks.bytes();
    tracing::info!(
        "{}: {} of {} match what the server has",
        context.new.address,
        units::bytes(bytes),
        units::bytes(size)
    );
    context.progress.set_verified(bytes);
    context.progress.set_position(bytes);
    Ok(())
}

/// Copies the matching blocks of the old target into the `.part`, so that both share them where the file system can. What
/// came there is hashed again: nobody keeps others from writing to the target.
fn copy(context: &Context, memory: &mut Memory, size: u64, old: &Old) -> Result<(), Fault> {
    if memory.place.is_none() {
        let part = Part::create(&old.target.folder, &old.target.name)?;
        memory.place = Some(Place { target: old.target.clone(), part });
    }
    let (Some(place), Some(source)) = (&mut memory.place, &memory.source) else { return Ok(()) };
    place.part.record(source, &memory.blocks);
    place.part.claim(size)?;
    let (mut buffer, mut shares) = (buffer(), true);
    for (index, hash) in old.blocks.verified() {
        let (offset, length) = (index * BLOCK_SIZE, old.blocks.length(index));
        shares = shares && platform::copy_range(&old.file, &**place.part.file()?, offset, length).is_ok();
        let copied = if shares { place.part.file()? } else { &old.file };
        let digest = hash_block(copied, index, length, &mut buffer);
        let Some(digest) = digest.filter(|digest| digest.chaining == hash) else { continue };
        if !shares {
            let length = usize::try_from(length).unwrap_or(buffer.len());
            place.part.write(&buffer[..length], offset)?;
        }
        let short = u32::try_from(length).unwrap_or(u32::MAX);
        memory.blocks.insert(index, short, &digest);
        place.part.writer()?.verified(index, short, &digest);
    }
    memory.old = None;
    tracing::debug!("{}: matching blocks are copied", context.new.address);
    Ok(())
}
