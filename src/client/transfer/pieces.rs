//! Verifies the pieces of a content as soon as all of a piece is local.

use std::{io, ops::Range};

use fixedbitset::FixedBitSet;

use crate::{
    client::{api::content::described::Pieces, content::blocks::Blocks},
    protocol::digest::BLOCK_SIZE,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct PieceCheck {
    pieces: Pieces,
    size: u64,
    /// The pieces that are verified.
    verified: FixedBitSet,
}

/// A piece of which all is local, and which has another digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongPiece {
    pub(crate) index: u64,
    /// The blocks that some of it is in.
    pub(crate) blocks: Range<u64>,
}

impl PieceCheck {
    /// Of a content of `size` bytes; `None` if the pieces are of a content of another size.
    pub(crate) fn new(pieces: &Pieces, size: u64) -> Option<PieceCheck> {
        let count = usize::try_from(pieces.count()).ok().filter(|_| pieces.are_of(size))?;
        Some(PieceCheck { pieces: pieces.clone(), size, verified: FixedBitSet::with_capacity(count) })
    }

    /// The pieces.
    pub(crate) fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// Blocks of a piece, if each piece begins with a block; otherwise 1.
    pub(crate) fn unit(&self) -> u64 {
        if self.pieces.length().is_multiple_of(BLOCK_SIZE) { self.pieces.length() / BLOCK_SIZE } else { 1 }
    }

    /// Whether all pieces that are in a block are verified.
    pub(crate) fn has(&self, block: u64) -> bool {
        self.within(block)
            .all(|index| usize::try_from(index).is_ok_and(|index| self.verified.contains(index)))
    }

    /// The pieces that are in a block.
    fn within(&self, block: u64) -> Range<u64> {
        let start = block.saturating_mul(BLOCK_SIZE);
        let end = start.saturating_add(BLOCK_SIZE).min(self.size);
        start / self.pieces.length()..end.div_ceil(self.pieces.length())
    }

    /// Whether all pieces are verified.
    pub(crate) fn is_complete(&self) -> bool {
        self.verified.is_full()
    }

    /// Verifies the pieces that are in a block which was just received, if all of them is local. Returns those that are wrong.
    pub(crate) fn received(
        &mut self,
        block: u64,
        blocks: &Blocks,
        read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    ) -> Vec<WrongPiece> {
        self.verify(self.within(block), blocks, read)
    }

    /// Verifies the pieces that are local and are not verified yet. Returns those that are wrong.
    pub(crate) fn local(
        &mut self,
        blocks: &Blocks,
        read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    ) -> Vec<WrongPiece> {
        let open: Vec<_> = self.verified.zeroes().map(|index| index as u64).collect();
        let mut read = read;
        open.into_iter().flat_map(|index| self.verify(index..index + 1, blocks, &mut read)).collect()
    }

    fn verify(
        &mut self,
        pieces: Range<u64>,
        blocks: &Blocks,
        mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    ) -> Vec<WrongPiece> {
        let mut wrong = Vec::new();
        let mut bytes = Vec::new();
        for index in pieces {
            let start = index.saturating_mul(self.pieces.length());
            let end = start.saturating_add(self.pieces.length()).min(self.size);
            let within = start / BLOCK_SIZE..end.div_ceil(BLOCK_SIZE);
            let is_local = |block: u64| {
                let length = BLOCK_SIZE.min(self.size - block * BLOCK_SIZE);
                blocks.digest(block, length).is_some()
            };
            if !within.clone().all(is_local) {
                continue;
            }
            bytes.resize(usize::try_from(end - start).unwrap_or(0), 0);
            // What cannot be read is not shown to be right.
            let is_right = read(&mut bytes, start).is_ok() && self.pieces.is(index, &bytes);
            self.verified.set(usize::try_from(index).unwrap_or(usize::MAX), is_right);
            if !is_right {
                wrong.push(WrongPiece { index, blocks: within });
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;
    use crate::{
        client::api::content::described::PieceDigest,
        protocol::digest::{BlockHasher, VerifiedBlock},
    };

    const SIZE: usize = 3 * BLOCK_SIZE as usize + 5;

    fn content() -> Vec<u8> {
        (0..SIZE).map(|at| (at * 7 / 1000) as u8).collect()
    }

    fn check(length: u64, content: &[u8]) -> PieceCheck {
        let digests =
            content.chunks(length as usize).flat_map(|piece| sha2::Sha256::digest(piece).to_vec()).collect();
        PieceCheck::new(&Pieces::new(PieceDigest::Sha256, length, digests).unwrap(), content.len() as u64)
            .unwrap()
    }

    /// Receives the blocks in this order. Returns the pieces that were wrong.
    fn receive(check: &mut PieceCheck, content: &[u8], order: &[u64]) -> Vec<u64> {
        let mut blocks = Blocks::default();
        let mut wrong = Vec::new();
        for &index in order {
            let start = index as usize * BLOCK_SIZE as usize;
            let block = &content[start..content.len().min(start + BLOCK_SIZE as usize)];
            let mut hasher = BlockHasher::new(index);
            hasher.update(block);
            let digest = hasher.finish();
            blocks
                .insert(&VerifiedBlock::compare(index, block.len() as u32, digest, digest.chaining).unwrap());
            let found = check.received(index, &blocks, |bytes, offset| {
                bytes.copy_from_slice(&content[offset as usize..offset as usize + bytes.len()]);
                Ok(())
            });
            wrong.extend(found.into_iter().map(|wrong| wrong.index));
        }
        wrong
    }

    #[test]
    fn each_piece_is_verified_once_all_of_it_is_local() {
        for length in [1000, 1 << 18, BLOCK_SIZE, 1_500_000, 2 * BLOCK_SIZE, 8 * BLOCK_SIZE] {
            let content = content();
            let mut all = check(length, &content);
            assert_eq!(receive(&mut all, &content, &[2, 0, 3]), Vec::<u64>::new(), "{length}");
            assert!(!all.is_complete(), "{length}");
            assert_eq!(receive(&mut all, &content, &[2, 0, 3, 1]), Vec::<u64>::new(), "{length}");
            assert!(all.is_complete(), "{length}");
            let mut damaged = content.clone();
            damaged[BLOCK_SIZE as usize + 17] ^= 1;
            let wrong = receive(&mut all, &damaged, &[3, 1, 0, 2]);
            assert_eq!(wrong, [(BLOCK_SIZE + 17) / length], "{length}");
            assert!(!all.is_complete(), "{length}");
        }
    }

    #[test]
    fn pieces_of_another_size_prove_nothing() {
        let content = content();
        let pieces = check(BLOCK_SIZE, &content).pieces().clone();
        assert!(PieceCheck::new(&pieces, SIZE as u64 - 5).is_none());
        assert!(PieceCheck::new(&pieces, SIZE as u64 + BLOCK_SIZE).is_none());
    }
}
