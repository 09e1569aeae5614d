//! Requests many files of a tree at once, without waiting for each answer, and keeps the verified ones.

use std::{
    collections::{HashSet, VecDeque},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use crate::{
    client::{
        api::views::view::TroubleKind,
        content::blocks::Blocks,
        error::{Fault, Verdict},
        job::{
            attempt::Attempt,
            tree::{
                disk::{
                    partial_files::PartialFiles,
                    survey::State,
                    writer::{Batch, Item, Writer},
                },
                manifest::{Manifest, Node, remote},
                state::TreeResume,
            },
        },
        source::{Connection, FileEvent, FilesSink, HashesAnswer, RemoteHashes, sink::KEEP_INTERVAL},
    },
    protocol::{
        digest::{BLOCK_SIZE, Hash},
        message::{FileHead, Files, Missing, WantedFile},
    },
    text::SafeText,
};

/// Bytes of a request. Several unread requests fit into the socket buffers, so that client and server never both wait for the other to
/// read.
const MAX_REQUEST_LEN: usize = 16 * 1024;

/// Files that were not received, and why.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// The first fault that another attempt cannot fix, otherwise the first fault.
    fault: Option<Fault>,
    count: usize,
    unreadable: Unreadable,
}

/// Files that the server cannot read.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    pub(super) missing: Missing,
    pub(super) indices: HashSet<u32>,
    pub(super) bytes: u64,
}

impl Missed {
    pub(super) fn note(&mut self, fault: Fault) {
        self.count += 1;
        let graver = fault.verdict == Verdict::Never
            && self.fault.as_ref().is_some_and(|before| before.verdict != Verdict::Never);
        if graver || self.fault.is_none() {
            self.fault = Some(fault);
        }
    }

    /// A file is not the version in the listing.
    pub(super) fn changed(&mut self, path: &str) {
        let fault = Fault::changed(format!("/{path} changed on the server while the tree was fetched"));
        // Files are independent: the verified ones are kept.
        self.note(Fault { verdict: Verdict::Again(Duration::ZERO), ..fault });
    }

    /// The server refused to send a file. `shown` is its path from the served folder.
    pub(super) fn refused(&mut self, manifest: &Manifest, index: u32, shown: &str, fault: Fault) {
        let path = shown;
        match fault.trouble.kind {
            _ if fault.verdict == Verdict::Unreadable => {
                let said = fault.trouble.message.as_str();
                let why = said.strip_prefix(&format!("/{shown}: ")).unwrap_or(said);
                let lost = &mut self.unreadable;
                if lost.indices.insert(index) {
                    lost.missing.add(SafeText::new(&manifest.path(index)).as_str(), why);
                    lost.bytes = lost.bytes.saturating_add(manifest.size(index));
                }
            }
            // It was listed: the next attempt lists the tree again.
            TroubleKind::NotFound => self.changed(path),
            _ if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) => self.changed(path),
            _ => self.note(fault),
        }
    }

    /// Returns the files that the server cannot read.
    ///
    /// # Errors
    /// Other files were not received.
    pub(super) fn none(self) -> Result<Unreadable, Fault> {
        let Some(mut fault) = self.fault else { return Ok(self.unreadable) };
        if self.count > 1 {
            let others = self.count - 1;
            let text = format!("{} (and {others} more); all others are kept", fault.trouble.message);
            fault.trouble.message = SafeText::new(&text);
        }
        Err(fault)
    }
}

/// The requests for files on one connection.
#[derive(Debug)]
pub(super) struct FileRequests<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) tree: &'a mut TreeResume,
    pub(super) manifest: &'a Manifest,
    pub(super) states: &'a mut [State],
    /// Writes the files; absent if nothing is to be written.
    pub(super) writer: Option<&'a mut Writer>,
    pub(super) missed: &'a mut Missed,
    /// The files to request, in order.
    todo: VecDeque<u32>,
    /// Whether content is requested, and not only a comparison.
    content: bool,
    /// The files of each unanswered request.
    asked: VecDeque<Vec<u32>>,
    batch: Batch,
    /// When the first file was added to the batch.
    since: Instant,
    incoming: Option<Incoming>,
    /// The first bytes of interrupted files; absent if no content is requested.
    begun: Option<&'a mut PartialFiles>,
    /// Bytes of `incoming` that the server skips, until they are hashed.
    skipped: Option<Vec<u8>>,
    /// How many files of the first request are answered.
    answered: usize,
    /// Whether something new was received.
    progressed: bool,
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

