//! The client's check of one content: everything that the specification says about its frames.

use super::event::Block;
use crate::protocol::{
    digest::{BLOCK_SIZE, BlockDigest, BlockHasher, Hash, RootHasher, VerifiedBlock},
    error::Violation,
    frame::BlockMark,
    message::{Content, End, FileHead, Form, Get, Missing, Sources},
};

/// The maximum length of an identity in characters.
const MAX_IDENTITY: usize = 128;

/// What was announced and received of a content.
#[derive(Debug)]
pub(super) struct Receiving {
    identity: String,
    /// Bytes of the whole content, where they were announced.
    size: Option<u64>,
    /// The maximum length of the whole content.
    most: u64,
    /// The maximum of `position`.
    sources: u64,
    is_file: bool,
    /// The end of the last requested block, where the answer ends at the latest.
    limit: u64,
    /// The offset of the next byte in the content.
    offset: u64,
    position: u64,
    /// The block that is being received, if any byte of it is known.
    block: Option<BlockHasher>,
    /// Bytes of the current block that are not sent, because the client has them.
    skipped: u64,
    /// How many of those are still expected from the client.
    awaited: u64,
    /// After a short block no other may follow.
    short: bool,
    /// The root over all blocks, if they were received from the first one on.
    root: Option<RootHasher>,
    /// Whether the root may be sent of a content of which only a part is sent.
    of_part: bool,
    corrupt: bool,
}

/// Whether an identity has the length that it may have.
pub(super) fn is_identity(text: &str) -> bool {
    (1..=MAX_IDENTITY).contains(&text.chars().count())
}

fn contradiction<T>(what: &'static str) -> Result<T, Violation> {
    Err(Violation::Content(what))
}

/// Compares the `skip` of an announcement with the one that was asked for. `left`: bytes of the answer, if they are known.
fn check_skip(asked: u64, announced: u64, left: u64) -> Result<(), Violation> {
    match announced {
        0 => Ok(()),
        skip if skip != asked => contradiction("another skip than was asked for"),
        skip if skip >= left.min(BLOCK_SIZE) => contradiction("it skips a whole block"),
        _ => Ok(()),
    }
}

impl Receiving {
    /// Checks an announcement against the request.
    pub(super) fn announced(get: &Get, content: &Content) -> Result<Receiving, Violation> {
        match (get.form, content.form) {
            (_, Form::Auto) => return contradiction("it names no form"),
            (Form::File, Form::Zip) | (Form::Zip, Form::File) => return contradiction("another form"),
            _ => {}
        }
        let is_file = content.form == Form::File;
        if is_file && (content.size.is_none() || content.sources.is_some()) {
            return contradiction("a file has a size and no sources");
        }
        if !is_file && content.sources.is_none() {
            return contradiction("an archive names its sources");
        }
        let most = content.sources.as_ref().map_or(u64::MAX, Sources::most_of_an_archive);
        if content.size.is_some_and(|size| size > most) {
            return contradiction("a size that no archive of its sources has");
        }
        if content.first_block != get.first_block {
            return contradiction("another first block");
        }
        if content.data_bytes.is_some() && !(get.holes && is_file) {
            return contradiction("bytes of a sparse file that was not asked for");
        }
        if !is_identity(&content.identity) {
            return contradiction("an identity has 1 to 128 characters");
        }
        if get.identity.as_ref().is_some_and(|expected| *expected != content.identity) {
            return contradiction("another identity");
        }
        content.modified.check()?;
        if content.mode > 0o777 {
            return contradiction("a mode of more than 0o777");
        }
        let Some(offset) = content.first_block.checked_mul(BLOCK_SIZE) else {
            return contradiction("a first block that no content has");
        };
        if content.size.is_some_and(|size| offset > size) {
            return contradiction("it begins after its end");
        }
        let blocks = get.blocks.unwrap_or(u64::MAX);
        let limit = get.first_block.saturating_add(blocks).saturating_mul(BLOCK_SIZE);
        let skip = content.skip;
        check_skip(get.skip, skip, content.size.unwrap_or(u64::MAX).min(limit).saturating_sub(offset))?;
        let Some(offset) = offset.checked_add(skip) else {
            return contradiction("a first block that no content has");
        };
        Ok(Receiving {
            identity: content.identity.clone(),
            size: content.size,
            most,
            sources: content.sources.map_or(content.size.unwrap_or(u64::MAX), |sources| sources.bytes),
            is_file,
            limit,
            offset,
            position: 0,
            block: None,
            skipped: skip,
            awaited: skip,
            short: false,
            root: (get.first_block == 0).then(RootHasher::default),
            of_part: get.root,
            corrupt: false,
        })
    }

