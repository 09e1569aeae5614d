//! Which blocks of a content are verified, begun, and being received, for a map of it.

use std::ops::Range;

use fixedbitset::FixedBitSet;

use crate::client::{api::views::picture::Part, content::blocks::Blocks};

/// The most blocks of a content that has a map: 2 MiB of bits. The server announces the size, which may be that of a sparse file.
const MAX_BLOCKS: u64 = 1 << 24;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockMap {
    verified: FixedBitSet,
    begun: Vec<u64>,
    /// The blocks that connections receive.
    in_work: Vec<u64>,
}

impl BlockMap {
    /// Of blocks that are local.
    pub(crate) fn of(blocks: &Blocks) -> BlockMap {
        let mut map = BlockMap { begun: blocks.begun().keys().copied().collect(), ..BlockMap::default() };
        blocks.verified().for_each(|(index, _)| map.set(index, true));
        map
    }

    /// Records whether a block is verified.
    pub(crate) fn set(&mut self, index: u64, verified: bool) {
        let Some(bit) = usize::try_from(index).ok().filter(|_| index < MAX_BLOCKS) else { return };
        if bit >= self.verified.len() {
            self.verified.grow(bit + 1);
        }
        self.verified.set(bit, verified);
        self.begun.retain(|begun| *begun != index);
    }

    /// Records which blocks connections receive, and which are begun.
    pub(crate) fn set_in_work(&mut self, in_work: Vec<u64>, begun: Vec<u64>) {
        (self.in_work, self.begun) = (in_work, begun);
    }

    fn verified(&self, blocks: Range<u64>) -> u64 {
        let bit = |index| usize::try_from(index).unwrap_or(usize::MAX).min(self.verified.len());
        self.verified.count_ones(bit(blocks.start)..bit(blocks.end)) as u64
    }

    /// The parts of a content of this many bytes; none if it has no map.
    pub(crate) fn parts(&self, size: u64, parts: usize) -> Vec<Part> {
        let (blocks, count) = (Blocks::in_all(size), parts as u64);
        if !(1..=MAX_BLOCKS).contains(&blocks) {
            return Vec::new();
        }
        let part = |part: u64| {
            let start = part * blocks / count;
            self.part(start..((part + 1) * blocks / count).max(start + 1))
        };
        (0..count).map(part).collect()
    }

    fn part(&self, blocks: Range<u64>) -> Part {
        if self.in_work.iter().any(|block| blocks.contains(block)) {
            return Part::InWork;
        }
        match self.verified(blocks.clone()) {
            all if all == blocks.end - blocks.start => Part::Verified,
            0 if !self.begun.iter().any(|block| blocks.contains(block)) => Part::Missing,
            _ => Part::Partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::digest::BLOCK_SIZE;

    #[test]
    fn a_part_is_verified_once_all_of_its_blocks_are() {
        let mut map = BlockMap::default();
        [0, 1, 2, 70].into_iter().for_each(|block| map.set(block, true));
        map.set_in_work(vec![5], vec![8]);
        use Part::{InWork, Missing, Partial, Verified};
        let parts = map.parts(12 * BLOCK_SIZE - 1, 6);
        assert_eq!(parts, [Verified, Partial, InWork, Missing, Partial, Missing]);
        assert_eq!(map.parts(BLOCK_SIZE, 3), [Verified; 3], "a small content has fewer blocks than parts");
        assert_eq!(map.parts(0, 3), []);
        assert_eq!(map.parts(BLOCK_SIZE, 0), []);
        map.set(1, false);
        assert_eq!(map.parts(2 * BLOCK_SIZE, 1), [Partial]);
    }

    #[test]
    fn a_content_of_any_size_takes_little_memory() {
        let mut map = BlockMap::default();
        map.set(MAX_BLOCKS - 1, true);
        let bits = map.verified.len();
        for index in [MAX_BLOCKS, u64::MAX / BLOCK_SIZE] {
            map.set(index, true);
        }
        assert_eq!(map.verified.len(), bits);
        assert_eq!(map.parts(u64::MAX, 3), []);
        assert_eq!(map.parts(MAX_BLOCKS * BLOCK_SIZE, 2), [Part::Missing, Part::Partial]);
    }
}
