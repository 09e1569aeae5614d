//! The first pass over an archive: all entries are checked before anything is written.

use std::{
    borrow::Cow,
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::BufReader,
    ops::Range,
    os::{
        fd::BorrowedFd,
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

use zip::{
    CompressionMethod, System,
    read::{Config, ZipFileEntry},
    unstable::read::ZipIterable,
};

use crate::{
    client::{
        api::settings::config::{Extract, Names},
        disk::{
            folder::Folder,
            name::{
                SafeName,
                folding::Folding,
                substitutes::{self, Named},
                unstorable::Probe,
            },
        },
        job::extract::Refused,
    },
    protocol::{
        message::Missing,
        path::{self, odd_name},
    },
    text::{SafeText, ShowPath, units},
};
/// The most bytes of all paths together.
const MAX_NAMES_LEN: usize = 64 << 20;
/// The most bytes of a path, as the system accepts them.
const MAX_PATH_LEN: usize = 4095;
/// The most items that are named because they are not saved under their own names.
const MAX_RENAMED: usize = 100;
/// Why an ambiguous path is refused.
const NO_NAME: &str = "is not a file name";
/// The most directories in each other.
const MAX_DEPTH: usize = 100;
/// The most bytes that one deflated byte can expand to.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Archives that unpack to at most this many bytes may have any ratio.
const MAX_UNCHECKED_LEN: u64 = 1 << 30;

/// Why a path of an archive is refused; `None` if it is accepted. Segments are written as [`odd_name`] has them.
fn refused(path: &str, names: Names) -> Option<&'static str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path::length(path) > MAX_PATH_LEN {
        return Some("has a path that is too long");
    }
    let refused = |segment: &str| match names {
        Names::Exact => SafeName::exact(segment, Names::Exact).err(),
        // Anything else has a substitute.
        Names::Portable => matches!(segment, "" | "." | "..").then_some(NO_NAME),
    };
    let is_broken = odd_name::to_bytes(path).is_none().then_some(NO_NAME);
    let is_deep = (path.split('/').count() > MAX_DEPTH).then_some("lies too deep");
    is_broken.or_else(|| path.split('/').find_map(refused)).or(is_deep)
}

/// An entry.
#[derive(Debug)]
pub(super) struct Item {
    /// Its path in the archive, without the `/` at a directory's end.
    pub(super) name: Box<str>,
    /// Its path in the folder that is unpacked to; empty for that folder itself.
    pub(super) path: PathBuf,
    /// Bytes of a file; `None` for a directory.
    pub(super) size: Option<u64>,
    /// Permission bits.
    pub(super) mode: Option<u32>,
}

