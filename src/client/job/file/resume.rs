//! What a job remembers from one try to the next. What of it is on the disk outlives the run, see `recall`.

use std::{ops::Range, path::PathBuf, time::Instant};

use crate::{
    client::{
        api::origin::Origin,
        content::{
            Content,
            blocks::{Blocks, Noted},
            high_water::HighWater,
        },
        disk::{commit::InPlace, part::Part, target::Target},
        error::Fault,
        job::{
            deletions::{Deletions, Discard},
            file::local_hashes::LocalHashes,
            tree::state::Tree,
        },
        source::RemoteHashes,
    },
    protocol::{
        digest::Hash,
        message::{Form, Missing},
    },
    text::ShowPath,
};
/// Where a job saves.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) target: Target,
    pub(crate) part: Part,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) source: Option<Content>,
    pub(crate) place: Option<Place>,
    pub(crate) blocks: Blocks,
    /// What is here belongs to an unknown version: it has to be held against the server's hashes before anything
    /// is asked for.
    pub(crate) doubtful: bool,
    /// The source is what an earlier run noted; the server has not confirmed it yet.
    pub(crate) recalled: bool,
    /// The target exists, and is to be held against the server's hashes.
    pub(crate) old: Option<Target>,
    /// Local block hashes that this run computed.
    pub(crate) seen: LocalHashes,
    /// Hashes received from the server, until all of them are compared.
    pub(crate) remote: RemoteHashes,
    /// The target was there already, byte for byte.
    pub(crate) identical: Option<PathBuf>,
    /// It is in its place; the disk may not have its name yet, and it may still be to unpack.
    pub(crate) placed: Option<InPlace>,
    /// Whether the server said, after the last block that was kept, that the content is still the same. Until
    /// then the blocks may be of two versions.
    pub(crate) proven: bool,
    /// What is missing in an archive, as the server said at the end of its last answer.
    pub(crate) lost: Missing,
    /// Digest of the whole content.
    pub(crate) root: Option<Hash>,
    /// What the server says that this digest is.
    pub(crate) claimed: Option<Hash>,
    /// Content bytes that crossed the wire, over all tries.
    pub(crate) transferred: u64,
    /// Bytes of the content that came and were kept.
    pub(crate) received: u64,
    /// How much of this version of the content was here at any time.
    pub(crate) furthest: HighWater,
    /// How many connections were lost, and when that was last logged.
    pub(crate) reconnected: (u64, Option<Instant>),
    /// When the first connection was begun.
    pub(crate) started: Option<Instant>,
    /// How often blocks came corrupt.
    pub(crate) corrupt: u32,
    /// How often it started over because the source had changed.
    pub(crate) restarts: u32,
    /// What is known of a directory that comes as itself.
    pub(crate) tree: Option<Box<Tree>>,
}

