//! Finds which entries of a tree are local: examines each, and hashes the files that may be the same as the server's.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io,
    os::{fd::AsFd, unix::ffi::OsStrExt},
};

use rustix::fs::{FileType, Mode, OFlags, Stat};

use crate::{
    client::{
        disk::{
            attributes::is_settled,
            checksum::{self, Interrupted},
            folder::{is_of_another, is_shared, of_another},
            remove,
        },
        error::Unfinished,
        job::tree::{
            disk::{
                journal::{Known, TreeLines},
                tree_dir::{Cursor, TreeDir, is_alike, stamp},
            },
            manifest::{Manifest, Node},
        },
    },
    protocol::digest::Hash,
};
/// What is known of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// It does not exist.
    #[default]
    Absent,
    /// It is something else, or another version.
    Other,
    /// A file of the right size with this digest, not compared with the server's yet.
    Found(Hash),
    /// It is the same as the server's. Files have this digest.
    Proven(Hash),
}

/// The result of a survey.
#[derive(Debug)]
pub(crate) struct Surveyed {
    /// Of each entry.
    pub(crate) states: Vec<State>,
    /// The first entry that is a directory on one side only: neither replaces the other.
    pub(crate) clash: Option<u32>,
}

/// The digest of an empty file. Directories and links have it, too.
pub(crate) const EMPTY: Hash = Hash([
    0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49, 0x9b,
    0xcb, 0x25, 0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
]);

/// See the module.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    pub(crate) tree_dir: &'a TreeDir,
    pub(crate) manifest: &'a Manifest,
    pub(crate) record: &'a TreeLines,
    /// Whether the record is trusted without hashing.
    pub(crate) trusted: bool,
}

impl Survey<'_> {
    /// Examines all entries. `hashed`: digests of an earlier attempt; those of this one are added. `should_continue`: whether to continue.
    pub(crate) fn run(
        &self,
        hashed: &mut TreeLines,
        should_continue: impl Fn() -> bool,
    ) -> Result<Surveyed, Unfinished> {
        let mut cursor = Cursor::new(self.tree_dir, self.manifest);
        let mut states = vec![State::Absent; self.manifest.len() as usize];
        states[0] = State::Proven(EMPTY);
        let mut clash = None;
        let mut buffer = checksum::buffer();
        // Directories in which several users may create files.
        let mut shared = HashMap::new();
        let root = rustix::fs::fstat(&self.tree_dir.root);
        shared.extend(root.ok().filter(is_shared).map(|root| (0, root)));
        for (index, entry) in self.manifest.entries().skip(1) {
            let at = index as usize;
            // Nothing is in an absent directory.
            if states[entry.parent as usize] == State::Absent {
                continue;
            }
            if !should_continue() {
                return Err(Unfinished::Stopped);
            }
            let found = cursor.look(index).map_err(|error| cursor.fault("look at", index, &error))?;
            let Some(stat) = found else { continue };
            if shared.get(&entry.parent).is_some_and(|folder| is_of_another(folder, stat.st_uid)) {
                let path = self.tree_dir.path.join(self.manifest.disk_path(index));
                return Err(of_another(&path, stat.st_uid).into());
            }
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
                Node::Directory => {
                    if is_shared(&stat) {
                        shared.insert(index, stat);
                    }
                    State::Proven(EMPTY)
                }
                Node::Link { target } => {
                    let same = link(&mut cursor, index, self.manifest.disk_name(index))
                        .is_ok_and(|found| found == self.manifest.disk_target(index, target).as_bytes());
                    if same { State::Proven(EMPTY) } else { State::Other }
                }
                Node::File { size, .. } => {
                    self.file(&mut cursor, (index, size, &stat), hashed, &mut buffer, &should_continue)?
                }
            };
        }
        Ok(Surveyed { states, clash })
    }

    fn file(
        &self,
        cursor: &mut Cursor<'_>,
        (index, size, stat): (u32, u64, &Stat),
        hashed: &mut TreeLines,
        buffer: &mut [u8],
        should_continue: impl Fn() -> bool,
    ) -> Result<State, Unfinished> {
        if u64::try_from(stat.st_size).ok() != Some(size) {
            return Ok(State::Other);
        }
        let (path, left) = (self.manifest.path(index), stamp(stat));
        let known = self.record.file(&path).filter(|known| known.size == size);
        let unchanged = |known: &&Known| known.size == size && known.has_stamp(&left);
        let root = match known.filter(|known| self.trusted && unchanged(known)) {
            Some(known) => known.root,
            None => match hashed.file(&path).filter(unchanged) {
                Some(known) => known.root,
                None => match self.hash(cursor, index, buffer, should_continue) {
                    Ok((root, now)) => {
                        if is_settled(&now) && stamp(&now) == left {
                            hashed.add(&path, size, root, &left);
                        }
                        root
                    }
                    Err(Interrupted::Stopped) => return Err(Unfinished::Stopped),
                    // A file that cannot be read is replaced.
                    Err(Interrupted::Io(error)) => {
                        tracing::debug!("{}", cursor.fault("read", index, &error).trouble.message);
                        return Ok(State::Other);
                    }
                },
            },
        };
        let proven = known.is_some_and(|known| known.proves(root, self.manifest.identity(index)));
        Ok(if proven { State::Proven(root) } else { State::Found(root) })
    }

    /// The digest of a file, and its status afterwards.
    fn hash(
        &self,
        cursor: &mut Cursor<'_>,
        index: u32,
        buffer: &mut [u8],
        should_continue: impl Fn() -> bool,
    ) -> Result<(Hash, Stat), Interrupted> {
        let opened = cursor.parent(index).and_then(|parent| open(parent, self.manifest.disk_name(index)));
        let file = opened.map_err(Interrupted::Io)?;
        let root = checksum::blake3(&file, buffer, should_continue)?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| Interrupted::Io(errno.into()))?;
        Ok((root, stat))
    }
}

