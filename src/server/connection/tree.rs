//! An answer to a `tree` request: made while the directory is walked, a few entries in each slice of work.

use std::time::Instant;

use super::turn::Turn;
use crate::{
    protocol::server::TreeWriter,
    server::{limits::TURN, slots::Slot},
    storage::{
        StorageError,
        slice::Slice,
        tree::{Tree, TreeStep},
    },
    text::SafeText,
};

/// Steps of the walk in one slice, at most: some milliseconds of work.
const STEPS: usize = 512;

/// A tree being sent.
pub(super) struct Listing {
    writer: TreeWriter,
    tree: Tree,
    /// Whether the client wants to know what is missing.
    missing: bool,
    /// Its place among those who walk.
    _slot: Slot,
}

impl Listing {
    pub fn new(writer: TreeWriter, tree: Tree, missing: bool, slot: Slot) -> Listing {
        Listing { writer, tree, missing, _slot: slot }
    }

    /// Walks on, and puts what was met into the turn. `None` if that was all.
    pub fn work(
        mut self: Box<Self>,
        path: &SafeText,
        turn: &mut Turn,
    ) -> Result<Option<Box<Listing>>, StorageError> {
        let mut slice = Slice::new(STEPS, Instant::now());
        while slice.goes_on(Instant::now) {
            match self.tree.step()? {
                TreeStep::On => {}
                TreeStep::Entry(entry) => self.writer.push(&entry, &mut turn.out),
                TreeStep::End { omitted, missing } => {
                    turn.incomplete(path, &missing);
                    if self.missing {
                        self.writer.end(
                            omitted,
                            Some(missing).filter(|missing| !missing.is_none()),
                            &mut turn.out,
                        );
                    } else {
                        self.writer.end(omitted.saturating_add(missing.count), None, &mut turn.out);
                    }
                    turn.idle();
                    return Ok(None);
                }
            }
            if turn.out.len() >= TURN / 2 {
                break;
            }
        }
        self.writer.flush(&mut turn.out);
        Ok(Some(self))
    }
}
