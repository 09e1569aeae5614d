//! The control file of a `.part`, as text: what the content is, and which of its blocks are in the `.part`. No I/O.
//!
//! ```text
//! fdsp-control 2
//! source {"address":"fdsp://nas:7878/a.iso","origin":"sha256:5b…","identity":"9f…","form":"file","size":2097152,…}
//! block 1 1048576 6437b3ac…
//! block 0 1048576 af1349b9… 2d3adedf…
//! begun 2 393216
//! clean 5b1f…
//! ```
//!
//! Its lines are sealed, see [`seal`]. `block` has index, length and chaining value; for block 0 also the digest of a content
//! that is this block alone. Such lines are added as blocks are verified, in any order; of two for one block the
//! later one counts. `begun` has the index of a block that is not whole, and how many bytes of it are in the `.part`, which nothing proves
//! before it is whole; a later line for the same block counts. `clean` is the last line once the `.part` was left in order, with a mark of how it was left: while it is
//! missing, or the `.part` looks otherwise, each block has to be hashed again before it is believed.

use std::io::BufRead;

use crate::{
    client::{
        content::{Content, blocks::Noted},
        disk::seal::{self, Opened},
    },
    protocol::digest::{BLOCK_SIZE, BlockDigest, Hash},
};

/// The format; another version is another one.
pub(crate) const FORMAT: &str = "fdsp-control 2";

/// What a control file says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) source: Content,
    pub(crate) blocks: Noted,
    /// How the `.part` was left.
    pub(crate) clean: Option<String>,
}

/// The header.
pub(crate) fn header(source: &Content) -> String {
    format!("source {}", serde_json::to_string(source).unwrap_or_default())
}

/// A verified block.
pub(crate) fn block(index: u64, length: u64, digest: &BlockDigest) -> String {
    let alone = digest.alone.map(|alone| format!(" {alone}")).unwrap_or_default();
    format!("block {index} {length} {}{alone}", digest.chaining)
}

/// The first bytes of a block that is not whole; 0 forgets them.
pub(crate) fn begun(index: u64, bytes: u32) -> String {
    format!("begun {index} {bytes}")
}

/// The end of one that was left in order.
pub(crate) fn clean(mark: &str) -> String {
    format!("clean {mark}")
}

/// Whether this is a control file of another version, in a format that is not read here.
pub(crate) fn is_of_another_version(input: impl BufRead) -> bool {
    let first = seal::first(input);
    first.is_some_and(|text| text.starts_with("fdsp-control ") && !text.starts_with(&format!("{FORMAT} ")))
}

/// Reads a control file of a `.part` of `length` bytes; `None` if it tells nothing that can be used.
pub(crate) fn read(mut journal: Opened<impl BufRead>, length: u64) -> Option<Record> {
    let source: Content = serde_json::from_str(journal.header().strip_prefix("source ")?).ok()?;
    let (mut blocks, mut clean, mut damaged) = (Noted::default(), None, false);
    while let Some(text) = journal.next().ok()? {
        // Whatever follows, the `.part` was used after it was left.
        clean = None;
        let understood = match text.and_then(|text| text.split_once(' ')) {
            Some(("block", rest)) => take_block(rest, &source, length, &mut blocks).is_some(),
            Some(("begun", rest)) => take_begun(rest, &source, length, &mut blocks).is_some(),
            Some(("clean", mark)) => {
                clean = Some(mark.to_owned());
                true
            }
            _ => false,
        };
        damaged |= !understood;
    }
    Some(Record { source, blocks, clean: clean.filter(|_| !damaged) })
}

fn take_block(text: &str, source: &Content, part: u64, blocks: &mut Noted) -> Option<()> {
    let mut words = text.split(' ');
    let index: u64 = words.next()?.parse().ok()?;
    let length: u32 = words.next()?.parse().ok()?;
    let chaining = Hash::from_hex(words.next()?)?;
    let alone = match words.next() {
        Some(word) => Some(Hash::from_hex(word)?),
        None => None,
    };
    let begin = index.checked_mul(BLOCK_SIZE)?;
    let end = begin.checked_add(length.into())?;
    let fits = match source.size {
        Some(size) => begin < size && u64::from(length) == BLOCK_SIZE.min(size - begin),
        // Only the last one may be shorter, and it is not known yet which that is: its end is fetched again.
        None if (1..BLOCK_SIZE).contains(&length.into()) && end <= part => {
            blocks.begin(index, length - 1);
            return Some(());
        }
        None => u64::from(length) == BLOCK_SIZE,
    };
    // What it claims must be there: a line alone can take no memory.
    if !fits || end > part || words.next().is_some() || alone.is_some() != (index == 0) {
        return None;
    }
    blocks.insert(index, length, &BlockDigest { chaining, alone });
    Some(())
}

fn take_begun(text: &str, source: &Content, part: u64, blocks: &mut Noted) -> Option<()> {
    let (index, bytes) = text.split_once(' ')?;
    let (index, bytes): (u64, u32) = (index.parse().ok()?, bytes.parse().ok()?);
    let begin = index.checked_mul(BLOCK_SIZE)?;
    let end = begin.checked_add(bytes.into())?;
    let length = source.size.map_or(BLOCK_SIZE, |size| size.saturating_sub(begin).min(BLOCK_SIZE));
    if u64::from(bytes) >= length || end > part {
        return None;
    }
    blocks.begin(index, bytes);
    Some(())
}

#[cfg(test)]
mod tests;
