//! Requests many files of a tree at once, without waiting for each answer, and keeps the verified ones.

use std::{collections::VecDeque, sync::Mutex, time::Instant};

use super::{
    large::{self, Destination},
    manifest::{Node, remote},
    shared::{Lanes, Shared, lock},
    stream::StreamedFile,
};
use crate::{
    client::{
        api::views::view::TroubleKind,
        content::Content,
        error::Fault,
        job::tree::disk::{
            survey::State,
            writer::{Batch, Item},
        },
        source::{FileEvent, FilesSink, Source, Wish, sink::KEEP_INTERVAL},
        transfer::permit::Permit,
    },
    protocol::{
        digest::{BLOCK_SIZE, Hash},
        message::{Failure, FileHead, Files, WantedFile},
    },
};

/// Bytes of a request. Several unread requests fit into the socket buffers, so that client and server never both wait for the other to
/// read.
const MAX_REQUEST_LEN: usize = 16 * 1024;
/// Requests without content that are not answered, at most.
const MAX_COMPARISONS: usize = 4;
/// Bytes of content that are requested ahead on a connection, at least: more than a long link holds.
const MIN_AHEAD: u64 = 16 << 20;
/// Bytes of content of one request: so small that connections which share a tree all have something to do.
const MAX_CONTENT: u64 = 2 << 20;

/// A request that is not answered.
#[derive(Debug)]
struct Asked {
    files: Vec<u32>,
    /// Bytes of content that are not received yet, as the files are listed.
    left: u64,
}

/// The requests for files on one connection.
#[derive(Debug)]
pub(super) struct FileRequests<'a, 's> {
    lanes: Lanes<'a>,
    shared: &'s Mutex<Shared<'a>>,
    /// The permit of the connection, unless it is the attempt's own.
    permit: Option<&'s Permit>,
    asked: VecDeque<Asked>,
    batch: Batch,
    /// When the first file was added to the batch.
    since: Instant,
    incoming: Option<Incoming>,
    /// The file that is larger than a block and being received.
    streamed: Option<StreamedFile>,
    /// Files in the batch of which the first bytes were kept.
    completed: Vec<(u32, String)>,
    /// Bytes of `incoming` that the server skips, until they are hashed.
    skipped: Option<Vec<u8>>,
    /// How many files of the first request are answered.
    answered: usize,
    /// Whether something new was received.
    progressed: bool,
    /// Bytes of content that were received.
    transferred: u64,
    /// The most bytes of content of one request.
    max_bytes: u64,
}

/// The file that is being received.
#[derive(Debug)]
struct Incoming {
    index: u32,
    /// What the server announced.
    head: FileHead,
    /// Where it begins in the batch.
    start: usize,
    /// A corrupt block of it.
    corrupt: Option<u64>,
    /// Bytes of it that were local when it was requested.
    here: u64,
    /// Bytes of it that are saved to the disk, and when they were.
    kept: (usize, Instant),
}

impl<'a, 's> FileRequests<'a, 's> {
    /// Requests the files that are to do.
    pub(super) fn new(
        lanes: Lanes<'a>,
        shared: &'s Mutex<Shared<'a>>,
        permit: Option<&'s Permit>,
    ) -> FileRequests<'a, 's> {
        FileRequests {
            lanes,
            shared,
            permit,
            asked: VecDeque::new(),
            batch: Batch::default(),
            since: Instant::now(),
            incoming: None,
            streamed: None,
            completed: Vec::new(),
            skipped: None,
            answered: 0,
            progressed: false,
            transferred: 0,
            max_bytes: MAX_CONTENT,
        }
    }

    /// Limits the content of one request to this many bytes, or one file.
    pub(super) fn limit_requests(&mut self, bytes: u64) {
        self.max_bytes = bytes.min(MAX_CONTENT);
    }

    /// Bytes of content that were received.
    pub(super) fn transferred(&self) -> u64 {
        self.transferred
    }

    /// Whether something new was received.
    pub(super) fn has_progressed(&self) -> bool {
        self.progressed
    }

