//! The unfinished file beside a target, `NAME.part`: opened so that nothing else can be hit, locked so that
//! two clients cannot write to it.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, TryLockError},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::text::ShowPath;
use crate::{
    platform::{self, reason},
    protocol::digest::VerifiedBlock,
    units,
};

use super::{
    blocks::Blocks,
    claims::FileId,
    control::Record,
    folder::Folder,
    journal::{Journal, Notes},
    lock,
    memory::Source,
    retry::Fault,
    work_folder::cannot_lock,
};

/// What a `.part` looked like when it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    id: FileId,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Stamp> {
        let data = file.metadata()?;
        Ok(Stamp {
            id: (data.dev(), data.ino()),
            length: data.len(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }

    /// For the control file. It tells the start of the system, too: what was not on the disk when the power failed may
    /// look as it was left.
    fn mark(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(platform::boot().unwrap_or_default().as_bytes());
        hasher.update(format!("{self:?}").as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// An open `.part`, for whoever writes to it.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    file: Arc<File>,
    path: PathBuf,
    folder: Arc<Folder>,
    notes: Notes,
    watch: Arc<Mutex<Watch>>,
}

/// Notices what other programs do to the file: whatever is verified, is verified before it is written.
#[derive(Debug, Default)]
struct Watch {
    /// What the last change of ours left.
    left: Option<Stamp>,
    /// It was something else before the next one.
    touched: bool,
}

impl Writer {
    /// Writes at an offset.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        let written = self.change(|file| file.write_all_at(bytes, offset));
        written.map_err(|error| self.no_room(&error, None))
    }

    /// Makes a range zeros, without room on the disk where the file system can.
    pub(super) fn hole(&self, offset: u64, length: u64) -> Result<(), Fault> {
        let made = self.change(|file| platform::make_hole(file, offset, length));
        made.map_err(|error| self.no_room(&error, None))
    }

    /// Copies a range of another file to the same place, if the file system can without reading it.
    pub(super) fn copy_from(&self, from: &File, offset: u64, length: u64) -> bool {
        self.change(|file| platform::copy_range(from, file, offset, length)).is_ok()
    }

    /// Changes the file. One change at a time, as the file system has it in any case.
    pub(super) fn change<T>(&self, change: impl FnOnce(&File) -> T) -> T {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.touched |= watch.left != Stamp::of(&self.file).ok();
        let changed = change(&self.file);
        watch.left = Stamp::of(&self.file).ok();
        changed
    }

    /// Whether another program has changed it since it was opened, or found as it should be.
    pub(super) fn is_touched(&self) -> bool {
        self.change(|_| ());
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).touched
    }

    /// What is in it now is about to be verified by reading it.
    pub(super) fn look_anew(&self) {
        self.change(|_| ());
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).touched = false;
    }

    /// Notes a block that is verified and written.
    pub(super) fn verified(&self, block: &VerifiedBlock) {
        self.notes.add(block);
    }

    /// Notes how many bytes are written of a block that is not whole.
    pub(super) fn begun(&self, index: u64, bytes: u32) {
        self.notes.begun(index, bytes);
    }

    /// Reads what was written.
    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn no_room(&self, error: &io::Error, size: Option<u64>) -> Fault {
        no_room(&self.folder, &self.path, error, size)
    }
}

