//! The block hashes of a content and the BLAKE3 root over them.
//!
//! A block is a whole subtree of BLAKE3's tree, so that blocks are hashed (and verified) one by one and in
//! any order, and the root of the whole is computed from their chaining values.

use blake3::hazmat::{self, HasherExt, Mode};

/// The length of a block in bytes.
pub const BLOCK_SIZE: u64 = 1 << 20;

/// 32 bytes of BLAKE3; shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The digest of a content, as `b3sum` prints it.
    pub fn of(content: &[u8]) -> Hash {
        Hash(*blake3::hash(content).as_bytes())
    }

    /// Reads 64 hex digits of either case.
    pub fn from_hex(text: &str) -> Option<Hash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Hash(bytes))
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The number of bytes that BLAKE3 hashes at once, if they begin at a multiple of it (16 chunks: the widest vectors). With
/// the pieces of a socket, which begin anywhere, it is only half as fast.
const GROUP_LEN: usize = 16 * 1024;

/// Hashes one block in pieces.
#[derive(Clone, Debug)]
pub struct BlockHasher {
    hasher: blake3::Hasher,
    /// The received part of an incomplete group; whole groups are hashed without a copy.
    carry: Vec<u8>,
    first: bool,
}

impl BlockHasher {
    /// For the block `index`.
    pub fn new(index: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        // An index whose offset is no 64-bit number is of no content; the machines refuse it before.
        hasher.set_input_offset(index.wrapping_mul(BLOCK_SIZE));
        BlockHasher { hasher, carry: Vec::new(), first: index == 0 }
    }

    /// Adds bytes.
    ///
    /// # Panics
    /// If the block gets longer than [`BLOCK_SIZE`].
    pub fn update(&mut self, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= BLOCK_SIZE - self.len(), "a block is at most BLOCK_SIZE bytes long");
        let begun = if self.carry.is_empty() { 0 } else { GROUP_LEN - self.carry.len() };
        let (rest_of_group, bytes) = bytes.split_at(begun.min(bytes.len()));
        self.carry.extend_from_slice(rest_of_group);
        if self.carry.len() == GROUP_LEN {
            self.hasher.update(&self.carry);
            self.carry.clear();
        }
        let (groups, tail) = bytes.split_at(bytes.len() - bytes.len() % GROUP_LEN);
        self.hasher.update(groups);
        self.carry.extend_from_slice(tail);
    }

    /// Adds zeros. They cost as much as other bytes: the chaining value of a block depends on its index.
    ///
    /// # Panics
    /// If the block gets longer than [`BLOCK_SIZE`].
    pub fn zeros(&mut self, length: u64) {
        static ZEROS: [u8; 4 * GROUP_LEN] = [0; 4 * GROUP_LEN];
        let mut left = length;
        while left > 0 {
            let count = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            self.update(&ZEROS[..count]);
            left -= count as u64;
        }
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.hasher.count() + self.carry.len() as u64
    }

    /// Whether no bytes were added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the block.
    ///
    /// # Panics
    /// If it is empty: there are no empty blocks.
    pub fn finish(mut self) -> BlockDigest {
        self.hasher.update(&self.carry);
        BlockDigest {
            chaining: Hash(self.hasher.finalize_non_root()),
            alone: self.first.then(|| Hash(*self.hasher.finalize().as_bytes())),
        }
    }
}

/// The hashes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockDigest {
    /// The chaining value of the `block` frame.
    pub chaining: Hash,
    /// For block 0: the digest of a content that is this block alone.
    pub alone: Option<Hash>,
}

/// A block whose content was compared with its expected hash. There is no other way to create one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedBlock {
    index: u64,
    length: u32,
    digest: BlockDigest,
}

impl VerifiedBlock {
    /// The block `index` of `length` bytes, if it has the expected hash.
    pub fn compare(index: u64, length: u32, digest: BlockDigest, expected: Hash) -> Option<VerifiedBlock> {
        (digest.chaining == expected).then_some(VerifiedBlock { index, length, digest })
    }

    /// Its index.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its length in bytes.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Its hash.
    pub fn digest(&self) -> &BlockDigest {
        &self.digest
    }
}