    /// Gives back the unanswered files: another connection may request them. What was received of an interrupted one is kept.
    pub(super) fn give_back(&mut self) {
        self.save_incoming();
        self.incoming = None;
        let interrupted = self.streamed.as_ref().map(|file| file.index);
        self.close_streamed();
        let asked = std::mem::take(&mut self.asked).into_iter().flat_map(|asked| asked.files);
        // An interrupted one is resumed like a single file.
        let left = asked.skip(self.answered).filter(|index| Some(*index) != interrupted);
        let left: Vec<u32> = left.collect();
        self.answered = 0;
        let mut shared = lock(self.shared);
        left.into_iter().rev().for_each(|index| shared.todo.push_front(index));
    }

    /// Local bytes of an interrupted file.
    fn local_bytes(&self, shared: &Shared<'_>, index: u32) -> u64 {
        let manifest = self.lanes.manifest;
        let (Some(begun), Node::File { size, .. }) = (&shared.begun, manifest.entry(index).node) else {
            return 0;
        };
        begun.bytes(&manifest.path(index), manifest.identity(index), size.min(BLOCK_SIZE))
    }

    /// Saves the received bytes of the current file to the disk, in case that the connection is lost.
    fn save_incoming(&mut self) {
        let Some(incoming) = &mut self.incoming else { return };
        let shared = &mut *lock(self.shared);
        let Some(begun) = &mut shared.begun else { return };
        let bytes = &self.batch.bytes[incoming.start..];
        let more = bytes.len() > incoming.kept.0 && bytes.len() as u64 > incoming.here;
        if more && incoming.corrupt.is_none() && bytes.len() as u64 <= incoming.head.size {
            let path = self.lanes.manifest.path(incoming.index);
            begun.keep(&path, &incoming.head.identity, incoming.kept.0 as u64, &bytes[incoming.kept.0..]);
            incoming.kept.0 = bytes.len();
            self.progressed |= shared.tree.gets_further(&path, bytes.len() as u64);
        }
        incoming.kept.1 = Instant::now();
    }

    /// The file that is larger than a block is interrupted: closes it, keeping what was received.
    fn close_streamed(&mut self) {
        let Some(file) = self.streamed.take() else { return };
        let index = file.index;
        let path = self.lanes.manifest.path(index);
        let shared = &mut *lock(self.shared);
        self.progressed |= shared.tree.gets_further(&path, file.local());
        let (local, kept) = file.close();
        shared.tree.totals.kept += kept;
        shared.local.insert(index, local);
    }

    fn wanted(&self, shared: &Shared<'_>, index: u32) -> WantedFile {
        let digest = match shared.states[index as usize] {
            State::Found(root) => Some(root.to_string()),
            _ => None,
        };
        let skip = if self.lanes.content && digest.is_none() { self.local_bytes(shared, index) } else { 0 };
        WantedFile { path: self.lanes.manifest.path(index), digest, skip }
    }

    /// The path of a file from the served folder, to be displayed.
    fn shown(&self, index: u32) -> String {
        remote(&self.lanes.attempt.new_job().address, &self.lanes.manifest.path(index))
    }

    fn file(&self, number: usize) -> Result<u32, Fault> {
        // The protocol client passes on no other numbers.
        let index = self.asked.front().and_then(|asked| asked.files.get(number)).copied();
        index.ok_or_else(|| {
            Fault::never(TroubleKind::Other, "the server answered for a file that was not requested")
        })
    }

    fn proven(&mut self, index: u32, root: Hash) -> Result<(), Fault> {
        let shared = self.shared;
        self.proven_in(&mut lock(shared), index, root, None)
    }

    fn proven_in(
        &mut self,
        shared: &mut Shared<'_>,
        index: u32,
        root: Hash,
        content: Option<(usize, FileHead)>,
    ) -> Result<(), Fault> {
        let state = &mut shared.states[index as usize];
        let replaces = !matches!(state, State::Absent);
        *state = State::Proven(root);
        if shared.writer.is_none() {
            self.lanes.attempt.progress.add(self.lanes.manifest.size(index), 1);
            return Ok(());
        }
        if self.batch.items.is_empty() {
            self.since = Instant::now();
        }
        self.batch.items.push(Item { index, root, content, replaces });
        if self.batch.is_full() || self.since.elapsed() >= KEEP_INTERVAL {
            self.flush_to(shared)
        } else {
            Ok(())
        }
    }

