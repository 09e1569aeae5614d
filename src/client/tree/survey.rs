//! What of a tree is there already: looks at each entry's place on the disk, and hashes what might be what the server has.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
};

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::{
    ground::{Cursor, Ground, is_alike, stamp},
    manifest::{Manifest, Node},
    record::Record,
};
use crate::{
    client::{finish::Unfinished, removal},
    protocol::digest::Hash,
};

/// Bytes read at once: digests are fastest over large pieces.
const PIECE: usize = 256 * 1024;

/// What is known of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is there.
    #[default]
    Absent,
    /// Something else, or another version of it.
    Other,
    /// A file of the right size with this digest. Whether the server's has it, too, is not known.
    Found(Hash),
    /// It is what the server has; of a file, with this digest.
    Proven(Hash),
}

/// What was found.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// Of each entry.
    pub(super) states: Vec<State>,
    /// The first entry that is a directory on one side only: neither is ever replaced by the other.
    pub(super) clash: Option<u32>,
}

/// The digest of nothing: of an empty file, and in the place of one for what has none.
pub(super) const EMPTY: Hash = Hash([
    0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49, 0x9b,
    0xcb, 0x25, 0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
]);

/// What a survey reads from.
#[derive(Debug)]
pub(super) struct Survey<'a> {
    pub(super) ground: &'a Ground,
    pub(super) manifest: &'a Manifest,
    pub(super) record: &'a Record,
    /// Whether the record is believed without hashing.
    pub(super) trusted: bool,
}

impl Survey<'_> {
    /// Looks at everything. `go_on` is asked now and then.
    pub(super) fn run(&self, go_on: impl Fn() -> bool) -> Result<Surveyed, Unfinished> {
        let mut cursor = Cursor::new(self.ground, self.manifest);
        let mut states = vec![State::Absent; self.manifest.len() as usize];
        states[0] = State::Proven(EMPTY);
        let mut clash = None;
        let mut buffer = vec![0; PIECE];
        for (index, entry) in self.manifest.entries().skip(1) {
            let at = index as usize;
            // What is not there has nothing in it.
            if states[entry.parent as usize] == State::Absent {
                continue;
            }
            if !go_on() {
                return Err(Unfinished::Stopped);
            }
            let found = cursor.look(index).map_err(|error| cursor.fault("look at", index, &error))?;
            let Some(stat) = found else { continue };
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_directory != (entry.node == Node::Directory) {
                clash.get_or_insert(index);
                if is_directory {
                    states[at] = State::Other;
                }
                continue;
            }
            states[at] = match entry.node {
                _ if !is_alike(entry, &stat) => State::Other,
                Node::Directory => State::Proven(EMPTY),
                Node::Link { target } => {
                    let same = link(&mut cursor, index, self.manifest.name(index))
                        .is_ok_and(|found| found == self.manifest.text(target).as_bytes());
                    if same { State::Proven(EMPTY) } else { State::Other }
                }
                Node::File { size, .. } => self.file(&mut cursor, index, size, &stat, &mut buffer, &go_on)?,
            };
        }
        Ok(Surveyed { states, clash })
    }

    fn file(
        &self,
        cursor: &mut Cursor<'_>,
        index: u32,
        size: u64,
        stat: &Stat,
        buffer: &mut [u8],
        go_on: impl Fn() -> bool,
    ) -> Result<State, Unfinished> {
        if u64::try_from(stat.st_size).ok() != Some(size) {
            return Ok(State::Other);
        }
        let known = self.record.file(&self.manifest.path(index));
        let known = known.filter(|known| known.size == size && known.is_of(self.manifest.identity(index)));
        if let Some(known) = known
            && self.trusted
            && known.has_stamp(&stamp(stat))
        {
            return Ok(State::Proven(known.root));
        }
        let opened = cursor.parent(index).and_then(|parent| open(parent, self.manifest.name(index)));
        let hashed = opened.and_then(|file| hash(&file, buffer, go_on));
        let root = match hashed {
            Ok(Some(root)) => root,
            Ok(None) => return Err(Unfinished::Stopped),
            // What cannot be read is replaced as a whole.
            Err(error) => {
                tracing::debug!("{}", cursor.fault("read", index, &error).trouble.message);
                return Ok(State::Other);
            }
        };
        Ok(match known {
            Some(known) if known.root == root => State::Proven(root),
            _ => State::Found(root),
        })
    }
}

/// Opens a file in a directory for reading; no link.
pub(super) fn open(parent: impl AsFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?.into())
}

/// What stands in a link.
pub(super) fn link(cursor: &mut Cursor<'_>, index: u32, name: &str) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(cursor.parent(index)?, name, Vec::new())?.into_bytes())
}

/// The digest of a file; `None` if it was not to go on.
fn hash(file: &File, buffer: &mut [u8], go_on: impl Fn() -> bool) -> io::Result<Option<Hash>> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    while go_on() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Ok(Some(Hash(*hasher.finalize().as_bytes()))),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Takes away from a ground of our own what does not belong there: what another version of the tree left, or somebody put there.
pub(super) fn sweep(
    ground: &Ground,
    manifest: &Manifest,
    go_on: impl Fn() -> bool,
) -> Result<(), Unfinished> {
    let ends = manifest.ends();
    let mut cursor = Cursor::new(ground, manifest);
    let mut directories = vec![0];
    while let Some(directory) = directories.pop() {
        if !go_on() {
            return Err(Unfinished::Stopped);
        }
        let named: std::collections::HashMap<_, _> = manifest
            .children(directory, &ends)
            .map(|index| (manifest.name(index).as_bytes(), index))
            .collect();
        let handle = cursor
            .directory(directory)
            .map_err(|error| ground.fault("read", &manifest.path(directory), &error))?;
        let swept = removal::list(handle).and_then(|found| {
            for (name, kind) in found {
                let entry = named.get(name.as_encoded_bytes());
                let node = entry.map(|&index| manifest.entry(index).node);
                match (node, kind) {
                    (Some(Node::Directory), FileType::Directory) => directories.extend(entry),
                    (Some(Node::File { .. }), FileType::RegularFile)
                    | (Some(Node::Link { .. }), FileType::Symlink) => {}
                    _ => removal::remove(handle, &name)?,
                }
            }
            Ok(())
        });
        swept.map_err(|error| ground.fault("clean up", &manifest.path(directory), &error))?;
    }
    Ok(())
}
