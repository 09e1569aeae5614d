//! The second pass over an archive: writes what the first one accepted, or compares it with what exists. All paths are opened from a
//! directory handle, one name at a time, without following links.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufReader, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
};
use time::{Date, Month, Time};
use zip::{ExtraField, ZipReadOptions, read::ZipFile};

use crate::{
    client::{
        disk::{
            attributes::{set_mode, set_modified},
            folder::{is_of_another, open_directory},
        },
        job::extract::{
            Refused,
            survey::{self, Checked, Contents, Item},
        },
    },
    protocol::message::Timestamp,
    text::ShowPath,
};
/// Bytes that are written at once.
const WRITE_LEN: usize = 128 * 1024;

/// Reads an archive whose contents are known.
pub(super) struct Unpacker<'a, G> {
    file: &'a File,
    contents: &'a Contents,
    should_continue: &'a G,
}

/// A directory that was created, and the mode and time that it gets when it is complete.
struct Made<'a> {
    path: &'a Path,
    mode: Option<u32>,
    modified: Option<Timestamp>,
}

impl<'a, G: Fn() -> bool> Unpacker<'a, G> {
    pub(super) fn new(file: &'a File, contents: &'a Contents, should_continue: &'a G) -> Unpacker<'a, G> {
        Unpacker { file, contents, should_continue }
    }

    /// Writes everything into a directory.
    pub(super) fn write(&self, top: BorrowedFd<'_>) -> Result<(), Refused> {
        let mut way = OpenPath::new(top);
        let mut directories = Vec::new();
        self.each(|item, path, entry| {
            let disk = |error: io::Error| Refused::Disk(format!("write '{}'", path.shown()), error);
            let modified = modified(entry);
            if item.size.is_none() {
                way.to(path, true).map_err(disk)?;
                directories.push(Made { path, mode: item.mode, modified });
                return Ok(());
            }
            let (parents, name) = split(path);
            let directory = way.to(parents, true).map_err(disk)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // The system applies the user's umask.
            let mode = Mode::from_raw_mode(item.mode.unwrap_or(0o666));
            let opened = rustix::fs::openat(directory, name, flags, mode);
            let mut file = File::from(opened.map_err(|error| disk(error.into()))?);
            self.copy(item, entry, |piece| {
                file.write_all(piece).map_err(disk)?;
                Ok(true)
            })?;
            if let Some(modified) = modified {
                set_modified(&file, modified);
            }
            Ok(())
        })?;
        // From the deepest one: none is locked before its content is complete, and no time changes again.
        let mut way = OpenPath::new(top);
        directories.sort_unstable_by_key(|made| std::cmp::Reverse(made.path.as_os_str()));
        for Made { path, mode, modified } in directories {
            let disk = |error: io::Error| Refused::Disk(format!("write '{}'", path.shown()), error);
            let directory = way.to(path, false).map_err(disk)?;
            if let Some(modified) = modified {
                set_modified(directory, modified);
            }
            if let Some(mode) = mode {
                let now = rustix::fs::fstat(directory).map_err(|error| disk(error.into()))?.st_mode & 0o777;
                set_mode(directory, Mode::from_raw_mode(now & mode));
            }
        }
        Ok(())
    }

    /// Compares everything with the content of a directory. Returns the first path that differs.
    pub(super) fn compare(&self, top: BorrowedFd<'_>) -> Result<Option<PathBuf>, Refused> {
        let mut way = OpenPath::new(top);
        let mut different = None;
        self.each(|item, path, entry| {
            if different.is_none() && !self.is_same(item, path, entry, &mut way)? {
                different = Some(path.to_owned());
            }
            Ok(())
        })?;
        Ok(different)
    }

    fn is_same<R: Read>(
        &self,
        item: &Item,
        path: &Path,
        entry: &mut ZipFile<'_, R>,
        way: &mut OpenPath<'_>,
    ) -> Result<bool, Refused> {
        let Some(size) = item.size else { return Ok(way.to(path, false).is_ok()) };
        let (parents, name) = split(path);
        let Ok(directory) = way.to(parents, false) else { return Ok(false) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(there) = rustix::fs::openat(directory, name, flags, Mode::empty()) else { return Ok(false) };
        let stat = rustix::fs::fstat(&there).map_err(|error| Refused::reading(error.into()))?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if rustix::fs::fstat(directory).is_ok_and(|folder| is_of_another(&folder, stat.st_uid)) {
            return Ok(false);
        }
        if !is_file || u64::try_from(stat.st_size) != Ok(size) {
            return Ok(false);
        }
        let mut there = BufReader::with_capacity(WRITE_LEN, File::from(there));
        let mut buffer = vec![0; WRITE_LEN];
        let mut same = true;
        self.copy(item, entry, |piece| {
            let Some(found) = buffer.get_mut(..piece.len()) else { return Ok(false) };
            same = there.read_exact(found).is_ok() && found == piece;
            Ok(same)
        })?;
        Ok(same)
    }

    /// Calls `work` for each entry, with its path in the folder. Fails if the archive has changed since the first pass.
    fn each(
        &self,
        mut work: impl FnMut(&'a Item, &'a Path, &mut ZipFile<'_, BufReader<&File>>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let mut archive = survey::open(self.file)?;
        let mut entries = archive.files_with_reader(BufReader::new(self.file), ZipReadOptions::new())?;
        for item in self.contents.items() {
            if !(self.should_continue)() {
                return Err(Refused::Stopped);
            }
            let changed = || Refused::Archive("another program changed it".to_owned());
            let entry = entries.next().ok_or_else(changed)?;
            let Some(item) = item else { continue };
            let mut entry = entry?;
            match survey::examine(&entry.entry(), self.contents.names)? {
                Checked::Item(now) if now.name == item.name && now.size == item.size => {}
                _ => return Err(changed()),
            }
            work(item, &item.path, &mut entry)?;
        }
        Ok(())
    }

    /// Passes the content of a file to `take` in pieces until that returns false, and checks it against its header.
    fn copy<R: Read>(
        &self,
        item: &Item,
        entry: &mut ZipFile<'_, R>,
        mut take: impl FnMut(&[u8]) -> Result<bool, Refused>,
    ) -> Result<(), Refused> {
        let name = &*item.name;
        let mut buffer = vec![0; WRITE_LEN];
        let mut left = item.size.unwrap_or(0);
        loop {
            if !(self.should_continue)() {
                return Err(Refused::Stopped);
            }
            let count = match entry.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(match Refused::reading(error) {
                        Refused::Archive(why) => Refused::entry(name, format!("is broken: {why}")),
                        other => other,
                    });
                }
            };
            if count == 0 {
                break;
            }
            let longer = || Refused::entry(name, "is larger than it says");
            left = left.checked_sub(count as u64).ok_or_else(longer)?;
            if !take(buffer.get(..count).unwrap_or_default())? {
                return Ok(());
            }
        }
        if left > 0 {
            return Err(Refused::entry(name, "is smaller than it says"));
        }
        Ok(())
    }
}

/// The open directories from the top to the current one.
struct OpenPath<'a> {
    top: BorrowedFd<'a>,
    below: Vec<(OsString, OwnedFd)>,
}