    /// A local file was compared with the server's by its block hashes.
    pub(super) fn compared(&mut self, index: u32, same: bool) -> Result<(), Fault> {
        let state = lock(self.shared).states[index as usize];
        match state {
            State::Found(root) if same => self.proven(index, root)?,
            _ => lock(self.shared).states[index as usize] = State::Other,
        }
        self.flush()
    }

    /// Passes the received files to the writer. Blocks.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        let shared = self.shared;
        self.flush_to(&mut lock(shared))
    }

    fn flush_to(&mut self, shared: &mut Shared<'_>) -> Result<(), Fault> {
        match &mut shared.writer {
            Some(writer) if !self.batch.items.is_empty() => {
                // The received bytes of the next file stay in the batch.
                let rest = self.incoming.as_ref().map(|incoming| self.batch.bytes.split_off(incoming.start));
                self.batch = writer.hand_over(std::mem::take(&mut self.batch))?;
                if let (Some(rest), Some(incoming)) = (rest, &mut self.incoming) {
                    incoming.start = self.batch.bytes.len();
                    self.batch.bytes.extend(rest);
                }
            }
            _ => {}
        }
        let completed = std::mem::take(&mut self.completed);
        if let Some(begun) = &mut shared.begun {
            for (index, identity) in completed {
                begun.complete(&self.lanes.manifest.path(index), &identity);
            }
        }
        Ok(())
    }

    fn done(&mut self, number: usize, root: Option<Hash>) -> Result<(), Fault> {
        let index = self.file(number)?;
        self.answered = number + 1;
        let Some(incoming) = self.incoming.take() else { return Ok(()) };
        let Incoming { head, start, .. } = incoming;
        let Lanes { attempt, manifest, .. } = self.lanes;
        let path = manifest.path(index);
        let shared = &mut *lock(self.shared);
        let Some(root) = root else {
            self.batch.bytes.truncate(start);
            if let Some(begun) = &mut shared.begun {
                begun.forget(&path, &head.identity);
                begun.forget(&path, manifest.identity(index));
            }
            if head.skip > 0 {
                // The local bytes may be the wrong ones.
                tracing::info!("/{}: all of it is requested", self.shown(index));
            } else {
                let shown = self.shown(index);
                let (corrupt, index) = (&mut shared.tree.totals.corrupt, incoming.corrupt.unwrap_or(0));
                attempt.fetch().count_corrupt(corrupt, Some(&shown), index)?;
            }
            // After everything that is requested already.
            shared.todo.push_back(index);
            return Ok(());
        };
        self.completed.push((index, head.identity.clone()));
        let length = self.batch.bytes.len() - start;
        shared.tree.totals.kept += (length as u64).saturating_sub(head.skip);
        self.progressed = true;
        if !manifest.is_listed_as(index, &head.identity, head.size) {
            shared.missed.changed(&self.shown(index));
        } else {
            shared.tree.advances += 1;
        }
        self.proven_in(shared, index, root, Some((length, head)))
    }

    /// The server begins to send a file.
    fn file_begins(&mut self, index: u32, head: FileHead) -> Result<(), Fault> {
        let manifest = self.lanes.manifest;
        let shared = &mut *lock(self.shared);
        if self.batch.is_small_for(head.size) {
            self.flush_to(shared)?;
            if let Some(writer) = &mut shared.writer {
                writer.catch_up()?;
            }
        }
        let start = self.batch.bytes.len();
        let here = self.local_bytes(shared, index);
        if head.skip > 0 {
            let (path, identity) = (manifest.path(index), manifest.identity(index));
            let bytes = usize::try_from(head.skip).unwrap_or(usize::MAX);
            // If the local bytes cannot be read, the block counts as corrupt.
            let read = shared.begun.as_ref().and_then(|begun| begun.read(&path, identity, bytes).ok());
            let read = read.unwrap_or_default();
            self.batch.bytes.extend_from_slice(&read);
            self.skipped = Some(read);
        }
        // The bytes on the disk may be of another version.
        let is_same = head.identity == manifest.identity(index);
        let kept = if is_same { usize::try_from(head.skip).unwrap_or(0) } else { 0 };
        let kept = (kept, Instant::now());
        self.incoming = Some(Incoming { index, head, start, corrupt: None, here, kept });
        Ok(())
    }

    /// The server begins to send a file that is larger than a block.
    fn content_begins(&mut self, content: Content) -> Result<(), Fault> {
        let Some(index) = self.asked.front().and_then(|asked| asked.files.first()).copied() else {
            return Ok(());
        };
        let Lanes { attempt, manifest, .. } = self.lanes;
        let path = manifest.path(index);
        let begun =
            StreamedFile::begin(lock(self.shared).work_dir()?, &attempt.progress, (index, &path), content)?;
        self.streamed = Some(begun);
        Ok(())
    }

    /// It is received.
    fn content_ends(&mut self, root: Option<Hash>) -> Result<(), Fault> {
        self.asked.pop_front();
        let Some(mut file) = self.streamed.take() else { return Ok(()) };
        let index = file.index;
        let Lanes { attempt, manifest, tree_dir: Some(tree_dir), save_mode, .. } = self.lanes else {
            return Ok(());
        };
        let Some(complete) = file.complete(root) else {
            // A block was corrupt: only that is requested again, when the file is resumed.
            self.streamed = Some(file);
            self.close_streamed();
            return Ok(());
        };
        self.progressed = true;
        let shared = &mut *lock(self.shared);
        let destination = Destination { manifest, tree_dir, save_mode };
        let (root, is_listed) = destination.put(shared.work_dir()?, complete, index)?;
        if is_listed {
            shared.tree.advances += 1;
        } else {
            shared.missed.changed(&self.shown(index));
        }
        shared.states[index as usize] = State::Proven(root);
        attempt.progress.add(0, 1);
        Ok(())
    }

    /// The server does not send it, or not all of it.
    fn content_fails(&mut self, failure: &Failure) -> Result<(), Fault> {
        let asked = self.asked.pop_front();
        let Some(index) = asked.and_then(|asked| asked.files.first().copied()) else { return Ok(()) };
        let shown = self.shown(index);
        let fault = Fault::refused(&shown, failure);
        if let Some(mut file) = self.streamed.take() {
            lock(self.shared).local.insert(index, file.counted());
            file.failed(&fault)?;
        }
        self.progressed = true;
        if !large::is_of_one_file(&fault) {
            return Err(fault);
        }
        lock(self.shared).missed.refused(self.lanes.manifest, index, &shown, fault);
        Ok(())
    }

    /// Bytes of content were received.
    fn received(&mut self, count: u64) {
        self.transferred += count;
        self.arrived(count);
        lock(self.shared).tree.totals.transferred += count;
    }

    /// Bytes of the first request are received, or need not be sent.
    fn arrived(&mut self, count: u64) {
        if let Some(asked) = self.asked.front_mut() {
            asked.left = asked.left.saturating_sub(count);
        }
    }

    /// Whether enough is requested.
    fn is_ahead(&self) -> bool {
        if !self.lanes.content {
            return self.asked.len() >= MAX_COMPARISONS;
        }
        let left = self.asked.iter().map(|asked| asked.left).fold(0, u64::saturating_add);
        left >= MIN_AHEAD || self.permit.is_some_and(Permit::is_wanted)
    }
}

