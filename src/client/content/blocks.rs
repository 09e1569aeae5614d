//! Which blocks of a content are verified, their chaining values, and how much is local of incomplete blocks.

use std::{collections::BTreeMap, fs::File, ops::Range, os::unix::fs::FileExt};

use crate::protocol::digest::{BLOCK_SIZE, BlockDigest, BlockHasher, Hash, RootHasher, VerifiedBlock};

/// The verified blocks of one version of a content.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Blocks {
    chaining: Vec<Option<Hash>>,
    /// Digest of a content that is block 0 alone, see [`BlockDigest::alone`].
    alone: Option<Hash>,
    bytes: u64,
    /// Length of the block that is shorter than the others: the last one.
    last: Option<(u64, u32)>,
    /// Local bytes of incomplete blocks, from their first byte on. They are not verified before the block is complete.
    begun: BTreeMap<u64, u32>,
}

/// Blocks that were verified, as long as it is unknown whether the file still has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RecordedBlocks(Blocks);

/// How much of a content is local.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalBytes {
    /// Bytes, verified or not.
    pub(crate) received: u64,
    /// Bytes of verified blocks.
    pub(crate) verified: u64,
}

impl RecordedBlocks {
    /// Adds a recorded block.
    pub(crate) fn insert(&mut self, index: u64, length: u32, digest: &BlockDigest) {
        self.0.set(index, length, digest);
    }

    /// The digest of a recorded block, if it is `length` bytes long.
    pub(crate) fn digest(&self, index: u64, length: u64) -> Option<BlockDigest> {
        self.0.digest(index, length)
    }

    /// Records the local bytes of an incomplete block.
    pub(crate) fn begin(&mut self, index: u64, bytes: u32) {
        self.0.begin(index, bytes);
    }

    /// The blocks, if the file has not changed since they were recorded.
    pub(crate) fn into_blocks(self) -> Blocks {
        self.0
    }

    /// Hashes the blocks in a file. Returns those that it still has, and whether these are all.
    pub(crate) fn still_in(self, file: &File) -> (Blocks, bool) {
        let RecordedBlocks(mut blocks) = self;
        let known: Vec<_> = blocks.verified().collect();
        let (mut buffer, mut all) = (buffer(), true);
        for (index, chaining) in known {
            let length = blocks.length(index);
            match verify_block(file, index, length, chaining, &mut buffer) {
                Some(block) => blocks.insert(&block),
                None => {
                    blocks.forget(index);
                    all = false;
                }
            }
        }
        (blocks, all)
    }
}

impl Blocks {
    /// The same blocks, for a file that may have changed since.
    pub(crate) fn recorded(self) -> RecordedBlocks {
        RecordedBlocks(self)
    }

    /// Number of blocks of `size` bytes.
    pub(crate) fn in_all(size: u64) -> u64 {
        size.div_ceil(BLOCK_SIZE)
    }

    /// Adds a verified block.
    pub(crate) fn insert(&mut self, block: &VerifiedBlock) {
        self.set(block.index(), block.length(), block.digest());
    }

    fn set(&mut self, index: u64, length: u32, digest: &BlockDigest) {
        self.begun.remove(&index);
        let Ok(at) = usize::try_from(index) else { return };
        if self.chaining.len() <= at {
            self.chaining.resize(at + 1, None);
        }
        if self.chaining[at].replace(digest.chaining).is_none() {
            self.bytes += u64::from(length);
        }
        if index == 0 {
            self.alone = digest.alone;
        }
        if u64::from(length) < BLOCK_SIZE {
            self.last = Some((index, length));
        }
    }

    /// A block is not, or no longer, correct.
    pub(crate) fn forget(&mut self, index: u64) {
        self.begun.remove(&index);
        let Ok(at) = usize::try_from(index) else { return };
        if self.chaining.len() <= at {
            self.chaining.resize(at + 1, None);
        } else if self.chaining[at].take().is_some() {
            self.bytes -= self.length(index);
        }
        if self.last.is_some_and(|(last, _)| last == index) {
            self.last = None;
        }
    }

    /// The end of the last block has to be requested again.
    pub(crate) fn reopen_last(&mut self) {
        if let Some(last) = self.chaining.len().checked_sub(1) {
            let length = self.last.filter(|(index, _)| *index == last as u64).map_or(0, |(_, length)| length);
            let length = if self.chaining[last].is_some() { length } else { 0 };
            self.forget(last as u64);
            self.chaining.pop();
            self.begin(last as u64, length.saturating_sub(1));
        }
    }

