//! Which blocks that are here are also those of the server: asks for the hashes of its blocks, and keeps what matches, at
//! any block, from the `.part` and from a target that exists.

use std::{
    fs::File,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use tokio::task::{JoinHandle, block_in_place, spawn_blocking};

use crate::{
    client::{
        api::{new_job::Existing, origin::Origin, view::TroubleKind},
        content::{
            Content,
            blocks::{Blocks, Noted, buffer, hash_block},
        },
        disk::{attributes::Status, folder::of_another, target::Target},
        error::{Fault, Verdict},
        job::{
            destination, fetch,
            memory::{Memory, Place},
            remote_hashes::{Answer, RemoteHashes},
            worker::Context,
        },
        source::link::Link,
    },
    protocol::{
        digest::{BLOCK_SIZE, BlockDigest, Hash, VerifiedBlock},
        error::Code,
        message,
    },
    text::ShowPath,
    units,
};
/// Compares local blocks with the server's hashes, starting on `link`. Afterwards `memory` has the missing blocks, or is still doubtful if
/// the file changed on the server. Local blocks are hashed while hashes are received, but a connection never waits for that: the server
/// closes connections that are idle or read slowly.
pub(crate) async fn compare(context: &Context, memory: &mut Memory, mut link: Link) -> Result<(), Fault> {
    let authority = &context.new.address.authority;
    let mut comparison = Comparison::start(context, memory, link.origin())?;
    let answer = loop {
        match comparison.ask(&mut memory.remote, &mut link).await {
            // It was closed while it rested: that is no fault of this try.
            Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
                link = context.pool.fresh(authority).await?;
            }
            Err(fault) if memory.remote.should_reconnect(&fault) => {
                fetch::reconnecting(context, memory, &fault);
                link = context.pool.link(authority).await?;
            }
            answer => break answer?,
        }
        if link.origin() != comparison.origin {
            context.pool.put(authority, link);
            return restart_comparison(context, memory);
        }
    };
    context.pool.put(authority, link);
    memory.remote.gets_further();
    let Comparison { source, hashes, hashed, _wanted: wanted, .. } = comparison;
    drop(hashes);
    let code = match answer {
        Answer::Changed => return restart_comparison(context, memory),
        Answer::Refused(failure) => match failure.code {
            code @ (Code::Unsupported | Code::WrongKind) => Some(code),
            _ => return Err(Fault::refused(context.new.address.path.as_str(), &failure)),
        },
        Answer::All | Answer::Stopped => None,
    };
    let hashed = hashed.await.unwrap_or_else(|_| {
        Err(Fault::never(TroubleKind::Other, "comparing the file ended with an internal error"))
    });
    drop(wanted);
    let Hashing { part, old, .. } = hashed?;
    match (code, source) {
        (None, Some(source)) => block_in_place(|| adopt(context, memory, source, part, old)),
        (Some(Code::Unsupported), _) if memory.recalled => {
            // The identity tells what is in the `.part`; the target is compared when all is there.
            (memory.doubtful, memory.old) = (false, None);
            Ok(())
        }
        (Some(code), _) => {
            let address = &context.new.address;
            let is_lost = memory.place.as_ref().is_some_and(|place| place.part.is_ours());
            if is_lost && code == Code::Unsupported {
                tracing::warn!("{address}: the server cannot send the hashes of its blocks; starting over");
            }
            if is_lost && code == Code::WrongKind {
                tracing::warn!("{address} is a folder now; starting over with its archive");
            }
            block_in_place(|| memory.start_over())
        }
        // The machine lets no end through without its beginning.
        (None, None) => Ok(()),
    }
}

/// The file changed on the server, or another server answers: compares the local blocks again, a limited number of times.
fn restart_comparison(context: &Context, memory: &mut Memory) -> Result<(), Fault> {
    memory.remote.clear();
    memory.restarts += 1;
    let address = &context.new.address;
    if memory.restarts > context.retries.max(1) {
        let fault = Fault::changed(format!("{address} changes during each comparison"));
        // The local blocks are kept: they may still match.
        return Err(Fault { verdict: Verdict::Again(Duration::ZERO), ..fault });
    }
    tracing::info!("{address} changed on the server; what was received is compared again");
    Ok(())
}

