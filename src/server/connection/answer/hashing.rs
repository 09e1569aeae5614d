//! An answer to a `hashes` request: cached hashes, and otherwise computed ones, a block in each slice of work.

use std::sync::Arc;

use super::body::range_end;
use crate::{
    protocol::{
        digest::{BLOCK_SIZE, BlockDigest, BlockHasher},
        message::Get,
        server::HashesWriter,
    },
    server::{
        connection::output::Output,
        limits::{MAX_OUTPUT, permits::AnswerPermit},
        shared::Shared,
    },
    storage::{StorageError, root::FileSource},
};

/// Bytes that are read at once.
const READ_LEN: usize = 64 * 1024;
/// Blocks that are read ahead of those that are hashed.
const READ_AHEAD_BLOCKS: u64 = 4;

/// The requested blocks of a file.
pub(crate) struct Blocks {
    source: FileSource,
    /// The index after the last requested block.
    end: u64,
}

impl Blocks {
    /// The blocks that `get` requests; `None` if they begin after the end.
    pub fn new(source: FileSource, get: &Get) -> Option<Blocks> {
        get.first_block.checked_mul(BLOCK_SIZE).filter(|&offset| offset <= source.size())?;
        let end = (range_end(get).min(source.size())).div_ceil(BLOCK_SIZE);
        Some(Blocks { source, end })
    }
}

/// Hashes being sent.
pub(crate) struct Hashing {
    writer: HashesWriter,
    blocks: Blocks,
    permit: AnswerPermit,
}

impl Hashing {
    pub fn new(writer: HashesWriter, blocks: Blocks) -> Hashing {
        Hashing { writer, blocks, permit: AnswerPermit::Unused }
    }

    /// The permit that [`Hashing::work`] needs.
    pub fn permit(&mut self) -> &mut AnswerPermit {
        &mut self.permit
    }

    /// Puts the cached hashes into the output. True if those were the last ones, and the file is still what
    /// it was when the answer began.
    pub fn fill(&mut self, output: &mut Output) -> Result<bool, StorageError> {
        let Blocks { source, end } = &self.blocks;
        while output.out.len() < MAX_OUTPUT {
            let next = self.writer.next_block();
            if next >= *end {
                source.check()?;
                return Ok(true);
            }
            let known = output.shared.services.hashes.run(source.identity(), next, *end);
            if known.is_empty() {
                break;
            }
            self.writer.push(&known, &mut output.out);
            output.position(
                self.writer.next_block().saturating_mul(BLOCK_SIZE).min(source.size()),
                source.size(),
            );
        }
        Ok(false)
    }

    /// Hashes the next block.
    pub fn work(&mut self, output: &mut Output) -> Result<(), StorageError> {
        let index = self.writer.next_block();
        let Blocks { source, end } = &self.blocks;
        if index >= *end {
            return Ok(());
        }
        let ahead = if index.is_multiple_of(READ_AHEAD_BLOCKS) { 2 * READ_AHEAD_BLOCKS } else { 0 };
        if ahead > 0 {
            source.read_ahead(index * BLOCK_SIZE, ahead * BLOCK_SIZE);
        }
        let digest = hash(source, index)?;
        remember(&output.shared, source, index, &digest)?;
        self.writer.push(&[digest], &mut output.out);
        output.position(((index + 1) * BLOCK_SIZE).min(source.size()), source.size());
        Ok(())
    }

    /// Writes the end of the answer, after [`Hashing::fill`] has returned true.
    pub fn end(self, output: &mut Output) {
        self.writer.end(self.blocks.source.identity(), &mut output.out);
        output.idle();
    }
}

/// Reads and hashes a block that the file has.
pub(crate) fn hash(source: &FileSource, index: u64) -> Result<BlockDigest, StorageError> {
    let begin = index * BLOCK_SIZE;
    let mut left = (source.size() - begin).min(BLOCK_SIZE);
    let mut hasher = BlockHasher::new(index);
    let mut buffer = vec![0; READ_LEN.min(usize::try_from(left).unwrap_or(READ_LEN))];
    while left > 0 {
        let bytes = usize::try_from(left).map_or(READ_LEN, |left| left.min(READ_LEN));
        source.read_exact_at(&mut buffer[..bytes], begin + hasher.len())?;
        hasher.update(&buffer[..bytes]);
        left -= bytes as u64;
    }
    Ok(hasher.finish())
}

/// Caches the hash of a block that was just read, if the file still has its identity.
pub(crate) fn remember(
    shared: &Arc<Shared>,
    source: &FileSource,
    index: u64,
    digest: &BlockDigest,
) -> Result<(), StorageError> {
    source.check()?;
    shared.services.hashes.put(source.identity(), source.size().div_ceil(BLOCK_SIZE), index, digest);
    Ok(())
}
