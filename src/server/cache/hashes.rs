//! The block hashes of files that were read lately, so that a client that requests them does not wait until the file
//! is read again.

use std::sync::Mutex;

use super::lru::Lru;
use crate::{
    protocol::digest::{BlockDigest, Hash, RootHasher},
    server::sync::lock,
};

/// Blocks whose hashes are kept, and forgotten, together.
const SEGMENT: u64 = 64;
/// What a segment costs beside its hashes, with its places in the map.
const OVERHEAD: usize = 320;
/// Bytes that all of them may cost: the hashes of some 200 GiB.
const BUDGET: usize = 8 * 1024 * 1024;

/// Hashes of blocks, by the identities of the files.
#[derive(Debug)]
pub(crate) struct BlockHashes {
    segments: Mutex<Lru<(String, u64), Segment>>,
}

/// The hashes of [`SEGMENT`] blocks.
#[derive(Debug)]
struct Segment {
    hashes: Box<[Hash]>,
    /// A bit for each hash that is known.
    known: u64,
    /// The digest of a file that is one block.
    alone: Option<Hash>,
}

impl BlockHashes {
    pub fn new() -> BlockHashes {
        BlockHashes { segments: Mutex::new(Lru::new(BUDGET)) }
    }

    /// Adds a block of a file of `blocks` blocks.
    pub fn put(&self, identity: &str, blocks: u64, index: u64, digest: &BlockDigest) {
        let (number, place) = (index / SEGMENT, index % SEGMENT);
        let length = blocks.saturating_sub(number * SEGMENT).min(SEGMENT);
        if place >= length {
            return;
        }
        let mut segments = lock(&self.segments);
        let key = (identity.to_owned(), number);
        if segments.get(&key).is_none() {
            let hashes = vec![Hash([0; 32]); length as usize].into_boxed_slice();
            let cost = OVERHEAD + size_of_val(&*hashes);
            segments.insert(key.clone(), Segment { hashes, known: 0, alone: None }, cost);
        }
        if let Some(segment) = segments.get(&key)
            && let Some(hash) = segment.hashes.get_mut(place as usize)
        {
            *hash = digest.chaining;
            segment.known |= 1 << place;
            if index == 0 {
                segment.alone = digest.alone;
            }
        }
    }

    /// The root of a file of `blocks` blocks, if all of them are known.
    pub fn root(&self, identity: &str, blocks: u64) -> Option<Hash> {
        let (mut root, mut next) = (RootHasher::default(), 0);
        while next < blocks {
            let known = self.run(identity, next, blocks);
            if known.is_empty() {
                return None;
            }
            known.iter().for_each(|block| root.push(block));
            next += known.len() as u64;
        }
        root.known()
    }

    /// The blocks from `first` on, up to `end` or to one that is not known; a segment's at most.
    pub fn run(&self, identity: &str, first: u64, end: u64) -> Vec<BlockDigest> {
        let (number, place) = (first / SEGMENT, first % SEGMENT);
        let mut segments = lock(&self.segments);
        let Some(segment) = segments.get(&(identity.to_owned(), number)) else { return Vec::new() };
        let known = u64::from((segment.known >> place).trailing_ones()).min(end.saturating_sub(first));
        let hashes = segment.hashes.iter().skip(place as usize).take(known as usize);
        (first..)
            .zip(hashes)
            .map(|(index, &chaining)| BlockDigest { chaining, alone: segment.alone.filter(|_| index == 0) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(index: u64) -> BlockDigest {
        let alone = (index == 0).then_some(Hash([255; 32]));
        BlockDigest { chaining: Hash([index as u8; 32]), alone }
    }

    #[test]
    fn known_hashes_are_returned_up_to_the_first_gap() {
        let hashes = BlockHashes::new();
        for index in (0..10).chain(11..130) {
            hashes.put("a", 130, index, &digest(index));
        }
        let run = |first, end| hashes.run("a", first, end);
        assert_eq!(run(0, 130), (0..10).map(digest).collect::<Vec<_>>());
        assert_eq!(run(10, 130), []);
        assert_eq!(run(11, 130), (11..64).map(digest).collect::<Vec<_>>());
        assert_eq!(run(64, 130), (64..128).map(digest).collect::<Vec<_>>());
        assert_eq!(run(128, 130), (128..130).map(digest).collect::<Vec<_>>());
        assert_eq!(run(70, 72), (70..72).map(digest).collect::<Vec<_>>());
        assert_eq!(
            (run(5, 5), run(7, 3), run(130, 999), hashes.run("b", 0, 9)),
            (vec![], vec![], vec![], vec![])
        );
    }

    #[test]
    fn a_block_that_the_file_does_not_have_is_not_kept() {
        let hashes = BlockHashes::new();
        hashes.put("a", 3, 3, &digest(3));
        hashes.put("a", 3, u64::MAX, &digest(3));
        assert_eq!(hashes.run("a", 3, 4), []);
    }

    #[test]
    fn the_cache_stays_within_its_budget() {
        let hashes = BlockHashes::new();
        let blocks = 400 * 1024;
        for index in 0..blocks {
            hashes.put("large", blocks, index, &digest(index));
        }
        let kept = (0..blocks).filter(|&index| !hashes.run("large", index, index + 1).is_empty()).count();
        assert!((100_000..260_000).contains(&kept), "{kept} blocks");
        assert_eq!(hashes.run("large", blocks - 1, blocks), [digest(blocks - 1)]);
    }
}