impl<'a> OpenPath<'a> {
    fn new(top: BorrowedFd<'a>) -> OpenPath<'a> {
        OpenPath { top, below: Vec::new() }
    }

    /// Opens a directory, and creates missing ones if asked to.
    fn to(&mut self, path: &Path, make: bool) -> io::Result<BorrowedFd<'_>> {
        let common =
            self.below.iter().zip(path.iter()).take_while(|((known, _), name)| known == name).count();
        self.below.truncate(common);
        for name in path.iter().skip(common) {
            let here = self.below.last().map_or(self.top, |(_, handle)| handle.as_fd());
            if make {
                match rustix::fs::mkdirat(here, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let next = open_directory(here, name)?;
            if is_of_another(&rustix::fs::fstat(here)?, rustix::fs::fstat(&next)?.st_uid) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.below.push((name.to_owned(), next));
        }
        Ok(self.below.last().map_or(self.top, |(_, handle)| handle.as_fd()))
    }
}

/// The directory of a path, and the name in it.
fn split(path: &Path) -> (&Path, &OsStr) {
    (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default())
}

/// The modification time of an entry: exact, or from the DOS field, which is read as UTC.
fn modified<R: Read>(entry: &ZipFile<'_, R>) -> Option<Timestamp> {
    let exact = entry.extra_data_fields().find_map(|field| match field {
        // A signed number of seconds, which the library reads as an unsigned one.
        ExtraField::ExtendedTimestamp(times) => {
            times.mod_time().map(|seconds| i64::from(seconds.cast_signed()))
        }
        _ => None,
    });
    let seconds = exact.or_else(|| {
        let old = entry.last_modified()?;
        let month = Month::try_from(old.month()).ok()?;
        let date = Date::from_calendar_date(old.year().into(), month, old.day()).ok()?;
        // The field may have a leap second.
        let time = Time::from_hms(old.hour(), old.minute(), old.second().min(59)).ok()?;
        Some(date.with_time(time).assume_utc().unix_timestamp())
    });
    seconds.map(|seconds| Timestamp { seconds, nanoseconds: 0 })
}
