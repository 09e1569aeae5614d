//! The archive as a stream of bytes, created while it is read.

use std::time::{Duration, Instant};

use super::{
    compress::{self, SAMPLE_LEN},
    content::{Content, Scratch, clamp},
    format::{self, Method, Written},
    index::{Index, IndexEntry, PartialEntry},
    pending::Pending,
    plan::{Kind, MAX_SMALL_FILE, Plan},
    source::OpenSource,
};
use crate::storage::error::StorageError;

/// Bytes of sources that one read deflates; opening a file counts as [`OPEN_COST`] of them.
const MAX_WORK: usize = 1024 * 1024;
/// After this time the bytes that a slow disk has returned are sent.
const FILL_TIME: Duration = Duration::from_millis(100);
/// The cost of opening a file, in bytes of work.
const OPEN_COST: usize = 4096;
/// Bytes of the central directory that are encoded at a time.
const CENTRAL_CHUNK: usize = 64 * 1024;

/// The archive as a stream of bytes.
///
/// It is a function of the plan: read in any pieces, and any number of times,
/// the bytes are the same.
#[derive(Debug)]
pub struct Stream {
    plan: Plan,
    state: State,
    /// The entries that this or an earlier pass has written.
    index: Vec<IndexEntry>,
    /// The offset of the next byte in the archive.
    offset: u64,
    pending: Pending,
    /// Bytes of sources read.
    position: u64,
    scratch: Scratch,
}

#[derive(Debug)]
enum State {
    /// At the begin of an entry.
    Entry(usize),
    /// In the content of a large file.
    Content(Content),
    /// Before a record of the central directory.
    Central(Central),
    /// The archive is complete.
    End,
    /// After an error.
    Failed(StorageError),
}

#[derive(Clone, Copy, Debug)]
struct Central {
    entry: usize,
    /// Where the local header of `entry` is.
    offset: u64,
    /// Bytes of the records so far.
    length: u64,
}

impl Stream {
    /// The bytes of the planned archive, from the first one on.
    pub fn new(plan: Plan) -> Stream {
        Stream {
            plan,
            state: State::Entry(0),
            index: Vec::new(),
            offset: 0,
            pending: Pending::default(),
            position: 0,
            scratch: Scratch::default(),
        }
    }

