//! Which blocks that are here are also those of the server: asks for the hashes of its blocks, and keeps what matches, at
//! any block, from the `.part` and from a target that exists.

use std::{
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use tokio::task::{JoinHandle, block_in_place, spawn_blocking};

use crate::{
    client::{
        api::{origin::Origin, view::TroubleKind},
        content::{
            Content,
            blocks::{Blocks, buffer, hash_block},
        },
        disk::{folder::of_another, target::Target},
        error::{Fault, Verdict},
        job::{
            attempt::Fetch,
            file::{
                local_hashes::{LocalFile, Seen},
                resume::{Memory, Place},
            },
            placement::destination,
        },
        source::{Connection, HashesAnswer, RemoteHashes},
    },
    protocol::digest::{BLOCK_SIZE, Hash, VerifiedBlock},
    text::{ShowPath, units},
};

/// Compares local blocks with the server's hashes, starting on `connection`. Afterwards `memory` has the missing blocks, or is still doubtful if
/// the file changed on the server. Local blocks are hashed while hashes are received, but a connection never waits for that: the server
/// closes connections that are idle or read slowly.
pub(crate) async fn compare(
    fetch: &Fetch<'_>,
    memory: &mut Memory,
    mut connection: Connection,
) -> Result<(), Fault> {
    if !connection.has_hashes() {
        return without_hashes(fetch, memory);
    }
    let mut comparison = Comparison::start(fetch, memory, connection.origin())?;
    let answer = loop {
        match comparison.ask(&mut memory.remote, &mut connection).await {
            Err(fault) if memory.remote.should_reconnect(&fault) => {
                fetch.reconnecting(memory, &fault);
                connection = fetch.source.connect(None).await?;
            }
            answer => break answer?,
        }
        if connection.origin() != comparison.origin {
            connection.put();
            return restart_comparison(fetch, memory);
        }
    };
    connection.put();
    memory.remote.gets_further();
    match answer {
        HashesAnswer::All | HashesAnswer::Stopped => {}
        HashesAnswer::Changed => return restart_comparison(fetch, memory),
        HashesAnswer::Unsupported => return without_hashes(fetch, memory),
        HashesAnswer::Directory => {
            if memory.place.as_ref().is_some_and(|place| place.part.is_ours()) {
                tracing::warn!("{} is a folder now; starting over with its archive", fetch.address);
            }
            return block_in_place(|| memory.start_over());
        }
        HashesAnswer::Refused(fault) => return Err(fault),
    }
    let Comparison { source, hashes, hashed, _wanted: wanted, .. } = comparison;
    drop(hashes);
    let hashed = hashed.await.unwrap_or_else(|_| {
        Err(Fault::never(TroubleKind::Other, "comparing the file ended with an internal error"))
    });
    drop(wanted);
    let Hashing { part, old, .. } = hashed?;
    // The machine lets no end through without its beginning.
    let Some(source) = source else { return Ok(()) };
    block_in_place(|| adopt(fetch, memory, source, part, old))
}

/// Continues without a comparison, where the server has no block hashes.
fn without_hashes(fetch: &Fetch<'_>, memory: &mut Memory) -> Result<(), Fault> {
    if memory.recalled {
        // The identity says what is in the partial file; the target is compared when all is received.
        (memory.doubtful, memory.old) = (false, None);
        return Ok(());
    }
    if memory.place.as_ref().is_some_and(|place| place.part.is_ours()) {
        tracing::warn!("{}: the server cannot send the hashes of its blocks; starting over", fetch.address);
    }
    block_in_place(|| memory.start_over())
}

/// The file changed on the server, or another server answers: compares the local blocks again, a limited number of times.
fn restart_comparison(fetch: &Fetch<'_>, memory: &mut Memory) -> Result<(), Fault> {
    memory.remote.clear();
    memory.restarts += 1;
    let address = fetch.address;
    if memory.restarts > fetch.retries.max(1) {
        let fault = Fault::changed(format!("{address} changes during each comparison"));
        // The local blocks are kept: they may still match.
        return Err(Fault { verdict: Verdict::Again(Duration::ZERO), ..fault });
    }
    tracing::info!("{address} changed on the server; what was received is compared again");
    Ok(())
}

/// Receives the server's hashes and passes them to [`Hashing`].
struct Comparison<'a> {
    fetch: &'a Fetch<'a>,
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
    fn start(fetch: &'a Fetch<'a>, memory: &Memory, origin: Origin) -> Result<Comparison<'a>, Fault> {
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
        let keep = fetch.keeps_existing();
        let file = file.map(|file| LocalFile::new(file, &memory.seen.part));
        let (known, part) = (memory.blocks.clone(), Blocks::default());
        let hashing = Hashing { keep, known, file, part, old, buffer: buffer() };
        let wanted = Arc::new(AtomicBool::new(true));
        let is_wanted = Arc::clone(&wanted);
        let (hashes, received) = channel();
        let hashed = spawn_blocking(move || hashing.run(received, &is_wanted));
        let (old, source, _wanted) = (old_target, None, Wanted(wanted));
        let mut comparison = Comparison { fetch, target, old, source, origin, here, hashes, hashed, _wanted };
        if let Some((content, hashes)) = memory.remote.received().filter(|(known, _)| known.origin == origin)
        {
            // From an earlier attempt.
            comparison.take(content, 0, hashes).map(drop)?;
        }
        Ok(comparison)
    }

    /// Requests the server's hashes, at most as many as there are local blocks.
    async fn ask(
        &mut self,
        remote: &mut RemoteHashes,
        connection: &mut Connection,
    ) -> Result<HashesAnswer, Fault> {
        let asked = (self.fetch.address.path(), self.here);
        connection.hashes(remote, asked, |content, first, hashes| self.take(content, first, hashes)).await
    }

    fn take(&mut self, content: &Content, first: u64, hashes: &[Hash]) -> Result<ControlFlow<()>, Fault> {
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

    fn begin(&mut self, content: &Content) -> Result<(), Fault> {
        if let (Some(old), Some(placement)) = (&self.old, self.fetch.placement) {
            old.claim(|path| placement.claim(path))?;
            destination::refuse_existing(old, placement.new.existing, content.size)?;
        }
        if let Some(target) = &self.target {
            self.fetch.answered(target, content);
        }
        self.source = Some(content.clone());
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

/// Continues with what matches.
fn adopt(
    fetch: &Fetch<'_>,
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
        Some(old) if fetch.keeps_existing() => {
            return Err(old.target.differs(None));
        }
        Some(old) => {
            memory.believe()?;
            copy(fetch, memory, size, &old)?;
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
        fetch.address,
        units::bytes(bytes),
        units::bytes(size)
    );
    fetch.progress.set_here(&memory.blocks, true);
    Ok(())
}

/// Copies the matching blocks of the old target into the `.part`, so that both share them where the file system can. What
/// came there is hashed again: other programs may write to the target.
fn copy(fetch: &Fetch<'_>, memory: &mut Memory, size: u64, old: &Old) -> Result<(), Fault> {
    if let (None, Some(placement)) = (&memory.place, fetch.placement) {
        let mut part = placement.open_part(&old.target)?;
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
    tracing::debug!("{}: matching blocks are copied", fetch.address);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::client::disk::folder::Folders;
    use crate::client::job::file::compare::*;

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
