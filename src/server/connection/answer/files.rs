//! An answer to a `files` request: many small files in an output, large ones in pieces.

use std::time::Instant;

use super::{
    body::Body,
    failures::{busy, failure},
    hashing::{hash, remember},
    sending::{MAX_EXCESS, Sending},
};
use crate::{
    protocol::{
        digest::{BLOCK_SIZE, Hash, RootHasher},
        error::Code,
        message::{self, Failure, FileHead, WantedFile},
        path::RemotePath,
        server::FilesWriter,
    },
    server::{
        connection::output::Output,
        limits::{MAX_OUTPUT, MAX_WORK, OUTPUT_TIMEOUT, permits::AnswerPermit},
    },
    storage::{self, StorageError, root::FileSource},
    text::SafeText,
};

/// Files up to this length are read and hashed before they are announced.
const MAX_SMALL_LEN: usize = MAX_OUTPUT / 8;
/// The cost of opening a file, in bytes of work.
const OPEN_COST: u64 = MAX_WORK / 64;

/// Requested files, and what opens them.
pub(crate) struct Wanted {
    files: std::vec::IntoIter<WantedFile>,
    opener: storage::tree::Files,
    content: bool,
    largest: u64,
}

impl Wanted {
    pub fn new(request: message::Files, opener: storage::tree::Files) -> Wanted {
        let message::Files { files, content, largest, .. } = request;
        Wanted { files: files.into_iter(), opener, content, largest: largest.unwrap_or(u64::MAX) }
    }

    /// Opens the next file without waiting for the disk. `None` if that cannot be, or if the file is not small or is to be refused: then it
    /// is still the next.
    fn next_cached(&mut self) -> Option<(FileSource, Claim)> {
        let file = self.files.as_slice().first()?;
        let source = self.opener.open_cached(&RemotePath::parse(&file.path).ok()?)?;
        let claim = Claim::of(file);
        let is_small = source.size() <= self.largest.min(MAX_SMALL_LEN as u64);
        let is_compared = self.content || claim.digest.is_some();
        if !is_small || !is_compared || !claim.fits(&source) {
            return None;
        }
        self.files.next();
        Some((source, claim))
    }

    /// Whether content is requested, and not only a comparison.
    pub fn content(&self) -> bool {
        self.content
    }
}

/// Many files being sent.
pub(crate) struct Files {
    writer: FilesWriter,
    wanted: Wanted,
    /// The file that is being answered.
    current: Option<Current>,
    /// Holds one small file after the other, within an output.
    buffer: Vec<u8>,
}

/// A file that takes more than one step.
enum Current {
    /// It is small, and goes into the next output, since this one has no room for it.
    Next(Box<FileSource>, Claim),
    /// It is being hashed, to be compared with the digest of the client.
    Comparing(Box<Comparing>),
    /// It is being sent.
    Sending(Box<Sending>),
}

/// The local bytes of the client.
#[derive(Clone, Copy)]
struct Claim {
    /// The digest of a complete file.
    digest: Option<Hash>,
    /// Bytes of the first block that are skipped.
    skip: u64,
}

impl Claim {
    fn of(file: &WantedFile) -> Claim {
        Claim { digest: file.digest.as_deref().and_then(Hash::from_hex), skip: file.skip }
    }

    /// Whether the first block of the file has more than the skipped bytes.
    fn fits(self, source: &FileSource) -> bool {
        self.skip == 0 || self.skip < source.size().min(BLOCK_SIZE)
    }
}

struct Comparing {
    source: FileSource,
    expected: Hash,
    skip: u64,
    /// Index of the block that is hashed next.
    next: u64,
    root: RootHasher,
    permit: AnswerPermit,
}

impl Files {
    pub fn new(writer: FilesWriter, wanted: Wanted) -> Files {
        Files { writer, wanted, current: None, buffer: Vec::new() }
    }

    /// Puts answers into the output until that is full or has cost enough work. True at the end of all of them.
    pub fn fill(&mut self, output: &mut Output) -> bool {
        let is_over = self.fill_with(output);
        // While a slow client receives the output, nothing else of it takes memory.
        self.buffer = Vec::new();
        is_over
    }

    fn fill_with(&mut self, output: &mut Output) -> bool {
        let (mut work, until) = (0, Instant::now() + OUTPUT_TIMEOUT);
        let has_time = |output: &Output| output.out.is_empty() || Instant::now() < until;
        while work < MAX_WORK && output.out.len() < output.size() && has_time(output) {
            let result = match self.current.take() {
                Some(current) => self.resume(current, output, &mut work),
                None => match self.wanted.files.next() {
                    Some(file) => self.begin(&file, output, &mut work),
                    None => return true,
                },
            };
            match result {
                Ok(current @ Some(Current::Next(..))) => {
                    self.current = current;
                    return false;
                }
                Ok(current) => self.current = current,
                Err(failure) => self.missed(&failure, output),
            }
        }
        false
    }

