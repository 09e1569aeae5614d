//! The content of a large file on its way into an archive.

use super::{
    compress::{CHUNK, Deflater},
    format::{Layout, Method, Piece, Written},
    index::PartialEntry,
    source::OpenSource,
};
use crate::storage::error::StorageError;

/// Buffers that one content after the other uses, given back after the last one.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Bytes of the source.
    pub(super) input: Vec<u8>,
    /// A deflated small file.
    pub(super) packed: Vec<u8>,
    deflater: Option<Deflater>,
}

impl Scratch {
    pub(super) fn deflater(&mut self) -> &mut Deflater {
        self.deflater.get_or_insert_with(Deflater::new)
    }

    /// Whether a file that begins with the bytes of the input is worth deflating.
    pub(super) fn is_worth(&mut self) -> bool {
        let deflater = self.deflater.get_or_insert_with(Deflater::new);
        deflater.is_worth(&self.input, &mut self.packed)
    }
}

/// The content of a file that is not read at once.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) entry: usize,
    pub(super) name: Vec<u8>,
    pub(super) source: OpenSource,
    pub(super) method: Method,
    /// Of the bytes that were read; if they are only copied, of the first `summed` ones.
    crc: crc32fast::Hasher,
    summed: u64,
    /// Bytes in the archive.
    compressed: u64,
    /// The deflated part of [`Scratch::input`].
    taken: usize,
    complete: bool,
    /// The result of an earlier pass, if not all of it is read in this one.
    known: Option<Written>,
}

/// The progress of a step in an uncompressed content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copied {
    /// Bytes of the source.
    pub(super) read: u64,
    /// Bytes of the archive.
    pub(super) made: u64,
}

impl Content {
    pub(super) fn new(
        entry: usize,
        name: Vec<u8>,
        source: OpenSource,
        method: Method,
        scratch: &mut Scratch,
    ) -> Content {
        scratch.input.clear();
        if method == Method::Deflated {
            scratch.deflater().begin();
        }
        let complete = source.remaining() == 0;
        let crc = crc32fast::Hasher::new();
        Content {
            entry,
            name,
            source,
            method,
            crc,
            summed: 0,
            compressed: 0,
            taken: 0,
            complete,
            known: None,
        }
    }

    /// Whether it is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Its size and checksum in the archive.
    pub(super) fn written(&self) -> Written {
        self.known
            .unwrap_or_else(|| Written { compressed: self.compressed, crc: self.crc.clone().finalize() })
    }

    /// Skips the first `length` bytes of an uncompressed content, or all, with the result of an earlier pass.
    pub(super) fn pass(&mut self, length: u64, known: Written) -> Copied {
        self.known = Some(known);
        self.move_on(length)
    }

    /// Skips the first `length` bytes of an uncompressed content, or the bytes that an earlier pass has read.
    pub(super) fn pass_begun(&mut self, length: u64, begun: &PartialEntry) -> Copied {
        (self.summed, self.crc) = (begun.bytes, begun.crc.clone());
        self.move_on(length.min(Layout::length(begun.bytes)))
    }

    fn move_on(&mut self, length: u64) -> Copied {
        let made = length.min(Layout::length(self.source.remaining()));
        let read = Layout::content(made);
        self.source.pass(read);
        self.compressed += made;
        self.complete = self.source.remaining() == 0;
        Copied { read, made }
    }

    /// The processed part of an uncompressed content, for a pass that begins in it.
    pub(super) fn begun(&self) -> Option<PartialEntry> {
        let is_part = self.method == Method::Blocks && self.known.is_none() && self.summed > 0;
        is_part.then(|| PartialEntry { bytes: self.summed, crc: self.crc.clone() })
    }

    /// Writes the next bytes into `buffer`: bytes of the source, and headers of blocks between them.
    pub(super) fn copy(&mut self, buffer: &mut [u8]) -> Result<Copied, StorageError> {
        let (layout, mut copied, mut rest) = (Layout::new(self.source.size()), Copied::default(), buffer);
        while !rest.is_empty() && !self.complete {
            let made = match layout.piece(self.compressed) {
                Piece::Header { bytes, from } => {
                    let made = rest.len().min(Layout::HEADER - from);
                    rest[..made].copy_from_slice(&bytes[from..from + made]);
                    made
                }
                Piece::Content(count) => {
                    let read = rest.len().min(clamp(count));
                    let piece = &mut rest[..read];
                    let begin = self.source.position();
                    self.source.read(piece)?;
                    // What an earlier pass has read is in the sum already.
                    let known = clamp(self.summed.saturating_sub(begin)).min(read);
                    self.crc.update(&piece[known..]);
                    self.summed = self.summed.max(self.source.position());
                    copied.read += read as u64;
                    self.complete = self.source.remaining() == 0;
                    read
                }
            };
            self.compressed += made as u64;
            copied.made += made as u64;
            rest = &mut rest[made..];
        }
        Ok(copied)
    }

    /// Deflates the next bytes into `out` and returns how much was read for it.
    pub(super) fn deflate(
        &mut self,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<usize, StorageError> {
        let mut read = 0;
        if self.taken == scratch.input.len() && self.source.remaining() > 0 {
            read = CHUNK.min(clamp(self.source.remaining()));
            scratch.input.resize(read, 0);
            self.source.read(&mut scratch.input)?;
            self.crc.update(&scratch.input);
            self.taken = 0;
        }
        let last = self.source.remaining() == 0;
        let deflater = scratch.deflater.get_or_insert_with(Deflater::new);
        let (taken, complete) = deflater
            .push(&scratch.input[self.taken..], last, out)
            .map_err(|error| self.source.fail(error))?;
        self.taken += taken;
        self.compressed += out.len() as u64;
        self.complete = complete;
        Ok(read)
    }
}

/// As a length in memory, where it is only ever used as an upper bound.
pub(super) fn clamp(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
