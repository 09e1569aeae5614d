//! Many files of a tree in few answers: asks for them without waiting, and keeps what is proven.

use std::{
    collections::{HashSet, VecDeque},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use crate::{
    client::{
        api::view::TroubleKind,
        content::blocks::Blocks,
        error::{Fault, Verdict},
        job::{
            attempt::Attempt,
            file::resume::Memory,
            tree::{
                disk::{
                    partial_files::PartialFiles,
                    survey::State,
                    writer::{Batch, Item, Writer},
                },
                manifest::{Manifest, Node, remote},
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

/// Bytes of a request. Several of them, unread, fit into what lies between two machines, so that a server that answers before it reads
/// on is never waited for by somebody who does not read.
const REQUEST: usize = 16 * 1024;

/// What did not come, and why.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// The first that another try cannot mend, else the first.
    fault: Option<Fault>,
    count: usize,
    unreadable: Unreadable,
}

/// Files that the server cannot read, now and later.
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

    /// A file is not what the tree was said to hold, or not any more.
    pub(super) fn changed(&mut self, path: &str) {
        let fault = Fault::changed(format!("/{path} changed on the server while the tree was fetched"));
        // Each file stands for itself: nothing that is proven has to go.
        self.note(Fault { verdict: Verdict::Again(Duration::ZERO), ..fault });
    }

    /// The server said why a file does not come. `shown` is its path from the served folder.
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
            // It was there a moment ago: another look at the tree shows what is there now.
            TroubleKind::NotFound => self.changed(path),
            _ if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) => self.changed(path),
            _ => self.note(fault),
        }
    }

    /// Everything came that the server can read; what it cannot.
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

/// A conversation about files.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) memory: &'a mut Memory,
    pub(super) manifest: &'a Manifest,
    pub(super) states: &'a mut [State],
    /// What puts files in their places; absent if nothing is to be written.
    pub(super) writer: Option<&'a mut Writer>,
    pub(super) missed: &'a mut Missed,
    /// What is to be asked for, in order.
    todo: VecDeque<u32>,
    /// Whether content is to come.
    content: bool,
    /// The files of each request that is not answered yet.
    asked: VecDeque<Vec<u32>>,
    batch: Batch,
    /// Since when something is in it.
    since: Instant,
    coming: Option<Coming>,
    /// Files that were cut off; absent if none is fetched.
    begun: Option<&'a mut PartialFiles>,
    /// Bytes of `coming` that the server skips, until they are taken.
    skipped: Option<Vec<u8>>,
    /// How many files of the first request are answered.
    answered: usize,
    /// Something came that was not there before.
    progressed: bool,
    /// Bytes of content of one request.
    most: u64,
}

/// A file that is coming.
#[derive(Debug)]
struct Coming {
    index: u32,
    /// What the server says of it.
    head: FileHead,
    /// Where it begins in the batch.
    start: usize,
    /// A block of it that was not intact.
    corrupt: Option<u64>,
    /// Bytes of it that were there when it was asked for.
    here: u64,
    /// Bytes of it that are kept on the disk, and since when.
    kept: (usize, Instant),
}

