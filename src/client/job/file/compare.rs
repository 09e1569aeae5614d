//! Which local blocks the server has, too: requests the hashes of its blocks, and keeps the blocks that match, of the `.part` and of a
//! target that exists.

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
        api::{content::origin::Origin, views::view::TroubleKind},
        content::{
            Content,
            blocks::{Blocks, buffer, verify_block},
        },
        disk::{commit::InPlace, folder::of_another, target::Target},
        error::{Fault, Verdict},
        job::{
            attempt::Fetch,
            file::{
                local_hashes::{LocalFile, LocalHashes, Seen},
                resume::FileResume,
                state::{AtTarget, Doubtful, Known, Place, ResumeState, Version},
            },
            placement::destination,
        },
        source::{Connection, HashesAnswer, RemoteHashes},
    },
    protocol::digest::{BLOCK_SIZE, Hash, VerifiedBlock},
    text::{ShowPath, units},
};

/// Compares doubtful blocks with the server's hashes, starting on `connection`. They are still doubtful if the file changed on the server.
/// Local blocks are hashed while hashes are received, but a connection never waits for that: the server closes connections that are idle
/// or read slowly.
pub(crate) async fn compare(
    fetch: &Fetch<'_>,
    resume: &mut FileResume,
    mut connection: Connection,
) -> Result<(), Fault> {
    let ResumeState::Doubtful(doubtful) = &mut resume.state else { return Ok(()) };
    if !connection.has_hashes() {
        return without_hashes(fetch, resume);
    }
    let mut comparison = Comparison::start(fetch, doubtful, &resume.local, connection.origin())?;
    let answer = loop {
        match comparison.ask(&mut doubtful.remote, &mut connection).await {
            Err(fault) if doubtful.remote.should_reconnect(&fault) => {
                fetch.reconnecting(&mut resume.totals, doubtful.blocks.received(), &fault);
                connection = fetch.source.connect(None).await?;
            }
            answer => break answer?,
        }
        if connection.origin() != comparison.origin {
            connection.put();
            return restart_comparison(fetch, resume);
        }
    };
    connection.put();
    doubtful.remote.gets_further();
    match answer {
        HashesAnswer::All | HashesAnswer::Stopped => {}
        HashesAnswer::Changed => return restart_comparison(fetch, resume),
        HashesAnswer::Unsupported => return without_hashes(fetch, resume),
        HashesAnswer::Directory => {
            if doubtful.has_own_part() {
                tracing::warn!("{} is a folder now; starting over with its archive", fetch.address);
            }
            return block_in_place(|| resume.start_over());
        }
        HashesAnswer::Refused(fault) => return Err(fault),
    }
    let Comparison { source, hashes, hashed, _stop: stop, .. } = comparison;
    drop(hashes);
    let hashed = hashed.await.unwrap_or_else(|_| {
        Err(Fault::never(TroubleKind::Other, "comparing the file ended with an internal error"))
    });
    drop(stop);
    let Hashing { part, old, .. } = hashed.map_err(|fault| match &source {
        Some(content) => content.describe(fault),
        None => fault,
    })?;
    // The protocol client reports no end without a beginning.
    let Some(source) = source else { return Ok(()) };
    block_in_place(|| adopt(fetch, resume, source, part, old))
}

/// Resumes without a comparison: the server has no block hashes. The target is compared when all is received.
fn without_hashes(fetch: &Fetch<'_>, resume: &mut FileResume) -> Result<(), Fault> {
    let has_own_part = matches!(&resume.state, ResumeState::Doubtful(doubtful) if doubtful.has_own_part());
    if !block_in_place(|| resume.trust_journal())? && has_own_part {
        tracing::warn!("{}: the server cannot send the hashes of its blocks; starting over", fetch.address);
    }
    Ok(())
}

