//! The control file of a `.part`, as text: what the content is, and which of its blocks are in the `.part`. No I/O.
//!
//! ```text
//! 0a34c1de fdsp-control 1
//! 51b0a7f2 source {"address":"fdsp+plain://nas:7878/a.iso","identity":"9f…","form":"file","size":2097152,…}
//! 04c1f3aa seal 8d3b…
//! 7c11d904 block 1 1048576 6437b3ac…
//! 3390fe11 block 0 1048576 af1349b9… 2d3adedf…
//! 5d0c41f7 begun 2 393216
//! e2c5118a clean 5b1f…
//! ```
//!
//! Each line begins with the CRC-32 of what follows the space, so that damage costs the lines that it hits and
//! no more. `seal` tells that the user's own program has written what the content is. `block` has index, length and chaining value; for block 0 also the digest of a content that is
//! this block alone. Such lines are added as blocks are verified, in any order; of two for one block the
//! later one counts. `begun` has the index of a block that is not whole, and how many bytes of it are in the `.part`, which nothing proves
//! before it is whole; a later line for the same block counts. `clean` is the last line once the `.part` was left in order, with a mark of how it was left: while it is
//! missing, or the `.part` looks otherwise, each block has to be hashed again before it is believed.

use std::io::BufRead;

use crate::protocol::digest::{BLOCK_SIZE, BlockDigest, Hash};

use super::{blocks::Noted, memory::Source};

/// The first line; another version is another file.
const FIRST: &str = "fdsp-control 1";
/// No line of ours is longer: a path of 4096 bytes, escaped, and the rest.
const LONGEST: u64 = 64 * 1024;

/// What a control file says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) source: Source,
    /// The seal of the source; see [`sealed`].
    pub(super) seal: Option<String>,
    pub(super) blocks: Noted,
    /// How the `.part` was left.
    pub(super) clean: Option<String>,
}

/// A line, with its checksum.
pub(super) fn line(text: &str) -> String {
    format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()))
}

/// The beginning of a control file.
pub(super) fn head(source: &Source, seal: Option<&str>) -> String {
    let seal = seal.map(|seal| line(&format!("seal {seal}"))).unwrap_or_default();
    line(FIRST) + &line(&sealed(source)) + &seal
}

/// What the seal is for.
pub(super) fn sealed(source: &Source) -> String {
    format!("source {}", serde_json::to_string(source).unwrap_or_default())
}

/// A verified block.
pub(super) fn block(index: u64, length: u64, digest: &BlockDigest) -> String {
    let alone = digest.alone.map(|alone| format!(" {alone}")).unwrap_or_default();
    line(&format!("block {index} {length} {}{alone}", digest.chaining))
}

/// The first bytes of a block that is not whole; 0 forgets them.
pub(super) fn begun(index: u64, bytes: u32) -> String {
    line(&format!("begun {index} {bytes}"))
}

/// The end of one that was left in order.
pub(super) fn clean(mark: &str) -> String {
    line(&format!("clean {mark}"))
}

/// Whether this is a control file of a version that is not known here.
pub(super) fn is_of_another_version(mut input: impl BufRead) -> bool {
    let mut bytes = Vec::new();
    let read = std::io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut bytes);
    let text = read.ok().and_then(|_| checked(&bytes));
    text.is_some_and(|text| text.starts_with("fdsp-control ") && text != FIRST)
}

/// Reads a control file of a `.part` of `length` bytes; `None` if it is none, or tells nothing that can be used.
pub(super) fn read(mut input: impl BufRead, length: u64) -> Option<Record> {
    let (mut source, mut seal, mut blocks, mut clean) = (None, None, Noted::default(), None);
    let (mut first, mut damaged) = (true, false);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let count = std::io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut bytes).ok()?;
        if count == 0 {
            break;
        }
        // Whatever follows, the `.part` was used after it was left.
        clean = None;
        let text = checked(&bytes);
        if std::mem::take(&mut first) {
            if text != Some(FIRST) {
                return None;
            }
            continue;
        }
        let word = text.and_then(|text| text.split_once(' '));
        let understood = match (word, &source) {
            (Some(("source", json)), None) => {
                source = Some(serde_json::from_str::<Source>(json).ok()?);
                true
            }
            (Some(("seal", text)), Some(_)) if seal.is_none() => {
                seal = Some(text.to_owned());
                true
            }
            (Some(("block", rest)), Some(source)) => take_block(rest, source, length, &mut blocks).is_some(),
            (Some(("begun", rest)), Some(source)) => take_begun(rest, source, length, &mut blocks).is_some(),
            (Some(("clean", mark)), Some(_)) => {
                clean = Some(mark.to_owned());
                true
            }
            _ => false,
        };
        damaged |= !understood;
    }
    Some(Record { source: source?, seal, blocks, clean: clean.filter(|_| !damaged) })
}

/// The text of a whole line whose checksum is right.
pub(super) fn checked(bytes: &[u8]) -> Option<&str> {
    let (sum, text) = std::str::from_utf8(bytes.strip_suffix(b"\n")?).ok()?.split_once(' ')?;
    let ours = format!("{:08x}", crc32fast::hash(text.as_bytes()));
    (sum == ours).then_some(text)
}

fn take_block(text: &str, source: &Source, part: u64, blocks: &mut Noted) -> Option<()> {
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
        // Only the last one may be shorter, and nothing tells yet which that is: its end is fetched again.
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

fn take_begun(text: &str, source: &Source, part: u64, blocks: &mut Noted) -> Option<()> {
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
