//! The stages of an answer that takes more than one output.

use super::{
    failures::{busy, failure},
    files::Files,
    hashing::Hashing,
    reply::{Archive, Reply},
    sending::Sending,
    tree::Listing,
};
use crate::{
    protocol::{error::Code, message::Failure},
    server::{connection::output::Output, limits::permits::AnswerPermit},
    storage::page::{Page, Paging},
    text::SafeText,
};

/// The stage of an answer.
pub(crate) enum Stage {
    /// A page of a listing is being read.
    Paging(Box<Page>),
    /// The archive is being planned.
    Planning(Box<Archive>),
    /// The hashes of a file's blocks are being sent.
    Hashing(Box<Hashing>),
    /// Content is being sent, or an archive created up to the begin of its range.
    Sending(Box<Sending>),
    /// A directory is being walked and sent as a tree.
    Tree(Box<Listing>),
    /// Many files are being sent.
    Files(Box<Files>),
}

/// The result of a part of the work.
pub(crate) enum Worked {
    /// There is more to do.
    On(Stage),
    /// The answer is known.
    Known(Reply),
    /// The answer has ended.
    Ended,
}

impl Stage {
    /// Puts the available bytes into the output. `None` if the answer has ended.
    pub fn fill(self, path: &SafeText, output: &mut Output) -> Result<Option<Stage>, Failure> {
        match self {
            Stage::Sending(mut sending) if !sending.body.must_skip() => {
                if !sending.fill(output).map_err(|error| error.failure())? {
                    return Ok(Some(Stage::Sending(sending)));
                }
                sending.end(output);
            }
            Stage::Hashing(mut hashing) => {
                if !hashing.fill(output).map_err(|error| error.failure())? {
                    // Only for the next computation, not for known bytes.
                    if output.out.is_empty()
                        && !hashing.permit().hold(&output.shared.services.hashing, output.peer())
                    {
                        return Err(busy("hashes as many files", path));
                    }
                    return Ok(Some(Stage::Hashing(hashing)));
                }
                hashing.end(output);
            }
            Stage::Tree(mut tree) => {
                if output.out.is_empty()
                    && !tree.permit().hold(&output.shared.services.archives, output.peer())
                {
                    return Err(busy("reads as many folders", path));
                }
                return Ok(Some(Stage::Tree(tree)));
            }
            Stage::Files(mut files) => {
                if !files.fill(output) {
                    return Ok(Some(Stage::Files(files)));
                }
                files.end(output);
            }
            Stage::Sending(mut sending) => {
                if let Some(permit) = sending.body.permit().filter(|_| output.out.is_empty())
                    && !permit.hold(&output.shared.services.archives, output.peer())
                {
                    return Err(busy("makes as many archives", path));
                }
                return Ok(Some(Stage::Sending(sending)));
            }
            stage => return Ok(Some(stage)),
        }
        Ok(None)
    }

    /// Puts bytes that are in memory into the output, without waiting for the disk. Returns whether there is something in the output.
    pub fn fill_cached(&mut self, output: &mut Output) -> Result<bool, Failure> {
        match self {
            Stage::Sending(sending) => sending.fill_cached(output).map_err(|error| error.failure()),
            Stage::Files(files) => Ok(files.fill_cached(output)),
            _ => Ok(false),
        }
    }

    /// The computed bytes are received before the next computation: other answers may compute meanwhile.
    pub fn release(&mut self) {
        if let Some(permit) = self.permit() {
            permit.release();
        }
    }

    /// Whether it has to wait for a permit.
    pub fn is_waiting(&mut self) -> bool {
        self.permit().is_some_and(|permit| permit.is_waiting())
    }

    /// Whether a folder is being read for the next frame.
    pub fn is_looking(&self) -> bool {
        matches!(self, Stage::Paging(_) | Stage::Planning(_) | Stage::Tree(_))
    }

    /// Whether it is long work of which nothing is sent before it is done.
    pub fn is_preparing(&self) -> bool {
        match self {
            Stage::Paging(_) | Stage::Planning(_) => true,
            Stage::Sending(sending) => sending.body.must_skip(),
            Stage::Hashing(_) | Stage::Tree(_) | Stage::Files(_) => false,
        }
    }

    /// Whether it sends files as they are.
    pub fn sends_files(&self) -> bool {
        match self {
            Stage::Sending(sending) => sending.body.source().is_some(),
            Stage::Files(files) => files.sends(),
            Stage::Paging(_) | Stage::Planning(_) | Stage::Hashing(_) | Stage::Tree(_) => false,
        }
    }

    fn permit(&mut self) -> Option<&mut AnswerPermit> {
        match self {
            Stage::Hashing(hashing) => Some(hashing.permit()),
            Stage::Tree(tree) => Some(tree.permit()),
            Stage::Files(files) => files.permit(),
            Stage::Sending(sending) => sending.body.permit(),
            Stage::Paging(_) | Stage::Planning(_) => None,
        }
    }

    /// A slice of reading names, of planning, of walking, of hashing, or of creating an archive up to the begin of its range. If it is
    /// the content itself that takes work, the next [`Stage::fill`] is the slice.
    pub fn work(self, path: &SafeText, output: &mut Output) -> Result<Worked, Failure> {
        Ok(Worked::On(match self {
            Stage::Paging(page) => match page.step().map_err(|error| error.failure())? {
                Paging::More(page) => Stage::Paging(page),
                Paging::Done(entries) => return Ok(Worked::Known(Reply::Entries(entries))),
            },
            Stage::Planning(archive) => {
                return archive.step(path, output).map(Worked::Known);
            }
            Stage::Tree(tree) => match tree.work(path, output)? {
                Some(tree) => Stage::Tree(tree),
                None => return Ok(Worked::Ended),
            },
            Stage::Hashing(mut hashing) => {
                hashing.work(output).map_err(|error| error.failure())?;
                Stage::Hashing(hashing)
            }
            Stage::Sending(mut sending) if sending.body.must_skip() => {
                if !sending.skip().map_err(|error| error.failure())? {
                    return Err(failure(Code::Range, Code::Range, path));
                }
                Stage::Sending(sending)
            }
            stage @ (Stage::Sending(_) | Stage::Files(_)) => stage,
        }))
    }
}