/// Receives the server's hashes and passes them to [`Hashing`].
struct Comparison<'a> {
    context: &'a Context,
    target: Option<Target>,
    old: Option<Target>,
    source: Option<Content>,
    /// The server that answers.
    origin: Origin,
    /// Blocks of `.part` and target, whichever has more.
    here: u64,
    /// Where the hashes of the server's blocks go: index, length, hash.
    hashes: Sender<(u64, u64, Hash)>,
    /// What comes of them.
    hashed: JoinHandle<Result<Hashing, Fault>>,
    /// Ends the hashing when the comparison is dropped.
    _wanted: Wanted,
}

/// Whether the result of a comparison is still wanted: until this is dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The target that exists.
struct Old {
    target: Target,
    file: LocalFile,
    size: u64,
    /// Its blocks that match.
    blocks: Blocks,
}

impl Old {
    /// Opens the target; `None` if there is no file.
    ///
    /// # Errors
    /// Another user owns the open file. Its name may be that of another file a moment later.
    fn open(target: &Target, seen: &Arc<Mutex<Seen>>) -> Result<Option<Old>, Fault> {
        let Ok(file) = target.folder.read(&target.name) else { return Ok(None) };
        let Some(data) = file.metadata().ok().filter(|data| data.is_file()) else { return Ok(None) };
        if target.folder.is_of_another(data.uid()) {
            return Err(of_another(&target.path(), data.uid()));
        }
        let file = LocalFile::new(file, seen);
        Ok(Some(Old { target: target.clone(), file, size: data.len(), blocks: Blocks::default() }))
    }
}

/// Block hashes of a local file, computed in this run, for the next attempt. Valid while the status of the file is the same.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    status: Option<Status>,
    blocks: Noted,
}

/// A local file, and its block hashes.
struct LocalFile {
    file: File,
    seen: Arc<Mutex<Seen>>,
}

impl LocalFile {
    fn new(file: File, seen: &Arc<Mutex<Seen>>) -> LocalFile {
        let status = Status::settled(&file).ok().flatten();
        let mut known = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_none() || known.status != status {
            *known = Seen { status, blocks: Noted::default() };
        }
        LocalFile { file, seen: Arc::clone(seen) }
    }

    /// Returns the digest of a block; `None` if the file is too short.
    fn digest(&self, index: u64, length: u64, buffer: &mut [u8]) -> Option<BlockDigest> {
        let lock = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = lock().blocks.digest(index, length);
        seen.or_else(|| {
            let digest = hash_block(&self.file, index, length, buffer)?;
            lock().blocks.insert(index, u32::try_from(length).unwrap_or(u32::MAX), &digest);
            Some(digest)
        })
    }
}

/// Hashes local blocks, on a thread that may block.
struct Hashing {
    keep: bool,
    /// What is known of the `.part`.
    known: Blocks,
    file: Option<LocalFile>,
    /// Blocks of the `.part` that match.
    part: Blocks,
    old: Option<Old>,
    buffer: Vec<u8>,
}

