//! The partial file beside a target, `NAME.part`. It is opened so that no other file can be changed, and locked so that two clients
//! cannot write to it.

pub(crate) mod aside;
mod stamp;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::PathBuf,
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use crate::{
    client::{
        content::{
            Content,
            blocks::{self, Blocks},
        },
        disk::{
            attributes::make_private,
            folder::{FileId, Folder},
            journal::{
                self, Journal, Recovered,
                file::{self, FileLines},
            },
            name::is_no_name,
            open::open_locked,
        },
        error::Fault,
    },
    platform,
    protocol::digest::BLOCK_SIZE,
    text::{ShowPath, units},
};
use stamp::Stamp;

pub(crate) use writer::{Writer, no_room};

/// The suffix of the journal of a `.part`.
const JOURNAL_SUFFIX: &str = ".fdsp";

/// Whether this is the name of the journal of a `.part`.
pub(crate) fn is_journal(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(JOURNAL_SUFFIX.as_bytes())
}

fn journal_name(part: &OsStr) -> OsString {
    let mut name = part.to_owned();
    name.push(JOURNAL_SUFFIX);
    name
}

/// See the module. It is open and locked while its job runs or waits for the next attempt, otherwise closed.
#[derive(Debug)]
pub(crate) struct Part {
    folder: Arc<Folder>,
    name: OsString,
    /// The name of the target.
    target: OsString,
    open: Option<Writer>,
    /// Which file it was when it was closed.
    file_id: Option<FileId>,
    /// Its status when it was closed, unless another program had changed it.
    stamp: Option<Stamp>,
    journal: Journal<FileLines>,
    /// Whether this program has created it. Otherwise it is neither emptied nor deleted.
    ours: bool,
}

impl Part {
    /// Opens the `.part` of a target, empty.
    pub(crate) fn create(folder: &Arc<Folder>, target: &OsStr) -> Result<Part, Fault> {
        let mut part = Part::open(folder, target)?;
        part.clear()?;
        Ok(part)
    }

    /// Opens the `.part` of a target with what is in it.
    pub(crate) fn open(folder: &Arc<Folder>, target: &OsStr) -> Result<Part, Fault> {
        let name = folder.part_name(target);
        let journal_name = journal_name(&name);
        let journal = Journal::new(folder, journal_name.clone(), journal_name);
        let mut part = Part {
            folder: Arc::clone(folder),
            name,
            target: target.to_owned(),
            open: None,
            file_id: None,
            stamp: None,
            journal,
            ours: false,
        };
        part.reopen()?;
        // Its journal is created before its first byte.
        part.ours = part.length()? == 0 || part.journal.is_there();
        if part.ours {
            // Earlier versions of this program created it with permissions for other users.
            part.writer()?.change(|file| make_private(file, 0o600));
        }
        Ok(part)
    }

    /// Whether a target has a `.part` with something in it.
    pub(crate) fn is_there(folder: &Folder, target: &OsStr) -> bool {
        let found = folder.look(&folder.part_name(target)).ok().flatten();
        found.is_some_and(|found| found.kind == FileType::RegularFile && found.size > 0)
    }

    /// Bytes in it.
    pub(crate) fn length(&self) -> Result<u64, Fault> {
        Ok(self.file()?.metadata().map_err(|error| Fault::io("read", &self.path(), &error))?.len())
    }

    /// The lines of its journal, and whether the `.part` is unchanged since it was closed, so that they are trusted.
    pub(crate) fn recorded(&self) -> Result<Option<(FileLines, bool)>, Fault> {
        let length = self.length()?;
        let recovered = self.journal.read(|content| Some(FileLines::new(content, length)));
        let Some(Recovered { lines, clean }) = recovered else { return Ok(None) };
        let mark = Stamp::of(self.file()?).map(|stamp| stamp.mark()).ok();
        Ok(Some((lines, clean.is_some() && clean == mark)))
    }