    /// One of the files is not sent, or not to its end.
    fn missed(&mut self, failure: &Failure, output: &mut Output) {
        output.missed(failure);
        self.writer.missed(failure, &mut output.out);
    }

    /// Puts files and parts of files that are in memory into the output. Returns whether there is something in the output.
    pub fn fill_cached(&mut self, output: &mut Output) -> bool {
        let mut work = 0;
        while work < MAX_WORK && output.out.len() < output.size() {
            let (source, claim) = match self.current.take() {
                Some(Current::Sending(mut sending)) => {
                    match sending.fill_cached(output) {
                        Ok(_) => self.current = Some(Current::Sending(sending)),
                        Err(error) => self.missed(&error.failure(), output),
                    }
                    break;
                }
                Some(Current::Next(source, claim)) => (source, claim),
                // Hashing is a task. The next file is answered after it.
                comparing @ Some(Current::Comparing(_)) => {
                    self.current = comparing;
                    break;
                }
                None => match self.wanted.next_cached() {
                    Some((source, claim)) => (Box::new(source), claim),
                    None => break,
                },
            };
            work += OPEN_COST + source.size();
            if !has_room(&source, output) || !self.small_cached(&source, claim, output) {
                self.current = Some(Current::Next(source, claim));
                break;
            }
        }
        self.buffer = Vec::new();
        !output.out.is_empty()
    }

    /// Whether content is sent, and no file compared.
    pub fn sends(&self) -> bool {
        self.wanted.content && !matches!(self.current, Some(Current::Comparing(_)))
    }

    /// The permit of the file that is being compared, if one is.
    pub fn permit(&mut self) -> Option<&mut AnswerPermit> {
        match &mut self.current {
            Some(Current::Comparing(comparing)) => Some(&mut comparing.permit),
            _ => None,
        }
    }

    /// Writes the end of the answer, once [`Files::fill`] has returned true.
    pub fn end(self, output: &mut Output) {
        self.writer.end(&mut output.out);
        if self.wanted.content { output.end(true) } else { output.idle() }
    }

    /// Answers a small file, or begins with a large one.
    fn begin(
        &mut self,
        file: &WantedFile,
        output: &mut Output,
        work: &mut u64,
    ) -> Result<Option<Current>, Failure> {
        *work += OPEN_COST;
        let path = RemotePath::parse(&file.path)
            .map_err(|error| failure(Code::NotFound, error, &SafeText::new(&file.path)))?;
        let source = self.wanted.opener.open(&path).map_err(|error| error.failure())?;
        let size = source.size();
        if size > self.wanted.largest {
            return Err(failure(Code::Changed, "is larger than was expected", source.path()));
        }
        let claim = Claim::of(file);
        if !claim.fits(&source) {
            return Err(failure(Code::Range, Code::Range, source.path()));
        }
        Ok(match claim.digest {
            None if !self.wanted.content => {
                self.writer.differs(&mut output.out);
                None
            }
            _ if size <= MAX_SMALL_LEN as u64 => {
                if has_room(&source, output) {
                    *work = work.saturating_add(size);
                    self.small(&source, claim, output)?;
                    None
                } else {
                    Some(Current::Next(Box::new(source), claim))
                }
            }
            Some(expected) => {
                let (root, skip) = (RootHasher::default(), claim.skip);
                let comparing =
                    Comparing { source, expected, skip, next: 0, root, permit: AnswerPermit::Unused };
                Some(Current::Comparing(Box::new(comparing)))
            }
            None => Some(self.announce(source, claim.skip, output)?),
        })
    }

    /// Answers a file that fits into the buffer.
    fn small(&mut self, source: &FileSource, claim: Claim, output: &mut Output) -> Result<(), Failure> {
        let length = self.make_room(source);
        let read = source.read_exact_at(&mut self.buffer[..length], 0).and_then(|()| source.check());
        read.map_err(|error| error.failure())?;
        self.answer_small(source, claim, length, output);
        Ok(())
    }

    /// Answers a file that fits into the buffer, if it is in memory and still what it was. Returns whether it is answered.
    fn small_cached(&mut self, source: &FileSource, claim: Claim, output: &mut Output) -> bool {
        let length = self.make_room(source);
        let is_read =
            source.read_cached_at(&mut self.buffer[..length], 0) == length && source.check().is_ok();
        if is_read {
            self.answer_small(source, claim, length, output);
        }
        is_read
    }