    /// Puts the next bytes of the archive at the front of `buffer` and returns how many. Bounded by the
    /// buffer, which callers keep at [`MAX_DATA`](crate::protocol::frame::MAX_DATA) or less, and by the work
    /// that it takes: content that deflates to almost nothing fills the buffer in part, or not at all, and the caller
    /// calls it again. Only [`Stream::finished`] reports the end.
    ///
    /// # Errors
    /// A source that cannot be read or has changed since it was planned; final: the bytes before have no
    /// central directory and are not an archive.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let result = self.fill(buffer);
        self.watch(result).inspect(|count| self.offset += *count as u64)
    }

    /// Ends the stream if the result is an error.
    fn watch<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        result.inspect_err(|error| {
            self.state = State::Failed(error.again());
            self.pending = Pending::default();
            self.scratch = Scratch::default();
        })
    }

    /// Moves, with the index of an earlier pass over the same plan, to the last offset before `offset` from which
    /// the archive can be created: into an uncompressed file, or to the begin of an entry. [`Stream::offset`] returns it.
    ///
    /// # Errors
    /// As [`Stream::read`].
    pub fn resume(&mut self, index: &Index, offset: u64) -> Result<(), StorageError> {
        self.index.clone_from(&index.entries);
        self.index.truncate(self.plan.entries.len());
        let entry = self.index.partition_point(|learned| learned.end <= offset);
        self.offset = entry.checked_sub(1).map_or(0, |before| self.index[before].end);
        let sizes = (0..entry).map(|entry| self.plan.entries.source(entry).size);
        self.position = sizes.fold(0, u64::saturating_add);
        self.pending = Pending::default();
        self.state = State::Entry(entry);
        let begun = index.begun.as_ref().filter(|_| entry == index.entries.len());
        let result = self.enter_blocks(entry, offset, begun);
        self.watch(result)
    }

    /// Begins an entry in the middle, at `offset` of the archive, if it is a large uncompressed file of which an
    /// earlier pass has read as much.
    fn enter_blocks(
        &mut self,
        entry: usize,
        offset: u64,
        begun: Option<&PartialEntry>,
    ) -> Result<(), StorageError> {
        let known = match self.index.get(entry) {
            Some(IndexEntry { method: Method::Deflated, .. }) => return Ok(()),
            Some(learned) => Some(learned.written),
            None if begun.is_none() => return Ok(()),
            None => None,
        };
        if self.plan.entries.source(entry).size <= MAX_SMALL_FILE as u64 {
            return Ok(());
        }
        self.begin_entry(entry)?;
        let header = self.pending.bytes.len() as u64;
        let within = offset - self.offset;
        if let State::Content(content) = &mut self.state
            && content.method == Method::Blocks
            && within > header
        {
            let passed = match (known, begun) {
                (Some(written), _) => content.pass(within - header, written),
                (None, Some(begun)) => content.pass_begun(within - header, begun),
                (None, None) => return Ok(()),
            };
            self.pending = Pending::default();
            self.offset += header + passed.made;
            self.position = self.position.saturating_add(passed.read);
        }
        Ok(())
    }

    /// The offset of the next byte in the archive.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The index, for [`Stream::resume`] of another stream of the same plan; `None` after an error. This one
    /// must not be read any further.
    pub fn take_index(&mut self) -> Option<Index> {
        let entries = std::mem::take(&mut self.index);
        let begun = match &self.state {
            State::Failed(_) => return None,
            State::Content(content) if content.entry == entries.len() => content.begun(),
            _ => None,
        };
        Some(Index { entries, begun })
    }

    /// Whether every byte of the archive was read.
    pub fn finished(&self) -> bool {
        matches!(self.state, State::End) && self.pending.is_empty()
    }

    /// Bytes of the sources read so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Restarts at the first byte, with the same plan. A content that differs from the
    /// first pass, with the same identity, is an error.
    pub fn rewind(&mut self) {
        self.state = State::Entry(0);
        self.pending = Pending::default();
        (self.position, self.offset) = (0, 0);
    }

    /// Compares the current source with the plan, for an answer that ends before the
    /// archive; earlier sources were compared at their ends.
    ///
    /// # Errors
    /// [`StorageError::Changed`].
    pub fn check(&self) -> Result<(), StorageError> {
        match &self.state {
            State::Content(content) => content.source.check(),
            State::Failed(error) => Err(error.again()),
            State::Entry(_) | State::Central(_) | State::End => Ok(()),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let (mut filled, mut work, until) = (0, 0, Instant::now() + FILL_TIME);
        loop {
            filled += self.pending.take(&mut buffer[filled..]);
            if filled == buffer.len() || work >= MAX_WORK || (filled > 0 && Instant::now() >= until) {
                return Ok(filled);
            }
            match &mut self.state {
                State::Entry(entry) => {
                    let entry = *entry;
                    work += self.begin_entry(entry)?;
                }
                State::Content(content) if content.is_complete() => self.end_content()?,
                State::Content(content) if content.method == Method::Blocks => {
                    let copied = content.copy(&mut buffer[filled..])?;
                    self.position = self.position.saturating_add(copied.read);
                    filled += clamp(copied.made);
                }
                State::Content(content) => {
                    let read = content.deflate(&mut self.scratch, self.pending.refill())?;
                    self.position = self.position.saturating_add(read as u64);
                    work += read;
                }
                State::Central(central) => {
                    let central = *central;
                    self.central(central);
                }
                State::End => return Ok(filled),
                State::Failed(error) => return Err(error.again()),
            }
        }
    }

    /// Encodes the header of an entry, and its content if that is small. Returns the cost.
    fn begin_entry(&mut self, entry: usize) -> Result<usize, StorageError> {
        if entry == self.plan.entries.len() {
            self.scratch = Scratch::default();
            self.state = State::Central(Central { entry: 0, offset: 0, length: 0 });
            return Ok(0);
        }
        let name = self.plan.entries.archive_name(entry).unwrap_or_default();
        let planned = self.plan.entries.source(entry);
        if planned.kind == Kind::Directory {
            self.end_entry(entry, &name, Written::default(), Method::Stored)?;
            return Ok(0);
        }
        let small = planned.size <= MAX_SMALL_FILE as u64;
        let source = OpenSource::open(&self.plan.entries, entry)?;
        if small { self.small_file(entry, &name, source) } else { self.large_file(entry, name, source) }
    }

    /// Encodes a file that is read before its header is encoded.
    fn small_file(
        &mut self,
        entry: usize,
        name: &[u8],
        mut source: OpenSource,
    ) -> Result<usize, StorageError> {
        let scratch = &mut self.scratch;
        // Taken out while it is read, and put back for the next one.
        let mut input = std::mem::take(&mut scratch.input);
        let mut packed = std::mem::take(&mut scratch.packed);
        input.resize(clamp(source.remaining()), 0);
        source.read(&mut input)?;
        source.check()?;
        let deflated = !compress::is_stored(name) && scratch.deflater().whole(&input, &mut packed);
        let (method, content) = if deflated { (Method::Deflated, &packed) } else { (Method::Stored, &input) };
        let written = Written { compressed: content.len() as u64, crc: crc32fast::hash(&input) };
        self.end_entry(entry, name, written, method)?;
        self.pending.bytes.extend_from_slice(content);
        self.position = self.position.saturating_add(input.len() as u64);
        let work = OPEN_COST + input.len();
        (self.scratch.input, self.scratch.packed) = (input, packed);
        Ok(work)
    }

    /// Encodes the header of a file whose content follows in pieces.
    fn large_file(&mut self, entry: usize, name: Vec<u8>, source: OpenSource) -> Result<usize, StorageError> {
        let Scratch { input, .. } = &mut self.scratch;
        let mut work = OPEN_COST;
        let mut method = Method::Blocks;
        if !compress::is_stored(&name) {
            input.resize(SAMPLE_LEN, 0);
            source.peek(input)?;
            work += SAMPLE_LEN;
            if self.scratch.is_worth() {
                method = Method::Deflated;
            }
        }
        let header = self.plan.entries.entry(entry, &name, method);
        header.local_header(Written::default(), self.pending.refill());
        self.state = State::Content(Content::new(entry, name, source, method, &mut self.scratch));
        Ok(work)
    }

    /// Encodes the descriptor after a large file.
    fn end_content(&mut self) -> Result<(), StorageError> {
        if let State::Content(content) = std::mem::replace(&mut self.state, State::End) {
            content.source.check()?;
            let Content { entry, method, .. } = content;
            self.learn(entry, &content.name, content.written(), method)?;
            let header = self.plan.entries.entry(entry, &content.name, method);
            header.descriptor(content.written(), self.pending.refill());
            self.state = State::Entry(entry + 1);
        }
        Ok(())
    }

    /// Encodes the header of an entry whose size and checksum are known.
    fn end_entry(
        &mut self,
        entry: usize,
        name: &[u8],
        written: Written,
        method: Method,
    ) -> Result<(), StorageError> {
        self.learn(entry, name, written, method)?;
        let header = self.plan.entries.entry(entry, name, method);
        header.local_header(written, self.pending.refill());
        self.state = State::Entry(entry + 1);
        Ok(())
    }

    /// Adds an entry to the index; it must equal that of an earlier pass.
    fn learn(
        &mut self,
        entry: usize,
        name: &[u8],
        written: Written,
        method: Method,
    ) -> Result<(), StorageError> {
        match self.index.get(entry) {
            None => {
                let begin = self.index.last().map_or(0, |before| before.end);
                let end = begin + self.plan.entries.entry(entry, name, method).length(written);
                self.index.push(IndexEntry { written, method, end });
            }
            Some(known) if (known.written, known.method) == (written, method) => {}
            Some(_) => {
                let entries = &self.plan.entries;
                return Err(StorageError::Changed { path: entries.top.shown(&entries.raw_path(entry)) });
            }
        }
        Ok(())
    }

    /// Encodes some records of the central directory, or the end of the archive.
    fn central(&mut self, mut central: Central) {
        let entries = &self.plan.entries;
        let pending = self.pending.refill();
        while pending.len() < CENTRAL_CHUNK && central.entry < entries.len() {
            let IndexEntry { written, method, .. } = self.index[central.entry];
            let name = entries.archive_name(central.entry).unwrap_or_default();
            let record = entries.entry(central.entry, &name, method);
            record.central_header(written, central.offset, pending);
            central.length += record.central_length(written, central.offset);
            central.offset += record.length(written);
            central.entry += 1;
        }
        self.state = if central.entry < entries.len() {
            State::Central(central)
        } else {
            format::end(entries.len() as u64, central.offset, central.length, pending);
            State::End
        };
    }
}