    /// Whether its journal is in a format of another version of this program.
    pub(crate) fn is_of_another_version(&self) -> bool {
        self.length().is_ok_and(|length| length > 0) && self.journal.is_of_another_version()
    }

    /// Renames it and its journal to a free name: a program of that version can resume it.
    pub(crate) fn set_aside(&self) -> Result<(), Fault> {
        let mut number = 1;
        loop {
            let aside = self.folder.numbered(&self.name, number);
            match self.folder.rename_new(&self.name, &aside) {
                Ok(()) => {
                    self.journal.rename(&journal_name(&aside));
                    tracing::warn!(
                        "{} is of another version of this program, and is kept as {}",
                        self.path().shown(),
                        self.folder.join(&aside).shown()
                    );
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(error) => return Err(Fault::io("move away", &self.path(), &error)),
            }
        }
    }

    /// Makes it the one of another target, which has none. Its content stays: on another file system it is copied.
    pub(crate) fn move_to(mut self, folder: &Arc<Folder>, target: &OsStr) -> Result<(), Fault> {
        let Some((FileLines { content, blocks, .. }, as_left)) = self.recorded()? else { return Ok(()) };
        let blocks = if as_left { blocks.into_blocks() } else { blocks.still_in(self.file()?).0 };
        let (from, name) = (self.path(), folder.part_name(target));
        let journal = Journal::<FileLines>::new(folder, journal_name(&name), journal_name(&name));
        // First, because nothing else shows what the content is.
        journal.replace(&content, |out| file::all(&blocks).try_for_each(|line| out.add(&line)));
        journal.close();
        match platform::move_file((&self.folder.handle, &self.name), (&folder.handle, &name)) {
            Ok(()) => {
                self.journal.remove();
                self.open = None;
                Part::open(folder, target)?.close(Some((&content, &blocks)));
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let mut copy = Part::open(folder, target)?;
                let copied = self.copy_to(&copy, &blocks);
                copy.close(Some((&content, &blocks)));
                if let Err(fault) = copied {
                    copy.discard();
                    return Err(fault);
                }
                self.discard();
            }
            Err(error) => {
                journal.remove();
                return Err(Fault::io("move", &from, &error));
            }
        }
        tracing::info!("{} is now {}", from.shown(), folder.join(&name).shown());
        Ok(())
    }

    /// Copies these blocks to another one.
    fn copy_to(&self, copy: &Part, blocks: &Blocks) -> Result<(), Fault> {
        let mut buffer = blocks::buffer();
        let verified = blocks.verified().map(|(index, _)| (index, blocks.length(index)));
        let begun = blocks.begun().iter().map(|(index, bytes)| (*index, u64::from(*bytes)));
        for (index, length) in verified.chain(begun) {
            let bytes = &mut buffer[..usize::try_from(length).unwrap_or(0)];
            let offset = index * BLOCK_SIZE;
            self.file()?
                .read_exact_at(bytes, offset)
                .map_err(|error| Fault::io("read", &self.path(), &error))?;
            copy.write(bytes, offset)?;
        }
        Ok(())
    }

    /// The address that the content of the `.part` of a target comes from, by its journal.
    pub(crate) fn source(folder: &Arc<Folder>, target: &OsStr) -> Option<Content> {
        let name = journal_name(&folder.part_name(target));
        Journal::<FileLines>::new(folder, name.clone(), name).header()
    }

    /// Whether this program has created it.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours
    }

    /// Treats it as one that this program has created.
    pub(crate) fn own(&mut self) {
        self.ours = true;
    }

    /// # Errors
    /// This program has not created it.
    pub(crate) fn must_be_ours(&self) -> Result<(), Fault> {
        if self.ours {
            return Ok(());
        }
        let path = self.path();
        Err(Fault::disk(format!(
            "{} is in the way: nothing shows that it is an unfinished download of this; move it away",
            path.shown()
        )))
    }

    /// Writes a new journal; from here on the `.part` counts as in use.
    pub(crate) fn record(&mut self, source: &Content, blocks: &Blocks) {
        self.own();
        self.replace_journal(source, blocks, None);
    }

