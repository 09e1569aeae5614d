//! The hashes of blocks in one answer, as the server writes them.

use crate::protocol::{
    digest::{BLOCK_SIZE, BlockDigest, Hash, RootHasher},
    frame::{HASH_LEN, HASHES_HEADER_LEN, Header, Kind, MAX_HASHES, control, outgoing::Outgoing},
    message,
};

/// Writes the hashes of one answer and its `end`. To end it with an error instead, drop it and call
/// [`crate::protocol::server::Server::failure`].
#[derive(Debug)]
pub struct HashesWriter {
    request: u32,
    /// Index of the block whose hash is the next one.
    next: u64,
    /// Bytes of the whole content.
    size: u64,
    /// Gathers the blocks, if the answer began with the first one.
    root: Option<RootHasher>,
}

impl HashesWriter {
    pub(super) fn new(request: u32, content: &message::Content) -> HashesWriter {
        let next = content.first_block;
        let root = (next == 0).then(RootHasher::default);
        HashesWriter { request, next, size: content.size.unwrap_or(0), root }
    }

    /// Index of the block whose hash is the next one.
    pub fn next_block(&self) -> u64 {
        self.next
    }

    /// Writes the next hashes.
    pub fn push(&mut self, blocks: &[BlockDigest], out: &mut Outgoing) {
        for blocks in blocks.chunks(MAX_HASHES) {
            let length = HASHES_HEADER_LEN + blocks.len() * HASH_LEN;
            let length = u32::try_from(length).unwrap_or(Kind::HashesAnswer.max_length());
            out.push(&Header { kind: Kind::HashesAnswer, length, request: self.request }.encode());
            out.push(&self.next.to_le_bytes());
            for block in blocks {
                out.push(&block.chaining.0);
                if let Some(root) = &mut self.root {
                    root.push(block);
                }
            }
            self.next += blocks.len() as u64;
        }
    }

    /// Writes `end`. Returns the root if this answer was about the whole content.
    ///
    /// # Panics
    /// If the only block that was given is not block 0 as [`crate::protocol::digest::BlockHasher`] gives it.
    pub fn end(self, identity: &str, out: &mut Outgoing) -> Option<Hash> {
        let complete = self.next >= self.size.div_ceil(BLOCK_SIZE);
        let root = self.root.filter(|_| complete).map(RootHasher::finish);
        let end = message::End {
            size: complete.then_some(self.size),
            root: root.map(|root| root.to_string()),
            identity: identity.to_owned(),
            missing: None,
        };
        control::write(Kind::End, self.request, &end, out);
        root
    }
}