/// The result of checking an entry.
#[derive(Debug)]
pub(super) enum Checked {
    /// It can be unpacked.
    Item(Item),
    /// It cannot be stored: it counts as missing, and the others are unpacked.
    Odd { name: String, why: &'static str },
}

/// The content of an archive.
#[derive(Debug)]
pub(super) struct Contents {
    /// Which names were accepted.
    pub(super) names: Names,
    /// In the archive's order; `None` for missing ones.
    items: Vec<Option<Item>>,
    /// Entries that are not unpacked, and why.
    pub(super) missing: Missing,
    bytes: u64,
}

impl Contents {
    /// Checks all of an archive. `longest`: the most bytes of a substitute.
    pub(super) fn survey(
        file: &File,
        limits: &Extract,
        (accepted, longest): (Names, usize),
        should_continue: &impl Fn() -> bool,
    ) -> Result<Contents, Refused> {
        let length = file.metadata().map_err(Refused::reading)?.len();
        let mut archive = open(file)?;
        let count = archive.len() as u64;
        if count > limits.entries {
            let max = limits.entries;
            return Err(Refused::Limit(format!("it holds {count} entries; extract_entries allows {max}")));
        }
        let mut contents =
            Contents { names: accepted, items: Vec::new(), missing: Missing::default(), bytes: 0 };
        let (mut names, mut paths) = (KnownNames::default(), 0);
        let mut ranges = Vec::new();
        let mut directory = u64::MAX;
        for entry in archive.files()? {
            if !should_continue() {
                return Err(Refused::Stopped);
            }
            let entry = entry?;
            directory = directory.min(entry.central_header_start());
            ranges.push(range(&entry)?);
            paths += entry.name_raw().len();
            if paths > MAX_NAMES_LEN {
                return Err(Refused::Archive("its names alone are too much".to_owned()));
            }
            let item = match examine(&entry, accepted)? {
                Checked::Item(item) => item,
                Checked::Odd { name, why } => {
                    contents.missing.add(SafeText::new(&name).as_str(), why);
                    contents.items.push(None);
                    continue;
                }
            };
            names.add(&item.name, item.size.is_some()).map_err(|why| Refused::entry(&item.name, why))?;
            // Directories without an entry of their own are created, too, and count.
            if names.known.len() as u64 > limits.entries {
                let max = limits.entries;
                return Err(Refused::Limit(format!(
                    "its {count} entries and the folders that they lie in are too many; extract_entries allows {max}"
                )));
            }
            contents.bytes = contents.bytes.saturating_add(item.size.unwrap_or(0));
            contents.items.push(Some(item));
        }
        if overlap(&mut ranges, directory) {
            return Err(Refused::Archive("its entries lie over each other, as in a zip bomb".to_owned()));
        }
        contents.check_size(limits, length)?;
        contents.choose_paths(longest);
        Ok(contents)
    }

    fn check_size(&self, limits: &Extract, length: u64) -> Result<(), Refused> {
        let shown = units::bytes(self.bytes);
        if limits.bytes.is_some_and(|max| self.bytes > max) {
            return Err(Refused::Limit(format!(
                "it would unpack to {shown}, more than extract_bytes allows"
            )));
        }
        if self.bytes > MAX_UNCHECKED_LEN && self.bytes / length.max(1) >= limits.ratio {
            let length = units::bytes(length);
            return Err(Refused::Limit(format!(
                "{length} would unpack to {shown}, as a zip bomb does; if it is not one, raise extract_ratio"
            )));
        }
        Ok(())
    }

    /// Decides the path of each item: its path in the archive. If all of them are in one folder, that is left out: it becomes the folder
    /// that is unpacked to.
    fn choose_paths(&mut self, longest: usize) {
        let shared = usize::from(self.has_shared_folder());
        let mut nodes: HashMap<(u32, &str), u32> = HashMap::new();
        let mut named: Vec<Named<'_>> = Vec::new();
        let mut paths = Vec::new();
        for item in self.items.iter().flatten() {
            let mut at = 0;
            let mut path = Vec::new();
            for (depth, name) in item.name.split('/').enumerate() {
                let number = named.len() as u32 + 1;
                let parent = at;
                at = *nodes.entry((parent, name)).or_insert(number);
                if at == number {
                    named.push((number, parent, name));
                }
                if depth >= shared {
                    path.push(at);
                }
            }
            paths.push(path);
        }
        let substitutes = match self.names {
            Names::Exact => HashMap::new(),
            Names::Portable => substitutes::choose(named.iter().copied(), longest),
        };
        let on_disk = |number: &u32| match substitutes.get(number) {
            Some(substitute) => substitute.clone(),
            None => {
                let name = named.get(*number as usize - 1).map_or("", |(_, _, name)| name);
                let bytes = odd_name::to_bytes(name).unwrap_or(Cow::Borrowed(name.as_bytes()));
                OsString::from_vec(bytes.into_owned())
            }
        };
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.iter().map(on_disk).collect()).collect();
        for (item, path) in self.items.iter_mut().flatten().zip(paths) {
            item.path = path;
        }
    }