    /// Records how many bytes are local of an incomplete block; 0 forgets them.
    pub(crate) fn begin(&mut self, index: u64, bytes: u32) {
        let is_verified =
            usize::try_from(index).is_ok_and(|at| self.chaining.get(at).is_some_and(Option::is_some));
        if bytes > 0 && u64::from(bytes) < BLOCK_SIZE && !is_verified {
            self.begun.insert(index, bytes);
        } else {
            self.begun.remove(&index);
        }
    }

    /// Replaces the local bytes of all incomplete blocks.
    pub(crate) fn set_begun(&mut self, begun: BTreeMap<u64, u32>) {
        self.begun.clear();
        for (index, bytes) in begun {
            self.begin(index, bytes);
        }
    }

    /// The incomplete blocks, and how many bytes are local of each.
    pub(crate) fn begun(&self) -> &BTreeMap<u64, u32> {
        &self.begun
    }

    /// Local bytes, verified or not.
    pub(crate) fn received(&self) -> u64 {
        self.begun.values().map(|&bytes| u64::from(bytes)).fold(self.bytes, u64::saturating_add)
    }

    /// How much is local.
    pub(crate) fn local(&self) -> LocalBytes {
        LocalBytes { received: self.received(), verified: self.bytes }
    }

    /// Bytes of verified blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of blocks up to the last one that was seen.
    pub(crate) fn seen(&self) -> u64 {
        self.chaining.len() as u64
    }

    /// Length of a block that was seen.
    pub(crate) fn length(&self, index: u64) -> u64 {
        match self.last {
            Some((last, length)) if last == index => length.into(),
            _ => BLOCK_SIZE,
        }
    }

    /// The verified blocks, in order.
    pub(crate) fn verified(&self) -> impl Iterator<Item = (u64, Hash)> {
        self.chaining.iter().enumerate().filter_map(|(index, hash)| Some((index as u64, (*hash)?)))
    }

    /// The verified blocks, in order, with their digests.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (u64, BlockDigest)> {
        self.verified().map(|(index, chaining)| {
            let alone = if index == 0 { self.alone } else { None };
            (index, BlockDigest { chaining, alone })
        })
    }

    /// The digest of a block, if it is verified and `length` bytes long.
    pub(crate) fn digest(&self, index: u64, length: u64) -> Option<BlockDigest> {
        let chaining = (*self.chaining.get(usize::try_from(index).ok()?)?)?;
        let alone = if index == 0 { self.alone } else { None };
        (self.length(index) == length).then_some(BlockDigest { chaining, alone })
    }

    /// Whether the block that is shorter than the others was seen: no other can follow.
    pub(crate) fn has_end(&self) -> bool {
        self.last.is_some_and(|(last, _)| last + 1 == self.seen())
    }

    /// The runs of missing blocks of a content of `size` bytes (to its unknown end if absent).
    pub(crate) fn missing(&self, size: Option<u64>) -> Vec<Range<u64>> {
        let end = size.map_or(u64::MAX, Blocks::in_all);
        let mut runs: Vec<Range<u64>> = Vec::new();
        let holes = (0..end).zip(&self.chaining).filter(|(_, hash)| hash.is_none());
        let unseen = (self.seen()..end).take(1);
        for index in holes.map(|(index, _)| index).chain(unseen) {
            match runs.last_mut() {
                Some(run) if run.end == index => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
        if let Some(run) = runs.last_mut().filter(|_| self.seen() < end) {
            run.end = end;
        }
        runs
    }

    /// The digest of the whole content, if no block is missing.
    pub(crate) fn root(&self) -> Option<Hash> {
        let mut root = RootHasher::default();
        for (index, chaining) in self.chaining.iter().enumerate() {
            let alone = if index == 0 { self.alone } else { None };
            root.push(&BlockDigest { chaining: (*chaining)?, alone });
        }
        Some(root.finish())
    }
}

/// A buffer for one block.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX)]
}

/// Reads a block of a file into `buffer` and hashes it; `None` if the file does not have it.
pub(crate) fn hash_block(file: &File, index: u64, length: u64, buffer: &mut [u8]) -> Option<BlockDigest> {
    let block = buffer.get_mut(..usize::try_from(length).ok()?)?;
    file.read_exact_at(block, index.checked_mul(BLOCK_SIZE)?).ok()?;
    let mut hasher = BlockHasher::new(index);
    hasher.update(block);
    Some(hasher.finish())
}

/// Hashes a block of a file; `None` if the file does not have it, or its chaining value is another one.
pub(crate) fn verify_block(
    file: &File,
    index: u64,
    length: u64,
    chaining: Hash,
    buffer: &mut [u8],
) -> Option<VerifiedBlock> {
    let digest = hash_block(file, index, length, buffer)?;
    VerifiedBlock::compare(index, u32::try_from(length).ok()?, digest, chaining)
}