    /// The whole of one of many files, of which the client may have asked to skip some bytes.
    pub(super) fn file(head: &FileHead, skip: u64) -> Result<Receiving, Violation> {
        if !is_identity(&head.identity) {
            return contradiction("an identity has 1 to 128 characters");
        }
        head.modified.check()?;
        if head.mode > 0o777 {
            return contradiction("a mode of more than 0o777");
        }
        check_skip(skip, head.skip, head.size)?;
        Ok(Receiving {
            identity: head.identity.clone(),
            size: Some(head.size),
            most: head.size,
            sources: head.size,
            is_file: true,
            limit: u64::MAX,
            offset: head.skip,
            position: 0,
            block: None,
            skipped: head.skip,
            awaited: head.skip,
            short: false,
            root: Some(RootHasher::default()),
            of_part: false,
            corrupt: false,
        })
    }

    /// Takes the next of the skipped bytes. Further bytes, or bytes after `data`, are ignored.
    pub(super) fn skipped(&mut self, bytes: &[u8]) {
        let length = self.awaited.min(bytes.len() as u64);
        if length == 0 || self.in_block() != self.skipped {
            return;
        }
        let (bytes, _) = bytes.split_at(usize::try_from(length).unwrap_or(bytes.len()));
        let index = self.offset / BLOCK_SIZE;
        self.block.get_or_insert_with(|| BlockHasher::new(index)).update(bytes);
        self.awaited -= length;
    }

    /// Bytes of the current block so far, with those that are skipped.
    fn in_block(&self) -> u64 {
        self.block.as_ref().map_or(0, BlockHasher::len) + self.awaited
    }

    /// A `data` frame of this many bytes begins.
    pub(super) fn data_begins(&mut self, length: u32) -> Result<(), Violation> {
        let length = u64::from(length);
        let in_block = self.in_block();
        if self.short {
            return contradiction("data after a short block");
        }
        if in_block + length > BLOCK_SIZE {
            return contradiction("a block that is too long");
        }
        let end = self.offset.checked_add(length);
        let Some(end) = end else { return contradiction("more data than any content has") };
        if self.size.is_some_and(|size| end > size) {
            return contradiction("more data than announced");
        }
        if end > self.most {
            return contradiction("more data than an archive of its sources can have");
        }
        if end > self.limit {
            return contradiction("more data than asked for");
        }
        Ok(())
    }

