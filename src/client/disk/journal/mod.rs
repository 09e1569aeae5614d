//! The journal beside unfinished content: which content it is, and which parts of it are verified.
//!
//! ```text
//! 0a34c1de fdsp-control 2 9f86d081884c7d659a2feaa0c55ad015   the format and a nonce
//! 51b0a7f2c8a1d5b94be1c0f36a0e6b11 source {…}                 the header: what the content is
//! 7c11d90402a7c81ef3b09a6d85c0f4aa block 1 1048576 6437b3ac…  appended as the content is verified
//! 5d0e61b7f2940c8de2a2b14c7be0a9d3 clean 5b1f…                appended when the content is closed
//! ```
//!
//! Each line is authenticated, see [`seal`]. A damaged or incomplete line is skipped. `clean` counts only as the last line of an undamaged
//! journal: its mark is the status of the content when it was closed. If the status differs, the content is hashed again before it is
//! trusted. The journals of files and of trees differ in the header and in the lines between: see [`Lines`].
//!
//! A journal only saves work: where it cannot be written, the download continues without it. The process that holds the lock of the
//! content owns the journal, too.

pub(crate) mod file;
pub(crate) mod seal;

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    marker::PhantomData,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{client::disk::folder::Folder, text::ShowPath};
use seal::{LineReader, LineWriter};

/// The content of the lines of one kind of journal.
pub(crate) trait Lines: Sized {
    /// The name of the format and its version, which is its last word. A journal of another version is not read.
    const FORMAT: &'static str;
    /// The word that the header begins with.
    const HEADER: &'static str;
    /// The header, as JSON.
    type Header: Serialize + DeserializeOwned;

    /// Takes a line: its first word and the rest. A later line about the same thing replaces an earlier one. Returns `None` if the line is
    /// invalid.
    fn take(&mut self, word: &str, rest: &str) -> Option<()>;
}

/// The content of a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recovered<L> {
    pub(crate) lines: L,
    /// The mark of the content, if it was closed properly.
    pub(crate) clean: Option<String>,
}

/// The text of a header.
pub(crate) fn header<L: Lines>(header: &L::Header) -> String {
    format!("{} {}", L::HEADER, serde_json::to_string(header).unwrap_or_default())
}

/// The last line of the journal of content that was closed properly.
pub(crate) fn clean(mark: &str) -> String {
    format!("clean {mark}")
}

fn parse_header<L: Lines>(text: &str) -> Option<L::Header> {
    serde_json::from_str(text.strip_prefix(L::HEADER)?.strip_prefix(' ')?).ok()
}

/// Reads a journal. `begin`: returns the value that takes its lines, or `None` if the journal is about other content.
pub(crate) fn read<L: Lines>(
    mut journal: LineReader<impl BufRead>,
    begin: impl FnOnce(L::Header) -> Option<L>,
) -> Option<Recovered<L>> {
    let mut lines = begin(parse_header::<L>(journal.header())?)?;
    let (mut clean, mut damaged) = (None, false);
    while let Some(text) = journal.next().ok()? {
        // With any line after it, the content was changed after it was closed.
        clean = None;
        let understood = match text.and_then(|text| text.split_once(' ')) {
            Some(("clean", mark)) => {
                clean = Some(mark.to_owned());
                true
            }
            Some((word, rest)) => lines.take(word, rest).is_some(),
            None => false,
        };
        damaged |= !understood;
    }
    Some(Recovered { lines, clean: clean.filter(|_| !damaged) })
}