impl<'a> Asking<'a> {
    /// Asks for the content of these files, as far as they are not proven; or, without `content`, only whether they are what is here.
    pub(super) fn new(
        attempt: &'a Attempt,
        memory: &'a mut Memory,
        (manifest, states): (&'a Manifest, &'a mut [State]),
        writer: Option<&'a mut Writer>,
        missed: &'a mut Missed,
        (todo, content): (VecDeque<u32>, bool),
        begun: Option<&'a mut PartialFiles>,
    ) -> Asking<'a> {
        Asking {
            attempt,
            memory,
            manifest,
            states,
            writer,
            missed,
            todo,
            content,
            asked: VecDeque::new(),
            batch: Batch::default(),
            since: Instant::now(),
            coming: None,
            begun,
            skipped: None,
            answered: 0,
            progressed: false,
            most: u64::MAX,
        }
    }

    /// Asks for no more content than this in one request, but for one file at least.
    pub(super) fn ask_at_most(&mut self, bytes: u64) {
        self.most = bytes;
    }

    /// Whether something came that was not there before.
    pub(super) fn has_progressed(&self) -> bool {
        self.progressed
    }

    /// The files that were not answered, in order; nothing more is asked for.
    pub(super) fn unanswered(&mut self) -> VecDeque<u32> {
        self.keep_coming();
        self.coming = None;
        let asked = std::mem::take(&mut self.asked);
        let mut left: VecDeque<u32> = asked.into_iter().flatten().skip(self.answered).collect();
        left.append(&mut self.todo);
        self.answered = 0;
        left
    }

    /// Bytes that are there of a file that was cut off.
    fn here(&self, index: u32) -> u64 {
        let (Some(begun), Node::File { size, .. }) = (&self.begun, self.manifest.entry(index).node) else {
            return 0;
        };
        begun.bytes(&self.manifest.path(index), self.manifest.identity(index), size.min(BLOCK_SIZE))
    }

    /// Keeps on the disk what came of the file that is coming, in case that it is cut off.
    fn keep_coming(&mut self) {
        let (Some(coming), Some(begun)) = (&mut self.coming, &mut self.begun) else { return };
        let bytes = &self.batch.bytes[coming.start..];
        let more = bytes.len() > coming.kept.0 && bytes.len() as u64 > coming.here;
        if more && coming.corrupt.is_none() && bytes.len() as u64 <= coming.head.size {
            let path = self.manifest.path(coming.index);
            begun.keep(&path, &coming.head.identity, coming.kept.0 as u64, &bytes[coming.kept.0..]);
            coming.kept.0 = bytes.len();
            let tree = self.memory.tree.get_or_insert_default();
            self.progressed |= tree.gets_further(&path, bytes.len() as u64);
        }
        coming.kept.1 = Instant::now();
    }

    fn wanted(&self, index: u32) -> WantedFile {
        let digest = match self.states[index as usize] {
            State::Found(root) => Some(root.to_string()),
            _ => None,
        };
        let skip = if self.content && digest.is_none() { self.here(index) } else { 0 };
        WantedFile { path: self.manifest.path(index), digest, skip }
    }

    /// The path of a file from the served folder, for people.
    fn shown(&self, index: u32) -> String {
        remote(&self.attempt.new_job().address, &self.manifest.path(index))
    }

    fn file(&self, number: usize) -> Result<u32, Fault> {
        // The machine gives no others.
        let index = self.asked.front().and_then(|asked| asked.get(number)).copied();
        index.ok_or_else(|| Fault::never(TroubleKind::Other, "the server answered what was not asked"))
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

    /// A file that was found was compared with the server's in another way.
    pub(super) fn compared(&mut self, index: u32, same: bool) -> Result<(), Fault> {
        match self.states[index as usize] {
            State::Found(root) if same => self.proven(index, root, None)?,
            _ => self.states[index as usize] = State::Other,
        }
        self.flush()
    }

    /// Hands over what came. Blocks.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        match &mut self.writer {
            Some(writer) if !self.batch.items.is_empty() => {
                // What has come of the next file stays.
                let rest = self.coming.as_ref().map(|coming| self.batch.bytes.split_off(coming.start));
                self.batch = writer.hand_over(std::mem::take(&mut self.batch))?;
                if let (Some(rest), Some(coming)) = (rest, &mut self.coming) {
                    coming.start = self.batch.bytes.len();
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
        let Some(coming) = self.coming.take() else { return Ok(()) };
        let Coming { head, start, .. } = coming;
        let path = self.manifest.path(index);
        let Some(root) = root else {
            self.batch.bytes.truncate(start);
            if let Some(begun) = &mut self.begun {
                begun.forget(&path, &head.identity);
                begun.forget(&path, self.manifest.identity(index));
            }
            if head.skip > 0 {
                // What was here may be what is wrong.
                tracing::info!("/{} is fetched whole", self.shown(index));
            } else {
                let shown = self.shown(index);
                let (corrupt, index) = (&mut self.memory.corrupt, coming.corrupt.unwrap_or(0));
                self.attempt.fetch().count_corrupt(corrupt, Some(&shown), index)?;
            }
            // Alone, and after all that is on its way.
            self.todo.push_back(index);
            return Ok(());
        };
        if let Some(begun) = &mut self.begun {
            begun.complete(&path, &head.identity);
        }
        let length = self.batch.bytes.len() - start;
        self.memory.received += (length as u64).saturating_sub(head.skip);
        self.progressed = true;
        if !self.manifest.is_as_said(index, &head.identity, head.size) {
            self.missed.changed(&self.shown(index));
        } else if let Some(tree) = &mut self.memory.tree {
            tree.came += 1;
        }
        self.proven(index, root, Some((length, head)))
    }

    /// A file begins to come.
    fn file_begins(&mut self, index: u32, head: FileHead) -> Result<(), Fault> {
        if self.batch.is_small_for(head.size) {
            self.flush()?;
            if let Some(writer) = &mut self.writer {
                writer.catch_up()?;
            }
        }
        let start = self.batch.bytes.len();
        let here = self.here(index);
        if head.skip > 0 {
            let (path, identity) = (self.manifest.path(index), self.manifest.identity(index));
            let bytes = usize::try_from(head.skip).unwrap_or(usize::MAX);
            // What cannot be read makes the block one that is not intact.
            let read = self.begun.as_ref().and_then(|begun| begun.read(&path, identity, bytes).ok());
            let read = read.unwrap_or_default();
            self.batch.bytes.extend_from_slice(&read);
            self.skipped = Some(read);
        }
        // What is on the disk may be of another identity.
        let is_same = head.identity == self.manifest.identity(index);
        let kept = if is_same { usize::try_from(head.skip).unwrap_or(0) } else { 0 };
        let kept = (kept, Instant::now());
        self.coming = Some(Coming { index, head, start, corrupt: None, here, kept });
        Ok(())
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.keep_coming();
        // Also what came before somebody wanted to pause is kept; why it cannot be, the writer tells.
        let _ = self.flush();
    }
}

impl FilesSink for Asking<'_> {
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
            if (cost > REQUEST || bytes > self.most) && !indices.is_empty() {
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
                self.memory.transferred += bytes.len() as u64;
                self.attempt.progress.add_crossed(bytes.len() as u64);
                if self.coming.as_ref().is_some_and(|coming| coming.kept.1.elapsed() >= KEEP_INTERVAL) {
                    self.keep_coming();
                }
            }
            FileEvent::Corrupt { index } => {
                if let Some(coming) = &mut self.coming {
                    coming.corrupt = Some(index);
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
                if let Some(Coming { start, .. }) = self.coming.take() {
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
        self.keep_coming();
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
