//! The first pass over an archive: everything is looked at before anything is written.

use std::{collections::HashMap, fs::File, io::BufReader, ops::Range};

use zip::{
    CompressionMethod,
    read::{Config, ZipFileEntry},
    unstable::read::ZipIterable,
};

use super::Refused;
use crate::{
    client::{Extract, Names, folding::Folding, name::SafeName},
    units,
};

/// Bytes of all paths together.
const MOST_NAMES: usize = 64 << 20;
/// Bytes of a path, as the system takes them.
const LONGEST: usize = 4095;
/// Directories in each other.
const DEEPEST: usize = 100;
/// Nothing that is deflated gets larger than that.
const DEFLATE: u64 = 1032;
/// Archives that unpack to no more than this are not suspected, however well they were packed.
const UNSUSPECTED: u64 = 1 << 30;

/// A path in an archive, every segment of which is a [`SafeName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SafePath(Box<str>);

impl SafePath {
    /// Takes the name of an entry; a directory's has a `/` at its end.
    fn new(name: &str, names: Names) -> Result<SafePath, &'static str> {
        let path = name.strip_suffix('/').unwrap_or(name);
        if path.len() > LONGEST {
            return Err("has a path that is too long");
        }
        let mut depth = 0;
        for segment in path.split('/') {
            SafeName::exact(segment, names)?;
            depth += 1;
        }
        if depth > DEEPEST {
            return Err("lies too deep");
        }
        Ok(SafePath(path.into()))
    }

    /// The path.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An entry.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) path: SafePath,
    /// Bytes of a file; `None` for a directory.
    pub(super) size: Option<u64>,
    /// Permission bits.
    pub(super) mode: Option<u32>,
}

/// What an archive holds, in its own order.
#[derive(Debug)]
pub(super) struct Contents {
    /// Which names were taken.
    pub(super) names: Names,
    items: Vec<Item>,
    bytes: u64,
    /// Bytes of the folder that everything is in, with its `/`.
    shared: usize,
}

impl Contents {
    /// Looks at all of an archive.
    pub(super) fn survey(
        file: &File,
        limits: &Extract,
        accepted: Names,
        go_on: &impl Fn() -> bool,
    ) -> Result<Contents, Refused> {
        let length = file.metadata().map_err(Refused::reading)?.len();
        let mut archive = open(file)?;
        let count = archive.len() as u64;
        if count > limits.entries {
            let most = limits.entries;
            return Err(Refused::Limit(format!("it holds {count} entries; extract_entries allows {most}")));
        }
        let mut contents = Contents { names: accepted, items: Vec::new(), bytes: 0, shared: 0 };
        let (mut names, mut paths) = (Known::default(), 0);
        let mut ranges = Vec::new();
        let mut directory = u64::MAX;
        for entry in archive.files()? {
            if !go_on() {
                return Err(Refused::Stopped);
            }
            let entry = entry?;
            directory = directory.min(entry.central_header_start());
            ranges.push(range(&entry)?);
            let item = examine(&entry, accepted)?;
            paths += item.path.as_str().len();
            if paths > MOST_NAMES {
                return Err(Refused::Archive("its names alone are too much".to_owned()));
            }
            names.add(&item)?;
            // A directory that is only on the way to something is made like any, and no entry pays for it.
            if names.known.len() as u64 > limits.entries {
                let most = limits.entries;
                return Err(Refused::Limit(format!(
                    "its {count} entries and the folders that they lie in are too many; extract_entries allows {most}"
                )));
            }
            contents.bytes = contents.bytes.saturating_add(item.size.unwrap_or(0));
            contents.items.push(item);
        }
        if overlap(&mut ranges, directory) {
            return Err(Refused::Archive("its entries lie over each other, as in a bomb".to_owned()));
        }
        contents.check_size(limits, length)?;
        contents.shared = contents.shared();
        Ok(contents)
    }

    fn check_size(&self, limits: &Extract, length: u64) -> Result<(), Refused> {
        let shown = units::bytes(self.bytes);
        if limits.bytes.is_some_and(|most| self.bytes > most) {
            return Err(Refused::Limit(format!(
                "it would unpack to {shown}, more than extract_bytes allows"
            )));
        }
        if self.bytes > UNSUSPECTED && self.bytes / length.max(1) >= limits.ratio {
            let length = units::bytes(length);
            return Err(Refused::Limit(format!(
                "{length} would unpack to {shown}, as in a bomb; if it is none, raise extract_ratio"
            )));
        }
        Ok(())
    }

    /// How much of all paths is one folder that everything is in, which becomes the folder that is unpacked to.
    fn shared(&self) -> usize {
        let Some(first) = self.items.first().and_then(|item| item.path.as_str().split('/').next()) else {
            return 0;
        };
        let within = |item: &Item| match item.path.as_str().strip_prefix(first) {
            Some("") => item.size.is_none(),
            rest => rest.is_some_and(|rest| rest.starts_with('/')),
        };
        if self.items.iter().all(within) { first.len() + 1 } else { 0 }
    }

