//! The state of one content between two attempts: what of it is local, and what proves it.

use std::{mem::take, ops::Range};

use crate::{
    client::{
        content::{
            Content,
            blocks::{Blocks, LocalBytes},
        },
        disk::{checksum, commit::InPlace, part::Part, target::Target},
        error::Fault,
        source::RemoteHashes,
    },
    protocol::{digest::Hash, message::Form},
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
    pub(super) fn is_comparable(&self) -> bool {
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
    pub(super) fn verify(&mut self) -> Result<bool, Fault> {
        let file = self.place.part.file()?;
        let (blocks, all) = take(&mut self.blocks).recorded().still_in(file);
        self.blocks = blocks;
        if !all {
            self.unproven();
        }
        Ok(all)
    }

    /// Whether the partial file as a whole has this digest.
    pub(super) fn has_digest(&self, root: Hash) -> Result<bool, Fault> {
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
    pub(super) fn part(&mut self) -> Option<(&mut Part, Option<(&Content, &Blocks)>)> {
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

    pub(super) fn into_place(self) -> Option<Place> {
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
