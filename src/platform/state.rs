//! Small private files that outlive a run, replaced atomically.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use crate::platform;

/// Maximum size of a small file in bytes.
const MAX_LEN: u64 = 4 << 20;

/// Creates a folder that only its user can enter, with its parents.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if !is_private(path)? {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Whether only its user has access to a file or folder.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

/// Reads a small file or pipe named by the user.
///
/// # Errors
/// It cannot be read, or is larger than 4 MiB.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?)
}

/// Reads a file that this program has written. Does not block on a pipe at its path.
///
/// # Errors
/// It cannot be read, is not a file, or is larger than 4 MiB.
pub(crate) fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let file =
        OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    read_all(file)
}

fn read_all(file: File) -> io::Result<Vec<u8>> {
    // Allocated at its full size: a buffer that grows leaves copies of a secret in memory.
    let size = file.metadata().map_or(0, |found| found.len()).min(MAX_LEN);
    let mut bytes = Vec::with_capacity(usize::try_from(size).map_or(0, |size| size + 1));
    file.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// The content of a file. If it does not exist, it is created with the result of `make`. If several processes create it at the same time,
/// all return the content of the first one.
pub(crate) fn read_or_make(path: &Path, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match read_own(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        result => return result,
    }
    let folder = parent(path)?;
    private_folder(folder)?;
    let made = make()?;
    match write_beside(path, &made)?.persist_noclobber(path) {
        Ok(_) => {
            platform::sync(File::open(folder)?)?;
            Ok(made)
        }
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => read_own(path),
        Err(error) => Err(error.error),
    }
}

/// Replaces a file, and waits until the disk has the new one: whatever happens, the file is the old or the new one. The caller holds a
/// lock, so that no other process replaces it at the same time.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link is kept, and the file that it leads to is replaced.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // One name each time: a process that is killed leaves the file, and the next one removes it.
    let mut temporary = name(path)?.to_owned();
    temporary.push("~");
    match fs::remove_file(path.with_file_name(&temporary)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = tempfile::Builder::new().prefix(&temporary).rand_bytes(0).tempfile_in(parent(path)?)?;
    write(file, bytes)?.persist(path)?;
    platform::sync(File::open(parent(path)?)?)
}

/// Creates a private file in the same folder, and waits until the disk has it. It is deleted unless it is persisted.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut prefix = name(path)?.to_owned();
    prefix.push(".");
    write(tempfile::Builder::new().prefix(&prefix).tempfile_in(parent(path)?)?, bytes)
}

fn write(mut file: NamedTempFile, bytes: &[u8]) -> io::Result<NamedTempFile> {
    file.write_all(bytes)?;
    platform::sync(file.as_file())?;
    Ok(file)
}

fn name(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| ErrorKind::InvalidInput.into())
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn large_and_endless_files_are_rejected() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("large");
        let file = File::create(&path).unwrap();
        file.set_len(MAX_LEN).unwrap();
        assert_eq!(read(&path).unwrap().len() as u64, MAX_LEN);
        file.set_len(MAX_LEN + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(read(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn a_pipe_at_the_path_of_an_own_file_does_not_block() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for error in [read_own(&path).unwrap_err(), read_or_make(&path, || unreachable!()).unwrap_err()] {
            assert!(error.to_string().contains("not a file"), "{error}");
        }
        assert!(read_own(place.path()).is_err());
    }

    #[test]
    fn a_created_file_is_kept_and_private() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/secret");
        assert_eq!(read_or_make(&path, || Ok(b"first".to_vec())).unwrap(), b"first");
        assert_eq!(read_or_make(&path, || unreachable!()).unwrap(), b"first");
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn concurrent_creations_return_the_same_content() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state/secret");
        let barrier = Barrier::new(8);
        let made: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let make = |number: u8| {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    read_or_make(path, || Ok(vec![number; 1000])).unwrap()
                })
            };
            let threads: Vec<_> = (0..8).map(make).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|bytes| *bytes == made[0] && bytes.len() == 1000));
        assert_eq!(fs::read(&path).unwrap(), made[0]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_open_folder_is_closed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("state");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        read_or_make(&folder.join("secret"), || Ok(b"x".to_vec())).unwrap();
        assert_eq!(mode(&folder), 0o700);
    }

    #[test]
    fn files_of_a_killed_process_are_removed_by_the_next_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(place.path().join("file~"), "half of the n").unwrap();
        for bytes in [b"first", b"again"] {
            replace(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(mode(&path), 0o600);
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn the_target_of_a_link_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (elsewhere, link) = (place.path().join("elsewhere"), place.path().join("link"));
        fs::write(&elsewhere, "old").unwrap();
        std::os::unix::fs::symlink("elsewhere", &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&elsewhere).unwrap(), b"new");
    }

    #[test]
    fn replacing_leaves_no_other_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("list");
        for text in ["first", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
        }
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