/// Why something, `size` bytes long, does not go to a path in a folder.
pub(super) fn no_room(folder: &Folder, path: &Path, error: &io::Error, size: Option<u64>) -> Fault {
    let path = path.shown();
    let needed = size.map(|size| format!("{} needed", units::bytes(size)));
    let free = folder.free().map(|free| format!("{} free", units::bytes(free)));
    let figures: Vec<_> = needed.into_iter().chain(free).collect();
    let figures = if figures.is_empty() { String::new() } else { format!(" ({})", figures.join(", ")) };
    match error.kind() {
        io::ErrorKind::StorageFull => {
            Fault::disk(format!("no space left for {path}{figures}; make room, then retry"))
        }
        io::ErrorKind::QuotaExceeded => {
            Fault::disk(format!("over the disk quota with {path}{figures}; make room, then retry"))
        }
        io::ErrorKind::FileTooLarge => Fault::disk(match platform::file_size_limit() {
            Some(limit) => format!(
                "{path} would be larger than this process may write, {}; raise the limit (ulimit -f), then retry",
                units::bytes(limit)
            ),
            None => format!("{path} is too large for its file system{figures}"),
        }),
        _ => Fault::disk(format!("cannot write to {path}: {}", reason(error))),
    }
}

/// See the module. Open and locked while a job works on it or waits to; closed while it is at rest.
#[derive(Debug)]
pub(super) struct Part {
    folder: Arc<Folder>,
    name: OsString,
    /// What it becomes.
    target: OsString,
    open: Option<Writer>,
    /// Which file it was when it was closed.
    file_id: Option<FileId>,
    /// How it was closed, unless another program had changed it.
    stamp: Option<Stamp>,
    journal: Journal,
    /// It was made by this program. What was not is neither emptied nor deleted.
    ours: bool,
}

impl Part {
    /// Opens the `.part` of a target, empty.
    pub(super) fn create(folder: &Arc<Folder>, target: &OsStr) -> Result<Part, Fault> {
        let mut part = Part::open(folder, target)?;
        part.clear()?;
        Ok(part)
    }

    /// Opens the `.part` of a target with what is in it.
    pub(super) fn open(folder: &Arc<Folder>, target: &OsStr) -> Result<Part, Fault> {
        let name = folder.part_name(target);
        let journal = Journal::of(folder, &name);
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
        // Its control file is there before its first byte.
        part.ours = part.length()? == 0 || part.journal.is_there();
        Ok(part)
    }

    /// Whether a target has a `.part` with something in it.
    pub(super) fn is_there(folder: &Folder, target: &OsStr) -> bool {
        let found = folder.look(&folder.part_name(target)).ok().flatten();
        found.is_some_and(|found| found.kind == FileType::RegularFile && found.size > 0)
    }

    /// Bytes in it.
    pub(super) fn length(&self) -> Result<u64, Fault> {
        Ok(self.file()?.metadata().map_err(|error| self.failed("read", &error))?.len())
    }

    /// What its control file says of it, and whether it is as it was left, so that this can be believed.
    pub(super) fn recorded(&self) -> Result<Option<(Record, bool)>, Fault> {
        let Some(record) = self.journal.read(self.length()?) else { return Ok(None) };
        let mark = Stamp::of(self.file()?).map(|stamp| stamp.mark()).ok();
        let as_left = record.clean.is_some() && record.clean == mark;
        Ok(Some((record, as_left)))
    }

    /// Whether another version of this program has noted what is in it, in a way that is not known here.
    pub(super) fn is_of_another_version(&self) -> bool {
        self.length().is_ok_and(|length| length > 0) && self.journal.is_of_another_version()
    }

