//! What is known of one content between two attempts.

use std::{mem::take, ops::Range};

use crate::{
    client::{
        api::locator::Locator,
        content::{
            Content,
            blocks::{Blocks, LocalBytes},
            high_water::HighWater,
        },
        disk::{checksum, commit::InPlace, part::Part, target::Target},
        error::Fault,
        job::{file::local_hashes::LocalHashes, totals::JobTotals},
        source::RemoteHashes,
    },
    protocol::{
        digest::Hash,
        message::{Form, Missing},
    },
    text::ShowPath,
};

/// Where a content is saved.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) target: Target,
    pub(crate) part: Part,
}

/// What is known of the content.
///
/// ```text
/// Fresh ── first answer ──▶ Known ── all blocks and the digest ──▶ Complete ── commit ──▶ Placed
///   │                        ▲ │
///   │                        │ │ another version or server
///   │            what matches│ ▼
///   └─ unknown local bytes ▶ Doubtful ── the target has all blocks ──▶ Identical ── checksum ──▶ Placed
/// ```
#[derive(Debug)]
pub(crate) enum ResumeState {
    /// Nothing is received. An empty partial file may be open.
    Fresh(Option<Place>),
    /// The version of the local bytes is unknown: they are compared with the server's hashes before anything is requested.
    Doubtful(Doubtful),
    /// The version of the local blocks is known: the missing ones can be requested.
    Known(Known),
    /// All blocks are in the partial file, and have this digest.
    Complete(Known, Hash),
    /// The target existed, and is byte-identical. It is not compared with the user's checksum yet.
    Identical(AtTarget, Blocks),
    /// The content is at its target. The disk may not have the name yet, and it may still have to be unpacked.
    Placed(AtTarget),
}

/// Local bytes of an unknown version.
#[derive(Debug, Default)]
pub(crate) struct Doubtful {
    /// The partial file, if there is one.
    pub(crate) place: Option<Place>,
    /// The content that the journal of the partial file names, if it has a journal.
    pub(crate) recorded: Option<Content>,
    /// Blocks of the partial file.
    pub(crate) blocks: Blocks,
    /// The target, if it exists and may be the same.
    pub(crate) old: Option<Target>,
    /// Hashes received from the server, until all of them are compared.
    pub(crate) remote: Box<RemoteHashes>,
}

/// Blocks of one version, in a partial file.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) content: Content,
    pub(crate) place: Place,
    pub(crate) blocks: Blocks,
    pub(crate) version: Version,
    /// The digest that the server has announced.
    pub(crate) claimed: Option<Hash>,
}

/// What shows that all blocks are of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The journal of an earlier run; the server has not confirmed it yet.
    Recorded,
    /// The identity that the server announced before the last blocks. They may be of two versions.
    Unproven,
    /// The server confirmed after the last block that the content is still the same.
    Proven,
}

/// A content that is at its target.
#[derive(Clone, Debug)]
pub(crate) struct AtTarget {
    pub(crate) content: Content,
    pub(crate) root: Hash,
    pub(crate) in_place: InPlace,
}

/// What an attempt knows of one content, and leaves to the next attempt.
#[derive(Debug, Default)]
pub(crate) struct FileResume {
    pub(crate) state: ResumeState,
    pub(crate) totals: JobTotals,
    /// Hashes of local blocks that this run computed.
    pub(crate) local: LocalHashes,
    /// What is missing in an archive, as the server reported at the end of its last answer.
    pub(crate) missing: Missing,
    /// The most bytes of this version that were local at any time.
    furthest: HighWater,
}

impl Default for ResumeState {
    fn default() -> ResumeState {
        ResumeState::Fresh(None)
    }
}

impl Doubtful {
    /// Whether there is a partial file that this program has made.
    pub(crate) fn has_own_part(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.part.is_ours())
    }
}

impl Known {
    /// A content that the server has just announced.
    pub(crate) fn new(content: Content, place: Place) -> Known {
        Known { content, place, blocks: Blocks::default(), version: Version::Unproven, claimed: None }
    }

    /// Whether all blocks are local, and proven to be of one version.
    pub(crate) fn is_complete(&self) -> bool {
        self.version == Version::Proven
            && self.content.size.is_some_and(|size| self.blocks.missing(Some(size)).is_empty())
    }

