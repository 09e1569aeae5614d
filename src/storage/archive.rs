//! A directory as a zip archive: a deterministic stream, planned from a sorted snapshot, never staged in
//! memory or on disk.

use super::StorageError;
use crate::protocol::{frame, message::Sources};

/// Walks the directory and makes the plan, a slice at a time.
#[derive(Debug)]
pub struct Planner;

impl Planner {
    /// Looks at a bounded number of entries (some milliseconds of work).
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn step(self) -> Result<Planning, StorageError> {
        todo!()
    }
}

/// After a step of the planner.
#[derive(Debug)]
pub enum Planning {
    /// There is more to walk.
    More(Planner),
    /// The plan is complete.
    Done(Plan),
}

/// What an archive will be made from.
#[derive(Debug)]
pub struct Plan;

impl Plan {
    /// Changes when the archive's bytes may have changed.
    pub fn identity(&self) -> &str {
        todo!()
    }
    /// What goes in.
    pub fn sources(&self) -> Sources {
        todo!()
    }
    /// Bytes of the archive, where they are known beforehand (nothing is deflated).
    pub fn size(&self) -> Option<u64> {
        todo!()
    }
    /// The archive's bytes.
    pub fn stream(self) -> Stream {
        todo!()
    }
}

/// The archive as a stream of bytes.
#[derive(Debug)]
pub struct Stream;

impl Stream {
    /// Puts the next bytes of the archive at the front of `buffer` and returns how many. Bounded by the
    /// buffer, which callers keep at [`frame::MAX_DATA`] or less, and by the work that it takes: what
    /// deflates to almost nothing fills the buffer in part, or not at all, and the caller comes again.
    /// The end is told by [`Stream::finished`] alone.
    ///
    /// # Errors
    /// A source that cannot be read or is no longer what was planned; final: the archive must not
    /// pass for a finished one.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let _ = (buffer, frame::MAX_DATA);
        todo!()
    }
    /// Whether every byte of the archive was read.
    pub fn finished(&self) -> bool {
        todo!()
    }
    /// Bytes of the sources read so far.
    pub fn position(&self) -> u64 {
        todo!()
    }
    /// Begins again at the first byte, with the same plan.
    pub fn rewind(&mut self) {
        todo!()
    }
    /// Compares the source that is being read with what was planned, for an answer that ends before the
    /// archive does; those before it were compared when they ended.
    ///
    /// # Errors
    /// [`StorageError::Changed`].
    pub fn check(&self) -> Result<(), StorageError> {
        todo!()
    }
}