impl Memory {
    /// Bytes of the content, where known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.source.as_ref().and_then(|source| source.size)
    }

    /// The blocks that are to be asked for.
    pub(crate) fn missing(&mut self) -> Vec<Range<u64>> {
        let size = self.size();
        if size.is_none() && self.blocks.has_end() {
            // What is after the end cannot be requested, and only an answer that reaches it has the size.
            self.blocks.reopen_last();
        }
        self.blocks.missing(size)
    }

    /// Whether more is here than ever before.
    pub(crate) fn gets_further(&mut self) -> bool {
        self.furthest.rises_to(self.blocks.received())
    }

    /// Whether everything is here, and proven to be of one version.
    pub(crate) fn is_complete(&self) -> bool {
        self.proven && self.size().is_some_and(|size| self.blocks.missing(Some(size)).is_empty())
    }

    /// Whether what is here was proven by another server than this one.
    pub(crate) fn is_of_another(&self, origin: Origin) -> bool {
        self.source.as_ref().is_some_and(|source| source.origin != origin)
    }

    /// Forgets what was fetched: it belongs to another version, and cannot be compared with this one.
    pub(crate) fn start_over(&mut self) -> Result<(), Fault> {
        self.source = None;
        (self.blocks, self.furthest, self.remote) =
            (Blocks::default(), HighWater::default(), RemoteHashes::default());
        (self.proven, self.doubtful, self.recalled) = (false, false, false);
        (self.root, self.claimed, self.old, self.identical) = (None, None, None, None);
        // What another program has put there is left alone.
        self.place.take_if(|place| !place.part.is_ours());
        match &mut self.place {
            Some(place) if place.part.file().is_ok() => place.part.clear(),
            _ => Ok(()),
        }
    }

    /// What was fetched belongs to another version: what still matches is kept, once the server has said what does.
    /// `false` if that is unknown: an archive is made again from its first byte.
    pub(crate) fn doubt(&mut self) -> bool {
        let is_file = self
            .source
            .as_ref()
            .is_some_and(|source| source.form == Form::File && !source.identity.is_empty());
        let is_open = self.place.as_ref().is_some_and(|place| place.part.file().is_ok());
        if !is_file || !is_open || self.blocks.bytes() == 0 {
            return false;
        }
        (self.source, self.root, self.claimed) = (None, None, None);
        (self.proven, self.recalled, self.doubtful) = (false, false, true);
        // What is received of the other version was never received before.
        (self.furthest, self.remote) = (HighWater::default(), RemoteHashes::default());
        true
    }

    /// Opens the `.part` again after a rest. If another program changed it, each block is verified again.
    pub(crate) fn reopen(&mut self) -> Result<(), Fault> {
        let Some(place) = &mut self.place else { return Ok(()) };
        if place.part.file().is_ok() {
            return Ok(());
        }
        if !place.part.reopen()? {
            let path = place.part.path();
            tracing::info!("{} was changed by another program; it is verified again", path.shown());
            self.verify()?;
            self.believe()?;
        }
        self.record();
        self.claim()
    }

    /// Claims the space that the content needs, if its size is known.
    pub(crate) fn claim(&self) -> Result<(), Fault> {
        match (&self.place, self.size()) {
            (Some(place), Some(size)) => {
                place.part.claim(size, self.source.as_ref().and_then(|source| source.data_bytes))
            }
            _ => Ok(()),
        }
    }

    /// What nothing tells to be an unfinished download is one of this content only if some of that is in it.
    pub(crate) fn believe(&self) -> Result<(), Fault> {
        match &self.place {
            Some(place) if self.blocks.bytes() == 0 => place.part.must_be_ours(),
            _ => Ok(()),
        }
    }

    /// Hashes each block that is known again, and forgets those that are not what they were.
    pub(crate) fn verify(&mut self) -> Result<(), Fault> {
        let noted = std::mem::take(&mut self.blocks).doubted();
        self.take_up(noted, false)
    }

    /// Takes up the blocks that were noted: each of them is hashed again unless the `.part` is as it was left.
    pub(crate) fn take_up(&mut self, noted: Noted, as_left: bool) -> Result<(), Fault> {
        let file = self.place.as_ref().map(|place| place.part.file()).transpose()?;
        let (blocks, all) = match file {
            Some(file) if !as_left => noted.still_in(file),
            _ => (noted.into_blocks(), true),
        };
        self.blocks = blocks;
        if !all || self.blocks.bytes() == 0 {
            self.root = None;
        }
        self.proven &= all;
        Ok(())
    }

    /// Notes on the disk what is known of the `.part`.
    pub(crate) fn record(&mut self) {
        if let (Some(place), Some(source)) = (&mut self.place, &self.source) {
            place.part.record(source, &self.blocks);
        }
    }

    /// Closes the `.part`, keeping it.
    pub(crate) fn close(&mut self) {
        if let Some(tree) = &mut self.tree {
            tree.close();
        }
        if let Some(place) = &mut self.place {
            place.part.close(self.source.as_ref().map(|source| (source, &self.blocks)));
        }
    }

    /// Deletes an empty `.part` file.
    pub(crate) fn remove_empty(&mut self) {
        if let Some(place) = &mut self.place {
            place.part.remove_empty();
        }
    }

    /// Whether it has files open.
    pub(crate) fn is_open(&self) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.is_open())
            || self.place.as_ref().is_some_and(|place| place.part.file().is_ok())
    }
}

impl Discard for Memory {
    fn discard(self: Box<Self>, deletions: &Deletions) {
        if let Some(tree) = self.tree {
            tree.discard(deletions);
        }
        if let Some(place) = self.place {
            place.part.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        client::{api::origin::Origin, disk::folder::Folders},
        protocol::digest::{BlockHasher, VerifiedBlock},
    };

    use crate::client::job::file::resume::*;

    /// The first bytes of another version are progress, even if more bytes of the previous version had been received.
    #[test]
    fn what_is_received_of_another_version_is_progress() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        let part = Part::create(&folder, "x".as_ref()).unwrap();
        let mut hasher = BlockHasher::new(0);
        hasher.update(b"one version");
        let digest = hasher.finish();
        let mut memory = Memory {
            place: Some(Place { target: Target::new(folder, "x".into()), part }),
            source: Some(Content {
                address: String::new(),
                name: String::new(),
                origin: Origin::plain("h"),
                identity: "v1".into(),
                form: Form::File,
                size: Some(11),
                sources: None,
                modified: None,
                data_bytes: None,
            }),
            ..Memory::default()
        };
        memory.blocks.insert(&VerifiedBlock::compare(0, 11, digest, digest.chaining).unwrap());
        assert!(memory.gets_further() && !memory.gets_further());
        assert!(memory.doubt());
        memory.blocks = Blocks::default();
        memory.blocks.begin(0, 1);
        assert!(memory.gets_further());
    }
}
