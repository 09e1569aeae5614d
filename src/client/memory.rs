//! What a job remembers from one try to the next. What of it is on the disk outlives the run, see `recall`.

use std::{
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::protocol::{
    address::Address,
    digest::{BLOCK_SIZE, BlockDigest, BlockHasher, Hash},
    message::{Form, Missing, Sources, Timestamp},
};
use crate::text::ShowPath;

use super::{
    blocks::{Blocks, Noted},
    board::Board,
    compare::Seen,
    crew::Crew,
    high_water::HighWater,
    origin::Origin,
    part::Part,
    place::Target,
    remote_hashes::RemoteHashes,
    retry::Fault,
    tree::Tree,
};

/// What the server said of the content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Source {
    /// Where it came from, for people: origin, identity and hashes decide, not the address.
    pub(super) address: String,
    /// The server that said so, and proved the blocks.
    #[serde(default)]
    pub(super) origin: Origin,
    /// Changes when the content may have changed; empty where the server tells none.
    pub(super) identity: String,
    pub(super) form: Form,
    pub(super) size: Option<u64>,
    pub(super) sources: Option<Sources>,
    pub(super) modified: Option<Timestamp>,
    /// Bytes of a file that are not in holes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data_bytes: Option<u64>,
}

impl Source {
    /// Whether it came from what is asked for there.
    pub(super) fn is_from(&self, address: &Address) -> bool {
        Address::parse(&self.address).is_ok_and(|known| known.is_same_as(address))
    }
}

/// Where a job saves.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) part: Part,
}

/// Block hashes of the `.part` and of the existing target.
#[derive(Debug, Default)]
pub(super) struct LocalHashes {
    pub(super) part: Arc<Mutex<Seen>>,
    pub(super) old: Arc<Mutex<Seen>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) source: Option<Source>,
    pub(super) place: Option<Place>,
    pub(super) blocks: Blocks,
    /// What is here belongs to an unknown version: it has to be held against the server's hashes before anything
    /// is asked for.
    pub(super) doubtful: bool,
    /// The source is what an earlier run noted; the server has not confirmed it yet.
    pub(super) recalled: bool,
    /// The target exists, and is to be held against the server's hashes.
    pub(super) old: Option<Target>,
    /// Local block hashes that this run computed.
    pub(super) seen: LocalHashes,
    /// Hashes received from the server, until all of them are compared.
    pub(super) remote: RemoteHashes,
    /// A target that exists and must be what comes, where the server cannot tell the hashes of that beforehand.
    pub(super) rival: Option<File>,
    /// The target was there already, byte for byte.
    pub(super) identical: Option<PathBuf>,
    /// It is in its place; the disk may not have its name yet, and it may still be to unpack.
    pub(super) placed: Option<Target>,
    /// Whether the server said, after the last block that was kept, that the content is still the same. Until
    /// then the blocks may be of two versions.
    pub(super) proven: bool,
    /// What is missing in an archive, as the server said at the end of its last answer.
    pub(super) lost: Missing,
    /// Digest of the whole content.
    pub(super) root: Option<Hash>,
    /// What the server says that this digest is.
    pub(super) claimed: Option<Hash>,
    /// Content bytes that crossed the wire, over all tries.
    pub(super) transferred: u64,
    /// Bytes of the content that came and were kept.
    pub(super) received: u64,
    /// How much of this version of the content was here at any time.
    pub(super) furthest: HighWater,
    /// How many connections were lost, and when that was last logged.
    pub(super) reconnected: (u64, Option<Instant>),
    /// When the first connection was begun.
    pub(super) started: Option<Instant>,
    /// How often blocks came corrupt.
    pub(super) corrupt: u32,
    /// How often it started over because the source had changed.
    pub(super) restarts: u32,
    /// The connections that work on it.
    pub(super) crew: Option<Box<Crew>>,
    /// What is known of a directory that comes as itself.
    pub(super) tree: Option<Box<Tree>>,
}

impl Memory {
    /// Bytes of the content, where known.
    pub(super) fn size(&self) -> Option<u64> {
        self.source.as_ref().and_then(|source| source.size)
    }

    /// The blocks that are to be asked for.
    pub(super) fn missing(&mut self) -> Vec<Range<u64>> {
        let size = self.size();
        if size.is_none() && self.blocks.has_end() {
            // What comes behind the end cannot be asked for, and only an answer that reaches it tells the size.
            self.blocks.reopen_last();
        }
        self.blocks.missing(size)
    }

