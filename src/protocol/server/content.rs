//! The content of one answer, as the server writes it.

use crate::protocol::{
    digest::{BLOCK_SIZE, BlockDigest, BlockHasher, Hash, RootHasher},
    frame::{BlockMark, HEADER, Header, Kind, MAX_DATA, control, outgoing::Outgoing},
    message,
};

/// Writes the content of one answer: `data` and `block` frames and the `end`. To end it with an error instead,
/// drop it and call [`crate::protocol::server::Server::failure`].
#[derive(Debug)]
pub struct ContentWriter {
    request: u32,
    /// Index of the block that the next byte belongs to.
    index: u64,
    /// Where the next byte belongs in the content.
    offset: u64,
    block: BlockHasher,
    /// Gathers the blocks, if the answer began with the first one.
    root: Option<RootHasher>,
    /// The block that was completed last, until it is taken.
    completed: Option<(u64, BlockDigest)>,
}

/// Optional members of an `end`, if requested.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// The missing entries of an archive.
    pub missing: Option<message::Missing>,
    /// The root of a content of which only a part is sent, if it is known.
    pub root: Option<Hash>,
}

/// The result of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Bytes of content.
    pub bytes: usize,
    /// Bytes of the sources read so far (see the `block` frame).
    pub position: u64,
}

impl ContentWriter {
    pub(super) fn new(request: u32, first_block: u64) -> ContentWriter {
        ContentWriter {
            request,
            index: first_block,
            offset: first_block.saturating_mul(BLOCK_SIZE),
            block: BlockHasher::new(first_block),
            root: (first_block == 0).then(RootHasher::default),
            completed: None,
        }
    }

    /// The maximum number of content bytes that the next [`ContentWriter::data`] takes: up to the end of a frame or block.
    pub fn room(&self) -> usize {
        // Both are at most MAX_DATA, which fits everywhere.
        usize::try_from(BLOCK_SIZE - self.block.len())
            .map_or(MAX_DATA as usize, |left| left.min(MAX_DATA as usize))
    }

    /// Takes bytes of the first block that are not sent, because the client has them; before any [`ContentWriter::data`].
    pub fn skipped(&mut self, bytes: &[u8]) {
        self.block.update(bytes);
        self.offset += bytes.len() as u64;
    }

    /// Writes the frames of a whole block of zeros, `length` bytes long, that are not sent. Only between two blocks, and only if the
    /// request has `holes`.
    pub fn hole(&mut self, length: u64, position: u64, out: &mut Outgoing) {
        out.push(&Header { kind: Kind::Hole, length: 0, request: self.request }.encode());
        self.block.zeros(length);
        self.offset += length;
        self.mark(position, out);
    }

    /// Whether the next byte is the first of a block.
    pub fn is_between_blocks(&self) -> bool {
        self.block.is_empty()
    }

    /// Index of the block that the next byte belongs to.
    pub fn next_block(&self) -> u64 {
        self.index
    }

    /// Where the next byte belongs in the content.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes one `data` frame: `fill` writes content into `out` after the header, and returns its length
    /// (0 writes nothing). The buffer that `fill` gets has arbitrary bytes. When that completes a block its
    /// mark is written, too.
    ///
    /// # Errors
    /// What `fill` returns; nothing was written then.
    pub fn data<E>(
        &mut self,
        out: &mut Outgoing,
        fill: impl FnOnce(&mut [u8]) -> Result<Filled, E>,
    ) -> Result<usize, E> {
        self.data_within(usize::MAX, out, fill)
    }

    /// As [`ContentWriter::data`], with at most `most` bytes of content: for a slow peer, for which little is to be
    /// kept in memory.
    ///
    /// # Errors
    /// What `fill` returns; nothing was written then.
    pub fn data_within<E>(
        &mut self,
        most: usize,
        out: &mut Outgoing,
        fill: impl FnOnce(&mut [u8]) -> Result<Filled, E>,
    ) -> Result<usize, E> {
        let (room, request) = (self.room().min(most), self.request);
        let mut filled = Filled { bytes: 0, position: 0 };
        let block = &mut self.block;
        out.fill(HEADER + room, |place| {
            let (header, content) = place.split_at_mut(HEADER);
            filled = fill(content)?;
            filled.bytes = filled.bytes.min(room);
            if filled.bytes == 0 {
                return Ok(0);
            }
            block.update(&content[..filled.bytes]);
            let length = u32::try_from(filled.bytes).unwrap_or(MAX_DATA);
            header.copy_from_slice(&Header { kind: Kind::Data, length, request }.encode());
            Ok(HEADER + filled.bytes)
        })?;
        self.offset += filled.bytes as u64;
        if self.block.len() == BLOCK_SIZE {
            self.mark(filled.position, out);
        }
        Ok(filled.bytes)
    }

    /// Writes the mark of a last short block, if there is one, and `end`. `complete`: the content's end was
    /// reached; its size is the sent bytes plus those before the first block. Returns the root if this
    /// answer was the whole content.
    pub fn end(self, identity: &str, position: u64, complete: bool, out: &mut Outgoing) -> Option<Hash> {
        self.end_with(identity, position, complete, Ending::default(), out)
    }

    /// As [`ContentWriter::end`], with these members.
    pub fn end_with(
        mut self,
        identity: &str,
        position: u64,
        complete: bool,
        ending: Ending,
        out: &mut Outgoing,
    ) -> Option<Hash> {
        self.finish_block(position, out);
        let root = self.root.filter(|_| complete).map(RootHasher::finish);
        let end = message::End {
            size: complete.then_some(self.offset),
            root: root.or(ending.root).map(|root| root.to_string()),
            identity: identity.to_owned(),
            missing: ending.missing,
        };
        control::write(Kind::End, self.request, &end, out);
        root
    }

    /// The same for one of many files, all of which was sent: without `end`.
    pub(super) fn finish(mut self, out: &mut Outgoing) -> Option<Hash> {
        self.finish_block(self.offset, out);
        self.root.map(RootHasher::finish)
    }

    /// Writes the mark of a last short block, if there is one; [`ContentWriter::end`] does it otherwise.
    pub fn finish_block(&mut self, position: u64, out: &mut Outgoing) {
        if !self.block.is_empty() {
            self.mark(position, out);
        }
    }

    /// The block that was completed last, with its index; once.
    pub fn completed(&mut self) -> Option<(u64, BlockDigest)> {
        self.completed.take()
    }

    fn mark(&mut self, position: u64, out: &mut Outgoing) {
        let block = std::mem::replace(&mut self.block, BlockHasher::new(self.index.wrapping_add(1)));
        let digest = block.finish();
        let mark = BlockMark { index: self.index, position, hash: digest.chaining.0 };
        let length = Kind::Block.max_length();
        out.push(&Header { kind: Kind::Block, length, request: self.request }.encode());
        out.push(&mark.encode());
        if let Some(root) = &mut self.root {
            root.push(&digest);
        }
        self.completed = Some((self.index, digest));
        self.index = self.index.wrapping_add(1);
    }
}