impl<'a> Comparison<'a> {
    fn start(context: &'a Context, memory: &Memory, origin: Origin) -> Result<Comparison<'a>, Fault> {
        let (file, length) = match &memory.place {
            // Opened again: the lock of the `.part` must not outlive the attempt with this thread.
            Some(place) => (place.part.read_only(), place.part.length()?),
            None => (None, 0),
        };
        let old = match &memory.old {
            Some(target) => Old::open(target, &memory.seen.old)?,
            None => None,
        };
        let here = Blocks::in_all(old.as_ref().map_or(0, |old| old.size).max(length));
        let target = memory.place.as_ref().map(|place| &place.target).or(memory.old.as_ref()).cloned();
        let old_target = old.as_ref().map(|old| old.target.clone());
        let keep = context.new.existing == Existing::Keep;
        let file = file.map(|file| LocalFile::new(file, &memory.seen.part));
        let (known, part) = (memory.blocks.clone(), Blocks::default());
        let hashing = Hashing { keep, known, file, part, old, buffer: buffer() };
        let wanted = Arc::new(AtomicBool::new(true));
        let is_wanted = Arc::clone(&wanted);
        let (hashes, received) = channel();
        let hashed = spawn_blocking(move || hashing.run(received, &is_wanted));
        let (old, source, _wanted) = (old_target, None, Wanted(wanted));
        let mut comparison =
            Comparison { context, target, old, source, origin, here, hashes, hashed, _wanted };
        if let Some((_, content, hashes)) = memory.remote.received().filter(|(known, ..)| *known == origin) {
            // From an earlier attempt.
            comparison.take(content, 0, hashes).map(drop)?;
        }
        Ok(comparison)
    }

    /// Requests the server's hashes, at most as many as there are local blocks.
    async fn ask(&mut self, remote: &mut RemoteHashes, link: &mut Link) -> Result<Answer, Fault> {
        let (context, asked) = (self.context, (self.context.new.address.path.as_str(), self.here));
        remote.ask(context, link, asked, |content, first, hashes| self.take(content, first, hashes)).await
    }

    fn take(
        &mut self,
        content: &message::Content,
        first: u64,
        hashes: &[Hash],
    ) -> Result<ControlFlow<()>, Fault> {
        if self.source.is_none() {
            self.begin(content)?;
        }
        let size = content.size.unwrap_or(0);
        for (index, &hash) in (first..).zip(hashes) {
            let rest = index.checked_mul(BLOCK_SIZE).and_then(|begin| size.checked_sub(begin));
            let Some(rest) = rest else { continue };
            if self.hashes.send((index, rest.min(BLOCK_SIZE), hash)).is_err() {
                // The thread reports why.
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn begin(&mut self, content: &message::Content) -> Result<(), Fault> {
        if let Some(old) = &self.old {
            let claim = |path: &std::path::Path| self.context.claims.claim(path, self.context.id);
            old.claim(claim)?;
            destination::refuse_existing(old, self.context.new.existing, content.size)?;
        }
        if let Some(target) = &self.target {
            self.context.answered(target, content);
        }
        self.source = Some(self.context.source(content, self.origin));
        Ok(())
    }
}

impl Hashing {
    fn run(mut self, hashes: Receiver<(u64, u64, Hash)>, is_wanted: &AtomicBool) -> Result<Hashing, Fault> {
        for (index, length, hash) in hashes {
            if !is_wanted.load(Ordering::Relaxed) {
                break;
            }
            self.block(index, length, hash)?;
        }
        Ok(self)
    }

    fn block(&mut self, index: u64, length: u64, hash: Hash) -> Result<(), Fault> {
        let short = u32::try_from(length).unwrap_or(u32::MAX);
        let same = |digest| VerifiedBlock::compare(index, short, digest, hash);
        let known = self.known.digest(index, length).and_then(same);
        if let Some(block) = known
            && !self.keep
        {
            self.part.insert(&block);
            return Ok(());
        }
        if let Some(old) = &mut self.old {
            match old.file.digest(index, length, &mut self.buffer).and_then(same) {
                Some(block) => {
                    old.blocks.insert(&block);
                    return Ok(());
                }
                // It is known now, and nothing more has to be.
                _ if self.keep => return Err(old.target.differs(None)),
                _ => {}
            }
        }
        let Some(file) = &self.file else { return Ok(()) };
        let block = known.or_else(|| file.digest(index, length, &mut self.buffer).and_then(same));
        if let Some(block) = block {
            self.part.insert(&block);
        }
        Ok(())
    }
}

/// Goes on with what matches.
fn adopt(
    context: &Context,
    memory: &mut Memory,
    source: Content,
    kept: Blocks,
    old: Option<Old>,
) -> Result<(), Fault> {
    let (size, data_bytes) = (source.size.unwrap_or(0), source.data_bytes);
    // The blocks are proven by hashes of which the server said at their end that they are of this version.
    (memory.doubtful, memory.recalled, memory.proven) = (false, false, true);
    memory.remote = RemoteHashes::default();
    memory.source = Some(source);
    memory.blocks = kept;
    match old {
        Some(old) if old.size == size && old.blocks.missing(Some(size)).is_empty() => {
            tracing::info!("{} was there already, byte for byte", old.target.path().shown());
            memory.identical = Some(old.target.path());
            memory.blocks = old.blocks;
            if let Some(place) = memory.place.take() {
                place.part.discard();
            }
        }
        Some(old) if context.new.existing == Existing::Keep => {
            return Err(old.target.differs(None));
        }
        Some(old) => {
            memory.believe()?;
            copy(context, memory, size, &old)?;
        }
        None => {
            memory.believe()?;
            memory.record();
            match &memory.place {
                Some(place) => place.part.claim(size, data_bytes)?,
                // The target that was to be compared is gone.
                None => memory.start_over()?,
            }
        }
    }
    let bytes = memory.blocks.bytes();
    tracing::info!(
        "{}: {} of {} match what the server has",
        context.new.address,
        units::bytes(bytes),
        units::bytes(size)
    );
    context.progress.set_here(&memory.blocks, true);
    Ok(())
}

/// Copies the matching blocks of the old target into the `.part`, so that both share them where the file system can. What
/// came there is hashed again: nobody keeps others from writing to the target.
fn copy(context: &Context, memory: &mut Memory, size: u64, old: &Old) -> Result<(), Fault> {
    if memory.place.is_none() {
        let mut part = context.open_part(&old.target)?;
        part.clear()?;
        memory.place = Some(Place { target: old.target.clone(), part });
    }
    let (Some(place), Some(source)) = (&mut memory.place, &memory.source) else { return Ok(()) };
    place.part.record(source, &memory.blocks);
    place.part.claim(size, source.data_bytes)?;
    let (mut buffer, mut shares) = (buffer(), true);
    for (index, hash) in old.blocks.verified() {
        let (offset, length) = (index * BLOCK_SIZE, old.blocks.length(index));
        shares = shares && place.part.writer()?.copy_from(&old.file.file, offset, length);
        let copied = if shares { place.part.file()? } else { &old.file.file };
        let short = u32::try_from(length).unwrap_or(u32::MAX);
        let digest = hash_block(copied, index, length, &mut buffer);
        let block = digest.and_then(|digest| VerifiedBlock::compare(index, short, digest, hash));
        let Some(block) = block else { continue };
        if !shares {
            let length = usize::try_from(length).unwrap_or(buffer.len());
            place.part.write(&buffer[..length], offset)?;
        }
        memory.blocks.insert(&block);
        place.part.writer()?.verified(&block);
    }
    memory.old = None;
    tracing::debug!("{}: matching blocks are copied", context.new.address);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::disk::folder::Folders;

    /// Of a target that was hashed by an earlier attempt and has not changed since, nothing is read again.
    #[test]
    fn blocks_that_an_earlier_attempt_hashed_are_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "content").unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        let other = |index| {
            let mut hasher = crate::protocol::digest::BlockHasher::new(index);
            hasher.update(b"another");
            hasher.finish()
        };
        let hash = |seen: &Arc<Mutex<Seen>>| {
            let file = folder.read("x".as_ref()).unwrap();
            let target = Target::new(Arc::clone(&folder), "x".into());
            let file = LocalFile { file, seen: Arc::clone(seen) };
            let old = Some(Old { target, file, size: 7, blocks: Blocks::default() });
            let (known, part) = (Blocks::default(), Blocks::default());
            let hashing = Hashing { keep: false, known, file: None, part, old, buffer: buffer() };
            let (hashes, received) = channel();
            hashes.send((0, 7, other(0).chaining)).unwrap();
            drop(hashes);
            let hashing = hashing.run(received, &AtomicBool::new(true)).unwrap();
            hashing.old.unwrap().blocks.bytes()
        };
        let seen = Arc::default();
        assert_eq!(hash(&seen), 0);
        assert_eq!(seen.lock().unwrap().blocks.clone().into_blocks().bytes(), 7, "what was hashed is noted");
        let wrong = Arc::new(Mutex::new(Seen::default()));
        wrong.lock().unwrap().blocks.insert(0, 7, &other(0));
        assert_eq!(hash(&wrong), 7);
    }
}