    /// Whether the blocks can be compared with those of another version. An archive is made again from its first byte.
    fn is_comparable(&self) -> bool {
        let is_file = self.content.form == Form::File && !self.content.identity.is_empty();
        is_file && self.place.part.file().is_ok() && self.blocks.bytes() > 0
    }

    /// The blocks that have to be requested.
    pub(crate) fn missing(&mut self) -> Vec<Range<u64>> {
        if self.content.size.is_none() && self.blocks.has_end() {
            // What is after the end cannot be requested, and only an answer that reaches it has the size.
            self.blocks.reopen_last();
        }
        self.blocks.missing(self.content.size)
    }

    /// The blocks may be of two versions.
    pub(crate) fn unproven(&mut self) {
        if self.version == Version::Proven {
            self.version = Version::Unproven;
        }
    }

    /// Hashes each block again, and forgets those that have changed. Returns whether none has.
    fn verify(&mut self) -> Result<bool, Fault> {
        let file = self.place.part.file()?;
        let (blocks, all) = take(&mut self.blocks).recorded().still_in(file);
        self.blocks = blocks;
        if !all {
            self.unproven();
        }
        Ok(all)
    }

    /// Whether the partial file as a whole has this digest.
    fn has_digest(&self, root: Hash) -> Result<bool, Fault> {
        let found = checksum::blake3(self.place.part.file()?, &mut checksum::buffer(), || true);
        Ok(found.is_ok_and(|found| found == root))
    }
}

impl ResumeState {
    /// The content, if it is known or recorded.
    pub(crate) fn content(&self) -> Option<&Content> {
        match self {
            ResumeState::Fresh(_) => None,
            ResumeState::Doubtful(doubtful) => doubtful.recorded.as_ref(),
            ResumeState::Known(known) | ResumeState::Complete(known, _) => Some(&known.content),
            ResumeState::Identical(at, _) | ResumeState::Placed(at) => Some(&at.content),
        }
    }

    /// Where the content is saved, while it is in a partial file.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            ResumeState::Fresh(place) => place.as_ref(),
            ResumeState::Doubtful(doubtful) => doubtful.place.as_ref(),
            ResumeState::Known(known) | ResumeState::Complete(known, _) => Some(&known.place),
            ResumeState::Identical(..) | ResumeState::Placed(_) => None,
        }
    }

    /// The partial file, and what of which content is in it.
    fn part(&mut self) -> Option<(&mut Part, Option<(&Content, &Blocks)>)> {
        match self {
            ResumeState::Fresh(place) => Some((&mut place.as_mut()?.part, None)),
            ResumeState::Doubtful(Doubtful { place, recorded, blocks, .. }) => {
                Some((&mut place.as_mut()?.part, recorded.as_ref().map(|content| (content, &*blocks))))
            }
            ResumeState::Known(Known { place, content, blocks, .. })
            | ResumeState::Complete(Known { place, content, blocks, .. }, _) => {
                Some((&mut place.part, Some((content, blocks))))
            }
            ResumeState::Identical(..) | ResumeState::Placed(_) => None,
        }
    }

    fn into_place(self) -> Option<Place> {
        match self {
            ResumeState::Fresh(place) => place,
            ResumeState::Doubtful(doubtful) => doubtful.place,
            ResumeState::Known(known) | ResumeState::Complete(known, _) => Some(known.place),
            ResumeState::Identical(..) | ResumeState::Placed(_) => None,
        }
    }

    /// Deletes the partial file.
    pub(crate) fn discard(self) {
        if let Some(place) = self.into_place() {
            place.part.discard();
        }
    }

    /// The blocks that are local, while nothing is committed.
    pub(crate) fn blocks(&self) -> Option<&Blocks> {
        match self {
            ResumeState::Doubtful(doubtful) => Some(&doubtful.blocks),
            ResumeState::Known(known) | ResumeState::Complete(known, _) => Some(&known.blocks),
            ResumeState::Identical(_, blocks) => Some(blocks),
            ResumeState::Fresh(_) | ResumeState::Placed(_) => None,
        }
    }

    /// How much of the content is local.
    pub(crate) fn local(&self) -> LocalBytes {
        self.blocks().map(Blocks::local).unwrap_or_default()
    }
}

impl FileResume {
    /// Whether more is local than ever before.
    pub(crate) fn gets_further(&mut self) -> bool {
        self.furthest.rises_to(self.state.local().received)
    }

