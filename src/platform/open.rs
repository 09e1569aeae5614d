//! Opens files and directories beneath a directory.

use std::{io, os::fd::OwnedFd, path::Path};

use rustix::{
    fd::AsFd,
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
    path::Arg,
};

/// Maximum number of retries of a resolution that a concurrent rename has interrupted.
const MAX_RETRIES: usize = 256;

/// The file system type of `/proc`, from `linux/magic.h`.
const PROC_SUPER_MAGIC: rustix::fs::FsWord = 0x9fa0;

/// Whether a file is in a `/proc` file system.
pub(crate) fn is_of_proc(file: impl AsFd) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC)
}

/// The purpose of an opened handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// To read its metadata; a device or FIFO is not opened.
    Look,
    /// To read a file. A FIFO does not block and a terminal does not become the controlling one.
    Read,
    /// To read a directory; anything else fails.
    Directory,
}

impl Access {
    fn flags(self) -> OFlags {
        OFlags::CLOEXEC
            | match self {
                Access::Look => OFlags::PATH,
                Access::Read => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
                Access::Directory => OFlags::RDONLY | OFlags::DIRECTORY,
            }
    }
}

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Those whose target is beneath the directory.
    Inside,
    /// None, at any segment.
    Never,
}

/// What a path may contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub links: Links,
    /// Whether it may cross mount points.
    pub mounts: bool,
}

/// Opens a directory by a path of this machine.
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
}

/// Opens `path` beneath `directory`: no segment and no link leads out of it.
pub(crate) fn open_beneath(
    directory: impl AsFd,
    path: impl Arg + Copy,
    access: Access,
    reach: Reach,
) -> io::Result<OwnedFd> {
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if reach.links == Links::Never {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    if !reach.mounts {
        resolve |= ResolveFlags::NO_XDEV;
    }
    let mut retries = 0;
    loop {
        match rustix::fs::openat2(directory.as_fd(), path, access.flags(), Mode::empty(), resolve) {
            // The kernel returns AGAIN if a rename or mount anywhere made it unsure whether a `..` of a link led out.
            Err(Errno::AGAIN) if retries < MAX_RETRIES => retries += 1,
            Err(Errno::INTR) => {}
            Err(Errno::NOSYS) => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "openat2 is missing: Linux 5.6 or later is needed",
                ));
            }
            result => return Ok(result?),
        }
    }
}

/// Opens `path` in `directory` without waiting for the disk, and without a symbolic link or mount point on the way.
///
/// # Errors
/// `EAGAIN` if it is not cached, and `EINVAL` before Linux 5.12.
pub(crate) fn open_cached(
    directory: impl AsFd,
    path: impl Arg + Copy,
    access: Access,
) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_XDEV
        | ResolveFlags::CACHED;
    Ok(rustix::fs::openat2(directory.as_fd(), path, access.flags(), Mode::empty(), resolve)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    const INSIDE: Reach = Reach { links: Links::Inside, mounts: true };
    const NEVER: Reach = Reach { links: Links::Never, mounts: true };

    #[test]
    fn no_path_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir_all(inside.join("sub")).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(inside.join("file"), "file").unwrap();
        symlink("../secret", inside.join("out")).unwrap();
        symlink("../file", inside.join("sub/in")).unwrap();
        let root = open_directory(&inside).unwrap();
        for path in ["../secret", "out", "sub/../../secret", "/etc/passwd", "sub/../.."] {
            let error = open_beneath(&root, path, Access::Read, INSIDE).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::XDEV.raw_os_error()), "{path}: {error}");
        }
        open_beneath(&root, "sub/in", Access::Read, INSIDE).unwrap();
        let error = open_beneath(&root, "sub/in", Access::Read, NEVER).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
        assert!(open_beneath(&root, "file", Access::Directory, INSIDE).is_err());
    }
}
