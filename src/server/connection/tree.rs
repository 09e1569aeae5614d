//! An answer to a `tree` request: made while the directory is walked, a few entries in each slice of work.

use std::time::Instant;

use super::{
    reply::{Walking, out_of_memory},
    turn::Turn,
};
use crate::{
    protocol::{
        message::{self, Failure},
        path::compare,
        server::TreeWriter,
    },
    server::{budget::Reservation, limits::TURN, slots::Permit},
    storage::{
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
    permit: Permit,
    memory: Reservation,
}

impl Listing {
    pub fn new(writer: TreeWriter, walking: Walking) -> Listing {
        let Walking { tree, wanted, slot, memory } = walking;
        Listing { writer, tree, wanted, permit: Permit::Held(slot), memory }
    }

    /// The permit that [`Listing::work`] needs.
    pub fn permit(&mut self) -> &mut Permit {
        &mut self.permit
    }

    /// Walks on, and puts what was met into the turn. `None` if that was all.
    pub fn work(
        mut self: Box<Self>,
        path: &SafeText,
        turn: &mut Turn,
    ) -> Result<Option<Box<Listing>>, Failure> {
        let mut slice = Slice::new(STEPS, Instant::now());
        while slice.goes_on(Instant::now) {
            match self.tree.step().map_err(|error| error.failure())? {
                TreeStep::On => {}
                TreeStep::Entry(entry) => {
                    if self.wanted.after.as_deref().is_none_or(|after| compare(after, &entry.path).is_lt()) {
                        self.wanted.after = None;
                        self.writer.push(&entry, &mut turn.out);
                    }
                }
                TreeStep::End { omitted, missing, data_bytes } => {
                    self.writer.data_bytes(data_bytes);
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
        if !self.memory.resize(self.tree.cost()) {
            return Err(out_of_memory(path));
        }
        self.writer.flush(&mut turn.out);
        Ok(Some(self))
    }
}