    /// The most bytes, and the most hashes of a comparison, that were received at any time.
    pub(crate) fn furthest(&self) -> (HighWater, HighWater) {
        let hashes = match &self.state {
            ResumeState::Doubtful(doubtful) => doubtful.remote.furthest(),
            _ => HighWater::default(),
        };
        (self.furthest, hashes)
    }

    /// The address of the job may have changed since the last attempt: a server that it cannot lead to proves nothing.
    pub(crate) fn readdress(&mut self, address: &Locator) -> Result<(), Fault> {
        if self.state.content().is_none_or(|content| address.allows(content.origin)) {
            return Ok(());
        }
        match &mut self.state {
            ResumeState::Known(known) => known.unproven(),
            ResumeState::Complete(known, _) => {
                known.unproven();
                self.incomplete();
            }
            ResumeState::Identical(..) => self.start_over()?,
            ResumeState::Fresh(_) | ResumeState::Doubtful(_) | ResumeState::Placed(_) => {}
        }
        Ok(())
    }

    /// All is received, and has this digest.
    pub(crate) fn complete(&mut self, root: Hash) {
        self.state = match take(&mut self.state) {
            ResumeState::Known(known) => ResumeState::Complete(known, root),
            state => state,
        };
    }

    /// Something has to be received again.
    fn incomplete(&mut self) {
        self.state = match take(&mut self.state) {
            ResumeState::Complete(known, _) => ResumeState::Known(known),
            state => state,
        };
    }

    /// A target exists that may be the same: it is compared before anything is requested.
    pub(crate) fn compare_with(&mut self, old: Target) {
        let old = Some(old);
        self.state = match take(&mut self.state) {
            ResumeState::Fresh(place) => {
                ResumeState::Doubtful(Doubtful { place, old, ..Doubtful::default() })
            }
            ResumeState::Doubtful(doubtful) => ResumeState::Doubtful(Doubtful { old, ..doubtful }),
            ResumeState::Known(Known { content, place, blocks, .. }) => ResumeState::Doubtful(Doubtful {
                place: Some(place),
                recorded: Some(content),
                blocks,
                old,
                ..Doubtful::default()
            }),
            state => state,
        };
    }

    /// The server cannot be compared with. The journal says which version the local blocks have; if there is none, nothing is kept.
    /// Returns whether the blocks are kept.
    pub(crate) fn trust_journal(&mut self) -> Result<bool, Fault> {
        match take(&mut self.state) {
            ResumeState::Doubtful(Doubtful {
                place: Some(place), recorded: Some(content), blocks, ..
            }) => {
                let version = Version::Recorded;
                self.state = ResumeState::Known(Known { content, place, blocks, version, claimed: None });
                Ok(true)
            }
            state => {
                self.state = state;
                self.start_over().map(|()| false)
            }
        }
    }

    /// Forgets what was received: it is of another version, and cannot be compared with this one.
    pub(crate) fn start_over(&mut self) -> Result<(), Fault> {
        self.furthest = HighWater::default();
        // What another program has put there is left alone.
        let mut place = take(&mut self.state).into_place().filter(|place| place.part.is_ours());
        let cleared = match &mut place {
            Some(place) if place.part.file().is_ok() => place.part.clear(),
            _ => Ok(()),
        };
        self.state = ResumeState::Fresh(place);
        cleared
    }

    /// What was received is of another version: what still matches is kept, after a comparison.
    ///
    /// Returns `false` if it cannot be compared.
    pub(crate) fn doubt(&mut self) -> bool {
        self.state = match take(&mut self.state) {
            ResumeState::Known(known) | ResumeState::Complete(known, _) if known.is_comparable() => {
                // Everything of the other version is progress.
                self.furthest = HighWater::default();
                let (place, blocks) = (Some(known.place), known.blocks);
                ResumeState::Doubtful(Doubtful { place, blocks, ..Doubtful::default() })
            }
            state => state,
        };
        self.is_doubtful()
    }

    /// Whether local bytes have to be compared before anything is requested.
    pub(crate) fn is_doubtful(&self) -> bool {
        matches!(self.state, ResumeState::Doubtful(_))
    }

    /// Opens the partial file again. If another program changed it, each block is verified again.
    pub(crate) fn reopen(&mut self) -> Result<(), Fault> {
        let Some((part, _)) = self.state.part() else { return Ok(()) };
        if part.file().is_ok() {
            return Ok(());
        }
        if !part.reopen()? {
            tracing::info!("{} was changed by another program; it is verified again", part.path().shown());
            self.verify()?;
            self.must_be_ours()?;
        }
        self.record();
        self.claim()
    }

