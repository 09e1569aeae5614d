//! What an attempt knows of one content, and how its state changes.

use std::mem::take;

use super::state::{Doubtful, Known, Place, ResumeState, Version};
use crate::{
    client::{
        api::{address::locator::Locator, question::Question},
        content::{Content, high_water::HighWater},
        disk::{part::aside::Aside, target::Target},
        error::Fault,
        job::{file::local_hashes::LocalHashes, totals::JobTotals},
        transfer::{
            pieces::PieceCheck,
            running_digest::RunningDigest,
            supply::shares::{Senders, Suspects},
        },
    },
    protocol::{
        digest::Hash,
        message::{Form, Missing},
    },
    text::ShowPath,
};

/// What an attempt knows of one content, and leaves to the next attempt.
#[derive(Debug, Default)]
pub(crate) struct FileResume {
    pub(crate) state: ResumeState,
    pub(crate) totals: JobTotals,
    /// Hashes of local blocks that this run computed.
    pub(crate) local: LocalHashes,
    /// What is missing in an archive, as the server reported at the end of its last answer.
    pub(crate) missing: Missing,
    /// Whether some of the content was received before this attempt, maybe by an earlier process.
    pub(crate) has_received: bool,
    /// Which source has sent what, and which are dropped.
    pub(crate) senders: Senders,
    /// What is kept of earlier versions.
    pub(crate) aside: Option<Aside>,
    /// Which pieces of the content are verified, if a metalink has their digests.
    pub(crate) pieces: Option<PieceCheck>,
    /// The digest of what is local, as far as it was received in order.
    pub(crate) digest: Option<RunningDigest>,
    /// Set after a wrong digest, while only one source is believed.
    pub(crate) sieve: Option<Sieve>,
    /// The most bytes of this version that were local at any time.
    furthest: HighWater,
}

/// One source at a time is believed, because the content of several does not have its digest.
#[derive(Debug)]
pub(crate) struct Sieve {
    /// The number of that source.
    pub(crate) source: usize,
    /// Blocks of others, which are received again from it.
    pub(crate) suspects: Suspects,
}

impl FileResume {
    /// Of a content that the server has just announced.
    pub(crate) fn of(known: Known) -> FileResume {
        FileResume { state: ResumeState::Known(known), ..FileResume::default() }
    }

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
    pub(crate) fn incomplete(&mut self) {
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

    /// The server has no hashes to compare with. The journal says which version the local blocks have; without a journal nothing is kept.
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
        (self.pieces, self.digest) = (None, None);
        // What another program has put there is left alone.
        let mut place = take(&mut self.state).into_place().filter(|place| place.part.is_ours());
        let cleared = match &mut place {
            Some(place) if place.part.file().is_ok() => place.part.clear(),
            _ => Ok(()),
        };
        self.state = ResumeState::Fresh(place);
        cleared
    }

    /// What was received is of another version, and cannot be compared with this one: of a file it is kept aside until this one is complete.
    pub(crate) fn set_aside(&mut self) -> Result<(), Fault> {
        match take(&mut self.state) {
            ResumeState::Known(Known { content, place, blocks, .. })
            | ResumeState::Complete(Known { content, place, blocks, .. }, _)
                if content.form == Form::File
                    && blocks.bytes() > 0
                    && place.part.is_ours()
                    && Aside::of(&place.target).is_free() =>
            {
                self.furthest = HighWater::default();
                (self.pieces, self.digest) = (None, None);
                let Place { target, part } = place;
                self.aside = Some(Aside::of(&target));
                part.keep_aside(&target, (&content, &blocks))
            }
            state => {
                self.state = state;
                self.start_over()
            }
        }
    }

    /// The content is in its place, or unwanted: what is kept aside of earlier versions is deleted.
    pub(crate) fn discard_aside(&mut self) {
        if let Some(aside) = self.aside.take() {
            aside.discard(|_| true);
        }
    }

    /// What was received is of another version: what still matches is kept, after a comparison.
    ///
    /// Returns `false` if it cannot be compared. `has_hashes`: whether the source has hashes of blocks.
    pub(crate) fn doubt(&mut self, has_hashes: bool) -> bool {
        self.state = match take(&mut self.state) {
            ResumeState::Known(known) | ResumeState::Complete(known, _)
                if has_hashes && known.is_comparable() =>
            {
                // Everything of the other version is progress.
                self.furthest = HighWater::default();
                let (place, blocks) = (Some(known.place), known.blocks);
                ResumeState::Doubtful(Doubtful { place, blocks, ..Doubtful::default() })
            }
            state => state,
        };
        self.is_doubtful()
    }

    /// The question about a changed archive of which something is local that cannot be compared with it. Nothing of it is lost.
    pub(crate) fn cannot_continue(&self, has_hashes: bool) -> Option<Question> {
        let (ResumeState::Known(known) | ResumeState::Complete(known, _)) = &self.state else { return None };
        let (local, part) = (known.blocks.local(), known.place.part.path());
        // Less than a block is not worth a question, and a file is kept aside.
        let is_file = known.content.form == Form::File;
        let asks = local.verified > 0 && !is_file && !(has_hashes && known.is_comparable());
        asks.then_some(Question::Changed { part, received: local.received })
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
        client::{
            api::content::origin::Origin,
            content::blocks::Blocks,
            disk::{folder::Folder, part::Part},
        },
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
            access: crate::client::content::Access::default(),
            digest: None,
            is_metalink: false,
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
        assert!(resume.doubt(true));
        let ResumeState::Doubtful(doubtful) = &mut resume.state else { panic!("{resume:?}") };
        doubtful.blocks = Blocks::default();
        doubtful.blocks.begin(0, 1);
        assert!(resume.gets_further());
    }
}