impl<'a> FileRequests<'a> {
    /// Requests the content of these files; or, without `content`, only whether the local files are the same.
    pub(super) fn new(
        attempt: &'a Attempt,
        tree: &'a mut TreeResume,
        (manifest, states): (&'a Manifest, &'a mut [State]),
        writer: Option<&'a mut Writer>,
        missed: &'a mut Missed,
        (todo, content): (VecDeque<u32>, bool),
        begun: Option<&'a mut PartialFiles>,
    ) -> FileRequests<'a> {
        FileRequests {
            attempt,
            tree,
            manifest,
            states,
            writer,
            missed,
            todo,
            content,
            asked: VecDeque::new(),
            batch: Batch::default(),
            since: Instant::now(),
            incoming: None,
            begun,
            skipped: None,
            answered: 0,
            progressed: false,
            max_bytes: u64::MAX,
        }
    }

    /// Limits the content of one request to this many bytes, or one file.
    pub(super) fn limit_requests(&mut self, bytes: u64) {
        self.max_bytes = bytes;
    }

    /// Whether something new was received.
    pub(super) fn has_progressed(&self) -> bool {
        self.progressed
    }

    /// The unanswered files, in order. Nothing more is requested.
    pub(super) fn unanswered(&mut self) -> VecDeque<u32> {
        self.save_incoming();
        self.incoming = None;
        let asked = std::mem::take(&mut self.asked);
        let mut left: VecDeque<u32> = asked.into_iter().flatten().skip(self.answered).collect();
        left.append(&mut self.todo);
        self.answered = 0;
        left
    }

    /// Local bytes of an interrupted file.
    fn local_bytes(&self, index: u32) -> u64 {
        let (Some(begun), Node::File { size, .. }) = (&self.begun, self.manifest.entry(index).node) else {
            return 0;
        };
        begun.bytes(&self.manifest.path(index), self.manifest.identity(index), size.min(BLOCK_SIZE))
    }

    /// Saves the received bytes of the current file to the disk, in case that the connection is lost.
    fn save_incoming(&mut self) {
        let (Some(incoming), Some(begun)) = (&mut self.incoming, &mut self.begun) else { return };
        let bytes = &self.batch.bytes[incoming.start..];
        let more = bytes.len() > incoming.kept.0 && bytes.len() as u64 > incoming.here;
        if more && incoming.corrupt.is_none() && bytes.len() as u64 <= incoming.head.size {
            let path = self.manifest.path(incoming.index);
            begun.keep(&path, &incoming.head.identity, incoming.kept.0 as u64, &bytes[incoming.kept.0..]);
            incoming.kept.0 = bytes.len();
            self.progressed |= self.tree.gets_further(&path, bytes.len() as u64);
        }
        incoming.kept.1 = Instant::now();
    }

    fn wanted(&self, index: u32) -> WantedFile {
        let digest = match self.states[index as usize] {
            State::Found(root) => Some(root.to_string()),
            _ => None,
        };
        let skip = if self.content && digest.is_none() { self.local_bytes(index) } else { 0 };
        WantedFile { path: self.manifest.path(index), digest, skip }
    }

    /// The path of a file from the served folder, to be displayed.
    fn shown(&self, index: u32) -> String {
        remote(&self.attempt.new_job().address, &self.manifest.path(index))
    }

    fn file(&self, number: usize) -> Result<u32, Fault> {
        // The protocol client passes on no other numbers.
        let index = self.asked.front().and_then(|asked| asked.get(number)).copied();
        index.ok_or_else(|| {
            Fault::never(TroubleKind::Other, "the server answered for a file that was not requested")
        })
    }

    fn proven(&mut self, index: u32, root: Hash, content: Option<(usize, FileHead)>) -> Result<(), Fault> {
        let state = &mut self.states[index as usize];
        let replaces = !matches!(state, State::Absent);
        *state = State::Proven(root);
        if self.writer.is_none() {
            if let Node::File { size, .. } = self.manifest.entry(index).node {
                self.attempt.progress.add(size, 1);
            }
            return Ok(());
        }
        if self.batch.items.is_empty() {
            self.since = Instant::now();
        }
        self.batch.items.push(Item { index, root, content, replaces });
        if self.batch.is_full() || self.since.elapsed() >= KEEP_INTERVAL { self.flush() } else { Ok(()) }
    }

    /// A local file was compared with the server's by its block hashes.
    pub(super) fn compared(&mut self, index: u32, same: bool) -> Result<(), Fault> {
        match self.states[index as usize] {
            State::Found(root) if same => self.proven(index, root, None)?,
            _ => self.states[index as usize] = State::Other,
        }
        self.flush()
    }

    /// Passes the received files to the writer. Blocks.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        match &mut self.writer {
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
        Ok(())
    }

    fn done(&mut self, number: usize, root: Option<Hash>) -> Result<(), Fault> {
        let index = self.file(number)?;
        self.answered = number + 1;
        let Some(incoming) = self.incoming.take() else { return Ok(()) };
        let Incoming { head, start, .. } = incoming;
        let path = self.manifest.path(index);
        let Some(root) = root else {
            self.batch.bytes.truncate(start);
            if let Some(begun) = &mut self.begun {
                begun.forget(&path, &head.identity);
                begun.forget(&path, self.manifest.identity(index));
            }
            if head.skip > 0 {
                // The local bytes may be the wrong ones.
                tracing::info!("/{}: all of it is requested", self.shown(index));
            } else {
                let shown = self.shown(index);
                let (corrupt, index) = (&mut self.tree.totals.corrupt, incoming.corrupt.unwrap_or(0));
                self.attempt.fetch().count_corrupt(corrupt, Some(&shown), index)?;
            }
            // After everything that is requested already.
            self.todo.push_back(index);
            return Ok(());
        };
        if let Some(begun) = &mut self.begun {
            begun.complete(&path, &head.identity);
        }
        let length = self.batch.bytes.len() - start;
        self.tree.totals.kept += (length as u64).saturating_sub(head.skip);
        self.progressed = true;
        if !self.manifest.is_listed_as(index, &head.identity, head.size) {
            self.missed.changed(&self.shown(index));
        } else {
            self.tree.advances += 1;
        }
        self.proven(index, root, Some((length, head)))
    }

    /// The server begins to send a file.
    fn file_begins(&mut self, index: u32, head: FileHead) -> Result<(), Fault> {
        if self.batch.is_small_for(head.size) {
            self.flush()?;
            if let Some(writer) = &mut self.writer {
                writer.catch_up()?;
            }
        }
        let start = self.batch.bytes.len();
        let here = self.local_bytes(index);
        if head.skip > 0 {
            let (path, identity) = (self.manifest.path(index), self.manifest.identity(index));
            let bytes = usize::try_from(head.skip).unwrap_or(usize::MAX);
            // If the local bytes cannot be read, the block counts as corrupt.
            let read = self.begun.as_ref().and_then(|begun| begun.read(&path, identity, bytes).ok());
            let read = read.unwrap_or_default();
            self.batch.bytes.extend_from_slice(&read);
            self.skipped = Some(read);
        }
        // The bytes on the disk may be of another version.
        let is_same = head.identity == self.manifest.identity(index);
        let kept = if is_same { usize::try_from(head.skip).unwrap_or(0) } else { 0 };
        let kept = (kept, Instant::now());
        self.incoming = Some(Incoming { index, head, start, corrupt: None, here, kept });
        Ok(())
    }
}