    /// Moves it away with what is noted of it, under a name that nothing has: a program of that version can resume it.
    pub(super) fn set_aside(&self) -> Result<(), Fault> {
        let mut number = 1;
        loop {
            let aside = self.folder.numbered(&self.name, number);
            match self.folder.rename_new(&self.name, &aside) {
                Ok(()) => {
                    self.journal.set_aside(&aside);
                    tracing::warn!(
                        "{} is of another version of this program, and is kept as {}",
                        self.path().shown(),
                        self.folder.join(&aside).shown()
                    );
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(error) => return Err(self.failed("move away", &error)),
            }
        }
    }

    /// Whether it was made by this program.
    pub(super) fn is_ours(&self) -> bool {
        self.ours
    }

    /// Takes it for one that was made by this program.
    pub(super) fn own(&mut self) {
        self.ours = true;
    }

    /// # Errors
    /// It was not made by this program.
    pub(super) fn must_be_ours(&self) -> Result<(), Fault> {
        if self.ours {
            return Ok(());
        }
        let path = self.path();
        Err(Fault::disk(format!(
            "{} is in the way: nothing shows that it is an unfinished download of this; move it away",
            path.shown()
        )))
    }

    /// Notes in its control file what is in it; from here on it counts as in use.
    pub(super) fn record(&mut self, source: &Source, blocks: &Blocks) {
        self.own();
        self.journal.replace(source, blocks, None);
    }

    /// Which file it is.
    pub(super) fn id(&self) -> Result<FileId, Fault> {
        Stamp::of(self.file()?).map(|stamp| stamp.id).map_err(|error| self.failed("read", &error))
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Its name in the folder.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The open file.
    pub(super) fn file(&self) -> Result<&Arc<File>, Fault> {
        Ok(&self.writer()?.file)
    }

    /// The same file, opened again without its lock.
    pub(super) fn read_only(&self) -> Option<File> {
        let file = self.folder.read(&self.name).ok()?;
        let id = |file: &File| Stamp::of(file).ok().map(|stamp| stamp.id);
        (id(&file).is_some() && id(&file) == id(self.file().ok()?)).then_some(file)
    }

    /// What writes to it, also beside others.
    pub(super) fn writer(&self) -> Result<&Writer, Fault> {
        self.open.as_ref().ok_or_else(|| Fault::disk(format!("{} is not open", self.path().shown())))
    }

    /// Opens it again if it was closed. `false`: it is not as it was left, and nothing in it may be trusted.
    pub(super) fn reopen(&mut self) -> Result<bool, Fault> {
        if self.open.is_some() {
            return Ok(true);
        }
        let file = open(&self.folder, &self.name, &self.target)?;
        let stamp = Stamp::of(&file).map_err(|error| self.failed("read", &error))?;
        let folder = Arc::clone(&self.folder);
        let notes = self.journal.notes().clone();
        let watch = Arc::new(Mutex::new(Watch { left: Some(stamp), touched: false }));
        self.open = Some(Writer { file: Arc::new(file), path: self.path(), folder, notes, watch });
        if self.file_id.is_some_and(|id| id != stamp.id) {
            // Somebody has put another one there.
            self.ours = stamp.length == 0;
        }
        Ok(self.stamp == Some(stamp))
    }

    /// Closes it with a note of what is in it, and gives it free for others. At rest it has no more of the disk than what is
    /// in it.
    pub(super) fn close(&mut self, kept: Option<(&Source, &Blocks)>) {
        let Some(open) = self.open.take() else { return };
        if self.ours {
            open.change(|file| platform::release_space(file));
        }
        // What another program did to it is noticed when it is opened again.
        let stamp = Stamp::of(&open.file).ok();
        self.file_id = stamp.map(|stamp| stamp.id);
        self.stamp = stamp.filter(|_| !open.is_touched());
        if let Some((source, blocks)) = kept.filter(|_| self.ours) {
            self.journal.replace(source, blocks, self.stamp.map(|stamp| stamp.mark()).as_deref());
        }
        // The lock goes last.
        self.journal.close();
    }

    /// It has become the target, which is nothing to lock or to note. Its control file goes after it: killed in between,
    /// a program leaves a note that nobody needs, and not an archive that nothing proves.
    pub(super) fn placed(&mut self) {
        self.journal.remove();
        self.open = None;
    }

    /// Empties it.
    pub(super) fn clear(&mut self) -> Result<(), Fault> {
        self.must_be_ours()?;
        self.writer()?.change(|file| file.set_len(0)).map_err(|error| self.failed("empty", &error))?;
        self.journal.remove();
        Ok(())
    }

    /// Claims the space for a content of `size` bytes, until it is closed. Of one with holes, `data` bytes are on the disk: they only
    /// have to fit.
    pub(super) fn claim(&self, size: u64, data: Option<u64>) -> Result<(), Fault> {
        if i64::try_from(size).is_err() {
            return Err(Fault::disk(format!("no disk holds a file of {}", units::bytes(size))));
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
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        self.writer()?.write(bytes, offset)
    }

    /// Whether its name is still that of the open file.
    pub(super) fn is_in_place(&self) -> bool {
        self.is_called(&self.name)
    }

    /// Whether the open file has this name in its folder.
    pub(super) fn is_called(&self, name: &OsStr) -> bool {
        let open = self.file().ok().and_then(|file| Stamp::of(file).ok()).map(|stamp| stamp.id);
        let there = self.folder.look(name).ok().flatten().map(|found| found.id);
        open.is_some() && open == there
    }

    /// Deletes it, if it is still the one that was made here and nobody else works on it.
    pub(super) fn discard(mut self) {
        let is_open = self.open.is_some() || self.reopen().is_ok();
        if !self.ours || !is_open || !self.is_in_place() {
            return;
        }
        self.journal.remove();
        if let Err(error) = rustix::fs::unlinkat(&self.folder.handle, &self.name, AtFlags::empty()) {
            tracing::warn!("cannot delete {}: {error}", self.path().shown());
        }
    }

    fn failed(&self, doing: &str, error: &io::Error) -> Fault {
        Fault::disk(format!("cannot {doing} {}: {}", self.path().shown(), reason(error)))
    }
}

/// Opens or makes a `.part` and locks it.
fn open(folder: &Folder, name: &OsStr, target: &OsStr) -> Result<File, Fault> {
    let path = folder.join(name);
    let path = path.shown();
    let refuse = |why: &str| Fault::disk(format!("{path} {why}; move it away"));
    // NONBLOCK: opening a FIFO does not wait for somebody at its other end.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    // Whoever held the lock may have renamed or deleted the file between our opening and locking it.
    for _ in 0..8 {
        let opened = rustix::io::retry_on_intr(|| rustix::fs::openat(&folder.handle, name, flags, mode));
        let file = File::from(opened.map_err(|errno| match errno {
            rustix::io::Errno::LOOP => refuse("is a symbolic link, which is not followed"),
            rustix::io::Errno::ISDIR => refuse("is a directory"),
            rustix::io::Errno::NXIO => refuse("is not a regular file"),
            rustix::io::Errno::INVAL | rustix::io::Errno::ILSEQ | rustix::io::Errno::NAMETOOLONG => {
                Fault::disk(format!(
                    "{path} is not a valid name on its file system; choose another name (--local)"
                ))
            }
            errno => Fault::disk(format!("cannot write to {path}: {}", reason(&errno.into()))),
        })?);
        let unreadable = |error: io::Error| Fault::disk(format!("cannot read {path}: {}", reason(&error)));
        let data = file.metadata().map_err(unreadable)?;
        if !data.is_file() {
            return Err(refuse("is not a regular file"));
        }
        match lock::lock(&file, lock::MOMENT) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::disk(format!("another client is downloading to {path}")));
            }
            Err(TryLockError::Error(error)) => return Err(cannot_lock(&folder.join(name), &error)),
        }
        if folder.is_of_another(data.uid()) {
            return Err(refuse("belongs to another user, who could change what is in it"));
        }
        let id = (data.dev(), data.ino());
        if data.nlink() > 1 && folder.look(target).ok().flatten().is_some_and(|found| found.id == id) {
            // It was put in its place, and lost its old name not any more.
            rustix::fs::unlinkat(&folder.handle, name, AtFlags::empty())
                .map_err(|errno| Fault::disk(format!("cannot delete {path}: {}", reason(&errno.into()))))?;
            continue;
        }
        if data.nlink() > 1 {
            return Err(refuse("has a second name, whose content would be overwritten"));
        }
        let there = folder.look(name).map_err(unreadable)?;
        if there.is_some_and(|found| found.id == id) {
            return Ok(file);
        }
    }
    Err(Fault::disk(format!("another client is downloading to {path}")))
}

