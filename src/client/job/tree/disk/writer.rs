//! Writes the files of a tree on a thread of its own, so that the disk and the network work at the same time.

use std::{
    fs::File,
    io::Write,
    os::fd::AsFd,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
    path::Arg,
};

use crate::{
    client::{
        api::views::view::TroubleKind,
        disk::{
            attributes::{set_access, set_modified},
            folder::Folder,
            journal::Appender,
            part,
        },
        error::Fault,
        job::tree::{
            disk::{
                journal::{self, Place},
                tree_dir::{Cursor, TreeDir, has_time, stamp},
            },
            manifest::Manifest,
        },
        transfer::progress::Progress,
    },
    platform::reason,
    protocol::{digest::Hash, message::FileHead},
    text::ShowPath,
};
/// Bytes of a batch. A killed process loses what is not written: about three batches, or one larger file.
const BATCH_LEN: usize = 128 * 1024;
/// The most files of a batch.
const MAX_BATCH_FILES: usize = 128;
/// The most batches that wait.
const MAX_WAITING: usize = 1;
/// The temporary name of a file that replaces another one.
pub(crate) const NEW: &str = "new";

/// A verified file.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) index: u32,
    pub(crate) root: Hash,
    /// Its length in the batch, and what the server announced; absent if it was local.
    pub(crate) content: Option<(usize, FileHead)>,
    /// Whether something exists in its place.
    pub(crate) replaces: bool,
}

/// Files that are written together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Their contents, one after another.
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: Vec<Item>,
}

impl Batch {
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_LEN || self.items.len() >= MAX_BATCH_FILES
    }

    /// Whether a file of `size` bytes is too large to be added.
    pub(crate) fn is_small_for(&self, size: u64) -> bool {
        size.saturating_add(self.bytes.len() as u64) > 2 * BATCH_LEN as u64
    }
}

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct WriterSetup {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) tree_dir: Arc<TreeDir>,
    /// Where files are created before they replace others.
    pub(crate) parts: TreeDir,
    pub(crate) place: Place,
    /// The folder of the target.
    pub(crate) folder: Arc<Folder>,
    /// Appends to the journal.
    pub(crate) journal: Appender,
    pub(crate) progress: Arc<Progress>,
    pub(crate) umask: u32,
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Writer {
    sender: Option<SyncSender<Batch>>,
    emptied: Receiver<Batch>,
    /// Batches that are not written yet.
    under_way: usize,
    spare: Vec<Batch>,
    thread: Option<JoinHandle<Result<(), Fault>>>,
}

impl Writer {
    pub(crate) fn start(mut site: WriterSetup) -> Result<Writer, Fault> {
        let (sender, batches) = sync_channel::<Batch>(MAX_WAITING);
        let (give_back, emptied) = channel();
        let work = move || {
            let manifest = Arc::clone(&site.manifest);
            let tree_dir = Arc::clone(&site.tree_dir);
            let mut cursor = Cursor::new(&tree_dir, &manifest);
            let mut lines = Vec::new();
            for mut batch in batches {
                site.write(&mut cursor, &batch, &mut lines)?;
                batch.bytes.clear();
                batch.items.clear();
                // The receiver may be gone.
                let _ = give_back.send(batch);
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("fdsp-tree".into()).spawn(work).map_err(|error| {
            Fault::never(
                TroubleKind::Other,
                format!("cannot start a thread that writes files: {}", reason(&error)),
            )
        })?;
        Ok(Writer { sender: Some(sender), emptied, under_way: 0, spare: Vec::new(), thread: Some(thread) })
    }

    /// Passes a batch to the thread, and returns an empty one. Blocks while too many wait.
    pub(crate) fn hand_over(&mut self, batch: Batch) -> Result<Batch, Fault> {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send(batch).is_ok());
        if !sent {
            return Err(self.ended());
        }
        self.under_way += 1;
        while let Ok(empty) = self.emptied.try_recv() {
            self.under_way -= 1;
            self.spare.push(empty);
        }
        Ok(self.spare.pop().unwrap_or_default())
    }

    /// Waits until all batches are written.
    pub(crate) fn catch_up(&mut self) -> Result<(), Fault> {
        while self.under_way > 0 {
            let empty = self.emptied.recv().map_err(|_| self.ended())?;
            self.under_way -= 1;
            self.spare.push(empty);
        }
        Ok(())
    }

    /// Why the thread has ended.
    fn ended(&mut self) -> Fault {
        let internal = || Fault::never(TroubleKind::Other, "writing the files ended with an internal error");
        self.finish().err().unwrap_or_else(internal)
    }

    /// Waits until all is written.
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(fault))) => Err(fault),
            Some(Err(_)) => {
                Err(Fault::never(TroubleKind::Other, "writing the files ended with an internal error"))
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // If the result matters, `finish` has returned it.
        let _ = self.finish();
    }
}

