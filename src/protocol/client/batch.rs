//! The client's check of an answer with many files.

use super::receiving::Receiving;
use crate::protocol::{
    digest::Hash,
    error::Violation,
    frame::Kind,
    message::{FileHead, Files, WantedFile},
};

/// The state of the answer to a `files`.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Index of the file that is answered next, or being sent.
    next: usize,
    /// The file that is being sent.
    file: Option<Receiving>,
}

fn contradiction<T>(what: &'static str) -> Result<T, Violation> {
    Err(Violation::Content(what))
}

impl Batch {
    /// Whether a frame of this kind is allowed here, in answer to `files`.
    pub(super) fn is_allowed(&self, files: &Files, kind: Kind) -> bool {
        let in_file = self.file.is_some();
        let wanted = files.files.get(self.next);
        match kind {
            Kind::File => !in_file && wanted.is_some() && files.content,
            Kind::Data | Kind::Block | Kind::Done => in_file,
            Kind::Same => !in_file && wanted.is_some_and(WantedFile::has_digest),
            Kind::Working => !in_file && wanted.is_some(),
            Kind::Differs => !in_file && wanted.is_some() && !files.content,
            Kind::Missed => wanted.is_some(),
            Kind::End => wanted.is_none(),
            _ => false,
        }
    }

    /// The file that is being sent.
    pub(super) fn file(&mut self) -> Option<&mut Receiving> {
        self.file.as_mut()
    }

    /// A `file` frame was received. Returns the file's index.
    pub(super) fn begins(&mut self, files: &Files, head: &FileHead) -> Result<usize, Violation> {
        if files.largest.is_some_and(|largest| head.size > largest) {
            return contradiction("a file that is larger than asked for");
        }
        let skip = files.files.get(self.next).map_or(0, |wanted| wanted.skip);
        self.file = Some(Receiving::file(head, skip)?);
        Ok(self.next)
    }

    /// A `done` frame was received. Returns the file's index, and its root if it is intact.
    pub(super) fn done(&mut self, said: Hash) -> Result<(usize, Option<Hash>), Violation> {
        let Some(file) = self.file.take() else { return Err(Violation::Unexpected(Kind::Done.name())) };
        let root = file.done(said)?;
        Ok((self.answered(), root))
    }

    /// The file that is answered next, or being sent, is answered. Returns its index.
    pub(super) fn answered(&mut self) -> usize {
        self.file = None;
        self.next += 1;
        self.next - 1
    }
}
