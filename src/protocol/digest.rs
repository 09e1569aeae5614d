//! The block hashes of a content and the BLAKE3 root over them.

/// Bytes of a block.
pub const BLOCK_SIZE: u64 = 1 << 20;

/// 32 bytes of BLAKE3; shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads 64 hex digits of either case.
    pub fn from_hex(text: &str) -> Option<Hash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
        }
        Some(Hash(bytes))
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Hashes one block as its bytes come.
#[derive(Clone, Debug)]
pub struct BlockHasher;

impl BlockHasher {
    /// For the block `index`.
    pub fn new(index: u64) -> Self {
        let _ = index;
        todo!()
    }
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }
    /// Bytes so far.
    pub fn len(&self) -> u64 {
        todo!()
    }
    /// Ends the block.
    pub fn finish(self) -> BlockDigest {
        todo!()
    }
}

/// What hashing a block gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockDigest {
    /// The chaining value, as it stands in a `block` frame.
    pub chaining: Hash,
    /// For block 0: the digest of a content that is this block alone.
    pub alone: Option<Hash>,
}

/// Computes the root from the blocks, given in order.
#[derive(Clone, Debug, Default)]
pub struct RootHasher;

impl RootHasher {
    /// Adds the next block.
    pub fn push(&mut self, block: &BlockDigest) {
        let _ = block;
        todo!()
    }
    /// The digest of the whole content, as `b3sum` prints it.
    pub fn finish(self) -> Hash {
        todo!()
    }
}
