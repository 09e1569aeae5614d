//! The control file on the disk, beside its `.part`: replaced as a whole when a job takes the `.part` up or leaves
//! it, added to as blocks are verified. Whoever has the lock of the `.part` has this file, too. It only
//! saves work: where it cannot be written, the download goes on without it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufReader, BufWriter},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::{
    client::{
        content::{Content, blocks::Blocks},
        disk::{
            control::{self, Record},
            folder::Folder,
            seal::Lines,
        },
    },
    protocol::digest::VerifiedBlock,
    text::ShowPath,
};
/// What follows the name of the `.part`.
pub(crate) const SUFFIX: &str = ".fdsp";

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: Arc<Folder>,
    name: OsString,
    notes: Notes,
}

/// Where verified blocks are noted, as soon as they are verified; and how much is there of the others: about once a second, so that a
/// kill costs no more than what came in the last one.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    /// Open while blocks are added.
    lines: Arc<Mutex<Option<Lines<File>>>>,
    path: PathBuf,
}

impl Notes {
    /// Adds a block that was verified and written.
    pub(crate) fn add(&self, block: &VerifiedBlock) {
        self.write(&control::block(block.index(), block.length().into(), block.digest()));
    }

    /// Adds how many bytes of a block that is not whole are written.
    pub(crate) fn begun(&self, index: u64, bytes: u32) {
        self.write(&control::begun(index, bytes));
    }

    fn write(&self, line: &str) {
        let mut open = self.open();
        let Some(lines) = &mut *open else { return };
        if let Err(error) = lines.add(line) {
            tracing::warn!("cannot write to {}: {error}", self.path.shown());
            *open = None;
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Lines<File>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// The control file of a `.part`.
    pub(crate) fn of(folder: &Arc<Folder>, part: &OsStr) -> Journal {
        let mut name = part.to_owned();
        name.push(SUFFIX);
        let notes = Notes { lines: Arc::default(), path: folder.join(&name) };
        Journal { folder: Arc::clone(folder), name, notes }
    }

    /// Where blocks are noted in it.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Whether a control file of this user exists, whatever its content. A control file of another user does not count.
    pub(crate) fn is_there(&self) -> bool {
        let found = self.folder.look(&self.name).ok().flatten();
        found.is_some_and(|found| {
            found.kind == FileType::RegularFile && !self.folder.is_of_another(found.owner)
        })
    }

    /// Whether another version of this program has written it, in a format that is not known here.
    pub(crate) fn is_of_another_version(&self) -> bool {
        let file =
            self.folder.read(&self.name).ok().filter(|file| file.metadata().is_ok_and(|data| data.is_file()));
        file.is_some_and(|file| control::is_of_another_version(BufReader::new(file)))
    }

    /// Gives it the name that belongs to another name of the `.part`.
    pub(crate) fn set_aside(&self, part: &OsStr) {
        let mut aside = part.to_owned();
        aside.push(SUFFIX);
        if let Err(error) = self.folder.rename_new(&self.name, &aside) {
            tracing::warn!("cannot move {} away: {error}", self.notes.path.shown());
        }
    }

    /// What it says of a `.part` of `length` bytes.
    pub(crate) fn read(&self, length: u64) -> Option<Record> {
        let found = self.folder.look(&self.name).ok().flatten()?;
        let shown = self.folder.join(&self.name);
        if found.kind != FileType::RegularFile {
            tracing::warn!("{} is not a file; the .part is verified without it", shown.shown());
            return None;
        }
        let record = self.folder.read(&self.name).ok().and_then(|file| {
            // It may have become something else since it was looked at.
            file.metadata().ok()?.is_file().then_some(file)
        });
        let seal = &self.folder.seal;
        let opened = record.and_then(|file| seal.open(BufReader::new(file), &self.name, control::FORMAT));
        let record = opened.and_then(|journal| control::read(journal, length));
        if record.is_none() {
            seal.warn(&shown);
        }
        record
    }

    /// Replaces it, at once and as a whole; with a mark if the `.part` is left in order.
    pub(crate) fn replace(&mut self, source: &Content, blocks: &Blocks, mark: Option<&str>) {
        self.close();
        let mut fresh = self.name.clone();
        fresh.push("~");
        let result = self.write(&fresh, source, blocks, mark);
        let result = result.and_then(|file| self.folder.rename_over(&fresh, &self.name).map(|()| file));
        match result {
            Ok(lines) => *self.notes.open() = Some(lines),
            Err(error) => {
                self.unlink(&fresh);
                tracing::warn!(
                    "cannot write {}: {error}; an interrupted download will be verified without it",
                    self.notes.path.shown()
                );
            }
        }
    }

    fn write(
        &self,
        name: &OsStr,
        source: &Content,
        blocks: &Blocks,
        mark: Option<&str>,
    ) -> io::Result<Lines<File>> {
        // What another one left there is no use to anybody, and is not written into.
        self.unlink(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = File::from(rustix::fs::openat(&self.folder.handle, name, flags, mode)?);
        let seal = &self.folder.seal;
        let mut out =
            seal.begin(BufWriter::new(file), &self.name, control::FORMAT, &control::header(source))?;
        for (index, digest) in blocks.digests() {
            out.add(&control::block(index, blocks.length(index), &digest))?;
        }
        for (&index, &bytes) in blocks.begun() {
            out.add(&control::begun(index, bytes))?;
        }
        if let Some(mark) = mark {
            out.add(&control::clean(mark))?;
        }
        out.flushed()
    }

    /// Adds nothing more.
    pub(crate) fn close(&mut self) {
        *self.notes.open() = None;
    }

    /// Deletes it.
    pub(crate) fn remove(&mut self) {
        self.close();
        self.unlink(&self.name);
    }

    /// What cannot be deleted is in nobody's way.
    fn unlink(&self, name: &OsStr) {
        match rustix::fs::unlinkat(&self.folder.handle, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => tracing::debug!("cannot delete {}: {error}", self.folder.join(name).shown()),
        }
    }
}