    /// Whether more is here than ever before.
    pub(super) fn gets_further(&mut self) -> bool {
        self.furthest.rises_to(self.blocks.received())
    }

    /// Whether everything is here, and proven to be of one version.
    pub(super) fn is_complete(&self) -> bool {
        self.proven && self.size().is_some_and(|size| self.blocks.missing(Some(size)).is_empty())
    }

    /// Whether what is here was proven by another server than this one.
    pub(super) fn is_of_another(&self, origin: Origin) -> bool {
        self.source.as_ref().is_some_and(|source| source.origin != origin)
    }

    /// Forgets what was fetched: it belongs to another version, and cannot be compared with this one.
    pub(super) fn start_over(&mut self) -> Result<(), Fault> {
        self.source = None;
        (self.blocks, self.furthest, self.remote) =
            (Blocks::default(), HighWater::default(), RemoteHashes::default());
        (self.proven, self.doubtful, self.recalled) = (false, false, false);
        (self.root, self.claimed, self.old, self.identical) = (None, None, None, None);
        // What somebody else has put there is left alone.
        self.place.take_if(|place| !place.part.is_ours());
        match &mut self.place {
            Some(place) if place.part.file().is_ok() => place.part.clear(),
            _ => Ok(()),
        }
    }

    /// What was fetched belongs to another version: what still matches is kept, once the server has said what does.
    /// `false` if that cannot be told: an archive is made anew from its first byte.
    pub(super) fn doubt(&mut self) -> bool {
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

    /// Opens the `.part` again after a rest. If somebody else touched it, each block is verified again.
    pub(super) fn reopen(&mut self) -> Result<(), Fault> {
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
    pub(super) fn claim(&self) -> Result<(), Fault> {
        match (&self.place, self.size()) {
            (Some(place), Some(size)) => {
                place.part.claim(size, self.source.as_ref().and_then(|source| source.data_bytes))
            }
            _ => Ok(()),
        }
    }

    /// What nothing tells to be an unfinished download is one of this content only if some of that is in it.
    pub(super) fn believe(&self) -> Result<(), Fault> {
        match &self.place {
            Some(place) if self.blocks.bytes() == 0 => place.part.must_be_ours(),
            _ => Ok(()),
        }
    }

    /// Hashes each block that is known again, and forgets those that are not what they were.
    pub(super) fn verify(&mut self) -> Result<(), Fault> {
        let noted = std::mem::take(&mut self.blocks).doubted();
        self.take_up(noted, false)
    }

    /// Takes up the blocks that were noted: each of them is hashed again unless the `.part` is as it was left.
    pub(super) fn take_up(&mut self, noted: Noted, as_left: bool) -> Result<(), Fault> {
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
    pub(super) fn record(&mut self) {
        if let (Some(place), Some(source)) = (&mut self.place, &self.source) {
            place.part.record(source, &self.blocks);
        }
    }

    /// Closes the `.part`, keeping it.
    pub(super) fn close(&mut self) {
        if let Some(tree) = &mut self.tree {
            tree.close();
        }
        if let Some(place) = &mut self.place {
            place.part.close(self.source.as_ref().map(|source| (source, &self.blocks)));
        }
    }

    /// Deletes an empty `.part` file.
    pub(super) fn remove_empty(&mut self) {
        if let Some(place) = &mut self.place {
            place.part.remove_empty();
        }
    }

    /// Whether it has files open.
    pub(super) fn is_open(&self) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.is_open())
            || self.place.as_ref().is_some_and(|place| place.part.file().is_ok())
    }

    /// Deletes the `.part`.
    pub(super) fn discard(self, board: &Board) {
        if let Some(tree) = self.tree {
            tree.discard(board);
        }
        if let Some(place) = self.place {
            place.part.discard();
        }
    }
}

/// Room for one block.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX)]
}

/// Reads a block of a file into `buffer` and hashes it; `None` if the file does not have it.
pub(super) fn hash_block(file: &File, index: u64, length: u64, buffer: &mut [u8]) -> Option<BlockDigest> {
    let block = buffer.get_mut(..usize::try_from(length).ok()?)?;
    file.read_exact_at(block, index.checked_mul(BLOCK_SIZE)?).ok()?;
    let mut hasher = BlockHasher::new(index);
    hasher.update(block);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use crate::{client::folder::Folders, protocol::digest::VerifiedBlock};

    use super::*;

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
            source: Some(Source {
                address: String::new(),
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
