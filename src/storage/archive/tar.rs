//! A directory as a tar archive: the entries of the same plan as for a zip, uncompressed, so that its size is known before and it can
//! be read from any byte on.
//!
//! Headers are those of POSIX (ustar), with a pax header before those that need one: for names that are long or not ASCII, for sizes
//! from 8 GiB on, and for times that ustar does not have. Owners are left out. The end is two blocks of zeros.

use super::{
    plan::{Kind, Plan, Source},
    source::OpenSource,
};
use crate::storage::error::StorageError;

/// The length of a block in bytes.
const BLOCK: usize = 512;
/// Blocks of zeros at the end.
const END_LEN: u64 = 2 * BLOCK as u64;
/// The maximum length of a name in a header of ustar.
const MAX_NAME_LEN: usize = 100;
/// The first size, and the first time, that a header of ustar does not have: 12 digits, of which the last is an end mark.
const END_OF_OCTAL: u64 = 1 << 33;
/// Two numbers of 0: the user and the group, and those of a device.
const NO_OWNER: &[u8; 16] = b"0000000\x000000000\x00";
/// Entries that one read passes over.
const MAX_PASSED: usize = 1024;

/// A tar archive as a stream of bytes: a function of the plan.
#[derive(Debug)]
pub struct TarStream {
    plan: Plan,
    state: State,
    /// The offset of the first byte that is wanted.
    begin: u64,
    /// The offset of the next byte, or of one that is passed over.
    offset: u64,
    /// Bytes that come next, from `taken` on.
    pending: Vec<u8>,
    taken: usize,
    /// Bytes of sources read.
    position: u64,
}

#[derive(Debug)]
enum State {
    /// Before the header of an entry.
    Entry(usize),
    /// In the content of a file.
    Content { entry: usize, source: OpenSource },
    /// The end mark is pending, or was read.
    End,
    /// After an error.
    Failed(StorageError),
}

impl TarStream {
    /// The bytes of the planned archive, from `begin` on.
    pub fn new(plan: Plan, begin: u64) -> TarStream {
        TarStream {
            plan,
            state: State::Entry(0),
            begin,
            offset: 0,
            pending: Vec::new(),
            taken: 0,
            position: 0,
        }
    }

