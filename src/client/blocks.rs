//! Which blocks of a content are verified, and their chaining values.

use std::ops::Range;

use crate::protocol::digest::{BLOCK_SIZE, BlockDigest, Hash, RootHasher};

/// The verified blocks of one version of a content.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Blocks {
    chaining: Vec<Option<Hash>>,
    /// Digest of a content that is block 0 alone, see [`BlockDigest::alone`].
    alone: Option<Hash>,
    bytes: u64,
    /// Length of the block that is shorter than the others: the last one.
    last: Option<(u64, u32)>,
}

impl Blocks {
    /// Number of blocks of `size` bytes.
    pub(super) fn in_all(size: u64) -> u64 {
        size.div_ceil(BLOCK_SIZE)
    }

    /// Notes a verified block.
    pub(super) fn insert(&mut self, index: u64, length: u32, digest: &BlockDigest) {
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

    /// Notes that a block is not, or no longer, right.
    pub(super) fn forget(&mut self, index: u64) {
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

    /// Forgets the last of the blocks, verified or not.
    pub(super) fn forget_last(&mut self) {
        if let Some(last) = self.chaining.len().checked_sub(1) {
            self.forget(last as u64);
            self.chaining.pop();
        }
    }

    /// Bytes of verified blocks.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of blocks up to the last one that was seen.
    pub(super) fn seen(&self) -> u64 {
        self.chaining.len() as u64
    }

    /// Length of a block that was seen.
    pub(super) fn length(&self, index: u64) -> u64 {
        match self.last {
            Some((last, length)) if last == index => length.into(),
            _ => BLOCK_SIZE,
        }
    }

    /// The verified blocks, in order.
    pub(super) fn verified(&self) -> impl Iterator<Item = (u64, Hash)> {
        self.chaining.iter().enumerate().filter_map(|(index, hash)| Some((index as u64, (*hash)?)))
    }

    /// The verified blocks, in order, with all that is known of them.
    pub(super) fn digests(&self) -> impl Iterator<Item = (u64, BlockDigest)> {
        self.verified().map(|(index, chaining)| {
            let alone = if index == 0 { self.alone } else { None };
            (index, BlockDigest { chaining, alone })
        })
    }

    /// The digest of a block, if it is verified and `length` bytes long.
    pub(super) fn digest(&self, index: u64, length: u64) -> Option<BlockDigest> {
        let chaining = (*self.chaining.get(usize::try_from(index).ok()?)?)?;
        let alone = if index == 0 { self.alone } else { None };
        (self.length(index) == length).then_some(BlockDigest { chaining, alone })
    }

    /// Whether the block that is shorter than the others was seen: no other can follow.
    pub(super) fn has_end(&self) -> bool {
        self.last.is_some_and(|(last, _)| last + 1 == self.seen())
    }

    /// The runs of missing blocks of a content of `size` bytes (to its unknown end if absent).
    pub(super) fn missing(&self, size: Option<u64>) -> Vec<Range<u64>> {
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
    pub(super) fn root(&self) -> Option<Hash> {
        let mut root = RootHasher::default();
        for (index, chaining) in self.chaining.iter().enumerate() {
            let alone = if index == 0 { self.alone } else { None };
            root.push(&BlockDigest { chaining: (*chaining)?, alone });
        }
        Some(root.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::digest::BlockHasher;

    const FULL: u32 = BLOCK_SIZE as u32;

    fn digest(index: u64, bytes: &[u8]) -> BlockDigest {
        let mut hasher = BlockHasher::new(index);
        hasher.update(bytes);
        hasher.finish()
    }

    fn any() -> BlockDigest {
        BlockDigest { chaining: Hash([7; 32]), alone: None }
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
        blocks.insert(0, FULL, &any());
        blocks.forget(1);
        blocks.forget(2);
        blocks.insert(3, FULL, &any());
        let size = Some(6 * BLOCK_SIZE);
        assert_eq!(missing(&blocks, size), [(1, 3), (4, 6)]);
        assert_eq!(missing(&blocks, Some(2 * BLOCK_SIZE)), [(1, 2)]);
        assert_eq!(missing(&blocks, None), [(1, 3), (4, u64::MAX)]);
        blocks.insert(4, FULL, &any());
        blocks.insert(5, FULL, &any());
        assert_eq!(missing(&blocks, size), [(1, 3)]);
        blocks.insert(2, FULL, &any());
        blocks.insert(1, FULL, &any());
        assert_eq!(missing(&blocks, size), []);
        assert_eq!(blocks.bytes(), 6 * BLOCK_SIZE);
    }

    #[test]
    fn a_hole_at_the_end_of_what_came_is_missing_with_the_rest() {
        let mut blocks = Blocks::default();
        blocks.insert(0, FULL, &any());
        blocks.forget(1);
        assert_eq!(missing(&blocks, None), [(1, u64::MAX)]);
        assert_eq!(missing(&blocks, Some(2 * BLOCK_SIZE)), [(1, 2)]);
    }

    #[test]
    fn forgetting_the_short_last_block_takes_its_bytes() {
        let mut blocks = Blocks::default();
        blocks.insert(0, FULL, &any());
        blocks.insert(1, 10, &any());
        assert_eq!(blocks.bytes(), BLOCK_SIZE + 10);
        blocks.forget_last();
        assert_eq!((blocks.bytes(), blocks.seen()), (BLOCK_SIZE, 1));
    }

    #[test]
    fn the_root_is_what_b3sum_prints() {
        for length in [0usize, 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let content = vec![42u8; length];
            let mut blocks = Blocks::default();
            for (index, block) in content.chunks(BLOCK_SIZE as usize).enumerate() {
                blocks.insert(index as u64, block.len() as u32, &digest(index as u64, block));
            }
            assert_eq!(blocks.root(), Some(Hash(*blake3::hash(&content).as_bytes())), "{length}");
        }
    }
}
