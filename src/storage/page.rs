//! One page of a directory's listing, read in slices.

use std::{
    ffi::{CStr, CString},
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    time::Instant,
};

use rustix::{
    fs::{AtFlags, FileType, RawDir, Stat},
    io::Errno,
};

use super::{
    directory::Directory,
    error::{StorageError, is_absent},
    folder::is_deleted,
    name,
    slice::Slice,
    stat::{Served, modified, shown, size},
};
use crate::{
    platform::Access,
    protocol::{
        message::{Entries, Entry, Kind, NameForm, Timestamp},
        path::{MAX_SEGMENT, odd_name},
    },
};

/// Bytes of directory entries that are read in a slice: some thousand names.
const READ_LEN: usize = 32 * 1024;
/// Maximum number of entries whose metadata is read in a slice.
const MAX_LOOKUPS: usize = 128;

/// A page: the first `limit` names of a directory after a name, sorted by bytes.
///
/// The names of the whole directory are read, and the metadata of those of the page. A name that is not UTF-8 is encoded by
/// [`odd_name`], if the client supports it. Otherwise it is shown with `%XX` for each such byte and for each `%`, as [`Kind::Other`], and
/// so is the beginning of a name that is too long for a request.
#[derive(Debug)]
pub struct Page {
    directory: Directory,
    after: Option<Vec<u8>>,
    limit: usize,
    form: NameForm,
    /// The smallest names so far: at most twice the limit and those of a slice.
    names: Vec<Found>,
    /// Names after this one belong to a later page.
    last: Option<Vec<u8>>,
    /// Whether there are names after those of the page.
    more: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Reads names. The page has its own handle, which has the position in the directory.
    Reading(OwnedFd),
    /// The names are known, and the metadata of this many entries.
    Looking(usize, Vec<Entry>),
}

/// The progress of a page.
#[derive(Debug)]
pub enum Paging {
    /// There is more to do.
    More(Box<Page>),
    /// The page is complete.
    Done(Entries),
}

impl Page {
    /// Begins to read a page of at most `limit` entries after the name `after`. `form`: how they may be written.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn new(
        directory: Directory,
        after: Option<&str>,
        limit: usize,
        form: NameForm,
    ) -> Result<Box<Page>, StorageError> {
        let limit = limit.max(1);
        let stage = Page::begin(&directory)?;
        let after = after.map(|after| odd_name::bytes(after).collect());
        Ok(Box::new(Page {
            directory,
            after,
            limit,
            form,
            names: Vec::new(),
            last: None,
            more: false,
            stage,
        }))
    }

    fn begin(directory: &Directory) -> Result<Stage, StorageError> {
        let handle = directory.folder.open_in(&directory.handle, ".", Access::Directory);
        handle.map(Stage::Reading).map_err(|error| unreadable(directory, error))
    }

    /// Runs a slice, usually of less than 1 ms.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn step(mut self: Box<Self>) -> Result<Paging, StorageError> {
        match &mut self.stage {
            Stage::Reading(_) => {
                if self.read().map_err(|error| unreadable(&self.directory, error))? {
                    if self.names.len() > self.limit {
                        self.cut();
                    }
                    self.names.sort_unstable();
                    self.stage = Stage::Looking(0, Vec::with_capacity(self.names.len()));
                }
            }
            Stage::Looking(looked, entries) => {
                let mut slice = Slice::new(MAX_LOOKUPS, Instant::now());
                while let Some(found) = self.names.get(*looked).filter(|_| slice.goes_on(Instant::now)) {
                    *looked += 1;
                    match self.directory.entry(found) {
                        Ok(entry) => entries.push(entry),
                        // Deleted since its name was read.
                        Err(error) if is_absent(&error) => {}
                        Err(error) => return Err(unreadable(&self.directory, error)),
                    }
                }
                if *looked >= self.names.len() {
                    if !entries.is_empty() || !self.more {
                        return Ok(Paging::Done(Entries {
                            entries: std::mem::take(entries),
                            more: self.more,
                        }));
                    }
                    // The client needs a name to request the next page.
                    self.after = self.names.pop().map(|found| found.key);
                    (self.names, self.last, self.more) = (Vec::new(), None, false);
                    self.stage = Page::begin(&self.directory)?;
                }
            }
        }
        Ok(Paging::More(self))
    }

    /// Reads some names. Returns whether they were the last ones.
    fn read(&mut self) -> io::Result<bool> {
        let Stage::Reading(handle) = &self.stage else { return Ok(true) };
        let mut buffer = [MaybeUninit::uninit(); READ_LEN];
        let mut names = RawDir::new(handle, &mut buffer);
        let is_over = loop {
            match names.next() {
                None => break true,
                Some(Err(Errno::INTR)) => {}
                Some(entry) => {
                    let entry = entry?;
                    let raw = entry.file_name();
                    if !matches!(raw.to_bytes(), b"." | b"..")
                        && self.directory.folder.serves(raw.to_bytes())
                        && let Some(found) = self.directory.found(raw, self.form)
                    {
                        if self.last.as_ref().is_some_and(|last| found.key >= *last) {
                            self.more = true;
                        } else if self.after.as_ref().is_none_or(|after| found.key > *after) {
                            self.names.push(found);
                        }
                    }
                    if names.is_buffer_empty() {
                        break false;
                    }
                }
            }
        };
        // A deleted directory reads like an empty one.
        if is_over && is_deleted(handle)? {
            return Err(Errno::NOENT.into());
        }
        // Twice the page, so that each name is moved at most twice.
        if self.names.len() / 2 > self.limit {
            self.cut();
        }
        Ok(is_over)
    }

    /// Drops names beyond the limit.
    fn cut(&mut self) {
        let (_, last, _) = self.names.select_nth_unstable(self.limit - 1);
        self.last = Some(last.key.clone());
        self.names.truncate(self.limit);
        self.more = true;
    }
}

