//! An opened directory and the pages of its listing.

use std::{
    borrow::Cow,
    ffi::{CStr, CString},
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    sync::Arc,
};

use rustix::{
    fs::{FileType, RawDir, Stat},
    io::Errno,
};

use super::{
    StorageError,
    archive::Planner,
    folder::Folder,
    is_absent, name,
    root::{Served, modified, permissions, shown, size},
    tree::{Files, Tree},
};
use crate::{
    platform::Access,
    protocol::message::{Entries, Entry, Kind, Meta, Timestamp},
};

/// Most entries of one page, whatever is asked for.
const MAX_PAGE: usize = 4096;
/// Bytes of directory entries that are read at a time.
const READ: usize = 32 * 1024;

/// An opened directory.
#[derive(Debug)]
pub struct Directory {
    pub(super) folder: Arc<Folder>,
    pub(super) handle: OwnedFd,
    /// From the root; empty for the root itself.
    pub(super) path: String,
    meta: Meta,
}

impl Directory {
    pub(super) fn new(
        folder: Arc<Folder>,
        handle: OwnedFd,
        path: String,
        name: String,
        stat: &Stat,
    ) -> Directory {
        let meta = Meta {
            kind: Kind::Directory,
            name,
            size: None,
            modified: modified(stat),
            mode: permissions(stat),
            identity: None,
        };
        Directory { folder, handle, path, meta }
    }

    /// What `stat` answers.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// A page of at most `limit` entries after the name `after`, sorted by bytes. Reads the names of the
    /// whole directory, and looks at, and keeps, only the page.
    ///
    /// A name that is no UTF-8 is shown with `%XX` for each such byte, as [`Kind::Other`].
    ///
    /// # Errors
    /// See [`StorageError`].
    pub fn list(&self, after: Option<&str>, limit: usize) -> Result<Entries, StorageError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let unreadable = |error| StorageError::Unreadable { path: shown(&self.path), error };
        let mut after = after.map(str::to_owned);
        loop {
            let (names, more) = self.names(after.as_deref(), limit).map_err(unreadable)?;
            let mut entries = Vec::with_capacity(names.len());
            for found in &names {
                match self.entry(found) {
                    Ok(entry) => entries.push(entry),
                    // Gone since its name was read.
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(unreadable(error)),
                }
            }
            if entries.is_empty() && more {
                // A page without a name would leave the client nothing to ask on from.
                after = names.into_iter().next_back().map(|found| found.shown);
                continue;
            }
            return Ok(Entries { entries, more });
        }
    }

    /// Begins an archive whose entries are named `prefix/…`.
    pub fn archive(self, prefix: &str) -> Planner {
        Planner::new(self, prefix)
    }

    /// Begins to walk it, for all that is in it.
    pub fn tree(self) -> Tree {
        Tree::new(self)
    }

    /// What opens its files.
    pub fn files(self) -> Files {
        Files::new(self)
    }

    /// The first `limit` names after `after`, and whether there are more.
    fn names(&self, after: Option<&str>, limit: usize) -> io::Result<(Vec<Found>, bool)> {
        // A handle of its own: the position in a directory belongs to the handle.
        let handle = self.folder.open_in(&self.handle, ".", Access::Directory)?;
        let mut buffer = [MaybeUninit::uninit(); READ];
        let mut names = RawDir::new(handle, &mut buffer);
        let mut page: Vec<Found> = Vec::new();
        // The last name of the page, as far as that is known: what comes behind it is of a later page.
        let mut last: Option<String> = None;
        let mut more = false;
        while let Some(entry) = names.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            let raw = entry.file_name();
            if matches!(raw.to_bytes(), b"." | b"..") || !self.folder.serves(raw.to_bytes()) {
                continue;
            }
            let shown = name::as_text(raw.to_bytes());
            if after.is_some_and(|after| &*shown <= after) {
                continue;
            }
            if last.as_deref().is_some_and(|last| &*shown >= last) {
                more = true;
                continue;
            }
            page.push(Found::new(shown, raw));
            // Twice the page, so that a name is moved once or twice whatever the order they come in.
            if page.len() > 2 * limit {
                last = Some(cut(&mut page, limit));
                more = true;
            }
        }
        if page.len() > limit {
            cut(&mut page, limit);
            more = true;
        }
        page.sort_unstable();
        Ok((page, more))
    }

    fn entry(&self, found: &Found) -> io::Result<Entry> {
        let name = found.shown.clone();
        let other =
            |stat: &Stat, name| Entry { name, kind: Kind::Other, size: None, modified: modified(stat) };
        let raw = match &found.raw {
            None => CString::new(&*found.shown)?,
            Some(raw) => raw.clone(),
        };
        let stat = match self.folder.look_in(&self.handle, &raw) {
            // Nothing is told of another file system, not even how old it is.
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
            match self.look_through(&name::join(&self.path, &name)) {
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

    /// What a link leads to, if it may be followed.
    fn look_through(&self, path: &str) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(self.folder.open(path, Access::Look)?)?)
    }
}

/// Keeps the first `limit` of more names, and returns the last one of them.
fn cut(page: &mut Vec<Found>, limit: usize) -> String {
    let (_, last, _) = page.select_nth_unstable(limit - 1);
    let last = last.shown.clone();
    page.truncate(limit);
    last
}

/// A name of the page; ordered as it is shown.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    shown: String,
    /// As it is, where that is no text.
    raw: Option<CString>,
}

impl Found {
    fn new(shown: Cow<'_, str>, raw: &CStr) -> Found {
        let escaped = matches!(shown, Cow::Owned(_));
        Found { shown: shown.into_owned(), raw: escaped.then(|| raw.to_owned()) }
    }
}
