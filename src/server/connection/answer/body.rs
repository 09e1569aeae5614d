//! The content of an answer: a range of a file, or of an archive.

use std::{ops::Range, sync::Arc};

use crate::{
    protocol::{
        digest::BLOCK_SIZE,
        message::{Get, Sources},
        server::Filled,
    },
    server::{
        limits::{
            budget::Reservation,
            permits::{AnswerPermit, Permit},
        },
        shared::Shared,
    },
    storage::{
        StorageError,
        archive::{Plan, Stream, TarStream},
        root::FileSource,
    },
};

/// The number of bytes that the kernel reads ahead.
const READ_AHEAD_LEN: u64 = 4 * BLOCK_SIZE;
/// The length of one read while bytes are skipped.
const SKIP_LEN: usize = 64 * 1024;

/// The source of an answer's content.
pub(crate) enum Body {
    /// A file.
    File {
        /// Opened.
        source: FileSource,
        /// Of the next byte.
        offset: u64,
        /// Of the first byte that is sent.
        begin: u64,
        /// Of the byte after the range.
        end: u64,
        /// The end of the part that the kernel was asked to read ahead.
        ahead: u64,
        /// Whether its holes are sent as hole frames.
        holes: bool,
    },
    /// A directory as a zip.
    Archive {
        /// Its bytes.
        archive: Box<ArchiveBody>,
        /// Bytes of its sources.
        sources: u64,
        /// Where the first block begins.
        block: u64,
        /// Of the first byte that is sent.
        begin: u64,
        /// Requested bytes after those.
        left: u64,
    },
    /// A directory as a tar.
    Tar {
        /// Its bytes.
        tar: Box<TarBody>,
        /// Bytes of its sources.
        sources: u64,
        /// Requested bytes that are not read yet.
        left: u64,
        /// Whether the last of them is that of the archive.
        is_rest: bool,
    },
}

/// The byte before which a range ends; `u64::MAX` for a range up to the content's end.
pub(crate) fn range_end(get: &Get) -> u64 {
    get.blocks.map_or(u64::MAX, |blocks| get.first_block.saturating_add(blocks).saturating_mul(BLOCK_SIZE))
}

impl Body {
    /// The range of a file that `get` requests; `None` if it begins after the end.
    pub fn file(source: FileSource, get: &Get) -> Option<Body> {
        let offset = get.first_block.checked_mul(BLOCK_SIZE).filter(|&offset| offset <= source.size())?;
        let end = range_end(get).min(source.size());
        let begin = skip_to(offset, get.skip, end)?;
        let holes = get.holes && source.data_bytes() < source.size();
        Some(Body::File { source, offset, begin, end, ahead: offset, holes })
    }

    /// All of a file except `skip` bytes; `None` if its first block does not have more.
    pub fn whole(source: FileSource, skip: u64) -> Option<Body> {
        let end = source.size();
        let begin = skip_to(0, skip, end)?;
        Some(Body::File { source, offset: 0, begin, end, ahead: 0, holes: false })
    }

    /// Some bytes of a file, which has them.
    pub fn bytes(source: FileSource, range: Range<u64>) -> Body {
        let Range { start, end } = range;
        Body::File { source, offset: start, begin: start, end, ahead: start, holes: false }
    }

    /// The range of an archive that `get` requests; `None` if no archive of this plan is that long.
    pub fn archive(
        mut archive: ArchiveBody,
        sources: &Sources,
        get: &Get,
    ) -> Result<Option<Body>, StorageError> {
        let block = get.first_block.checked_mul(BLOCK_SIZE);
        // An archive is created up to the begin of the range, which must exist.
        let Some(block) = block.filter(|&block| block <= sources.most_of_an_archive()) else {
            return Ok(None);
        };
        let end = range_end(get);
        let Some(begin) = skip_to(block, get.skip, end) else { return Ok(None) };
        if block > 0 {
            archive.resume(block)?;
        }
        let left = end - begin;
        Ok(Some(Body::Archive { archive: Box::new(archive), sources: sources.bytes, block, begin, left }))
    }

    /// Some bytes of a tar, which has them.
    pub fn tar(plan: Plan, range: Range<u64>, memory: Reservation) -> Body {
        let (sources, is_rest) = (plan.sources().bytes, range.end == plan.tar_size());
        let tar = Box::new(TarBody { stream: TarStream::new(plan, range.start), _memory: memory });
        Body::Tar { tar, sources, left: range.end - range.start, is_rest }
    }