/// Opens a file in a directory for reading; no link.
pub(crate) fn open(parent: impl AsFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?.into())
}

/// The target of a link.
pub(crate) fn link(cursor: &mut Cursor<'_>, index: u32, name: &OsStr) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(cursor.parent(index)?, name, Vec::new())?.into_bytes())
}

/// Deletes from a work directory's tree what is not in the manifest: what another version of the tree or another program has left.
pub(crate) fn sweep(
    tree_dir: &TreeDir,
    manifest: &Manifest,
    should_continue: impl Fn() -> bool,
) -> Result<(), Unfinished> {
    let ends = manifest.ends();
    let mut cursor = Cursor::new(tree_dir, manifest);
    let mut directories = vec![0];
    while let Some(directory) = directories.pop() {
        if !should_continue() {
            return Err(Unfinished::Stopped);
        }
        let named: std::collections::HashMap<_, _> = manifest
            .children(directory, &ends)
            .map(|index| (manifest.disk_name(index).as_bytes(), index))
            .collect();
        let handle = cursor
            .directory(directory)
            .map_err(|error| tree_dir.fault("read", &manifest.disk_path(directory), &error))?;
        let swept = remove::list(handle).and_then(|found| {
            for (name, kind) in found {
                let entry = named.get(name.as_encoded_bytes());
                let node = entry.map(|&index| manifest.entry(index).node);
                match (node, kind) {
                    (Some(Node::Directory), FileType::Directory) => directories.extend(entry),
                    (Some(Node::File { .. }), FileType::RegularFile)
                    | (Some(Node::Link { .. }), FileType::Symlink) => {}
                    _ => remove::remove(handle, &name)?,
                }
            }
            Ok(())
        });
        swept.map_err(|error| tree_dir.fault("clean up", &manifest.disk_path(directory), &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs, path::Path};

    use super::*;
    use crate::client::job::tree::manifest::tests::tree;

    const WRONG: Hash = Hash([7; 32]);

    fn survey(
        dir: &Path,
        manifest: &Manifest,
        hashed: &mut TreeLines,
        should_continue: impl Fn() -> bool,
    ) -> Result<Vec<State>, Unfinished> {
        let tree_dir = TreeDir { root: crate::platform::open_directory(dir).unwrap(), path: dir.to_owned() };
        let record = TreeLines::default();
        let survey = Survey { tree_dir: &tree_dir, manifest, record: &record, trusted: false };
        survey.run(hashed, should_continue).map(|surveyed| surveyed.states)
    }

    #[test]
    fn unchanged_files_are_hashed_once_in_all_attempts() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = tree(&["a", "b"]);
        for name in ["a", "b"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let root = |name: &str| Hash(*blake3::hash(name.as_bytes()).as_bytes());
        let mut hashed = TreeLines::default();
        for name in ["a", "b"] {
            let file = fs::File::open(dir.path().join(name)).unwrap();
            hashed.add(name, 1, WRONG, &stamp(&rustix::fs::fstat(&file).unwrap()));
        }
        let other = dir.path().join("other");
        fs::write(&other, "b").unwrap();
        fs::rename(&other, dir.path().join("b")).unwrap();
        let states = survey(dir.path(), &manifest, &mut hashed, || true).unwrap();
        assert_eq!(states[1..], [State::Found(WRONG), State::Found(root("b"))]);
    }

    #[test]
    fn an_interrupted_survey_keeps_what_it_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = tree(&["a", "b"]);
        for name in ["a", "b"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        // Files that were changed just now might change again without a trace.
        let file = fs::File::open(dir.path().join("b")).unwrap();
        while !is_settled(&rustix::fs::fstat(&file).unwrap()) {
            std::thread::yield_now();
        }
        let mut hashed = TreeLines::default();
        let asked = Cell::new(0);
        let few = || asked.replace(asked.get() + 1) < 4;
        survey(dir.path(), &manifest, &mut hashed, few).unwrap_err();
        assert!(hashed.file("a").is_some() && hashed.file("b").is_none(), "{}", asked.get());
    }
}