    fn replace_journal(&mut self, content: &Content, blocks: &Blocks, mark: Option<&str>) {
        self.journal.replace(content, |out| {
            let clean = mark.map(journal::clean);
            file::all(blocks).chain(clean).try_for_each(|line| out.add(&line))
        });
    }

    /// Its device and inode.
    pub(crate) fn id(&self) -> Result<FileId, Fault> {
        Stamp::of(self.file()?).map(|stamp| stamp.id).map_err(|error| Fault::io("read", &self.path(), &error))
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Its name in the folder.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The open file.
    pub(crate) fn file(&self) -> Result<&Arc<File>, Fault> {
        Ok(&self.writer()?.file)
    }

    /// The same file, opened again without its lock.
    pub(crate) fn read_only(&self) -> Option<File> {
        let file = self.folder.read(&self.name).ok()?;
        let id = |file: &File| Stamp::of(file).ok().map(|stamp| stamp.id);
        (id(&file).is_some() && id(&file) == id(self.file().ok()?)).then_some(file)
    }

    /// Its writer, which can be cloned.
    pub(crate) fn writer(&self) -> Result<&Writer, Fault> {
        self.open.as_ref().ok_or_else(|| Fault::disk(format!("{} is not open", self.path().shown())))
    }

    /// Opens it again if it was closed. Returns `false` if it has changed since, so that nothing in it may be trusted.
    pub(crate) fn reopen(&mut self) -> Result<bool, Fault> {
        if self.open.is_some() {
            return Ok(true);
        }
        let file = open(&self.folder, &self.name, &self.target)?;
        let stamp = Stamp::of(&file).map_err(|error| Fault::io("read", &self.path(), &error))?;
        let folder = Arc::clone(&self.folder);
        let appender = self.journal.appender().clone();
        self.open = Some(Writer::new(file, self.path(), folder, appender, stamp));
        let is_new = self.file_id.is_none() && stamp.length == 0;
        if self.file_id != Some(stamp.id) {
            // Another program has put another file there.
            self.ours = stamp.length == 0;
        }
        Ok(is_new || self.stamp == Some(stamp))
    }

    /// Writes its journal, closes and unlocks it. While it is closed, it occupies only the disk space of its content.
    pub(crate) fn close(&mut self, kept: Option<(&Content, &Blocks)>) {
        let Some(open) = self.open.take() else { return };
        if self.ours {
            open.change(|file| platform::release_space(file));
        }
        // A change by another program is noticed when it is opened again.
        let stamp = Stamp::of(&open.file).ok();
        self.file_id = stamp.map(|stamp| stamp.id);
        self.stamp = stamp.filter(|_| !open.is_touched());
        if let Some((source, blocks)) = kept.filter(|_| self.ours) {
            self.replace_journal(source, blocks, self.stamp.map(|stamp| stamp.mark()).as_deref());
        }
        // The lock is released last.
        self.journal.close();
    }

    /// Closes it after it was renamed to the target. The journal is deleted after the rename: a process that is killed in between leaves a
    /// journal without content, and not an archive without a journal.
    pub(crate) fn placed(&mut self) {
        self.journal.remove();
        self.open = None;
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) -> Result<(), Fault> {
        self.must_be_ours()?;
        self.writer()?
            .change(|file| file.set_len(0))
            .map_err(|error| Fault::io("empty", &self.path(), &error))?;
        self.journal.remove();
        Ok(())
    }

    /// Claims the space for a content of `size` bytes, until it is closed. Of one with holes, `data` bytes are on the disk: they only
    /// have to fit.
    pub(crate) fn claim(&self, size: u64, data: Option<u64>) -> Result<(), Fault> {
        if i64::try_from(size).is_err() {
            return Err(Fault::disk(format!("no disk can store a file of {}", units::bytes(size))));
        }
        let data = data.filter(|data| *data < size);
        let claimed = self.writer()?.change(|file| match data {
            Some(data) => platform::check_space(file, size, data).map(|()| false),
            None => platform::claim_space(file, size),
        });
        match claimed {
            Ok(true) => {}
            Ok(false) => tracing::debug!("the file system cannot claim space"),
            Err(error) => return Err(self.writer()?.no_room(&error, data.or(Some(size)))),
        }
        Ok(())
    }

    /// Writes at an offset.
    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        self.writer()?.write(bytes, offset)
    }

