//! Moves finished content to its target. This is the only place where content gets its final name.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, Mode};

use crate::{
    client::{
        disk::{attributes::set_mode, part::Part, target::Target, work_dir::WorkDir},
        error::Fault,
    },
    platform::{self, reason},
    text::ShowPath,
};

/// A target that is complete under its final name. Only [`commit`] makes one for received content, and [`InPlace::identical`] for
/// content that existed already.
#[derive(Clone, Debug)]
pub(crate) struct InPlace {
    target: Target,
}

impl InPlace {
    /// A target that existed, and is byte-identical with the content.
    pub(crate) fn identical(target: Target) -> InPlace {
        InPlace { target }
    }

    /// The target.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The path of the target.
    pub(crate) fn path(&self) -> PathBuf {
        self.target.path()
    }

    /// Waits until the disk has the name. After an error it can be called again.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        self.target.folder.sync().map_err(|error| Fault::io("write the folder of", &self.path(), &error))
    }
}

/// Content that is complete, and has no final name yet.
#[derive(Debug)]
pub(crate) enum Uncommitted<'a> {
    /// A file in its `.part`.
    File {
        part: &'a Part,
        /// Whether it may replace an existing file.
        replaces: bool,
    },
    /// A directory in a work directory.
    Directory { work: &'a WorkDir, name: &'a str, handle: BorrowedFd<'a> },
    /// A directory in a work directory that changes places with the target. If the file system cannot exchange two names, the target
    /// is first moved to `away` in the work directory.
    Exchanged { work: &'a WorkDir, name: &'a str, handle: BorrowedFd<'a>, away: &'a str },
    /// A directory that was updated where it is.
    Updated { handle: BorrowedFd<'a> },
}

/// Gives content its final name: syncs the content if it is to be `durable`, calls `ready`, then renames. The name is not synced: see
/// [`InPlace::sync`].
///
/// `ready`: the last checks, which may still fail. `occupied`: returns the next target to try if another program has created the target, or
/// the error.
pub(crate) fn commit<E: From<Fault>>(
    content: &Uncommitted<'_>,
    mut target: Target,
    durable: bool,
    ready: impl FnOnce() -> Result<(), E>,
    occupied: impl Fn(&Target) -> Result<Target, Fault>,
) -> Result<InPlace, E> {
    if durable {
        content.sync(&target)?;
    }
    ready()?;
    loop {
        match content.rename(&target)? {
            Ok(()) => return Ok(InPlace { target }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => target = occupied(&target)?,
            Err(error) => {
                let (from, to) = (content.path(&target), target.path());
                let reason = reason(&error);
                return Err(Fault::disk(format!(
                    "cannot rename {} to {}: {reason}",
                    from.shown(),
                    to.shown()
                ))
                .into());
            }
        }
    }
}

impl Uncommitted<'_> {
    /// The current path.
    fn path(&self, target: &Target) -> PathBuf {
        match self {
            Uncommitted::File { part, .. } => part.path(),
            Uncommitted::Directory { work, name, .. } | Uncommitted::Exchanged { work, name, .. } => {
                work.path().join(name)
            }
            Uncommitted::Updated { .. } => target.path(),
        }
    }

    fn sync(&self, target: &Target) -> Result<(), Fault> {
        let synced = match self {
            Uncommitted::File { part, .. } => platform::sync(&**part.file()?),
            Uncommitted::Directory { handle, .. }
            | Uncommitted::Exchanged { handle, .. }
            | Uncommitted::Updated { handle } => platform::sync_file_system(handle),
        };
        synced.map_err(|error| Fault::io("write", &self.path(target), &error))
    }

    fn rename(&self, target: &Target) -> Result<io::Result<()>, Fault> {
        let to = (target.folder.handle.as_fd(), Path::new(&target.name));
        Ok(match *self {
            Uncommitted::File { part, replaces } => return rename_file(part, target, replaces),
            Uncommitted::Directory { work, name, handle } => with_write_permission(handle, || {
                platform::move_directory((work.handle(), Path::new(name)), to)
            }),
            Uncommitted::Exchanged { work, name, away, .. } => {
                platform::exchange((work.handle(), Path::new(name)), to, Path::new(away))
            }
            Uncommitted::Updated { .. } => Ok(()),
        })
    }
}

fn rename_file(part: &Part, target: &Target, replaces: bool) -> Result<io::Result<()>, Fault> {
    let Target { folder, name, .. } = target;
    let renamed = match (part.is_in_place(), part.is_called(name)) {
        (true, _) if replaces => folder.rename_over(part.name(), name),
        (true, _) => folder.rename_new(part.name(), name),
        // It was renamed, although an error was reported.
        (false, true) => return Ok(Ok(())),
        (false, false) => {
            let path = part.path();
            return Err(Fault::disk(format!("{} was replaced by another program", path.shown())));
        }
    };
    match (part.is_in_place(), part.is_called(name)) {
        // It has both names: a rename leaves them if both are the same file, or if it is interrupted.
        (true, true) => Ok(rustix::fs::unlinkat(&folder.handle, part.name(), AtFlags::empty())
            .map_err(|error| Fault::io("delete", &part.path(), &error.into()))
            .map(Ok)?),
        (false, true) => Ok(Ok(())),
        _ => Ok(renamed),
    }
}

/// Moves a directory, whose owner needs the permission to write into it to move it into another one.
fn with_write_permission(
    directory: BorrowedFd<'_>,
    move_it: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let mode = Mode::from_raw_mode(rustix::fs::fstat(directory)?.st_mode);
    let is_locked = !mode.contains(Mode::WUSR);
    if is_locked {
        rustix::fs::fchmod(directory, mode | Mode::WUSR)?;
    }
    let moved = move_it();
    if is_locked {
        set_mode(directory, mode);
    }
    moved
}