    /// Whether [`Body::skip`] has something to do before the first [`Body::read`].
    pub fn must_skip(&self) -> bool {
        match self {
            Body::File { offset, begin, .. } => offset < begin,
            Body::Archive { archive, begin, .. } => archive.stream.offset() < *begin,
            Body::Tar { .. } => false,
        }
    }

    /// Passes over some of the bytes before the first that is sent, and gives `in_block` those of the first block. False if an archive
    /// has ended there.
    pub fn skip(&mut self, in_block: impl FnOnce(&[u8])) -> Result<bool, StorageError> {
        match self {
            Body::File { source, offset, begin, .. } => {
                let mut scratch = vec![0; clamp(SKIP_LEN, begin.saturating_sub(*offset))];
                source.read_exact_at(&mut scratch, *offset)?;
                *offset += scratch.len() as u64;
                in_block(&scratch);
                Ok(true)
            }
            Body::Archive { archive, block, begin, .. } => {
                let stream = &mut archive.stream;
                let is_before = stream.offset() < *block;
                let next = if is_before { *block } else { *begin };
                let mut scratch = vec![0; clamp(SKIP_LEN, next.saturating_sub(stream.offset()))];
                let count = stream.read(&mut scratch)?;
                if !is_before {
                    in_block(&scratch[..count]);
                }
                // A range may begin at the archive's end; a block of which something is skipped has more.
                Ok(!stream.finished() || (stream.offset() == *begin && begin == block))
            }
            Body::Tar { .. } => Ok(true),
        }
    }

    /// The length of the block that begins here, if all of it is a hole that is sent as one.
    pub fn hole(&self) -> Option<u64> {
        let Body::File { source, offset, end, holes: true, .. } = self else { return None };
        let length = BLOCK_SIZE.min(*end - *offset);
        (length > 0 && source.is_hole(*offset, length)).then_some(length)
    }

    /// Passes over a hole.
    pub fn pass(&mut self, length: u64) {
        if let Body::File { offset, .. } = self {
            *offset += length;
        }
    }

