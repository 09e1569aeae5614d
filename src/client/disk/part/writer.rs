//! Writes to an open `.part`, and notices what other programs write to it.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    client::{
        disk::{
            folder::Folder,
            journal::{Appender, file},
            part::stamp::Stamp,
        },
        error::Fault,
    },
    platform::{self, reason},
    protocol::digest::VerifiedBlock,
    text::{ShowPath, units},
};
/// Writes to an open `.part`. Its clones write to the same file.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(super) file: Arc<File>,
    path: PathBuf,
    folder: Arc<Folder>,
    journal: Appender,
    watch: Arc<Mutex<Watch>>,
}

/// Notices changes by other programs: blocks are verified before they are written.
#[derive(Debug, Default)]
struct Watch {
    /// The status after the last change by this program.
    left: Option<Stamp>,
    /// Whether the status was another one before the next change.
    touched: bool,
}

impl Writer {
    /// Writes to a file with this status.
    pub(super) fn new(
        file: File,
        path: PathBuf,
        folder: Arc<Folder>,
        journal: Appender,
        stamp: Stamp,
    ) -> Writer {
        let watch = Arc::new(Mutex::new(Watch { left: Some(stamp), touched: false }));
        Writer { file: Arc::new(file), path, folder, journal, watch }
    }

    /// Writes at an offset.
    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), Fault> {
        let written = self.change(|file| file.write_all_at(bytes, offset));
        written.map_err(|error| self.no_room(&error, None))
    }

    /// Makes a range zeros, without disk space if the file system can.
    pub(crate) fn hole(&self, offset: u64, length: u64) -> Result<(), Fault> {
        let made = self.change(|file| platform::make_hole(file, offset, length));
        made.map_err(|error| self.no_room(&error, None))
    }

    /// Copies a range of another file to the same place, if the file system can without reading it.
    pub(crate) fn copy_from(&self, from: &File, offset: u64, length: u64) -> bool {
        self.change(|file| platform::copy_range(from, file, offset, length)).is_ok()
    }

    /// Changes the file, one change at a time.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&File) -> T) -> T {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.touched |= watch.left != Stamp::of(&self.file).ok();
        let changed = change(&self.file);
        watch.left = Stamp::of(&self.file).ok();
        changed
    }

    /// Whether another program has changed it since it was opened or verified.
    pub(crate) fn is_touched(&self) -> bool {
        self.change(|_| ());
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).touched
    }

    /// Its content is about to be verified.
    pub(crate) fn look_anew(&self) {
        self.change(|_| ());
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).touched = false;
    }

    /// Records a block that is verified and written.
    pub(crate) fn verified(&self, block: &VerifiedBlock) {
        self.journal.add(&file::verified(block));
    }

    /// Records how many bytes are written of a block that is not complete.
    pub(crate) fn begun(&self, index: u64, bytes: u32) {
        self.journal.add(&file::begun(index, bytes));
    }

    /// Reads from the file.
    pub(crate) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    pub(super) fn no_room(&self, error: &io::Error, size: Option<u64>) -> Fault {
        no_room(&self.folder, &self.path, error, size)
    }
}

/// The error for content of `size` bytes that could not be written.
pub(crate) fn no_room(folder: &Folder, path: &Path, error: &io::Error, size: Option<u64>) -> Fault {
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