    /// Makes room in the buffer for all of a small file. Returns its length.
    fn make_room(&mut self, source: &FileSource) -> usize {
        self.buffer.resize(MAX_SMALL_LEN, 0);
        usize::try_from(source.size()).map_or(MAX_SMALL_LEN, |size| size.min(MAX_SMALL_LEN))
    }

    /// Answers a file whose content is in the front of the buffer.
    fn answer_small(&mut self, source: &FileSource, claim: Claim, length: usize, output: &mut Output) {
        let content = &self.buffer[..length];
        if claim.digest.is_some_and(|digest| digest == Hash::of(content)) {
            self.writer.same(&mut output.out);
        } else if self.wanted.content {
            self.writer.whole(&head(source, claim.skip), content, &mut output.out);
            let sent = length.saturating_sub(usize::try_from(claim.skip).unwrap_or(length));
            output.content(sent, None);
        } else {
            self.writer.differs(&mut output.out);
        }
    }

    /// Continues with a file; `None` if it is answered.
    fn resume(
        &mut self,
        current: Current,
        output: &mut Output,
        work: &mut u64,
    ) -> Result<Option<Current>, Failure> {
        match current {
            Current::Next(source, claim) => {
                *work = work.saturating_add(source.size());
                self.small(&source, claim, output).map(|()| None)
            }
            Current::Sending(mut sending) => {
                *work = MAX_WORK;
                if sending.body.must_skip() {
                    sending.skip().map_err(|error| error.failure())?;
                    return Ok(Some(Current::Sending(sending)));
                }
                if !sending.fill(output).map_err(|error| error.failure())? {
                    return Ok(Some(Current::Sending(sending)));
                }
                self.writer.done(sending.writer, &mut output.out);
                Ok(None)
            }
            Current::Comparing(mut comparing) => {
                *work = MAX_WORK;
                if !comparing.take_known(output) {
                    if !comparing.permit.hold(&output.shared.services.hashing, output.peer()) {
                        return Err(busy("hashes as many files", comparing.source.path()));
                    }
                    if comparing.permit.is_held() {
                        comparing.hash(output).map_err(|error| error.failure())?;
                        self.writer.working(&mut output.out);
                    }
                    return Ok(Some(Current::Comparing(comparing)));
                }
                let Comparing { source, expected, skip, root, .. } = *comparing;
                source.check().map_err(|error| error.failure())?;
                if root.known() == Some(expected) {
                    self.writer.same(&mut output.out);
                } else if self.wanted.content {
                    return self.announce(source, skip, output).map(Some);
                } else {
                    self.writer.differs(&mut output.out);
                }
                Ok(None)
            }
        }
    }

    fn announce(&mut self, source: FileSource, skip: u64, output: &mut Output) -> Result<Current, Failure> {
        let (head, path) = (head(&source, skip), source.path().clone());
        let body = Body::whole(source, skip).ok_or_else(|| failure(Code::Range, Code::Range, &path))?;
        let identity = head.identity.clone();
        let writer = self.writer.begin(&head, &mut output.out);
        Ok(Current::Sending(Box::new(Sending { writer, body, identity, missing: None, root: false })))
    }
}

impl Comparing {
    /// Takes the blocks that are known, up to one that is not. True if those were all.
    fn take_known(&mut self, output: &Output) -> bool {
        let blocks = self.source.size().div_ceil(BLOCK_SIZE);
        loop {
            let known = output.shared.services.hashes.run(self.source.identity(), self.next, blocks);
            if known.is_empty() {
                return self.next >= blocks;
            }
            self.next += known.len() as u64;
            known.iter().for_each(|block| self.root.push(block));
        }
    }

    /// Hashes the next block, which the file must have.
    fn hash(&mut self, output: &Output) -> Result<(), StorageError> {
        let digest = hash(&self.source, self.next)?;
        remember(&output.shared, &self.source, self.next, &digest)?;
        self.root.push(&digest);
        self.next += 1;
        Ok(())
    }
}

/// Whether a small file may be added to the output.
fn has_room(source: &FileSource, output: &Output) -> bool {
    let room = (output.size() + MAX_EXCESS).saturating_sub(output.out.len());
    output.out.is_empty() || source.size() <= room as u64
}

/// The announcement of a file.
fn head(source: &FileSource, skip: u64) -> FileHead {
    let meta = source.meta();
    let identity = source.identity().to_owned();
    FileHead { size: source.size(), modified: meta.modified, mode: meta.mode, identity, skip }
}