/// Whether this is a journal in another version of a format.
pub(crate) fn is_of_another_version<L: Lines>(input: impl BufRead) -> bool {
    let begins = |first: &str, with: &str| first.strip_prefix(with).is_some_and(|rest| rest.starts_with(' '));
    let name = L::FORMAT.rsplit_once(' ').map_or(L::FORMAT, |(name, _)| name);
    seal::first_line(input).is_some_and(|first| begins(&first, name) && !begins(&first, L::FORMAT))
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal<L> {
    folder: Arc<Folder>,
    name: OsString,
    /// The name that its lines are authenticated with.
    sealed_as: OsString,
    appender: Appender,
    lines: PhantomData<fn() -> L>,
}

/// Appends lines to a journal while it is open.
#[derive(Clone, Debug)]
pub(crate) struct Appender {
    open: Arc<Mutex<Option<LineWriter<File>>>>,
    path: PathBuf,
}

impl Appender {
    /// Appends a line.
    pub(crate) fn add(&self, line: &str) {
        self.add_all([line]);
    }

    /// Appends several lines at once. After an error nothing more is appended.
    pub(crate) fn add_all<'a>(&self, lines: impl IntoIterator<Item = &'a str>) {
        let mut open = self.open();
        let Some(out) = &mut *open else { return };
        if let Err(error) = out.add_all(lines) {
            tracing::warn!("cannot write to {}: {error}", self.path.shown());
            *open = None;
        }
    }

    /// Whether lines are still appended.
    pub(crate) fn is_open(&self) -> bool {
        self.open().is_some()
    }

    fn open(&self) -> MutexGuard<'_, Option<LineWriter<File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Lines> Journal<L> {
    /// The journal with this name in a folder. `sealed_as`: the name that its lines are authenticated with.
    pub(crate) fn new(folder: &Arc<Folder>, name: OsString, sealed_as: OsString) -> Journal<L> {
        let appender = Appender { open: Arc::default(), path: folder.join(&name) };
        Journal { folder: Arc::clone(folder), name, sealed_as, appender, lines: PhantomData }
    }

    /// Its appender.
    pub(crate) fn appender(&self) -> &Appender {
        &self.appender
    }

    /// Whether it exists and belongs to this user, whatever its content.
    pub(crate) fn is_there(&self) -> bool {
        let found = self.folder.look(&self.name).ok().flatten();
        found.is_some_and(|found| {
            found.kind == FileType::RegularFile && !self.folder.is_of_another(found.owner)
        })
    }

    /// Whether another version of this program has written it.
    pub(crate) fn is_of_another_version(&self) -> bool {
        self.file().is_some_and(is_of_another_version::<L>)
    }

    /// Returns the text of its first line, which any user may have written.
    pub(crate) fn first_line(&self) -> Option<String> {
        self.file().and_then(seal::first_line)
    }

    /// Returns its header.
    pub(crate) fn header(&self) -> Option<L::Header> {
        self.reader().and_then(|reader| parse_header::<L>(reader.header()))
    }

    /// Reads it. `begin`: returns the value that takes the lines, or `None` if the journal is about other content.
    pub(crate) fn read(&self, begin: impl FnOnce(L::Header) -> Option<L>) -> Option<Recovered<L>> {
        read(self.reader()?, begin)
    }

    fn file(&self) -> Option<BufReader<File>> {
        let file = self.folder.read(&self.name).ok()?;
        file.metadata().ok()?.is_file().then(|| BufReader::new(file))
    }

    fn reader(&self) -> Option<LineReader<BufReader<File>>> {
        self.folder.look(&self.name).ok().flatten()?;
        let seal = &self.folder.seal;
        let reader = self.file().and_then(|file| seal.open(file, &self.sealed_as, L::FORMAT));
        let reader = reader.filter(|reader| parse_header::<L>(reader.header()).is_some());
        if reader.is_none() {
            seal.warn(&self.appender.path);
        }
        reader
    }

    /// Writes its lines to another journal, which is authenticated with another name.
    pub(crate) fn copy_to(&self, other: &Journal<L>) {
        let Some(mut reader) = self.reader() else { return };
        let Some(header) = parse_header::<L>(reader.header()) else { return };
        other.replace(&header, |out| {
            while let Some(line) = reader.next()? {
                line.map_or(Ok(()), |line| out.add(line))?;
            }
            Ok(())
        });
    }

    /// Replaces it as a whole, and appends to the new one from here on. `write`: adds the lines after the header.
    pub(crate) fn replace(
        &self,
        header: &L::Header,
        write: impl FnOnce(&mut LineWriter<BufWriter<File>>) -> io::Result<()>,
    ) {
        self.close();
        let replaced = self.replace_file(|file| {
            let (out, header) = (BufWriter::new(file), self::header::<L>(header));
            let mut out = self.folder.seal.begin(out, &self.sealed_as, L::FORMAT, &header)?;
            write(&mut out)?;
            out.flushed()
        });
        match replaced {
            Ok(lines) => *self.appender.open() = Some(lines),
            Err(error) => tracing::warn!(
                "cannot write {}: {error}; if the download is interrupted, what was received is verified without it",
                self.appender.path.shown()
            ),
        }
    }

    /// Replaces it by a first line alone.
    pub(crate) fn replace_by_line(&self, text: &str) -> io::Result<()> {
        self.close();
        self.replace_file(|mut file| file.write_all(seal::plain(text).as_bytes()))
    }

    fn replace_file<T>(&self, write: impl FnOnce(File) -> io::Result<T>) -> io::Result<T> {
        let mut temporary = self.name.clone();
        temporary.push("~");
        // It is from an interrupted run, or from another program: it is not overwritten.
        self.unlink(&temporary);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = File::from(rustix::fs::openat(&self.folder.handle, &temporary, flags, mode)?);
        let written =
            write(file).and_then(|written| self.folder.rename_over(&temporary, &self.name).map(|()| written));
        written.inspect_err(|_| self.unlink(&temporary))
    }

    /// Stops appending.
    pub(crate) fn close(&self) {
        *self.appender.open() = None;
    }

    /// Renames it; replaces nothing.
    pub(crate) fn rename(&self, name: &OsStr) {
        if let Err(error) = self.folder.rename_new(&self.name, name) {
            tracing::warn!("cannot move {} away: {error}", self.appender.path.shown());
        }
    }

    /// Deletes it.
    pub(crate) fn remove(&self) {
        self.close();
        self.unlink(&self.name);
    }

    fn unlink(&self, name: &OsStr) {
        match rustix::fs::unlinkat(&self.folder.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => tracing::debug!("cannot delete {}: {error}", self.folder.join(name).shown()),
        }
    }
}