/// The file changed on the server, or another server answers: compares the local blocks again, a limited number of times.
fn restart_comparison(fetch: &Fetch<'_>, resume: &mut FileResume) -> Result<(), Fault> {
    if let ResumeState::Doubtful(doubtful) = &mut resume.state {
        doubtful.remote.clear();
    }
    let address = fetch.address;
    if resume.totals.restart(fetch.retries) {
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
    /// Blocks of `.part` or target, whichever has more.
    blocks: u64,
    /// Where the hashes of the server's blocks go: index, length, hash.
    hashes: Sender<(u64, u64, Hash)>,
    /// Their result.
    hashed: JoinHandle<Result<Hashing, Fault>>,
    /// Stops the hashing when the comparison is dropped.
    _stop: StopHashing,
}

/// Stops the hashing when it is dropped.
struct StopHashing(Arc<AtomicBool>);

impl Drop for StopHashing {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// An existing target.
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

    /// The digest, if all blocks match.
    fn root(&self, size: u64) -> Option<Hash> {
        self.blocks.root().filter(|_| self.blocks.missing(Some(size)).is_empty())
    }
}

/// Hashes local blocks, on a thread that may block.
struct Hashing {
    keep: bool,
    /// The known blocks of the `.part`.
    known: Blocks,
    file: Option<LocalFile>,
    /// Blocks of the `.part` that match.
    part: Blocks,
    old: Option<Old>,
    buffer: Vec<u8>,
}

impl<'a> Comparison<'a> {
    fn start(
        fetch: &'a Fetch<'a>,
        doubtful: &Doubtful,
        local: &LocalHashes,
        origin: Origin,
    ) -> Result<Comparison<'a>, Fault> {
        let (file, length) = match &doubtful.place {
            // Opened again: the lock of the `.part` must not outlive the attempt with this thread.
            Some(place) => (place.part.read_only(), place.part.length()?),
            None => (None, 0),
        };
        let old = match &doubtful.old {
            Some(target) => Old::open(target, &local.old)?,
            None => None,
        };
        let blocks = Blocks::in_all(old.as_ref().map_or(0, |old| old.size).max(length));
        let target = doubtful.place.as_ref().map(|place| &place.target).or(doubtful.old.as_ref()).cloned();
        let old_target = old.as_ref().map(|old| old.target.clone());
        let keep = fetch.keeps_existing();
        let file = file.map(|file| LocalFile::new(file, &local.part));
        let (known, part) = (doubtful.blocks.clone(), Blocks::default());
        let hashing = Hashing { keep, known, file, part, old, buffer: buffer() };
        let wanted = Arc::new(AtomicBool::new(true));
        let is_wanted = Arc::clone(&wanted);
        let (hashes, received) = channel();
        let hashed = spawn_blocking(move || hashing.run(received, &is_wanted));
        let (old, source, _stop) = (old_target, None, StopHashing(wanted));
        let mut comparison = Comparison { fetch, target, old, source, origin, blocks, hashes, hashed, _stop };
        if let Some((content, hashes)) =
            doubtful.remote.received().filter(|(known, _)| known.origin == origin)
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
        let asked = (self.fetch.address.path(), self.blocks);
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
                // The thread reports the reason.
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn begin(&mut self, content: &Content) -> Result<(), Fault> {
        if let (Some(old), Some(placement)) = (&self.old, self.fetch.placement) {
            placement.claim_target(old)?;
            destination::refuse_existing(old, placement.new.existing, content.size)
                .map_err(|fault| content.describe(fault))?;
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
                // One difference is enough.
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

/// Resumes from the blocks that match. The hashes prove them: the server confirmed after the last one that they are of this version.
fn adopt(
    fetch: &Fetch<'_>,
    resume: &mut FileResume,
    content: Content,
    kept: Blocks,
    old: Option<Old>,
) -> Result<(), Fault> {
    let ResumeState::Doubtful(doubtful) = &mut resume.state else { return Ok(()) };
    let size = content.size.unwrap_or(0);
    let identical = old.as_ref().filter(|old| old.size == size).and_then(|old| old.root(size));
    if let (Some(old), Some(root)) = (&old, identical) {
        let blocks = old.blocks.clone();
        tracing::info!("{} was there already, byte for byte", old.target.path().shown());
        if let Some(place) = doubtful.place.take() {
            place.part.discard();
        }
        let in_place = InPlace::identical(old.target.clone());
        resume.state = ResumeState::Identical(AtTarget { content, root, in_place }, blocks);
    } else {
        if let Some(old) = old.as_ref().filter(|_| fetch.keeps_existing()) {
            return Err(content.describe(old.target.differs(None)));
        }
        if let Some(place) = doubtful.place.as_ref().filter(|_| kept.bytes() == 0) {
            // Nothing in it shows that it is a download of this content.
            place.part.must_be_ours()?;
        }
        let place = match (doubtful.place.take(), &old, fetch.placement) {
            (None, Some(old), Some(placement)) => {
                let mut part = placement.open_part(&old.target)?;
                part.clear()?;
                Some(Place { target: old.target.clone(), part })
            }
            (place, ..) => place,
        };
        // Without a partial file: the target that was to be compared does not exist any more.
        let Some(place) = place else { return resume.start_over() };
        let version = Version::Proven;
        resume.state = ResumeState::Known(Known { content, place, blocks: kept, version, claimed: None });
        resume.record();
        resume.claim()?;
        if let (Some(old), ResumeState::Known(known)) = (&old, &mut resume.state) {
            copy(known, old)?;
            tracing::debug!("{}: matching blocks are copied", fetch.address);
        }
    }
    let local = resume.state.local();
    let (matching, size) = (units::bytes(local.verified), units::bytes(size));
    tracing::info!("{}: {matching} of {size} match what the server has", fetch.address);
    fetch.progress.set_local(resume.state.blocks().unwrap_or(&Blocks::default()), true);
    Ok(())
}

/// Copies the matching blocks of the old target into the `.part`, so that both share them where the file system can. The copies are hashed
/// again: other programs may write to the target.
fn copy(known: &mut Known, old: &Old) -> Result<(), Fault> {
    let part = &known.place.part;
    let (mut buffer, mut shares) = (buffer(), true);
    for (index, hash) in old.blocks.verified() {
        let (offset, length) = (index * BLOCK_SIZE, old.blocks.length(index));
        shares = shares && part.writer()?.copy_from(&old.file.file, offset, length);
        let copied = if shares { part.file()? } else { &old.file.file };
        let Some(block) = verify_block(copied, index, length, hash, &mut buffer) else { continue };
        if !shares {
            let length = usize::try_from(length).unwrap_or(buffer.len());
            part.write(&buffer[..length], offset)?;
        }
        known.blocks.insert(&block);
        part.writer()?.verified(&block);
    }
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
        assert_eq!(
            seen.lock().unwrap().blocks.clone().into_blocks().bytes(),
            7,
            "what was hashed is kept for the next attempt"
        );
        let wrong = Arc::new(Mutex::new(Seen::default()));
        wrong.lock().unwrap().blocks.insert(0, 7, &other(0));
        assert_eq!(hash(&wrong), 7);
    }
}
