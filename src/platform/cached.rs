//! Reads the cached part of a file, and announces reads to the kernel.

use std::io;

use rustix::{fd::AsFd, fs::Advice, io::ReadWriteFlags};

/// Type of a file system in memory, from `linux/magic.h`.
pub(super) const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// Types of file systems on local disks, from `linux/magic.h`: ext4, XFS, Btrfs, F2FS.
const LOCAL_MAGICS: [rustix::fs::FsWord; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];

/// The medium of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// In memory.
    Memory,
    /// On a disk of this machine: cached content can be read without waiting.
    Disk,
    /// Unknown: every call may have to wait, for a server or a process.
    Other,
}

impl Medium {
    /// The medium of the file system of `file`. Can block.
    pub fn of(file: impl AsFd) -> Medium {
        match rustix::fs::fstatfs(file) {
            Ok(system) if system.f_type == TMPFS_MAGIC => Medium::Memory,
            Ok(system) if LOCAL_MAGICS.contains(&system.f_type) => Medium::Disk,
            _ => Medium::Other,
        }
    }
}

/// Reads cached bytes at `offset` without waiting for the disk. Returns how many, at most the length of the buffer: always 0 without support by the
/// file system, and always all on a file system in memory.
pub(crate) fn read_cached(file: impl AsFd, medium: Medium, buffer: &mut [u8], offset: u64) -> usize {
    let flags = match medium {
        Medium::Memory => ReadWriteFlags::empty(),
        Medium::Disk | Medium::Other => ReadWriteFlags::NOWAIT,
    };
    rustix::io::preadv2(file, &mut [io::IoSliceMut::new(buffer)], offset, flags).unwrap_or(0)
}

/// Announces to the kernel that `length` bytes from `offset` will be read soon. A hint: errors are ignored.
pub(crate) fn read_ahead(file: impl AsFd, offset: u64, length: u64) {
    if let Some(length) = std::num::NonZeroU64::new(length) {
        let _ = rustix::fs::fadvise(file, offset, Some(length), Advice::WillNeed);
    }
}
