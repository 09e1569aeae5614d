//! An answer to a `tree` request: made while the directory is walked, a few entries in each slice of work.

use std::time::Instant;

use super::turn::Turn;
use crate::{
    protocol::{message, path::compare, server::TreeWriter},
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
    wanted: message::Tree,
    /// Its place among those who walk.
    _slot: Slot,
}

impl Listing {
    pub fn new(writer: TreeWriter, tree: Tree, wanted: message::Tree, slot: Slot) -> Listing {
        Listing { writer, tree, wanted, _slot: slot }
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
                TreeStep::Entry(entry) => {
                    if self.wanted.after.as_deref().is_none_or(|after| compare(after, &entry.path).is_lt()) {
                        self.wanted.after = None;
                        self.writer.push(&entry, &mut turn.out);
                    }
                }
                TreeStep::End { omitted, missing } => {
                    turn.incomplete(path, &missing);
                    if self.wanted.missing {
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
