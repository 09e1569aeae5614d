//! Moves what is missing of one content to a partial file, over one connection or several.
//!
//! Each connection is a task, so that they hash side by side, and writes to the partial file itself. [`transfer`] has all of them on its
//! stack, starts and ends them, and records which blocks are verified.

pub(crate) mod block_map;
pub(crate) mod cancel;
mod connections;
pub(crate) mod limits;
pub(crate) mod permit;
pub(crate) mod pieces;
pub(crate) mod progress;
pub(crate) mod ranges;
pub(crate) mod running_digest;
mod segment;
pub(crate) mod supply;

use std::{ops::Range, sync::Arc};

pub(crate) use self::connections::{Bounds, Part, Received, Supply};
use self::{
    cancel::Cancel,
    connections::Connections,
    limits::Limits,
    progress::Progress,
    ranges::{MIN_BLOCKS_PER_CONNECTION, Ranges},
    segment::{FIRST, Shared, wanted},
};
use crate::{
    client::{
        api::views::view::TroubleKind,
        content::{Access, Content, blocks::Blocks},
        error::{Fault, Unfinished},
        source::{Connection, sink::Block},
    },
    protocol::message::Form,
    text::SafeText,
};

/// Which part of a content is requested.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) form: Form,
    /// What is known of the content; the source has to say the same.
    pub(crate) known: Option<&'a Content>,
    /// Blocks that are missing.
    pub(crate) missing: Vec<Range<u64>>,
    pub(crate) blocks: &'a Blocks,
    /// Whether a source confirmed, after the last block that was kept, that the content is the same.
    pub(crate) proven: bool,
    /// Other sources that may help.
    pub(crate) mirrors: usize,
}

/// A content of which the first missing range is requested.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The content, as the source announces it.
    pub(crate) content: Content,
    form: Form,
    ranges: Ranges,
    connection: Connection,
}

/// Requests the first missing range, and waits for the source to announce the content.
pub(crate) async fn open(
    mut connection: Connection,
    request: Request<'_>,
    limits: &Limits,
) -> Result<Opened, Fault> {
    let Request { form, known, missing, blocks, proven, mirrors } = request;
    let connections = match known {
        Some(Content { access: Access::Sequential, .. }) => 1,
        _ => limits.connections().max(1 + mirrors),
    };
    // The size of an unknown content is in the answer: until then other connections may want their share of it.
    let max = if known.is_none() && connections > 1 && form != Form::Zip {
        MIN_BLOCKS_PER_CONNECTION
    } else {
        u64::MAX
    };
    let size = known.and_then(|known| known.size);
    let mut ranges = Ranges::new(&missing, size, max, proven).with_begun(blocks.begun().clone());
    let identity = known.map(|known| known.identity.clone());
    let Some(wanted) = wanted(&mut ranges, FIRST, connections, form, identity) else {
        return Err(Fault::never(TroubleKind::Other, "nothing of the content is missing"));
    };
    let content = connection.probe(wanted).await?;
    match known.map_or(content.size, |known| known.size) {
        Some(size) => ranges.known(size),
        None => ranges.unbounded(),
    }
    Ok(Opened { content, form, ranges, connection })
}

/// Moves what is missing of a content to a partial file. `check` gets each block after it was recorded. When `cancel` is set, what was received until then is kept.
pub(crate) async fn transfer(
    opened: Opened,
    supply: Supply<'_>,
    mut part: Part<'_>,
    bounds: Bounds<'_>,
    progress: (&Arc<Progress>, SafeText),
    cancel: &Cancel,
    mut check: impl FnMut(&Block) -> Result<(), Fault>,
) -> (Received, Result<(), Unfinished>) {
    let Opened { form, ranges, connection, .. } = opened;
    let (progress, name) = progress;
    let ranges = if supply.mirrors.is_empty() { ranges } else { ranges.with_mirrors() };
    let ranges = ranges.with_unit(part.pieces.as_ref().map_or(1, |pieces| pieces.unit()));
    let content = (supply.first.content.clone(), supply.first.number);
    let shared = Shared::new(content, form, part.writer.clone(), bounds.limits, progress, ranges);
    let mut connections = Connections::new(shared, supply, bounds, name);
    connections.begin(connection);
    let mut received = Received::default();
    let ended = cancel.unless_set(connections.work(&mut part, &mut received, &mut check)).await;
    connections.settle(&mut part, &mut received).await;
    (received, ended)
}