    /// Puts the next bytes at the front of `buffer` and returns how many. None mean that it has to be called again, unless
    /// [`TarStream::finished`].
    ///
    /// # Errors
    /// A source that cannot be read or has changed since it was planned; final.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.fill(buffer).inspect_err(|error| self.state = State::Failed(error.again()))
    }

    /// Whether every byte was read.
    pub fn finished(&self) -> bool {
        matches!(self.state, State::End) && self.taken == self.pending.len()
    }

    /// Bytes of the sources that were read or passed over.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Compares the current source with the plan.
    ///
    /// # Errors
    /// It has changed.
    pub fn check(&self) -> Result<(), StorageError> {
        match &self.state {
            State::Content { source, .. } => source.check(),
            State::Failed(error) => Err(error.again()),
            State::Entry(_) | State::End => Ok(()),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let (mut filled, mut passed) = (0, 0);
        loop {
            filled += self.take_pending(&mut buffer[filled..]);
            if filled == buffer.len() || passed >= MAX_PASSED {
                return Ok(filled);
            }
            match &mut self.state {
                State::Entry(entry) if *entry == self.plan.entries.len() => {
                    self.set_pending(vec![0; END_LEN as usize]);
                    self.state = State::End;
                }
                State::Entry(entry) => {
                    let entry = *entry;
                    passed += 1;
                    self.begin_entry(entry)?;
                }
                State::Content { entry, source } if source.remaining() == 0 => {
                    source.check()?;
                    let (entry, padding) = (*entry, padding(source.size()));
                    self.set_pending(vec![0; padding]);
                    self.state = State::Entry(entry + 1);
                }
                State::Content { source, .. } => {
                    let count = if self.offset < self.begin {
                        let count = source.remaining().min(self.begin - self.offset);
                        source.pass(count);
                        count
                    } else {
                        let room = buffer.len() - filled;
                        let count = usize::try_from(source.remaining()).map_or(room, |left| left.min(room));
                        source.read(&mut buffer[filled..filled + count])?;
                        filled += count;
                        count as u64
                    };
                    self.offset += count;
                    self.position += count;
                }
                State::End => return Ok(filled),
                State::Failed(error) => return Err(error.again()),
            }
        }
    }

    /// Encodes the header of an entry, or passes over it if all of it is before the wanted bytes.
    fn begin_entry(&mut self, entry: usize) -> Result<(), StorageError> {
        let entries = &self.plan.entries;
        let source = *entries.source(entry);
        let header = header(&entries.archive_name(entry).unwrap_or_default(), &source);
        let size = content_len(&source);
        let length = (header.len() + padding(size)) as u64 + size;
        if self.offset + length <= self.begin {
            self.offset += length;
            self.position += size;
            self.state = State::Entry(entry + 1);
            return Ok(());
        }
        self.state = match source.kind {
            Kind::Directory => State::Entry(entry + 1),
            Kind::File | Kind::LinkedFile => {
                State::Content { entry, source: OpenSource::open(entries, entry)? }
            }
        };
        self.set_pending(header);
        Ok(())
    }

    fn set_pending(&mut self, bytes: Vec<u8>) {
        (self.pending, self.taken) = (bytes, 0);
    }

    /// Moves pending bytes into `buffer`, except those before the wanted ones. Returns how many.
    fn take_pending(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.pending[self.taken..];
        let before = usize::try_from(self.begin.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let passed = rest.len().min(before);
        let count = (rest.len() - passed).min(buffer.len());
        buffer[..count].copy_from_slice(&rest[passed..passed + count]);
        self.taken += passed + count;
        self.offset += (passed + count) as u64;
        count
    }
}

/// The bytes that an entry takes in a tar archive.
pub(super) fn entry_len(name: &[u8], source: &Source) -> u64 {
    let size = content_len(source);
    size.saturating_add((header(name, source).len() + padding(size)) as u64)
}

/// The size of an archive with entries of this length.
pub(super) fn archive_len(entries: u64) -> u64 {
    entries.saturating_add(END_LEN)
}

fn content_len(source: &Source) -> u64 {
    if source.kind == Kind::Directory { 0 } else { source.size }
}

/// Bytes after content of this length, up to the next block.
fn padding(size: u64) -> usize {
    let begun = (size % BLOCK as u64) as usize;
    if begun == 0 { 0 } else { BLOCK - begun }
}

/// The header of an entry, with a pax header before it if it needs one.
fn header(name: &[u8], source: &Source) -> Vec<u8> {
    let size = content_len(source);
    let mut records = Vec::new();
    let is_text = str::from_utf8(name).is_ok();
    if name.len() > MAX_NAME_LEN || is_text && !name.is_ascii() {
        if !is_text {
            record("hdrcharset", b"BINARY", &mut records);
        }
        record("path", name, &mut records);
    }
    if size >= END_OF_OCTAL {
        record("size", size.to_string().as_bytes(), &mut records);
    }
    let modified = u64::try_from(source.modified).ok().filter(|seconds| *seconds < END_OF_OCTAL);
    if modified.is_none() {
        record("mtime", source.modified.to_string().as_bytes(), &mut records);
    }
    let mut header = Vec::new();
    if !records.is_empty() {
        let length = records.len() as u64;
        header.extend(block(b"PaxHeaders/entry", 0o644, length, 0, b'x'));
        header.extend(&records);
        header.resize(header.len() + padding(length), 0);
    }
    let kind = if source.kind == Kind::Directory { b'5' } else { b'0' };
    let size = if size < END_OF_OCTAL { size } else { 0 };
    header.extend(block(name, source.mode & 0o7777, size, modified.unwrap_or(0), kind));
    header
}

/// A record of a pax header: its length, which counts itself, a key, and a value.
fn record(key: &str, value: &[u8], records: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend(format!("{length} {key}=").bytes());
    records.extend(value);
    records.push(b'\n');
}

/// A header of ustar, for a name of which as much is in it as fits.
fn block(name: &[u8], mode: u16, size: u64, modified: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name[..name.len().min(MAX_NAME_LEN)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, NO_OWNER);
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{modified:011o}").as_bytes());
    // The checksum is computed with blanks in its place.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(329, NO_OWNER);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fuzzing::cases,
        protocol::path::RemotePath,
        storage::{
            archive::{Planner, Planning},
            identity::Identity,
            root::{Node, Policy, Root},
        },
    };

    fn planned(root: &Root) -> Plan {
        let Ok(Node::Directory(directory)) = root.open_node(&RemotePath::default()) else {
            panic!("a folder")
        };
        let mut planner = Planner::new(directory, "");
        loop {
            match planner.step().unwrap() {
                Planning::More(more) => planner = more,
                Planning::Done(plan) => return plan,
            }
        }
    }

    #[test]
    fn records_count_their_own_length() {
        for length in [1, 85, 86, 87, 88, 90, 91, 979, 980, 981, 985, 990, 991] {
            let mut records = Vec::new();
            record("path", &vec![b'x'; length], &mut records);
            let said = String::from_utf8(records.clone()).unwrap();
            assert_eq!(said.split(' ').next().unwrap().parse(), Ok(records.len()), "{length}");
        }
    }

    #[test]
    fn large_sizes_and_odd_times_have_a_pax_header() {
        let source = |size, modified| Source {
            kind: Kind::File,
            mode: 0o100_644,
            modified,
            size,
            identity: Identity::finish(&blake3::Hasher::new()),
        };
        let plain = header(b"a", &source(END_OF_OCTAL - 1, 0));
        assert_eq!(plain.len(), BLOCK);
        assert!(plain[345..].iter().all(|byte| *byte == 0), "no prefix of the name");
        let large = header(b"a", &source(END_OF_OCTAL, -1));
        assert_eq!(large.len(), 3 * BLOCK);
        let records = String::from_utf8_lossy(&large[BLOCK..2 * BLOCK]);
        assert!(records.starts_with("19 size=8589934592\n12 mtime=-1\n\0"), "{records}");
        assert_eq!(header("\u{fc}".as_bytes(), &source(0, 0)).len(), 3 * BLOCK);
        assert_eq!(entry_len(b"a", &source(513, 0)), 3 * BLOCK as u64);
    }

    proptest! {
        #![proptest_config(cases(64))]

        /// Any two parts of it are those of the whole, and its length is the planned one.
        #[test]
        fn every_part_is_that_of_the_whole(
            files in prop::collection::btree_map("[a-c\u{fc}]{1,3}", 0usize..2000, 0..5),
            begin in 0usize..9000, room in 1usize..3000, long in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let inside = folder.path().join(if long { "x".repeat(120) } else { "y".to_owned() });
            std::fs::create_dir(&inside).unwrap();
            for (name, length) in files {
                std::fs::write(inside.join(&name), name.repeat(length).as_bytes()).unwrap();
            }
            let root = Root::open(folder.path(), Policy::default()).unwrap();
            let bytes = |begin: u64, room: usize| {
                let plan = planned(&root);
                let size = plan.tar_size();
                let (mut stream, mut bytes) = (TarStream::new(plan, begin), Vec::new());
                let mut buffer = vec![0; room];
                while !stream.finished() {
                    let count = stream.read(&mut buffer).unwrap();
                    bytes.extend_from_slice(&buffer[..count]);
                }
                (bytes, size)
            };
            let (whole, size) = bytes(0, 1 << 16);
            prop_assert_eq!(whole.len() as u64, size);
            let begin = begin.min(whole.len());
            let (part, _) = bytes(begin as u64, room);
            prop_assert!(part == whole[begin..]);
        }
    }
}