    /// Looks for names that the file system takes for the same.
    pub(super) fn check_twins(&self, folding: Folding) -> Result<(), Refused> {
        if folding == Folding::default() {
            // It was looked for those that are the same already.
            return Ok(());
        }
        let mut names = Known { folding, ..Known::default() };
        self.items.iter().try_for_each(|item| names.add(item))
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The path of an item in the folder that is unpacked to; empty for that itself.
    pub(super) fn path<'a>(&self, item: &'a Item) -> &'a str {
        item.path.as_str().get(self.shared..).unwrap_or_default()
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Opens an archive, so that an entry's two headers have to say the same.
pub(super) fn open(file: &File) -> Result<ZipIterable<BufReader<&File>>, Refused> {
    Ok(ZipIterable::try_new(BufReader::new(file), Config::default())?.enforce_header_consistency(true))
}

/// Looks at one entry by itself.
pub(super) fn examine(entry: &ZipFileEntry<'_>, names: Names) -> Result<Item, Refused> {
    let name =
        entry.name().map_err(|_| Refused::Archive("an entry has a name that is no text".to_owned()))?;
    let refuse = |why: &'static str| Refused::entry(&name, why);
    let path = SafePath::new(&name, names).map_err(refuse)?;
    let is_directory = name.ends_with('/');
    match (entry.unix_mode().unwrap_or(0) & 0o170_000, is_directory) {
        (0, _) | (0o040_000, true) | (0o100_000, false) => {}
        (0o120_000, _) => return Err(refuse("is a symbolic link, which is not unpacked")),
        (0o040_000, false) | (0o100_000, true) => return Err(refuse("is called a file and a directory")),
        _ => return Err(refuse("is neither a file nor a directory")),
    }
    if entry.encrypted() {
        return Err(refuse("is encrypted, which is not unpacked here"));
    }
    let (packed, size) = (entry.compressed_size(), entry.size());
    match entry.compression() {
        CompressionMethod::Stored if packed != size => return Err(refuse("has a size that cannot be")),
        CompressionMethod::Stored => {}
        CompressionMethod::Deflated if size / DEFLATE > packed => {
            return Err(refuse("has a size that cannot be"));
        }
        CompressionMethod::Deflated => {}
        _ => return Err(refuse("is packed in a way that is not known here")),
    }
    if is_directory && size != 0 {
        return Err(refuse("is a directory with content"));
    }
    // Whatever the archive says, its owner can look at what was unpacked, and have it removed.
    let least = if is_directory { 0o500 } else { 0o400 };
    let mode = entry.unix_mode().map(|mode| mode & 0o777 | least);
    Ok(Item { path, size: (!is_directory).then_some(size), mode })
}

/// The bytes that an entry takes in the archive, at least.
fn range(entry: &ZipFileEntry<'_>) -> Result<Range<u64>, Refused> {
    const HEADER: u64 = 30;
    let begin = entry.header_start();
    let length = HEADER + entry.name_raw().len() as u64;
    let end = begin.checked_add(length).and_then(|end| end.checked_add(entry.compressed_size()));
    Ok(begin..end.ok_or_else(|| Refused::Archive("an entry ends nowhere".to_owned()))?)
}

/// Whether a byte belongs to two entries, or to one and to the directory.
fn overlap(ranges: &mut [Range<u64>], directory: u64) -> bool {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.last().is_some_and(|last| last.end > directory)
        || ranges.windows(2).any(|pair| matches!(pair, [one, next] if one.end > next.start))
}

/// The names of each directory, to find those that are there twice.
#[derive(Debug, Default)]
struct Known {
    folding: Folding,
    /// By the number of the directory and the name in it: the number of what it is, and what that is.
    known: HashMap<(u32, Box<str>), (u32, What)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    File,
    Directory,
    /// A directory that is only mentioned by what is in it.
    Mentioned,
}

impl Known {
    fn add(&mut self, item: &Item) -> Result<(), Refused> {
        let twice = || {
            Refused::entry(item.path.as_str(), "is there twice, or under two names that are the same here")
        };
        let path = item.path.as_str();
        let mut directory = 0;
        let (parents, name) =
            path.rsplit_once('/').map_or((None, path), |(parents, name)| (Some(parents), name));
        for parent in parents.into_iter().flat_map(|parents| parents.split('/')) {
            let next = self.next();
            let (number, what) =
                *self.known.entry((directory, key(self.folding, parent))).or_insert((next, What::Mentioned));
            if what == What::File {
                return Err(Refused::entry(path, "lies in a file"));
            }
            directory = number;
        }
        let next = self.next();
        let what = if item.size.is_some() { What::File } else { What::Directory };
        let known = self.known.entry((directory, key(self.folding, name))).or_insert((next, What::Mentioned));
        let is_new = known.0 == next;
        match (known.1, what) {
            (What::Mentioned, What::Directory) => {}
            (What::Mentioned, _) if is_new => {}
            _ => return Err(twice()),
        }
        known.1 = what;
        Ok(())
    }

    /// Numbers begin behind the one of the top.
    fn next(&self) -> u32 {
        u32::try_from(self.known.len() + 1).unwrap_or(u32::MAX)
    }
}

fn key(folding: Folding, name: &str) -> Box<str> {
    folding.key(name).into()
}