impl WriterSetup {
    fn write(
        &mut self,
        cursor: &mut Cursor<'_>,
        batch: &Batch,
        lines: &mut Vec<String>,
    ) -> Result<(), Fault> {
        lines.clear();
        let (mut offset, mut bytes, mut files) = (0, 0u64, 0);
        let mut result = Ok(());
        for item in &batch.items {
            let written = match &item.content {
                Some((length, head)) => {
                    let content = &batch.bytes[offset..offset + length];
                    offset += length;
                    self.put(cursor, item, content, head).map(|stamp| (head.size, &*head.identity, stamp))
                }
                None => self
                    .settle(cursor, item.index)
                    .map(|(size, stamp)| (size, self.manifest.identity(item.index), stamp)),
            };
            match written {
                Ok((size, identity, stamp)) => {
                    if self.journal.is_open() {
                        lines.push(journal::file(
                            &self.manifest.path(item.index),
                            size,
                            identity,
                            item.root,
                            &stamp,
                        ));
                    }
                    bytes = bytes.saturating_add(size);
                    files += 1;
                }
                Err(fault) => {
                    result = Err(fault);
                    break;
                }
            }
        }
        self.journal.add_all(lines.iter().map(String::as_str));
        self.progress.add(bytes, files);
        result
    }

    /// Writes a file. Returns its stamp.
    fn put(
        &self,
        cursor: &mut Cursor<'_>,
        item: &Item,
        content: &[u8],
        head: &FileHead,
    ) -> Result<String, Fault> {
        let index = item.index;
        let fault = |error: &std::io::Error| self.fault(index, error);
        let name = self.manifest.disk_name(index);
        match self.place {
            Place::New => {
                let parent = cursor.parent(index).map_err(|error| fault(&error))?;
                let file = match self.create(parent, name, head.mode) {
                    // A killed process left it, or it is another version.
                    Err(Errno::EXIST) if item.replaces => {
                        rustix::fs::unlinkat(parent, name, AtFlags::empty())
                            .map_err(|error| fault(&error.into()))?;
                        self.create(parent, name, head.mode)
                    }
                    created => created,
                };
                let file = file.map_err(|error| match error {
                    Errno::EXIST => Fault::disk(format!(
                        "{} exists already: this file system treats another name of the tree as the same",
                        self.tree_dir.path.join(self.manifest.disk_path(index)).shown()
                    )),
                    error => fault(&error.into()),
                })?;
                fill(&file, content, head).map_err(|error| fault(&error))
            }
            Place::Target => {
                let parts = &self.parts.root;
                let _ = rustix::fs::unlinkat(parts, NEW, AtFlags::empty());
                let file = self.create(parts.as_fd(), NEW, 0).map_err(|error| fault(&error.into()))?;
                fill(&file, content, head).map_err(|error| fault(&error))?;
                let parent = cursor.parent(index).map_err(|error| fault(&error))?;
                let wanted = (head.mode & 0o777 | 0o600) & !self.umask;
                set_access(&file, Some((parent, name)), wanted);
                rustix::fs::renameat(parts, NEW, parent, name).map_err(|error| fault(&error.into()))?;
                let stat = rustix::fs::fstat(&file).map_err(|error| fault(&error.into()))?;
                Ok(stamp(&stat))
            }
        }
    }

    fn create(&self, parent: impl AsFd, name: impl Arg, mode: u32) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode & 0o777 | 0o600);
        name.into_with_c_str(|name| {
            rustix::io::retry_on_intr(|| rustix::fs::openat(&parent, name, flags, mode))
        })
        .map(File::from)
    }

    /// Sets the time and the executable bits of a local file. Returns its size and stamp.
    fn settle(&self, cursor: &mut Cursor<'_>, index: u32) -> Result<(u64, String), Fault> {
        let (entry, name) = (self.manifest.entry(index), self.manifest.disk_name(index));
        let settle = |parent: rustix::fd::BorrowedFd<'_>| -> Result<_, Errno> {
            let mut stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let executable = 0o111;
            let wanted = u32::from(entry.mode) & executable & !self.umask;
            let is_right = stat.st_mode & executable == wanted;
            if !is_right || !has_time(&stat, entry.modified) {
                // A file of another user cannot be changed.
                let _ = crate::client::job::tree::disk::survey::open(parent, name).map(|file| {
                    if !is_right {
                        let mode = stat.st_mode & 0o7777 & !executable | wanted;
                        let _ = rustix::fs::fchmod(&file, Mode::from_raw_mode(mode));
                    }
                    set_modified(&file, entry.modified);
                });
                stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Ok((u64::try_from(stat.st_size).unwrap_or(0), stamp(&stat)))
        };
        cursor
            .parent(index)
            .and_then(|parent| settle(parent).map_err(Into::into))
            .map_err(|error| self.fault(index, &error))
    }

    fn fault(&self, index: u32, error: &std::io::Error) -> Fault {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let path = self.manifest.disk_path(index);
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => {
                part::no_room(&self.folder, &self.tree_dir.path.join(path), error, None)
            }
            _ => self.tree_dir.fault("write", &path, error),
        }
    }
}

/// Writes the content and sets the time. Returns its stamp.
fn fill(mut file: &File, content: &[u8], head: &FileHead) -> std::io::Result<String> {
    file.write_all(content)?;
    // A wrong time is no reason to fail.
    set_modified(file, head.modified);
    Ok(stamp(&rustix::fs::fstat(file)?))
}
