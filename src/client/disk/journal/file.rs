//! The lines of the journal of a file, or of an archive that is received as one: which of its blocks are in the `.part`. No I/O.
//!
//! ```text
//! source {"address":"fdsp://nas:7878/a.iso","origin":"sha256:5b…","identity":"9f…","form":"file","size":2097152,…}
//! block 1 1048576 6437b3ac…
//! block 0 1048576 af1349b9… 2d3adedf…
//! begun 2 393216
//! ```
//!
//! `block`: index, length and chaining value of a verified block; for block 0 also the digest of a content that consists of this
//! block. `begun`: index of a block that is not complete, and how many of its bytes are in the `.part`; they are not verified.

use crate::{
    client::{
        content::{
            Content,
            blocks::{Blocks, RecordedBlocks},
        },
        disk::journal::Lines,
    },
    protocol::digest::{BLOCK_SIZE, BlockDigest, Hash, VerifiedBlock},
};

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileLines {
    pub(crate) content: Content,
    pub(crate) blocks: RecordedBlocks,
    /// Bytes of the `.part`.
    part_len: u64,
}

impl FileLines {
    /// No lines about a content, of which `part_len` bytes are in the `.part`.
    pub(crate) fn new(content: Content, part_len: u64) -> FileLines {
        FileLines { content, blocks: RecordedBlocks::default(), part_len }
    }
}

impl Lines for FileLines {
    const FORMAT: &'static str = "fdsp-control 2";
    const HEADER: &'static str = "source";
    type Header = Content;

    fn take(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "block" => take_block(rest, self),
            "begun" => take_begun(rest, self),
            _ => None,
        }
    }
}

/// A verified block.
pub(crate) fn verified(block: &VerifiedBlock) -> String {
    self::block(block.index(), block.length().into(), block.digest())
}

/// A verified block, by its index, length and digest.
pub(crate) fn block(index: u64, length: u64, digest: &BlockDigest) -> String {
    let alone = digest.alone.map(|alone| format!(" {alone}")).unwrap_or_default();
    format!("block {index} {length} {}{alone}", digest.chaining)
}

/// The first bytes of a block that is not complete; 0 forgets them.
pub(crate) fn begun(index: u64, bytes: u32) -> String {
    format!("begun {index} {bytes}")
}

/// All blocks that are verified or begun.
pub(crate) fn all(blocks: &Blocks) -> impl Iterator<Item = String> {
    let verified = blocks.digests().map(|(index, digest)| block(index, blocks.length(index), &digest));
    verified.chain(blocks.begun().iter().map(|(&index, &bytes)| begun(index, bytes)))
}

fn take_block(text: &str, lines: &mut FileLines) -> Option<()> {
    let mut words = text.split(' ');
    let index: u64 = words.next()?.parse().ok()?;
    let length: u32 = words.next()?.parse().ok()?;
    let chaining = Hash::from_hex(words.next()?)?;
    let alone = match words.next() {
        Some(word) => Some(Hash::from_hex(word)?),
        None => None,
    };
    let begin = index.checked_mul(BLOCK_SIZE)?;
    let end = begin.checked_add(length.into())?;
    let fits = match lines.content.size {
        Some(size) => begin < size && u64::from(length) == BLOCK_SIZE.min(size - begin),
        // Only the last block may be shorter, and it is not known yet which one is the last: its end is requested again.
        None if (1..BLOCK_SIZE).contains(&length.into()) && end <= lines.part_len => {
            lines.blocks.begin(index, length - 1);
            return Some(());
        }
        None => u64::from(length) == BLOCK_SIZE,
    };
    // The `.part` must have all of the block: a line alone must not allocate memory.
    if !fits || end > lines.part_len || words.next().is_some() || alone.is_some() != (index == 0) {
        return None;
    }
    lines.blocks.insert(index, length, &BlockDigest { chaining, alone });
    Some(())
}

fn take_begun(text: &str, lines: &mut FileLines) -> Option<()> {
    let (index, bytes) = text.split_once(' ')?;
    let (index, bytes): (u64, u32) = (index.parse().ok()?, bytes.parse().ok()?);
    let begin = index.checked_mul(BLOCK_SIZE)?;
    let end = begin.checked_add(bytes.into())?;
    let length = lines.content.size.map_or(BLOCK_SIZE, |size| size.saturating_sub(begin).min(BLOCK_SIZE));
    if u64::from(bytes) >= length || end > lines.part_len {
        return None;
    }
    lines.blocks.begin(index, bytes);
    Some(())
}

#[cfg(test)]
mod tests;