/// Changes the beginning of a file as another program does, at a time that differs from all before.
#[cfg(test)]
pub(super) fn overwrite(path: &Path, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let before = Stamp::of(&file).unwrap();
    while Stamp::of(&file).unwrap() == before {
        file.write_all_at(bytes, 0).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::folder::Folders;
    use rustix::fs::FileType;
    use std::{fs, os::unix::fs::symlink};

    fn folder() -> (tempfile::TempDir, Arc<Folder>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folders::default().open(dir.path()).unwrap();
        (dir, folder)
    }

    fn refused(folder: &Arc<Folder>) -> String {
        Part::create(folder, "x".as_ref()).unwrap_err().trouble.message.to_string()
    }

    #[test]
    fn whatever_is_no_file_of_ours_is_refused() {
        let (dir, folder) = folder();
        let part = dir.path().join("x.part");
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();

        symlink(&victim, &part).unwrap();
        assert!(refused(&folder).contains("symbolic link"));
        fs::remove_file(&part).unwrap();

        fs::hard_link(&victim, &part).unwrap();
        assert!(refused(&folder).contains("second name"));
        fs::remove_file(&part).unwrap();

        fs::create_dir(&part).unwrap();
        assert!(refused(&folder).contains("is a directory"));
        fs::remove_dir(&part).unwrap();

        rustix::fs::mknodat(rustix::fs::CWD, &part, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(refused(&folder).contains("not a regular file"));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn what_somebody_else_has_made_where_everybody_may_is_refused() {
        use std::os::unix::fs::{PermissionsExt, chown};
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root gives files away");
            return;
        }
        let (dir, folder) = folder();
        let part = dir.path().join("x.part");
        fs::write(&part, "").unwrap();
        chown(&part, Some(1), None).unwrap();
        chown(dir.path(), Some(2), None).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        // A system may refuse that itself, in other words.
        Part::create(&folder, "x".as_ref()).unwrap_err();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Part::create(&folder, "x".as_ref()).unwrap();
    }

    #[test]
    fn a_second_client_is_told() {
        let (_dir, folder) = folder();
        let mut first = Part::create(&folder, "x".as_ref()).unwrap();
        assert!(refused(&folder).starts_with("another client is downloading to "));
        first.close(None);
        Part::create(&folder, "x".as_ref()).unwrap();
    }

    #[test]
    fn what_was_touched_while_closed_is_noticed() {
        let (dir, folder) = folder();
        let mut part = Part::create(&folder, "x".as_ref()).unwrap();
        part.claim(3, None).unwrap();
        part.write(b"abc", 0).unwrap();
        part.close(None);
        assert!(part.reopen().unwrap());
        part.close(None);
        fs::write(dir.path().join("x.part"), "abcd").unwrap();
        assert!(!part.reopen().unwrap());
        part.discard();
        assert!(!dir.path().join("x.part").exists());
    }

    #[test]
    fn what_has_taken_its_place_while_it_was_closed_is_not_ours() {
        let (dir, folder) = folder();
        let mut part = Part::create(&folder, "x".as_ref()).unwrap();
        part.close(None);
        fs::write(dir.path().join("mine"), "precious").unwrap();
        fs::rename(dir.path().join("mine"), dir.path().join("x.part")).unwrap();
        assert!(!part.reopen().unwrap() && !part.is_ours());
        part.discard();
        assert_eq!(fs::read(dir.path().join("x.part")).unwrap(), b"precious");
    }

    #[test]
    fn what_another_program_does_to_an_open_one_is_noticed() {
        let (dir, folder) = folder();
        let mut part = Part::create(&folder, "x".as_ref()).unwrap();
        part.claim(6, None).unwrap();
        part.write(b"abc", 0).unwrap();
        assert!(!part.writer().unwrap().is_touched());
        overwrite(&dir.path().join("x.part"), b"X");
        part.write(b"def", 3).unwrap();
        assert!(part.writer().unwrap().is_touched(), "what came after it does not hide it");
        part.close(None);
        assert!(!part.reopen().unwrap());
        assert!(!part.writer().unwrap().is_touched() && part.is_ours());
    }

    #[test]
    fn what_another_version_has_noted_is_set_aside_and_not_emptied() {
        let (dir, folder) = folder();
        fs::write(dir.path().join("x.zip.part"), "precious").unwrap();
        for (text, other) in
            [("fdsp-control 3 0a", true), ("fdsp-control 1", true), ("something else", false)]
        {
            fs::write(dir.path().join("x.zip.part.fdsp"), crate::client::seal::plain(text)).unwrap();
            let part = Part::open(&folder, "x.zip".as_ref()).unwrap();
            assert_eq!(part.is_of_another_version(), other, "{text}");
        }
        fs::write(dir.path().join("x.zip (1).part"), "of the user").unwrap();
        Part::open(&folder, "x.zip".as_ref()).unwrap().set_aside().unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (read("x.zip (1).part"), read("x.zip (2).part")),
            ("of the user".into(), "precious".into())
        );
        assert!(read("x.zip (2).part.fdsp").contains("something else"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn at_rest_it_holds_no_more_than_what_is_in_it() {
        let (dir, folder) = folder();
        let mut part = Part::create(&folder, "x".as_ref()).unwrap();
        part.claim(8 << 20, None).unwrap();
        part.write(b"abc", 0).unwrap();
        part.close(None);
        let data = dir.path().join("x.part").metadata().unwrap();
        assert!(data.len() == 3 && data.blocks() * 512 < 1 << 20, "{data:?}");
    }

    #[test]
    fn one_that_has_become_the_target_and_kept_its_name_loses_it() {
        let (dir, folder) = folder();
        fs::write(dir.path().join("x"), "whole").unwrap();
        fs::hard_link(dir.path().join("x"), dir.path().join("x.part")).unwrap();
        assert_eq!(Part::open(&folder, "x".as_ref()).unwrap().length().unwrap(), 0);
        assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"whole");
    }

    #[test]
    fn only_the_own_file_is_deleted() {
        let (dir, folder) = folder();
        let part = Part::create(&folder, "x".as_ref()).unwrap();
        fs::remove_file(dir.path().join("x.part")).unwrap();
        fs::write(dir.path().join("x.part"), "of somebody else").unwrap();
        assert!(!part.is_in_place());
        part.discard();
        assert!(dir.path().join("x.part").exists());
    }

    #[test]
    fn what_was_not_made_here_is_neither_emptied_nor_deleted() {
        let (dir, folder) = folder();
        fs::write(dir.path().join("x.part"), "precious").unwrap();
        assert!(refused(&folder).contains("x.part is in the way"));
        let mut part = Part::open(&folder, "x".as_ref()).unwrap();
        assert!(part.clear().is_err());
        part.discard();
        assert_eq!(fs::read(dir.path().join("x.part")).unwrap(), b"precious");
        fs::write(dir.path().join("x.part.fdsp"), "damaged").unwrap();
        Part::create(&folder, "x".as_ref()).unwrap().discard();
        assert!(!dir.path().join("x.part").exists());
    }

    #[test]
    fn a_size_that_no_disk_has_is_refused() {
        let (_dir, folder) = folder();
        let part = Part::create(&folder, "x".as_ref()).unwrap();
        for size in [u64::MAX, i64::MAX as u64] {
            assert_eq!(part.claim(size, None).unwrap_err().trouble.kind, crate::client::TroubleKind::Disk);
        }
    }
}