fn unreadable(directory: &Directory, error: io::Error) -> StorageError {
    StorageError::Unreadable { path: shown(&directory.path), error }
}

impl Directory {
    fn entry(&self, found: &Found) -> io::Result<Entry> {
        let name = odd_name::to_text(&found.key).into_owned();
        let other =
            |stat: &Stat, name| Entry { name, kind: Kind::Other, size: None, modified: modified(stat) };
        let raw = match &found.raw {
            None => CString::new(&*found.key)?,
            Some(raw) => raw.clone(),
        };
        let stat = match self.folder.look_in(&self.handle, &raw) {
            // Nothing of another file system is reported, not even its time.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {
                let modified = Timestamp { seconds: 0, nanoseconds: 0 };
                return Ok(Entry { name, kind: Kind::Other, size: None, modified });
            }
            stat => stat?,
        };
        if found.raw.is_some() {
            // No request could name it.
            return Ok(other(&stat, name));
        }
        let target = if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            match self.look_through(&name::join(&self.path, &found.key)) {
                Ok(target) => target,
                Err(error) if is_absent(&error) => return Ok(other(&stat, name)),
                Err(error) => return Err(error),
            }
        } else {
            stat
        };
        Ok(match Served::of(&target) {
            Some(Served::File) => {
                Entry { name, kind: Kind::File, size: Some(size(&target)), modified: modified(&target) }
            }
            Some(Served::Directory) => {
                Entry { name, kind: Kind::Directory, size: None, modified: modified(&target) }
            }
            None => other(&stat, name),
        })
    }

    /// The target of a link, if it may be followed.
    fn look_through(&self, path: &[u8]) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(self.folder.open(path, Access::Look)?)?)
    }
}

/// Length of the shown beginning of a longer name, in bytes.
const SHOWN_LEN: usize = 160;

impl Directory {
    /// A unique name of the page. Bytes that cannot be requested are escaped, and `%` with them, so that each name becomes
    /// different; if it is the name of another entry, more of it is escaped, and finally its end is replaced by its digest.
    /// `None` if all of these exist.
    fn found(&self, raw: &CStr, form: NameForm) -> Option<Found> {
        let bytes = raw.to_bytes();
        // No request could name a longer one.
        let is_short = bytes.len() <= MAX_SEGMENT;
        if is_short && (form == NameForm::Bytes || str::from_utf8(bytes).is_ok()) {
            return Some(Found { key: bytes.to_vec(), raw: None });
        }
        let counts = if is_short { 0..bytes.len() + 1 } else { 0..0 };
        let escaped = counts.map(|count| name::escaped(bytes, count));
        let (begin, digest) = (&bytes[..bytes.len().min(SHOWN_LEN)], blake3::hash(bytes).to_hex());
        let shortened =
            (16..=digest.len()).map(|length| format!("{}…{}", name::as_text(begin), &digest[..length]));
        let shown = escaped.chain(shortened).find(|shown| self.is_free(shown))?;
        Some(Found { key: shown.into_bytes(), raw: Some(raw.to_owned()) })
    }

    /// Whether no entry has this name.
    fn is_free(&self, name: &str) -> bool {
        rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).is_err()
    }
}

/// A name of the page.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// The bytes of the shown name, by which entries are sorted.
    key: Vec<u8>,
    /// The real name, if another one is shown.
    raw: Option<CString>,
}