impl Drop for FileRequests<'_, '_> {
    fn drop(&mut self) {
        self.save_incoming();
        self.close_streamed();
        // What was received before a pause is kept. The writer reports its own errors.
        let _ = self.flush();
    }
}

impl FilesSink for FileRequests<'_, '_> {
    fn next(&mut self) -> Option<Wish> {
        if self.is_ahead() {
            return None;
        }
        let Lanes { attempt, manifest, content, .. } = self.lanes;
        let shared = &mut *lock(self.shared);
        if let Some(&index) = shared.todo.front()
            && content
            && manifest.size(index) > BLOCK_SIZE
        {
            shared.todo.pop_front();
            let Ok(Source::Fdsp(file)) = attempt.source.join(&manifest.path(index)) else { return None };
            self.asked.push_back(Asked { files: vec![index], left: manifest.size(index) });
            return Some(Wish::Content(file));
        }
        let path = attempt.new_job().address.path().to_owned();
        let mut files = Files { path, files: Vec::new(), content, largest: content.then_some(BLOCK_SIZE) };
        let (mut cost, mut bytes, mut hashed, mut indices) = (files.cost(), 0u64, 0u64, Vec::new());
        while let Some(&index) = shared.todo.front() {
            let (wanted, size) = (self.wanted(shared, index), manifest.size(index));
            cost += wanted.cost();
            let more = bytes.saturating_add(size.saturating_sub(wanted.skip));
            let is_full = cost > MAX_REQUEST_LEN || content && more > self.max_bytes;
            if !indices.is_empty() && (is_full || content && size > BLOCK_SIZE) {
                break;
            }
            bytes = more;
            if wanted.has_digest() {
                hashed = hashed.saturating_add(size);
            }
            files.files.push(wanted);
            indices.push(index);
            shared.todo.pop_front();
        }
        if indices.is_empty() {
            return None;
        }
        let left = if content { bytes } else { 0 };
        self.asked.push_back(Asked { files: indices, left });
        Some(Wish::Files(files, hashed))
    }