    /// Bytes of an allowed frame were received.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        let index = self.offset / BLOCK_SIZE;
        self.block.get_or_insert_with(|| BlockHasher::new(index)).update(bytes);
        self.offset += bytes.len() as u64;
    }

    /// A `hole` frame was received. Returns the length of its block.
    pub(super) fn hole(&mut self) -> Result<u64, Violation> {
        if self.in_block() > 0 {
            return contradiction("a hole in a block");
        }
        if self.short {
            return contradiction("data after a short block");
        }
        let Some(size) = self.size.filter(|_| self.is_file) else {
            return contradiction("a hole in an archive");
        };
        let length = BLOCK_SIZE.min(size.saturating_sub(self.offset));
        if length == 0 {
            return contradiction("more data than announced");
        }
        if self.offset >= self.limit {
            return contradiction("more data than asked for");
        }
        let mut block = BlockHasher::new(self.offset / BLOCK_SIZE);
        block.zeros(length);
        self.block = Some(block);
        self.offset += length;
        Ok(length)
    }

    /// A `block` frame was received.
    pub(super) fn block(&mut self, mark: &BlockMark) -> Result<Block, Violation> {
        let length = self.in_block();
        let hasher = self.block.take().filter(|_| length > self.skipped);
        let Some(hasher) = hasher else { return contradiction("a block without data") };
        let (skipped, awaited) = (std::mem::take(&mut self.skipped), std::mem::take(&mut self.awaited));
        if mark.index != (self.offset - length) / BLOCK_SIZE {
            return contradiction("a block out of order");
        }
        if length < BLOCK_SIZE {
            if self.size.is_some_and(|size| size != self.offset) {
                return contradiction("a short block before the end");
            }
            self.short = true;
        }
        if mark.position < self.position || mark.position > self.sources {
            return contradiction("a position that goes back or beyond the sources");
        }
        if self.is_file && mark.position != self.offset {
            return contradiction("a position of a file that is not the offset");
        }
        self.position = mark.position;
        let digest = hasher.finish();
        if let Some(root) = &mut self.root {
            root.push(&digest);
        }
        let clamped = |length| u32::try_from(length).unwrap_or(u32::MAX);
        let (length, skipped) = (clamped(length), clamped(skipped));
        let verified = VerifiedBlock::compare(mark.index, length, digest, Hash(mark.hash));
        // Without all that is skipped it is another block that was hashed.
        let verified = verified.filter(|_| awaited == 0);
        self.corrupt |= verified.is_none();
        Ok(Block { index: mark.index, length, skipped, position: mark.position, digest, verified })
    }

    /// Hashes of blocks were received. They have the same order as content.
    pub(super) fn hashes(&mut self, first_block: u64, hashes: &[Hash]) -> Result<(), Violation> {
        let size = self.size.unwrap_or(u64::MAX);
        let in_order = first_block.checked_mul(BLOCK_SIZE) == Some(self.offset);
        for &chaining in hashes {
            if self.offset >= size {
                return contradiction("more hashes than the content has blocks");
            }
            if self.offset >= self.limit {
                return contradiction("more hashes than asked for");
            }
            if !in_order {
                return contradiction("hashes out of order");
            }
            self.offset = self.offset.saturating_add(BLOCK_SIZE).min(size);
            if let Some(root) = &mut self.root {
                root.push(&BlockDigest { chaining, alone: None });
            }
        }
        Ok(())
    }

    /// The `done` of one of many files was received. Returns the root if the file is intact.
    pub(super) fn done(self, said: Hash) -> Result<Option<Hash>, Violation> {
        if self.in_block() > 0 {
            return contradiction("data without its block");
        }
        if self.size != Some(self.offset) {
            return contradiction("it ends before its size");
        }
        match self.root.and_then(RootHasher::known) {
            // The corrupt block was reported, and its bytes are in the root computed here.
            _ if self.corrupt => Ok(None),
            Some(root) if root != said => Err(Violation::Root),
            root => Ok(root),
        }
    }

    /// The `end` was received. Returns the root if this was the whole content, and intact.
    pub(super) fn end(self, end: &End) -> Result<Option<Hash>, Violation> {
        if self.in_block() > 0 {
            return contradiction("data without its block");
        }
        if end.identity != self.identity {
            return contradiction("it ends with another identity");
        }
        match &end.missing {
            Some(_) if self.is_file => return contradiction("a file has no missing entries"),
            missing => missing.iter().try_for_each(Missing::check)?,
        }
        if end.size.is_some_and(|size| size != self.offset) {
            return contradiction("it ends before its size");
        }
        let reached = match self.size {
            Some(size) => self.offset == size,
            None => end.size.is_some(),
        };
        if !reached && self.offset != self.limit {
            return contradiction("it ends before the last block that was asked for");
        }
        if reached != end.size.is_some() {
            return contradiction("its end names no size");
        }
        if self.short && !reached {
            return contradiction("a short block before the end");
        }
        let whole = self.root.filter(|_| reached);
        match (whole, &end.root) {
            (None, None) => Ok(None),
            (Some(_), None) => contradiction("the whole content without its root"),
            (_, Some(text)) if Hash::from_hex(text).is_none() => contradiction("an invalid root"),
            (None, Some(_)) if self.of_part => Ok(None),
            (None, Some(_)) => contradiction("a root of a content that was not sent whole"),
            // The corrupt block was reported, and its bytes are in the root computed here.
            (Some(_), Some(_)) if self.corrupt => Ok(None),
            (Some(root), Some(text)) => match (Hash::from_hex(text), root.known()) {
                (Some(said), Some(root)) if root != said => Err(Violation::Root),
                (_, root) => Ok(root),
            },
        }
    }
}