    /// Fills the front of `buffer` with the next bytes. No bytes mean that there is more work to do before there
    /// are some, unless [`Body::is_over`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Filled, StorageError> {
        let bytes = match self {
            Body::File { source, offset, end, ahead, .. } => {
                let bytes = clamp(buffer.len(), *end - *offset);
                source.read_exact_at(&mut buffer[..bytes], *offset)?;
                *offset += bytes as u64;
                if *offset < *end && *offset + READ_AHEAD_LEN / 2 > *ahead {
                    let from = (*ahead).max(*offset);
                    source.read_ahead(from, READ_AHEAD_LEN.min(end.saturating_sub(from)));
                    *ahead = from + READ_AHEAD_LEN;
                }
                bytes
            }
            Body::Archive { archive, left, .. } => {
                let wanted = clamp(buffer.len(), *left);
                let bytes = archive.stream.read(&mut buffer[..wanted])?;
                *left -= bytes as u64;
                bytes
            }
            Body::Tar { tar, left, .. } => {
                let wanted = clamp(buffer.len(), *left);
                let bytes = tar.stream.read(&mut buffer[..wanted])?;
                *left -= bytes as u64;
                bytes
            }
        };
        Ok(Filled { bytes, position: self.position() })
    }

    /// Fills the front of `buffer` with the next bytes that are in memory. No bytes mean that [`Body::read`] may have to
    /// wait for them.
    pub fn read_cached(&mut self, buffer: &mut [u8]) -> Filled {
        let mut bytes = 0;
        if let Body::File { source, offset, end, holes: false, .. } = self {
            let wanted = clamp(buffer.len(), *end - *offset);
            bytes = source.read_cached_at(&mut buffer[..wanted], *offset);
            *offset += bytes as u64;
        }
        Filled { bytes, position: self.position() }
    }

    /// At most how many bytes the next [`Body::read`] into a buffer of `room` bytes gives.
    pub fn next_read(&self, room: usize) -> usize {
        match self {
            Body::File { offset, end, .. } => clamp(room, *end - *offset),
            Body::Archive { left, .. } | Body::Tar { left, .. } => clamp(room, *left),
        }
    }

    /// Whether the end of the range, or of the content, was reached.
    pub fn is_over(&self) -> bool {
        match self {
            Body::File { offset, end, .. } => offset == end,
            Body::Archive { archive, left, .. } => *left == 0 || archive.stream.finished(),
            Body::Tar { tar, left, .. } => *left == 0 || tar.stream.finished(),
        }
    }

    /// Whether the end of the content was reached.
    pub fn is_complete(&self) -> bool {
        match self {
            Body::File { source, offset, .. } => *offset == source.size(),
            Body::Archive { archive, .. } => archive.stream.finished(),
            Body::Tar { left, is_rest, .. } => *left == 0 && *is_rest,
        }
    }

    /// Bytes of the sources read so far; see the `block` frame.
    pub fn position(&self) -> u64 {
        match self {
            Body::File { offset, .. } => *offset,
            Body::Archive { archive, .. } => archive.stream.position(),
            Body::Tar { tar, .. } => tar.stream.position(),
        }
    }

    /// [`Body::position`], and its value at the end of the content.
    pub fn progress(&self) -> (u64, u64) {
        let total = match self {
            Body::File { source, .. } => source.size(),
            Body::Archive { sources, .. } | Body::Tar { sources, .. } => *sources,
        };
        (self.position(), total)
    }

    /// Content bytes that there will be from here on, if that is known.
    pub fn left(&self) -> Option<u64> {
        match self {
            Body::File { offset, begin, end, .. } => Some(end - (*offset).max(*begin)),
            Body::Archive { .. } => None,
            Body::Tar { left, .. } => Some(*left),
        }
    }

    /// The file, if it is one.
    pub fn source(&self) -> Option<&FileSource> {
        match self {
            Body::File { source, .. } => Some(source),
            Body::Archive { .. } | Body::Tar { .. } => None,
        }
    }

    /// The permit to compute it.
    pub fn permit(&mut self) -> Option<&mut AnswerPermit> {
        match self {
            Body::File { .. } | Body::Tar { .. } => None,
            Body::Archive { archive, .. } => Some(&mut archive.permit),
        }
    }

    /// Fails if the source has changed.
    pub fn check(&self) -> Result<(), StorageError> {
        match self {
            Body::File { source, .. } => source.check(),
            Body::Archive { archive, .. } => archive.stream.check(),
            Body::Tar { tar, .. } => tar.stream.check(),
        }
    }
}

/// A tar that is being created.
pub(crate) struct TarBody {
    stream: TarStream,
    /// For the plan.
    _memory: Reservation,
}

/// An archive that is being created. Dropping it saves its index for the next one.
pub(crate) struct ArchiveBody {
    pub stream: Stream,
    /// The permit to plan it, and to create the part before the range.
    permit: AnswerPermit,
    /// For the plan.
    _memory: Reservation,
    identity: String,
    shared: Arc<Shared>,
}

impl ArchiveBody {
    /// From the first byte on.
    pub fn new(plan: Plan, permit: Permit, memory: Reservation, shared: &Arc<Shared>) -> ArchiveBody {
        let identity = plan.identity().to_owned();
        let (stream, shared) = (Stream::new(plan), Arc::clone(shared));
        ArchiveBody { stream, permit: AnswerPermit::Held(permit), _memory: memory, identity, shared }
    }

    /// Moves as near to `offset` as the index of the archive allows.
    fn resume(&mut self, offset: u64) -> Result<(), StorageError> {
        match self.shared.services.indexes.get(&self.identity) {
            Some(index) => self.stream.resume(&index, offset),
            None => Ok(()),
        }
    }
}

impl Drop for ArchiveBody {
    fn drop(&mut self) {
        match self.stream.take_index() {
            Some(index) => self.shared.services.indexes.put(&self.identity, index),
            // A wrong index may be the reason.
            None => self.shared.services.indexes.forget(&self.identity),
        }
    }
}

/// The begin of the sent bytes, if `skip` bytes of the block at `offset` are skipped, in a range up to `end`; `None` if the block has no more.
fn skip_to(offset: u64, skip: u64, end: u64) -> Option<u64> {
    let is_in_block = skip == 0 || skip < end.saturating_sub(offset).min(BLOCK_SIZE);
    is_in_block.then(|| offset.saturating_add(skip))
}

/// The smaller of a length and a count that may be too large for one.
fn clamp(length: usize, count: u64) -> usize {
    usize::try_from(count).map_or(length, |count| length.min(count))
}
