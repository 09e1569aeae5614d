//! Disk space: claims, limits, holes and copies.

use std::{fs::File, io, os::unix::fs::FileExt};

use rustix::{
    fd::AsFd,
    fs::{FallocateFlags, SeekFrom},
    io::Errno,
    process::{Resource, getrlimit},
};

use super::{cached::TMPFS_MAGIC, error::cannot};

/// Whether a range of a file is in a hole. Moves the file's position.
pub(crate) fn is_hole(file: impl AsFd, offset: u64, length: u64) -> bool {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => data >= offset.saturating_add(length),
        // The rest of the file is a hole.
        Err(Errno::NXIO) => true,
        Err(_) => false,
    }
}

/// Fills a range of a file with zeros, with a hole if the file system supports it. Extends the file if necessary.
pub(crate) fn make_hole(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let (size, end) = (file.metadata()?.len(), offset.saturating_add(length));
    if size > offset {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, flags, offset, length)) {
            Err(error) if cannot(error) => write_zeros(file, offset, size.min(end))?,
            punched => punched?,
        }
    }
    // The new part of the file is a hole.
    if size < end { file.set_len(end) } else { Ok(()) }
}

fn write_zeros(file: &File, mut offset: u64, end: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    while offset < end {
        let count = usize::try_from(end - offset).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(&ZEROS[..count], offset)?;
        offset += count as u64;
    }
    Ok(())
}

/// Copies a range of a file to the same place in another one inside of the kernel; both share the blocks if the file system supports it.
///
/// # Errors
/// The file systems do not support it, or the range does not exist.
pub(crate) fn copy_range(from: impl AsFd, to: impl AsFd, offset: u64, length: u64) -> io::Result<()> {
    let (mut source, mut target, end) = (offset, offset, offset.saturating_add(length));
    while source < end {
        let count = usize::try_from(end - source).unwrap_or(usize::MAX);
        let copy = rustix::fs::copy_file_range(&from, Some(&mut source), &to, Some(&mut target), count);
        match copy {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Claims disk space for the first `length` bytes of a file without changing its length, so that a full
/// disk is noticed before the transfer. Returns whether the file system supports it. After an error the file has no more of the
/// disk than before.
///
/// # Errors
/// No space, quota, a file too large for the file system or for this process.
pub(crate) fn claim_space(file: impl AsFd, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    // A claim that fails half-way takes all free space until it is released.
    check_space(&file, length, length)?;
    if rustix::fs::fstatfs(&file).is_ok_and(|system| system.f_type == TMPFS_MAGIC) {
        // tmpfs claims page by page, which takes half as long as writing the file; its free space is exact.
        return Ok(false);
    }
    let claim = || rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, length);
    match rustix::io::retry_on_intr(claim) {
        Ok(()) => Ok(true),
        Err(error) if cannot(error) => Ok(false),
        Err(error) => {
            release_space(&file);
            Err(error.into())
        }
    }
}

/// Releases the space that was claimed for a file after its end.
pub(crate) fn release_space(file: impl AsFd) {
    let released = rustix::fs::fstat(&file)
        .and_then(|stat| rustix::fs::ftruncate(&file, u64::try_from(stat.st_size).unwrap_or(0)));
    if let Err(error) = released {
        tracing::debug!("the space claimed for a file was not released: {error}");
    }
}

/// Free bytes of the file system of a file; `None` if it does not report them.
pub(crate) fn free_space(file: impl AsFd) -> Option<u64> {
    let system = rustix::fs::fstatvfs(file).ok()?;
    // File systems without a limit, or without an answer, report no blocks at all.
    (system.f_blocks != 0).then(|| system.f_bavail.saturating_mul(system.f_frsize))
}

/// The maximum length of a name in the file system of a directory, in bytes; 255 if it does not report it.
pub(crate) fn longest_name(directory: impl AsFd) -> usize {
    let reported = rustix::fs::fstatvfs(directory).map_or(0, |system| system.f_namemax);
    // A smaller value would leave no space for the names of `.part` files, so it is wrong.
    usize::try_from(reported).ok().filter(|length| (64..=255).contains(length)).unwrap_or(255)
}

/// The maximum size of a file that this process may write (`ulimit -f`).
pub(crate) fn file_size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Checks that `needed` more bytes fit on the disk, for a file of this size. Claims nothing.
///
/// # Errors
/// The disk has too little space, or the file is too large.
pub(crate) fn check_space(file: impl AsFd, size: u64, needed: u64) -> io::Result<()> {
    if file_size_limit().is_some_and(|limit| size > limit) {
        return Err(Errno::FBIG.into());
    }
    let taken = u64::try_from(rustix::fs::fstat(&file)?.st_blocks).unwrap_or(0).saturating_mul(512);
    match free_space(&file) {
        Some(free) if needed.saturating_sub(taken) > free => Err(Errno::NOSPC.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_fit_claims_nothing() {
        let file = tempfile::tempfile().unwrap();
        let Some(free) = free_space(&file) else {
            return println!("skipped: the file system does not report it");
        };
        let error = claim_space(&file, free.saturating_mul(2).max(1 << 20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_blocks, 0);
    }

    #[test]
    fn claimed_space_is_released_and_the_content_is_kept() {
        use std::os::unix::fs::{FileExt, MetadataExt};
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"abc", 0).unwrap();
        claim_space(&file, 1 << 20).unwrap();
        release_space(&file);
        let data = file.metadata().unwrap();
        assert!(data.len() == 3 && data.blocks() * 512 <= 64 << 10, "{data:?}");
        let mut content = [0; 3];
        file.read_exact_at(&mut content, 0).unwrap();
        assert_eq!(&content, b"abc");
    }

    #[test]
    fn holes_are_zeros_and_are_found() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 3 << 16], 0).unwrap();
        make_hole(&file, 1 << 16, 1 << 16).unwrap();
        make_hole(&file, 3 << 16, 1 << 20).unwrap();
        let mut content = vec![9; (3 << 16) + (1 << 20)];
        file.read_exact_at(&mut content, 0).unwrap();
        assert_eq!(file.metadata().unwrap().len(), content.len() as u64);
        let is_zero = |range: std::ops::Range<usize>| content[range].iter().all(|byte| *byte == 0);
        assert!(is_zero(1 << 16..2 << 16) && is_zero(3 << 16..content.len()));
        assert!(content[..1 << 16].iter().chain(&content[2 << 16..3 << 16]).all(|byte| *byte == 1));
        assert!(!is_hole(&file, 0, 1));
        write_zeros(&file, 5, 70_000).unwrap();
        file.read_exact_at(&mut content, 0).unwrap();
        assert!(content[..5] == [1; 5] && content[5..2 << 16].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn space_is_claimed_and_the_length_stays() {
        let file = tempfile::tempfile().unwrap();
        claim_space(&file, 0).unwrap();
        claim_space(&file, 1 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
