//! Which blocks of a content are verified, begun and received just now, for a picture of it.

use std::ops::Range;

use crate::client::{api::picture::Part, content::blocks::Blocks};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockMap {
    /// A bit for each block up to the last verified one.
    verified: Vec<u64>,
    begun: Vec<u64>,
    /// The block that each connection receives.
    in_work: Vec<u64>,
}

impl BlockMap {
    /// Of blocks that are local.
    pub(crate) fn of(blocks: &Blocks) -> BlockMap {
        let mut map = BlockMap { begun: blocks.begun().keys().copied().collect(), ..BlockMap::default() };
        blocks.verified().for_each(|(index, _)| map.set(index, true));
        map
    }

    /// Notes whether a block is verified.
    pub(crate) fn set(&mut self, index: u64, verified: bool) {
        let Ok(word) = usize::try_from(index / 64) else { return };
        if self.verified.len() <= word {
            self.verified.resize(word + 1, 0);
        }
        let bit = 1 << (index % 64);
        if verified {
            self.verified[word] |= bit;
        } else {
            self.verified[word] &= !bit;
        }
        self.begun.retain(|begun| *begun != index);
    }

    /// Notes which blocks are received, and which are begun.
    pub(crate) fn set_in_work(&mut self, in_work: Vec<u64>, begun: Vec<u64>) {
        (self.in_work, self.begun) = (in_work, begun);
    }

    fn is_verified(&self, index: u64) -> bool {
        let word = usize::try_from(index / 64).ok().and_then(|word| self.verified.get(word));
        word.is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// The parts of a content of this many bytes.
    pub(crate) fn parts(&self, size: u64, parts: usize) -> Vec<Part> {
        let blocks = Blocks::in_all(size);
        let count = parts as u64;
        let bound = |part: u64| u64::try_from(u128::from(part) * u128::from(blocks) / u128::from(count));
        let range = |part: u64| {
            let start = bound(part).unwrap_or(u64::MAX);
            start..bound(part + 1).unwrap_or(u64::MAX).max(start.saturating_add(1))
        };
        if blocks == 0 { Vec::new() } else { (0..count).map(|part| self.part(range(part))).collect() }
    }

    fn part(&self, blocks: Range<u64>) -> Part {
        if self.in_work.iter().any(|block| blocks.contains(block)) {
            return Part::InWork;
        }
        let verified = blocks.clone().filter(|&block| self.is_verified(block)).count() as u64;
        match verified {
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
}