    /// Claims the space that the content needs, if its size is known.
    pub(crate) fn claim(&mut self) -> Result<(), Fault> {
        match self.state.part() {
            Some((part, Some((Content { size: Some(size), data_bytes, .. }, _)))) => {
                part.claim(*size, *data_bytes)
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// Nothing shows that the partial file is an unfinished download of this content.
    fn must_be_ours(&self) -> Result<(), Fault> {
        match self.state.place() {
            Some(place) if self.state.local().verified == 0 => place.part.must_be_ours(),
            _ => Ok(()),
        }
    }

    /// Hashes each block of the partial file again, and forgets those that have changed. A content without blocks is hashed as a whole.
    pub(crate) fn verify(&mut self) -> Result<(), Fault> {
        match &mut self.state {
            ResumeState::Doubtful(Doubtful { place: Some(place), blocks, .. }) => {
                let file = place.part.file()?;
                *blocks = take(blocks).recorded().still_in(file).0;
            }
            ResumeState::Known(known) => {
                known.verify()?;
            }
            ResumeState::Complete(known, root) => {
                let is_intact = known.verify()? && (known.blocks.bytes() > 0 || known.has_digest(*root)?);
                if !is_intact {
                    self.incomplete();
                }
            }
            ResumeState::Doubtful(Doubtful { place: None, .. })
            | ResumeState::Fresh(_)
            | ResumeState::Identical(..)
            | ResumeState::Placed(_) => {}
        }
        Ok(())
    }

    /// Writes to the journal what is known of the partial file.
    pub(crate) fn record(&mut self) {
        if let Some((part, Some((content, blocks)))) = self.state.part() {
            part.record(content, blocks);
        }
    }

    /// Closes the partial file, keeping it.
    pub(crate) fn close(&mut self) {
        if let Some((part, known)) = self.state.part() {
            part.close(known);
        }
    }

    /// Deletes an empty partial file.
    pub(crate) fn remove_empty(&mut self) {
        if let Some((part, _)) = self.state.part() {
            part.remove_empty();
        }
    }

    /// Whether the partial file is open.
    pub(crate) fn is_open(&self) -> bool {
        self.state.place().is_some_and(|place| place.part.file().is_ok())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use crate::{
        client::{api::origin::Origin, disk::folder::Folder},
        protocol::digest::{BlockHasher, VerifiedBlock},
    };

    use super::*;

    /// A content of these bytes, all of them in an open partial file `x.part`.
    pub(crate) fn received(folder: Arc<Folder>, bytes: &[u8]) -> FileResume {
        let part = Part::create(&folder, "x".as_ref()).unwrap();
        let place = Place { target: Target::new(folder, "x".into()), part };
        let content = Content {
            address: String::new(),
            name: String::new(),
            origin: Origin::plain("h"),
            identity: "v1".into(),
            form: Form::File,
            size: Some(bytes.len() as u64),
            sources: None,
            modified: None,
            data_bytes: None,
        };
        let mut resume =
            FileResume { state: ResumeState::Known(Known::new(content, place)), ..FileResume::default() };
        receive(&mut resume, bytes);
        resume
    }

    /// The only block is received.
    pub(crate) fn receive(resume: &mut FileResume, bytes: &[u8]) {
        let ResumeState::Known(known) = &mut resume.state else { panic!("{resume:?}") };
        known.place.part.write(bytes, 0).unwrap();
        let mut hasher = BlockHasher::new(0);
        hasher.update(bytes);
        let (digest, length) = (hasher.finish(), u32::try_from(bytes.len()).unwrap());
        known.blocks.insert(&VerifiedBlock::compare(0, length, digest, digest.chaining).unwrap());
        known.version = Version::Proven;
    }

    /// Even if more bytes of the previous version had been received.
    #[test]
    fn the_first_bytes_of_another_version_are_progress() {
        let dir = tempfile::tempdir().unwrap();
        let folder = crate::client::disk::folder::Folders::default().open(dir.path()).unwrap();
        let mut resume = received(folder, b"one version");
        assert!(resume.gets_further() && !resume.gets_further());
        assert!(resume.doubt());
        let ResumeState::Doubtful(doubtful) = &mut resume.state else { panic!("{resume:?}") };
        doubtful.blocks = Blocks::default();
        doubtful.blocks.begin(0, 1);
        assert!(resume.gets_further());
    }
}