    /// Whether its name is still that of the open file.
    pub(crate) fn is_in_place(&self) -> bool {
        self.is_called(&self.name)
    }

    /// Whether the open file has this name in its folder.
    pub(crate) fn is_called(&self, name: &OsStr) -> bool {
        let open = self.file().ok().and_then(|file| Stamp::of(file).ok()).map(|stamp| stamp.id);
        let there = self.folder.look(name).ok().flatten().map(|found| found.id);
        open.is_some() && open == there
    }

    /// Deletes it, if this program has created it and no other process uses it.
    pub(crate) fn discard(mut self) {
        let is_open = self.open.is_some() || self.reopen().is_ok();
        if self.ours && is_open && self.is_in_place() {
            self.remove();
        }
    }

    /// Closes and deletes it if it is empty. A later open creates another file, so no job may hold a claim on this one.
    pub(crate) fn remove_empty(&mut self) {
        if self.ours && self.length().is_ok_and(|length| length == 0) && self.is_in_place() {
            self.remove();
            (self.open, self.file_id, self.stamp) = (None, None, None);
        }
    }

    fn remove(&mut self) {
        self.journal.remove();
        if let Err(error) = rustix::fs::unlinkat(&self.folder.handle, &self.name, AtFlags::empty()) {
            tracing::warn!("cannot delete {}: {error}", self.path().shown());
        }
    }
}

/// Opens or creates a `.part` and locks it, so that no other file can be changed.
fn open(folder: &Folder, name: &OsStr, target: &OsStr) -> Result<File, Fault> {
    let full = folder.join(name);
    let path = full.shown();
    let refuse = |why: &str| Fault::disk(format!("{path} {why}; move it away"));
    // NONBLOCK: opening a FIFO does not wait for another process.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // The target may be private.
    let mode = Mode::from_raw_mode(0o600);
    let open = || {
        let opened = rustix::io::retry_on_intr(|| rustix::fs::openat(&folder.handle, name, flags, mode));
        let file = File::from(opened.map_err(|errno| {
            match errno {
                Errno::LOOP => refuse("is a symbolic link, which is not followed"),
                Errno::ISDIR => refuse("is a directory"),
                Errno::NXIO => refuse("is not a regular file"),
                errno if is_no_name(&errno.into()) => {
                    Fault::disk(format!("{path} is not a valid name on its file system; choose another name"))
                        .or_by(" with --local, or use --names portable")
                }
                errno => Fault::io("write to", &full, &errno.into()),
            }
        })?);
        match file.metadata().is_ok_and(|data| data.is_file()) {
            true => Ok(Some(file)),
            false => Err(refuse("is not a regular file")),
        }
    };
    open_locked(folder, name, "downloading", open, |_, data| {
        let id = (data.dev(), data.ino());
        if data.nlink() > 1 && folder.look(target).ok().flatten().is_some_and(|found| found.id == id) {
            // An interrupted commit left it both names.
            rustix::fs::unlinkat(&folder.handle, name, AtFlags::empty())
                .map_err(|errno| Fault::io("delete", &full, &errno.into()))?;
            return Ok(false);
        }
        match data.nlink() > 1 {
            true => Err(refuse("has a second name, whose content would be overwritten")),
            false => Ok(true),
        }
    })
}

/// Changes the beginning of a file as another program does, at a time that differs from all before.
#[cfg(test)]
pub(crate) fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;

    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let before = Stamp::of(&file).unwrap();
    while Stamp::of(&file).unwrap() == before {
        file.write_all_at(bytes, 0).unwrap();
    }
}