#[cfg(test)]
mod tests {
    use super::*;
    const FULL: u32 = BLOCK_SIZE as u32;

    fn digest(index: u64, bytes: &[u8]) -> BlockDigest {
        let mut hasher = BlockHasher::new(index);
        hasher.update(bytes);
        hasher.finish()
    }

    fn block(index: u64, length: u32, digest: BlockDigest) -> VerifiedBlock {
        VerifiedBlock::compare(index, length, digest, digest.chaining).unwrap()
    }

    fn any(index: u64, length: u32) -> VerifiedBlock {
        block(index, length, BlockDigest { chaining: Hash([7; 32]), alone: None })
    }

    fn missing(blocks: &Blocks, size: Option<u64>) -> Vec<(u64, u64)> {
        blocks.missing(size).into_iter().map(|run| (run.start, run.end)).collect()
    }

    #[test]
    fn of_an_unknown_content_everything_is_missing() {
        assert_eq!(missing(&Blocks::default(), None), [(0, u64::MAX)]);
        assert_eq!(missing(&Blocks::default(), Some(5)), [(0, 1)]);
        assert_eq!(missing(&Blocks::default(), Some(0)), []);
    }

    #[test]
    fn holes_are_missing_and_the_rest() {
        let mut blocks = Blocks::default();
        blocks.insert(&any(0, FULL));
        blocks.forget(1);
        blocks.forget(2);
        blocks.insert(&any(3, FULL));
        let size = Some(6 * BLOCK_SIZE);
        assert_eq!(missing(&blocks, size), [(1, 3), (4, 6)]);
        assert_eq!(missing(&blocks, Some(2 * BLOCK_SIZE)), [(1, 2)]);
        assert_eq!(missing(&blocks, None), [(1, 3), (4, u64::MAX)]);
        blocks.insert(&any(4, FULL));
        blocks.insert(&any(5, FULL));
        assert_eq!(missing(&blocks, size), [(1, 3)]);
        blocks.insert(&any(2, FULL));
        blocks.insert(&any(1, FULL));
        assert_eq!(missing(&blocks, size), []);
        assert_eq!(blocks.bytes(), 6 * BLOCK_SIZE);
    }

    #[test]
    fn a_hole_at_the_end_is_missing_with_the_rest() {
        let mut blocks = Blocks::default();
        blocks.insert(&any(0, FULL));
        blocks.forget(1);
        assert_eq!(missing(&blocks, None), [(1, u64::MAX)]);
        assert_eq!(missing(&blocks, Some(2 * BLOCK_SIZE)), [(1, 2)]);
    }

    #[test]
    fn only_the_last_byte_of_a_short_last_block_is_requested_again() {
        let mut blocks = Blocks::default();
        blocks.insert(&any(0, FULL));
        blocks.insert(&any(1, 10));
        assert_eq!(blocks.bytes(), BLOCK_SIZE + 10);
        blocks.reopen_last();
        assert_eq!((blocks.bytes(), blocks.seen()), (BLOCK_SIZE, 1));
        assert_eq!((blocks.begun().get(&1), blocks.received()), (Some(&9), BLOCK_SIZE + 9));
    }

    #[test]
    fn an_incomplete_block_counts_until_it_is_complete_or_forgotten() {
        let mut blocks = Blocks::default();
        blocks.begin(3, 100);
        blocks.begin(1, FULL - 1);
        blocks.begin(1, 7);
        assert_eq!((blocks.bytes(), blocks.received(), blocks.seen()), (0, 107, 0));
        assert_eq!(missing(&blocks, Some(4 * BLOCK_SIZE)), [(0, 4)], "it is still missing");
        blocks.insert(&any(1, FULL));
        blocks.begin(1, 5);
        blocks.begin(2, FULL);
        assert_eq!((blocks.received(), blocks.begun().len()), (BLOCK_SIZE + 100, 1));
        blocks.forget(3);
        assert_eq!(blocks.received(), BLOCK_SIZE);
    }

    #[test]
    fn the_root_is_what_b3sum_prints() {
        for length in [0usize, 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let content = vec![42u8; length];
            let mut blocks = Blocks::default();
            for (index, block) in content.chunks(BLOCK_SIZE as usize).enumerate() {
                blocks.insert(&self::block(index as u64, block.len() as u32, digest(index as u64, block)));
            }
            assert_eq!(blocks.root(), Some(Hash(*blake3::hash(&content).as_bytes())), "{length}");
        }
    }
}