    fn take(&mut self, event: FileEvent<'_>) -> Result<(), Fault> {
        let Lanes { attempt, manifest, .. } = self.lanes;
        match event {
            FileEvent::Begins { number, head } => {
                let index = self.file(number)?;
                self.file_begins(index, head)?;
            }
            FileEvent::Data(bytes) => {
                let count = bytes.len() as u64;
                self.received(count);
                if let Some(file) = &mut self.streamed {
                    return file.data(bytes);
                }
                self.batch.bytes.extend_from_slice(bytes);
                attempt.progress.add_crossed(count);
                if self.incoming.as_ref().is_some_and(|incoming| incoming.kept.1.elapsed() >= KEEP_INTERVAL) {
                    self.save_incoming();
                }
            }
            FileEvent::Hole { length } => {
                self.arrived(length);
                if let Some(file) = &mut self.streamed {
                    file.hole(length)?;
                }
            }
            FileEvent::Block(block) => {
                if let Some(file) = &mut self.streamed {
                    lock(self.shared).tree.totals.kept += file.block(&block);
                    if block.verified.is_none() {
                        let shown = remote(&attempt.new_job().address, &manifest.path(file.index));
                        attempt.fetch().count_corrupt(&mut file.corrupt, Some(&shown), block.index)?;
                    }
                } else if let Some(incoming) = &mut self.incoming
                    && block.verified.is_none()
                {
                    incoming.corrupt = Some(block.index);
                }
            }
            FileEvent::Complete { number, root } => self.done(number, root)?,
            FileEvent::Same { number } => {
                let index = self.file(number)?;
                (self.answered, self.progressed) = (number + 1, true);
                let state = lock(self.shared).states[index as usize];
                if let State::Found(root) = state {
                    self.proven(index, root)?;
                }
            }
            FileEvent::Differs { number } => {
                let index = self.file(number)?;
                (self.answered, self.progressed) = (number + 1, true);
                lock(self.shared).states[index as usize] = State::Other;
            }
            FileEvent::Missed { number, failure } => {
                let index = self.file(number)?;
                (self.answered, self.progressed) = (number + 1, true);
                if let Some(Incoming { start, .. }) = self.incoming.take() {
                    self.batch.bytes.truncate(start);
                }
                let shared = &mut *lock(self.shared);
                if let Some(begun) = &mut shared.begun {
                    begun.forget(&manifest.path(index), manifest.identity(index));
                }
                let shown = self.shown(index);
                shared.missed.refused(manifest, index, &shown, Fault::refused(&shown, &failure));
            }
            FileEvent::RequestEnds => {
                self.asked.pop_front();
                self.answered = 0;
            }
            FileEvent::ContentBegins(content) => self.content_begins(content)?,
            FileEvent::ContentEnds { root } => self.content_ends(root)?,
            FileEvent::ContentFails(failure) => self.content_fails(&failure)?,
        }
        Ok(())
    }

    fn skipped(&mut self) -> Option<Vec<u8>> {
        self.skipped.take()
    }

    fn quiet(&mut self) -> Result<(), Fault> {
        self.save_incoming();
        if let Some(file) = &mut self.streamed {
            file.note();
        }
        self.flush()
    }
}