impl Drop for FileRequests<'_> {
    fn drop(&mut self) {
        self.save_incoming();
        // What was received before a pause is kept. The writer reports its own errors.
        let _ = self.flush();
    }
}

impl FilesSink for FileRequests<'_> {
    fn next(&mut self) -> Option<(Files, u64)> {
        let path = self.attempt.new_job().address.path().to_owned();
        let mut files = Files {
            path,
            files: Vec::new(),
            content: self.content,
            largest: self.content.then_some(BLOCK_SIZE),
        };
        let (mut cost, mut bytes, mut hashed, mut indices) = (files.cost(), 0u64, 0u64, Vec::new());
        while let Some(&index) = self.todo.front() {
            let wanted = self.wanted(index);
            cost += wanted.cost();
            if let Node::File { size, .. } = self.manifest.entry(index).node {
                bytes = bytes.saturating_add(size.saturating_sub(wanted.skip));
            }
            if (cost > MAX_REQUEST_LEN || bytes > self.max_bytes) && !indices.is_empty() {
                break;
            }
            if let (true, Node::File { size, .. }) = (wanted.has_digest(), self.manifest.entry(index).node) {
                hashed = hashed.saturating_add(size);
            }
            files.files.push(wanted);
            indices.push(index);
            self.todo.pop_front();
        }
        if indices.is_empty() {
            return None;
        }
        self.asked.push_back(indices);
        Some((files, hashed))
    }

    fn take(&mut self, event: FileEvent<'_>) -> Result<(), Fault> {
        match event {
            FileEvent::Begins { number, head } => {
                let index = self.file(number)?;
                self.file_begins(index, head)?;
            }
            FileEvent::Data(bytes) => {
                self.batch.bytes.extend_from_slice(bytes);
                self.tree.totals.transferred += bytes.len() as u64;
                self.attempt.progress.add_crossed(bytes.len() as u64);
                if self.incoming.as_ref().is_some_and(|incoming| incoming.kept.1.elapsed() >= KEEP_INTERVAL) {
                    self.save_incoming();
                }
            }
            FileEvent::Corrupt { index } => {
                if let Some(incoming) = &mut self.incoming {
                    incoming.corrupt = Some(index);
                }
            }
            FileEvent::Complete { number, root } => self.done(number, root)?,
            FileEvent::Same { number } => {
                let index = self.file(number)?;
                (self.answered, self.progressed) = (number + 1, true);
                if let State::Found(root) = self.states[index as usize] {
                    self.proven(index, root, None)?;
                }
            }
            FileEvent::Differs { number } => {
                let index = self.file(number)?;
                (self.answered, self.progressed) = (number + 1, true);
                self.states[index as usize] = State::Other;
            }
            FileEvent::Missed { number, failure } => {
                let index = self.file(number)?;
                (self.answered, self.progressed) = (number + 1, true);
                if let Some(Incoming { start, .. }) = self.incoming.take() {
                    self.batch.bytes.truncate(start);
                }
                if let Some(begun) = &mut self.begun {
                    begun.forget(&self.manifest.path(index), self.manifest.identity(index));
                }
                let shown = self.shown(index);
                self.missed.refused(self.manifest, index, &shown, Fault::refused(&shown, &failure));
            }
            FileEvent::RequestEnds => {
                self.asked.pop_front();
                self.answered = 0;
            }
        }
        Ok(())
    }

    fn skipped(&mut self) -> Option<Vec<u8>> {
        self.skipped.take()
    }

    fn quiet(&mut self) -> Result<(), Fault> {
        self.save_incoming();
        self.flush()
    }
}

/// Returns the root digest of the server's file, from its block hashes; `None` if its size is not `size`, or the server rejects the request.
/// After an error the received hashes are kept.
pub(super) async fn root(
    connection: &mut Connection,
    attempt: &Attempt,
    remote_hashes: &mut RemoteHashes,
    (path, size): (&str, u64),
) -> Result<Option<Hash>, Fault> {
    let path = remote(&attempt.new_job().address, path);
    let blocks = Blocks::in_all(size);
    let answer = connection.hashes(remote_hashes, (&path, blocks), |content, _, _| {
        Ok(if content.size == Some(size) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    });
    Ok(match answer.await? {
        HashesAnswer::All => remote_hashes.root(),
        // The file is not the version in the manifest.
        _ => None,
    })
}