/// Computes the root from the blocks, given in order.
#[derive(Clone, Debug, Default)]
pub struct RootHasher {
    blocks: u64,
    alone: Option<Hash>,
    /// Roots of complete subtrees, of falling size. Two of the same size are merged only when another
    /// block follows, because the topmost merge is a function of its own.
    subtrees: Vec<[u8; 32]>,
}

impl RootHasher {
    /// Adds the next block.
    pub fn push(&mut self, block: &BlockDigest) {
        if self.blocks == 0 {
            self.alone = block.alone;
        }
        while self.subtrees.len() > self.blocks.count_ones() as usize {
            self.merge(hazmat::merge_subtrees_non_root);
        }
        self.subtrees.push(block.chaining.0);
        self.blocks += 1;
    }

    /// The digest of the whole content, as `b3sum` prints it.
    ///
    /// # Panics
    /// If the only block that was given is not block 0.
    pub fn finish(self) -> Hash {
        self.known().expect("the first block is block 0")
    }

    /// The same; `None` if the only block is known by its chaining value alone.
    pub fn known(mut self) -> Option<Hash> {
        match self.blocks {
            0 => Some(Hash(*blake3::hash(b"").as_bytes())),
            1 => self.alone,
            _ => {
                while self.subtrees.len() > 2 {
                    self.merge(hazmat::merge_subtrees_non_root);
                }
                self.merge(|left, right, mode| *hazmat::merge_subtrees_root(left, right, mode).as_bytes());
                Some(Hash(self.subtrees[0]))
            }
        }
    }

    fn merge(&mut self, merge: impl Fn(&[u8; 32], &[u8; 32], Mode<'_>) -> [u8; 32]) {
        if let [.., left, right] = self.subtrees.as_slice() {
            let merged = merge(left, right, Mode::Hash);
            self.subtrees.pop();
            if let Some(last) = self.subtrees.last_mut() {
                *last = merged;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: usize = BLOCK_SIZE as usize;

    fn pattern(size: usize) -> Vec<u8> {
        let mut bytes = (0..251).collect::<Vec<u8>>().repeat(size / 251 + 1);
        bytes.truncate(size);
        bytes
    }

    fn root_by_blocks(content: &[u8], piece: usize) -> Hash {
        let mut root = RootHasher::default();
        for (index, block) in content.chunks(BLOCK).enumerate() {
            let mut hasher = BlockHasher::new(index as u64);
            block.chunks(piece).for_each(|bytes| hasher.update(bytes));
            assert_eq!(hasher.len(), block.len() as u64);
            root.push(&hasher.finish());
        }
        root.finish()
    }

    fn blake3(content: &[u8]) -> Hash {
        Hash(*blake3::hash(content).as_bytes())
    }

    #[test]
    fn the_root_equals_blake3_around_every_block_boundary() {
        for blocks in 0..=9 {
            let border = blocks * BLOCK;
            for size in [border.saturating_sub(1), border, border + 1, border + 1024, border + 1025] {
                let content = pattern(size);
                assert_eq!(root_by_blocks(&content, 100_000), blake3(&content), "{size} bytes");
            }
        }
    }

    #[test]
    fn known_digests() {
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(RootHasher::default().finish().to_string(), empty);
        let abc = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(root_by_blocks(b"abc", 1).to_string(), abc);
        assert_eq!(Hash::from_hex(&abc.to_uppercase()).map(|hash| hash.to_string()).as_deref(), Some(abc));
    }

    #[test]
    fn invalid_hex_is_rejected() {
        for text in ["", "6437", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Hash::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn a_block_hashes_differently_at_another_index() {
        let digest = |index| {
            let mut hasher = BlockHasher::new(index);
            hasher.update(b"same");
            hasher.finish()
        };
        assert_ne!(digest(0).chaining, digest(1).chaining);
        assert_eq!(digest(0).alone, Some(blake3(b"same")));
        assert_eq!(digest(1).alone, None);
        // No index panics, not even an impossible one.
        let _ = digest(u64::MAX);
    }

    proptest! {
        #![proptest_config(crate::fuzzing::cases(24))]
        #[test]
        fn the_root_equals_blake3_for_any_size_and_pieces(size in 0..5 * BLOCK, piece in prop_oneof![1..2000usize, 1..300_000usize, 16_383..16_386usize]) {
            let content = pattern(size);
            prop_assert_eq!(root_by_blocks(&content, piece), blake3(&content));
        }
    }
}
