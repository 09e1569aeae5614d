//! The handle of the served folder together with the policy: every opening in `storage` goes through here.

use std::{ffi::CStr, io, os::fd::OwnedFd};

use rustix::{
    fs::{AtFlags, FileType, Stat},
    io::Errno,
    path::Arg,
};

use super::{
    error::StorageError,
    stat::{Served, shown},
};
use crate::platform::{self, Access, AsFd, Links, Medium, Reach};

/// Maximum number of retries when a file is replaced between the check and the opening.
const MAX_REOPENS: usize = 32;

/// The policy of the served folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which symbolic links are followed.
    pub links: Links,
    /// Whether names that begin with a dot are served. If not, they are answered like absent names; a visible link
    /// to a hidden file is followed.
    pub hidden: bool,
    /// Whether mount points in the folder are omitted, including bind mounts.
    pub one_file_system: bool,
}

impl Default for Policy {
    /// Serves everything: a copy without hidden files would be incomplete without notice.
    fn default() -> Self {
        Policy { links: Links::Inside, hidden: true, one_file_system: false }
    }
}

/// The served folder.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    policy: Policy,
    /// The medium of its file system, and its device number.
    medium: (Medium, Option<u64>),
}

/// Identifies a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderIdentity(u64, u64);

impl FolderIdentity {
    pub(super) fn of(stat: &Stat) -> FolderIdentity {
        FolderIdentity(stat.st_dev, stat.st_ino)
    }
}

/// Whether an opened directory has been deleted, so that it has no entries.
pub(super) fn is_deleted(directory: impl AsFd) -> io::Result<bool> {
    Ok(rustix::fs::fstat(directory)?.st_nlink == 0)
}

/// A handle to read from, and its metadata.
pub(super) struct Opened {
    pub(super) handle: OwnedFd,
    pub(super) stat: Stat,
    pub(super) kind: Served,
}

impl Folder {
    pub(super) fn new(handle: OwnedFd, policy: Policy) -> Folder {
        let device = rustix::fs::fstat(&handle).ok().map(|stat| stat.st_dev);
        let medium = (Medium::of(&handle), device);
        Folder { handle, policy, medium }
    }

    /// The identity of the folder; `None` if it has been deleted.
    pub(super) fn identity(&self) -> io::Result<Option<FolderIdentity>> {
        let stat = rustix::fs::fstat(&self.handle)?;
        Ok((stat.st_nlink > 0).then(|| FolderIdentity::of(&stat)))
    }

    /// Whether a name is served. Checks only the name, so that neither the answer
    /// nor its time shows whether such a file exists.
    pub(super) fn serves(&self, name: &[u8]) -> bool {
        self.policy.hidden || !name.starts_with(b".")
    }

    /// Whether all names of a path are served.
    pub(super) fn serves_all(&self, path: &[u8]) -> bool {
        self.policy.hidden || path.split(|byte| *byte == b'/').all(|name| self.serves(name))
    }

    /// Opens a path from the folder on.
    pub(super) fn open(&self, path: impl Arg + Copy, access: Access) -> io::Result<OwnedFd> {
        platform::open_beneath(&self.handle, path, access, self.reach(self.policy.links))
    }

    /// Opens a path from an opened directory of the folder on, without following a link.
    pub(super) fn open_in(
        &self,
        directory: impl AsFd,
        path: impl Arg + Copy,
        access: Access,
    ) -> io::Result<OwnedFd> {
        platform::open_beneath(directory, path, access, self.reach(Links::Never))
    }

    /// The metadata of a path from an opened directory, following links within the directory.
    pub(super) fn look_beneath(&self, directory: impl AsFd, path: &[u8]) -> io::Result<Stat> {
        let look = platform::open_beneath(directory, path, Access::Look, self.reach(self.policy.links))?;
        Ok(rustix::fs::fstat(look)?)
    }

    /// The metadata of a name in an opened directory, without following a link.
    ///
    /// # Errors
    /// `EXDEV` for a mount point, if mount points are omitted.
    pub(super) fn look_in(&self, directory: impl AsFd, name: &CStr) -> io::Result<Stat> {
        let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if !self.policy.one_file_system || FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Ok(stat);
        }
        Ok(rustix::fs::fstat(self.open_in(directory, name, Access::Look)?)?)
    }

    /// Opens a path as a request names it, for reading.
    pub(super) fn open_path(&self, path: &[u8]) -> Result<Opened, StorageError> {
        let absent = || StorageError::NotFound(shown(path));
        if !self.serves_all(path) {
            return Err(absent());
        }
        let opened = self.open_served(if path.is_empty() { b"." } else { path });
        opened.map_err(|error| StorageError::opening(shown(path), error))?.ok_or_else(absent)
    }

    /// Opens a file or directory for reading by a path from the folder; `None` if it is neither.
    ///
    /// Checks the kind before the opening, since opening a device or a FIFO can have effects (only users with write permission
    /// can create one in between), and again after it.
    pub(super) fn open_served(&self, path: impl Arg + Copy) -> io::Result<Option<Opened>> {
        for _ in 0..MAX_REOPENS {
            let seen = rustix::fs::fstat(self.open(path, Access::Look)?)?;
            let Some(kind) = Served::of(&seen) else {
                return Ok(None);
            };
            let access = match kind {
                Served::File => Access::Read,
                Served::Directory => Access::Directory,
            };
            let handle = match self.open(path, access) {
                // It was replaced by another kind: check again.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTDIR) => continue,
                handle => handle?,
            };
            let stat = rustix::fs::fstat(&handle)?;
            if (stat.st_dev, stat.st_ino, Served::of(&stat)) == (seen.st_dev, seen.st_ino, Some(kind)) {
                return Ok(Some(Opened { handle, stat, kind }));
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// The medium of the file system of an entry. Known only for the file system of the folder itself.
    pub(super) fn medium(&self, stat: &Stat) -> Medium {
        match self.medium {
            (medium, device) if device == Some(stat.st_dev) => medium,
            _ => Medium::Other,
        }
    }

    fn reach(&self, links: Links) -> Reach {
        Reach { links, mounts: !self.policy.one_file_system }
    }
}
