//! Opens a `.part` so that no other file can be hit, and locks it.

use std::{
    ffi::OsStr,
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::{
    client::{
        disk::{
            folder::Folder,
            lock,
            work_folder::{IN_USE_ADVICE, cannot_lock},
        },
        error::Fault,
    },
    platform::reason,
    text::ShowPath,
};

/// Opens or makes a `.part` and locks it.
pub(super) fn open(folder: &Folder, name: &OsStr, target: &OsStr) -> Result<File, Fault> {
    let path = folder.join(name);
    let path = path.shown();
    let refuse = |why: &str| Fault::disk(format!("{path} {why}; move it away"));
    // NONBLOCK: opening a FIFO does not wait for somebody at its other end.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // What it becomes may be private.
    let mode = Mode::from_raw_mode(0o600);
    // Whoever held the lock may have renamed or deleted the file between our opening and locking it.
    for _ in 0..8 {
        let opened = rustix::io::retry_on_intr(|| rustix::fs::openat(&folder.handle, name, flags, mode));
        let file = File::from(opened.map_err(|errno| match errno {
            rustix::io::Errno::LOOP => refuse("is a symbolic link, which is not followed"),
            rustix::io::Errno::ISDIR => refuse("is a directory"),
            rustix::io::Errno::NXIO => refuse("is not a regular file"),
            rustix::io::Errno::INVAL | rustix::io::Errno::ILSEQ | rustix::io::Errno::NAMETOOLONG => {
                Fault::disk(format!(
                    "{path} is not a valid name on its file system; use --names portable, or choose a name with --local"
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
                return Err(in_use(&path));
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
    Err(in_use(&path))
}

fn in_use(path: &impl std::fmt::Display) -> Fault {
    Fault::disk(format!("another client is downloading to {path}; {IN_USE_ADVICE}"))
}