    /// Whether everything is in one folder.
    fn has_shared_folder(&self) -> bool {
        let mut items = self.items.iter().flatten().peekable();
        let Some(first) = items.peek().and_then(|item| item.name.split('/').next()) else { return false };
        let within = |item: &Item| match item.name.strip_prefix(first) {
            Some("") => item.size.is_none(),
            rest => rest.is_some_and(|rest| rest.starts_with('/')),
        };
        items.all(within)
    }

    /// Excludes what the file system cannot store: names that it rejects in an empty directory, and the second of two names that are the
    /// same to it. Returns whether there are any.
    pub(super) fn exclude_unstorable(
        &mut self,
        folder: &Folder,
        probe: BorrowedFd<'_>,
        folding: Folding,
    ) -> bool {
        let probe = Probe::new(folder, probe);
        let mut tried: HashMap<OsString, Option<String>> = HashMap::new();
        let mut names = KnownNames { folding, ..KnownNames::default() };
        let before = self.missing.count;
        for place in &mut self.items {
            let Some(item) = place else { continue };
            let mut segments = item.path.iter();
            let refused = segments.find_map(|name| match tried.get(name) {
                Some(known) => known.clone(),
                None => {
                    let why = probe.refusal(name);
                    tried.entry(name.to_owned()).or_insert(why).clone()
                }
            });
            let path = odd_name::to_text(item.path.as_os_str().as_bytes());
            // The folder itself always exists.
            let twin = || match path.is_empty() {
                true => None,
                false => names.add(&path, item.size.is_some()).err().map(str::to_owned),
            };
            if let Some(why) = refused.or_else(twin) {
                self.missing.add(SafeText::new(&item.name).as_str(), &why);
                self.bytes = self.bytes.saturating_sub(item.size.unwrap_or(0));
                *place = None;
            }
        }
        self.missing.count > before
    }

    /// The items in the archive's order; `None` for missing ones.
    pub(super) fn items(&self) -> &[Option<Item>] {
        &self.items
    }

