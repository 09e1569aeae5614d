//! An answer to a `tree` request: sent while the directory is walked, a few entries in each slice of work.

use std::time::Instant;

use super::failures::out_of_memory;
use crate::{
    protocol::{
        message::{self, Failure},
        path::compare,
        server::TreeWriter,
    },
    server::{
        connection::output::Output,
        limits::{
            MAX_OUTPUT,
            budget::Reservation,
            permits::{AnswerPermit, Permit},
        },
    },
    storage::{
        slice::Slice,
        tree::{Tree, TreeStep},
    },
    text::SafeText,
};

/// A directory that is to be walked.
pub(crate) struct Walking {
    pub tree: Tree,
    /// The request.
    pub wanted: message::Tree,
    pub permit: Permit,
    pub memory: Reservation,
}

/// Steps of the walk in one slice, at most: some milliseconds of work.
const STEPS: usize = 512;

/// A tree being sent.
pub(crate) struct Listing {
    writer: TreeWriter,
    tree: Tree,
    wanted: message::Tree,
    permit: AnswerPermit,
    memory: Reservation,
}

impl Listing {
    pub fn new(writer: TreeWriter, walking: Walking) -> Listing {
        let Walking { tree, wanted, permit, memory } = walking;
        Listing { writer, tree, wanted, permit: AnswerPermit::Held(permit), memory }
    }

    /// The permit that [`Listing::work`] needs.
    pub fn permit(&mut self) -> &mut AnswerPermit {
        &mut self.permit
    }

    /// Continues the walk, and puts entries into the output. `None` if that was all.
    pub fn work(
        mut self: Box<Self>,
        path: &SafeText,
        output: &mut Output,
    ) -> Result<Option<Box<Listing>>, Failure> {
        let mut slice = Slice::new(STEPS, Instant::now());
        while slice.goes_on(Instant::now) {
            match self.tree.step().map_err(|error| error.failure())? {
                TreeStep::On => {}
                TreeStep::Entry(entry) => {
                    if self.wanted.after.as_deref().is_none_or(|after| compare(after, &entry.path).is_lt()) {
                        self.wanted.after = None;
                        self.writer.push(&entry, &mut output.out);
                    }
                }
                TreeStep::End { omitted, missing, data_bytes } => {
                    self.writer.data_bytes(data_bytes);
                    output.incomplete(path, &missing);
                    if self.wanted.missing {
                        self.writer.end(
                            omitted,
                            Some(missing).filter(|missing| !missing.is_none()),
                            &mut output.out,
                        );
                    } else {
                        self.writer.end(omitted.saturating_add(missing.count), None, &mut output.out);
                    }
                    output.idle();
                    return Ok(None);
                }
            }
            if output.out.len() >= MAX_OUTPUT / 2 {
                break;
            }
        }
        if !self.memory.resize(self.tree.cost()) {
            return Err(out_of_memory(path));
        }
        self.writer.flush(&mut output.out);
        Ok(Some(self))
    }
}
