//! The digest of a content that is computed while the content is received, as far as its blocks follow one another from the first one on.

use std::io;

use sha2::Digest as _;

use crate::{
    client::{api::content::checksum::Checksum, content::blocks::Blocks},
    protocol::digest::{BLOCK_SIZE, Hash},
};

/// Blocks that are added at once, at most: events wait meanwhile.
const MAX_BLOCKS: usize = 4;

/// See the module. It names each block that it has added, so that a block which was received again later makes it worthless, and not wrong.
#[derive(Clone, Debug)]
pub(crate) struct RunningDigest {
    hasher: Hasher,
    /// The chaining values of the blocks that were added.
    added: Vec<Hash>,
}

#[derive(Clone, Debug)]
enum Hasher {
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
    Md5(md5::Md5),
}

impl RunningDigest {
    /// Of the algorithm of a digest; `None` if the blocks themselves are of it.
    pub(crate) fn like(digest: &Checksum) -> Option<RunningDigest> {
        let hasher = match digest {
            Checksum::Blake3(_) => return None,
            Checksum::Sha256(_) => Hasher::Sha256(sha2::Sha256::new()),
            Checksum::Sha512(_) => Hasher::Sha512(Box::default()),
            Checksum::Md5(_) => Hasher::Md5(md5::Md5::new()),
        };
        Some(RunningDigest { hasher, added: Vec::new() })
    }

    /// Adds the next blocks, if they are local.
    pub(crate) fn advance(
        &mut self,
        blocks: &Blocks,
        mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    ) {
        let mut bytes = Vec::new();
        for _ in 0..MAX_BLOCKS {
            let index = self.added.len() as u64;
            let length = blocks.length(index);
            let Some(digest) = blocks.digest(index, length) else { return };
            bytes.resize(usize::try_from(length).unwrap_or(0), 0);
            if read(&mut bytes, index * BLOCK_SIZE).is_err() {
                return;
            }
            match &mut self.hasher {
                Hasher::Sha256(hasher) => hasher.update(&bytes),
                Hasher::Sha512(hasher) => hasher.update(&bytes),
                Hasher::Md5(hasher) => hasher.update(&bytes),
            }
            self.added.push(digest.chaining);
        }
    }

    /// The digest, if exactly these blocks were added.
    pub(crate) fn of(&self, blocks: &Blocks) -> Option<Checksum> {
        let is_all =
            blocks.verified().eq(self.added.iter().enumerate().map(|(index, hash)| (index as u64, *hash)));
        is_all.then(|| match self.hasher.clone() {
            Hasher::Sha256(hasher) => Checksum::Sha256(hasher.finalize().into()),
            Hasher::Sha512(hasher) => Checksum::Sha512(hasher.finalize().into()),
            Hasher::Md5(hasher) => Checksum::Md5(hasher.finalize().into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::digest::{BlockHasher, VerifiedBlock};

    fn insert(blocks: &mut Blocks, content: &[u8], index: u64) {
        let start = (index * BLOCK_SIZE) as usize;
        let block = &content[start..content.len().min(start + BLOCK_SIZE as usize)];
        let mut hasher = BlockHasher::new(index);
        hasher.update(block);
        let digest = hasher.finish();
        let verified = VerifiedBlock::compare(index, block.len() as u32, digest, digest.chaining);
        blocks.insert(&verified.unwrap());
    }

    #[test]
    fn it_follows_the_blocks_in_whatever_order_they_arrive() {
        let content: Vec<u8> = (0..3 * BLOCK_SIZE as usize + 7).map(|at| (at / 1000) as u8).collect();
        for (like, expected) in [
            (Checksum::Sha256([0; 32]), Checksum::Sha256(sha2::Sha256::digest(&content).into())),
            (Checksum::Sha512([0; 64]), Checksum::Sha512(sha2::Sha512::digest(&content).into())),
            (Checksum::Md5([0; 16]), Checksum::Md5(md5::Md5::digest(&content).into())),
        ] {
            let (mut running, mut blocks) = (RunningDigest::like(&like).unwrap(), Blocks::default());
            for index in [1, 0, 3, 2] {
                insert(&mut blocks, &content, index);
                running.advance(&blocks, |bytes, offset| {
                    bytes.copy_from_slice(&content[offset as usize..offset as usize + bytes.len()]);
                    Ok(())
                });
            }
            assert_eq!(running.of(&blocks), Some(expected));
            // A block that is another one afterwards.
            let mut other = content.clone();
            other[5] ^= 1;
            insert(&mut blocks, &other, 0);
            assert_eq!(running.of(&blocks), None);
        }
        assert!(RunningDigest::like(&Checksum::Blake3([0; 32])).is_none());
    }
}
