//! Pieces of a metalink that do not match: what is received again, and which source is dropped.

use std::collections::BTreeSet;

use super::{Connections, Part, Received};
use crate::client::{
    api::views::view::TroubleKind, error::Fault, source::sink::Block, transfer::pieces::WrongPiece,
};

/// Wrong pieces of a transfer that no source can be dropped for.
const MAX_WRONG_PIECES: u32 = 3;

impl Connections<'_> {
    /// Verifies the pieces that a block has completed. What is wrong is received again, and the source that has sent it is dropped.
    pub(super) fn check_pieces(
        &mut self,
        part: &mut Part<'_>,
        received: &mut Received,
        block: &Block,
    ) -> Result<(), Fault> {
        if block.verified.is_none() {
            return Ok(());
        }
        let Some(pieces) = &mut part.pieces else { return Ok(()) };
        let writer = &part.writer;
        let wrong = pieces.received(block.index, part.blocks, |bytes, offset| writer.read(bytes, offset));
        wrong.into_iter().try_for_each(|wrong| self.wrong_piece(part, received, wrong))
    }

    fn wrong_piece(
        &mut self,
        part: &mut Part<'_>,
        received: &mut Received,
        WrongPiece { index, blocks }: WrongPiece,
    ) -> Result<(), Fault> {
        let mut senders = BTreeSet::new();
        for block in blocks {
            let length = part.blocks.length(block);
            // Another wrong piece may have been in the same block.
            if part.blocks.digest(block, length).is_some() {
                senders.insert(part.senders.forget(block));
                received.kept = received.kept.saturating_sub(length);
                self.shared.progress.retreat(length, self.shared.is_file());
                self.shared.progress.with_map(|map| map.set(block, false));
                self.shared.ranges().again(block..block + 1);
            }
            part.blocks.forget(block);
        }
        let Some(first) = senders.pop_first() else { return Ok(()) };
        self.shared.progress.set_verified(part.blocks.bytes());
        let shares = part.senders.shares();
        let is_explained = senders.iter().chain([&first]).flatten().any(|number| shares.is_dropped(*number));
        let has_other = first
            .is_some_and(|number| self.roster.suppliers().iter().any(|supplier| supplier.number != number));
        let is_blamed = senders.is_empty() && has_other;
        self.wrong_pieces += u32::from(!is_blamed && !is_explained);
        let often = format!(
            "piece {index} does not match the checksum in the metalink, also after it was fetched again"
        );
        let often = Fault::never(TroubleKind::Integrity, often);
        let Some(number) = first.filter(|_| senders.is_empty()) else {
            // The next time one source sends all of it.
            tracing::warn!(
                "{}: piece {index}, from several sources, does not match its checksum; it is fetched again",
                self.name
            );
            return if self.wrong_pieces > MAX_WRONG_PIECES { Err(often) } else { Ok(()) };
        };
        if has_other {
            let message = format!("its piece {index} does not match the checksum in the metalink");
            self.drop_source(number, &Fault::never(TroubleKind::Integrity, &message), part);
            part.senders.shares().is_wrong(number, &message);
            return Ok(());
        }
        tracing::warn!(
            "{}: piece {index} does not match the checksum in the metalink; it is fetched again",
            self.name
        );
        if self.wrong_pieces > MAX_WRONG_PIECES { Err(often) } else { Ok(()) }
    }
}
