//! What a job remembers from one try to the next.

use std::time::Instant;

use crate::protocol::{
    digest::{BLOCK_SIZE, BlockHasher, Hash},
    message::{Form, Sources, Timestamp},
};

use super::{
    blocks::{Blocks, Wanted},
    part::Part,
    place::Target,
    retry::Fault,
};

/// What the server said of the content.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Changes when the content may have changed.
    pub(super) identity: String,
    pub(super) form: Form,
    pub(super) size: Option<u64>,
    pub(super) sources: Option<Sources>,
    pub(super) modified: Option<Timestamp>,
}

/// Where a job saves.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) part: Part,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) source: Option<Source>,
    pub(super) place: Option<Place>,
    pub(super) blocks: Blocks,
    /// Whether the server said, after the last block that was kept, that the content is still the same. Until
    /// then the blocks may be of two versions.
    pub(super) proven: bool,
    /// Digest of the whole content.
    pub(super) root: Option<Hash>,
    /// Content bytes that crossed the wire, over all tries.
    pub(super) transferred: u64,
    /// When the first connection was begun.
    pub(super) started: Option<Instant>,
    /// How often blocks came corrupt.
    pub(super) corrupt: u32,
    /// How often it started over because the source had changed.
    pub(super) restarts: u32,
}

impl Memory {
    /// Bytes of the content, where known.
    pub(super) fn size(&self) -> Option<u64> {
        self.source.as_ref().and_then(|source| source.size)
    }

    /// The blocks to ask for next; `None` once everything is there and proven.
    pub(super) fn wanted(&mut self) -> Option<Wanted> {
        if self.source.is_none() {
            return Some(Wanted { first: 0, count: None });
        }
        if self.blocks.missing(self.size()).is_none() && !self.proven {
            // Everything came but the word that it is of one version: an answer has to be asked for.
            self.blocks.forget_last();
            if self.blocks.missing(self.size()).is_none() {
                return Some(Wanted { first: 0, count: None });
            }
        }
        self.blocks.missing(self.size())
    }

    /// Forgets what was fetched: it belongs to another version.
    pub(super) fn start_over(&mut self) -> Result<(), Fault> {
        self.source = None;
        self.blocks = Blocks::default();
        self.proven = false;
        self.root = None;
        match &self.place {
            Some(place) if place.part.file().is_ok() => place.part.clear(),
            _ => Ok(()),
        }
    }

    /// Opens the `.part` again after a rest. If somebody else touched it, each block is verified again.
    pub(super) fn reopen(&mut self) -> Result<(), Fault> {
        let Some(place) = &mut self.place else { return Ok(()) };
        if place.part.reopen()? {
            return Ok(());
        }
        let path = place.part.path();
        tracing::info!("{} was touched by somebody else; it is verified again", path.display());
        let file = std::sync::Arc::clone(place.part.file()?);
        let known: Vec<_> = self.blocks.verified().collect();
        if known.is_empty() {
            self.root = None;
        }
        let mut block = vec![0; usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX)];
        for (index, chaining) in known {
            let length = usize::try_from(self.blocks.length(index)).unwrap_or(block.len());
            let block = &mut block[..length];
            let read = std::os::unix::fs::FileExt::read_exact_at(&*file, block, index * BLOCK_SIZE);
            let mut hasher = BlockHasher::new(index);
            hasher.update(block);
            if read.is_err() || hasher.finish().chaining != chaining {
                self.blocks.forget(index);
                (self.proven, self.root) = (false, None);
            }
        }
        Ok(())
    }

    /// Closes the `.part`, keeping it.
    pub(super) fn close(&mut self) {
        if let Some(place) = &mut self.place {
            place.part.close();
        }
    }

    /// Deletes the `.part`.
    pub(super) fn discard(self) {
        if let Some(place) = self.place {
            place.part.discard();
        }
    }
}
