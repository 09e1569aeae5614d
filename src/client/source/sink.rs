//! What takes a content as it is received. It decides what is requested; a source decides how.

use std::{ops::Range, time::Duration};

use crate::{
    client::error::Fault,
    protocol::{
        digest::{Hash, VerifiedBlock},
        message::{Form, Missing},
    },
};

/// How often what was received is kept on the disk, at least: a kill costs what was received within twice this time.
pub(crate) const KEEP_INTERVAL: Duration = Duration::from_millis(500);

/// A range of a content that is to be requested.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) form: Form,
    /// What the content must be, if it is known already.
    pub(crate) identity: Option<String>,
    /// Blocks; up to the end of the content if it ends at `u64::MAX`. An empty range asks whether the content is still the same.
    pub(crate) blocks: Range<u64>,
    /// Bytes of the first block that are local.
    pub(crate) skip: u32,
    /// Whether the digest of the whole content is wanted, if the source knows it.
    pub(crate) digest: bool,
}

/// The beginning of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) identity: String,
    /// Bytes of the whole content, if known.
    pub(crate) size: Option<u64>,
    /// Where the next byte belongs in the content.
    pub(crate) offset: u64,
}

/// The end of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) index: u64,
    /// Bytes, skipped ones included.
    pub(crate) length: u32,
    /// Bytes of it that were local before.
    pub(crate) skipped: u32,
    /// Bytes of the files of an archive up to here; of a file, bytes up to here.
    pub(crate) position: u64,
    /// The block, if its bytes are what the source has. If not, they must not be kept.
    pub(crate) verified: Option<VerifiedBlock>,
}

/// The end of an answer: up to here the content was the same.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Bytes of the whole content, if the answer reached its end.
    pub(crate) size: Option<u64>,
    /// The digest of the whole content, as the source says.
    pub(crate) digest: Option<Hash>,
    /// Entries that are missing in an archive.
    pub(crate) missing: Option<Missing>,
}

/// Whether a connection is to receive more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// The rest of what was requested is no longer wanted from this connection.
    Stop,
}

/// See the module. All methods but [`Sink::next`] may block. By default an event is ignored.
pub(crate) trait Sink {
    /// The next range to request, without waiting for the answers to earlier ones; `None` if nothing is to be requested now.
    fn next(&mut self) -> Option<Wanted>;

    /// An answer begins.
    fn begins(&mut self, _answer: &Answer) -> Result<(), Fault> {
        Ok(())
    }

    /// The local bytes that a source skips: passes `_length` bytes from `_offset` on to `_give`. If they cannot be read, the block counts as
    /// not intact.
    fn skipped(&mut self, _offset: u64, _length: u64, _give: &mut dyn FnMut(&[u8])) {}

    /// Bytes of the content, in order.
    fn data(&mut self, bytes: &[u8]) -> Result<Flow, Fault>;

    /// Zeros, which were not sent.
    fn hole(&mut self, length: u64) -> Result<Flow, Fault>;

    /// A block ends.
    fn block(&mut self, _block: Block) -> Flow {
        Flow::Continue
    }

    /// An answer ends.
    fn ends(&mut self, _end: End) {}

    /// Nothing was received for a while.
    fn quiet(&mut self) {}
}