    /// The first items that have other names on the disk than in the archive: their names, and those on the disk.
    pub(super) fn renamed(&self) -> Vec<(SafeText, SafeText)> {
        let is_renamed = |item: &&Item| {
            let name = odd_name::to_bytes(&item.name);
            !name.is_some_and(|name| Path::new(OsStr::from_bytes(&name)).ends_with(&item.path))
        };
        let renamed = self.items.iter().flatten().filter(is_renamed);
        renamed.map(|item| (SafeText::new(&item.name), item.path.shown())).take(MAX_RENAMED).collect()
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Opens an archive strictly: the two headers of an entry must agree.
pub(super) fn open(file: &File) -> Result<ZipIterable<BufReader<&File>>, Refused> {
    Ok(ZipIterable::try_new(BufReader::new(file), Config::default())?.enforce_header_consistency(true))
}

/// The path of an entry as [`odd_name`] writes it; `None` if it is not valid. Names without the UTF-8 flag are bytes
/// of the file system if the archive was made on Unix, and of an old code page otherwise.
fn name(entry: &ZipFileEntry<'_>) -> Option<String> {
    let raw = entry.name_raw();
    let is_text = str::from_utf8(raw).is_ok() || entry.system() == System::Unix;
    let name = match entry.name() {
        Ok(name) if !is_text => name.into_owned(),
        _ => odd_name::to_text(raw).into_owned(),
    };
    // A NUL would be the start of an escape.
    (!raw.contains(&0)).then_some(name)
}

/// Checks one entry by itself.
pub(super) fn examine(entry: &ZipFileEntry<'_>, names: Names) -> Result<Checked, Refused> {
    let Some(name) = name(entry) else {
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        return Ok(Checked::Odd { name, why: NO_NAME });
    };
    let refuse = |why: &'static str| Refused::entry(&name, why);
    let is_directory = name.ends_with('/');
    let odd = match (entry.unix_mode().unwrap_or(0) & 0o170_000, is_directory) {
        (0, _) | (0o040_000, true) | (0o100_000, false) => refused(&name, names),
        (0o120_000, _) => Some("is a symbolic link, which is not unpacked"),
        (0o040_000, false) | (0o100_000, true) => return Err(refuse("is called a file and a directory")),
        _ => Some("is neither a file nor a directory"),
    };
    if let Some(why) = odd {
        return Ok(Checked::Odd { name, why });
    }
    if entry.encrypted() {
        return Err(refuse("is encrypted, which is not unpacked here"));
    }
    let (packed, size) = (entry.compressed_size(), entry.size());
    match entry.compression() {
        CompressionMethod::Stored if packed != size => return Err(refuse("has a size that cannot be")),
        CompressionMethod::Stored => {}
        CompressionMethod::Deflated if size / MAX_DEFLATE_RATIO > packed => {
            return Err(refuse("has a size that cannot be"));
        }
        CompressionMethod::Deflated => {}
        _ => return Err(refuse("is packed in a way that is not known here")),
    }
    if is_directory && size != 0 {
        return Err(refuse("is a directory with content"));
    }
    // The owner can always read and delete what was unpacked, whatever mode the archive has for it.
    let least = if is_directory { 0o500 } else { 0o400 };
    let mode = entry.unix_mode().map(|mode| mode & 0o777 | least);
    let size = (!is_directory).then_some(size);
    let name = name.strip_suffix('/').unwrap_or(&name).into();
    Ok(Checked::Item(Item { name, path: PathBuf::new(), size, mode }))
}

/// The bytes that an entry occupies in the archive, at least.
fn range(entry: &ZipFileEntry<'_>) -> Result<Range<u64>, Refused> {
    const HEADER: u64 = 30;
    let begin = entry.header_start();
    let length = HEADER + entry.name_raw().len() as u64;
    let end = begin.checked_add(length).and_then(|end| end.checked_add(entry.compressed_size()));
    Ok(begin..end.ok_or_else(|| Refused::Archive("an entry ends nowhere".to_owned()))?)
}

/// Whether two entries, or an entry and the central directory, overlap.
fn overlap(ranges: &mut [Range<u64>], directory: u64) -> bool {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.last().is_some_and(|last| last.end > directory)
        || ranges.windows(2).any(|pair| matches!(pair, [one, next] if one.end > next.start))
}

/// The names of each directory, to find duplicates.
#[derive(Debug, Default)]
struct KnownNames {
    folding: Folding,
    /// By the number of the directory and the name in it: the number and the kind of the entry.
    known: HashMap<(u32, Box<str>), (u32, What)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    File,
    Directory,
    /// A directory without an entry of its own.
    Mentioned,
}

impl KnownNames {
    /// Adds a path.
    ///
    /// # Errors
    /// Why it conflicts with those that were added before.
    fn add(&mut self, path: &str, is_file: bool) -> Result<(), &'static str> {
        let mut directory = 0;
        let (parents, name) =
            path.rsplit_once('/').map_or((None, path), |(parents, name)| (Some(parents), name));
        for parent in parents.into_iter().flat_map(|parents| parents.split('/')) {
            let next = self.next();
            let (number, what) =
                *self.known.entry((directory, key(self.folding, parent))).or_insert((next, What::Mentioned));
            if what == What::File {
                return Err("lies in a file");
            }
            directory = number;
        }
        let next = self.next();
        let what = if is_file { What::File } else { What::Directory };
        let known = self.known.entry((directory, key(self.folding, name))).or_insert((next, What::Mentioned));
        let is_new = known.0 == next;
        match (known.1, what) {
            (What::Mentioned, What::Directory) => {}
            (What::Mentioned, _) if is_new => {}
            _ => return Err("is there twice, or under two names that are the same here"),
        }
        known.1 = what;
        Ok(())
    }

    /// Numbers begin after the one of the top.
    fn next(&self) -> u32 {
        u32::try_from(self.known.len() + 1).unwrap_or(u32::MAX)
    }
}

fn key(folding: Folding, name: &str) -> Box<str> {
    folding.key(name).into()
}
