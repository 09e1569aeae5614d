//! The calls that only Linux has; a port to another system is this module.

mod accept_queue;
#[cfg(feature = "cli")]
mod output;
mod rename;
mod shared;

use std::{
    fs::File,
    io,
    net::Shutdown,
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::Path,
    time::Duration,
};

pub(crate) use accept_queue::waiting_peers;
#[cfg(feature = "cli")]
pub use output::lost_output;
#[cfg(feature = "cli")]
pub(crate) use output::note_output;
pub(crate) use rename::{exchange, move_directory, rename_new};
pub(crate) use rustix::fd::AsFd;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Advice, FallocateFlags, Mode, OFlags, ResolveFlags, SeekFrom},
    io::{Errno, ReadWriteFlags},
    path::Arg,
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
};
pub(crate) use shared::{is_of_another, is_shared, of_another_on_way};
use tokio::signal::unix::{SignalKind, signal};

use crate::text::without_number;

/// How often a resolution that a rename elsewhere disturbed is tried again.
const DISTURBED: usize = 256;

/// Type of a file system in memory, from `linux/magic.h`.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// The file system type of `/proc`, from `linux/magic.h`.
const PROC_SUPER_MAGIC: rustix::fs::FsWord = 0x9fa0;

/// Whether a file is in a `/proc` file system.
pub(crate) fn is_of_proc(file: impl AsFd) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC)
}

/// Types of file systems on local disks, from `linux/magic.h`: ext4, XFS, Btrfs, F2FS.
const LOCAL_MAGICS: [rustix::fs::FsWord; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];

/// Where a file system keeps its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// In memory.
    Memory,
    /// On a disk of this machine: what the kernel has in memory is found without waiting.
    Disk,
    /// Unknown: every call may have to wait, for a server or a process.
    Other,
}

impl Medium {
    /// Of the file system of `file`. May have to wait.
    pub fn of(file: impl AsFd) -> Medium {
        match rustix::fs::fstatfs(file) {
            Ok(system) if system.f_type == TMPFS_MAGIC => Medium::Memory,
            Ok(system) if LOCAL_MAGICS.contains(&system.f_type) => Medium::Disk,
            _ => Medium::Other,
        }
    }
}

/// What an opened handle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// To ask what it is; opens nothing, so that a device or FIFO notices nothing.
    Look,
    /// To read a file. A FIFO does not block and a terminal does not become ours.
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
    /// Those that stay beneath the directory, whatever they go through.
    Inside,
    /// None, at any segment.
    Never,
}

/// What a path may go through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub links: Links,
    /// Whether it may go into mount points.
    pub mounts: bool,
}

/// Opens a directory by a path of this machine.
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
}

/// Opens `path` so that no segment of it, and no link on the way, leads out of `directory`.
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
    let mut disturbed = 0;
    loop {
        match rustix::fs::openat2(directory.as_fd(), path, access.flags(), Mode::empty(), resolve) {
            // The kernel says AGAIN when something was renamed or mounted anywhere while it went through
            // a `..` of a link, and cannot tell whether that led out.
            Err(Errno::AGAIN) if disturbed < DISTURBED => disturbed += 1,
            Err(Errno::INTR) => {}
            Err(Errno::NOSYS) => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "this system has no openat2, which Linux has from 5.6 on",
                ));
            }
            result => return Ok(result?),
        }
    }
}

/// Opens `path` in `directory` if the kernel has all of it in memory, without a symbolic link or mount point on the way.
///
/// # Errors
/// `EAGAIN` if it does not, and `EINVAL` where Linux is older than 5.12.
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

/// Reads at `offset` what is in memory, without waiting for the disk: fewer bytes than there is room for, or none. A file system
/// that cannot tell has nothing in memory, and one in memory everything.
pub(crate) fn read_cached(file: impl AsFd, medium: Medium, buffer: &mut [u8], offset: u64) -> usize {
    let flags = match medium {
        Medium::Memory => ReadWriteFlags::empty(),
        Medium::Disk | Medium::Other => ReadWriteFlags::NOWAIT,
    };
    rustix::io::preadv2(file, &mut [io::IoSliceMut::new(buffer)], offset, flags).unwrap_or(0)
}

/// Tells the kernel that `length` bytes from `offset` will be read soon. A hint: failing is no error.
pub(crate) fn read_ahead(file: impl AsFd, offset: u64, length: u64) {
    if let Some(length) = std::num::NonZeroU64::new(length) {
        let _ = rustix::fs::fadvise(file, offset, Some(length), Advice::WillNeed);
    }
}

/// Whether a range of a file is in a hole: there are zeros, and nothing on the disk. Moves the file's position.
pub(crate) fn is_hole(file: impl AsFd, offset: u64, length: u64) -> bool {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => data >= offset.saturating_add(length),
        // Nothing but a hole follows.
        Err(Errno::NXIO) => true,
        Err(_) => false,
    }
}

/// Makes a range of a file zeros, with a hole where the file system has those. The file is at least as long afterwards.
pub(crate) fn make_hole(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let (size, end) = (file.metadata()?.len(), offset.saturating_add(length));
    if size > offset {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, flags, offset, length)) {
            Err(error) if cannot(error) => write_zeros(file, offset, size.min(end))?,
            punched => punched?,
        }
    }
    // What is added to its length is a hole.
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

/// Copies a range of a file to the same place in another one, without it passing through here; where the file system
/// can, both share it from then on.
///
/// # Errors
/// It cannot, between these two, or the range is not there.
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
/// disk shows before anything is fetched. Says whether the file system could. After an error the file has no more of the
/// disk than before.
///
/// # Errors
/// No space, quota, a file too large for the file system or for this process.
pub(crate) fn claim_space(file: impl AsFd, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    // A claim that fails half-way takes all that is free from everyone until it is released.
    check_space(&file, length, length)?;
    if rustix::fs::fstatfs(&file).is_ok_and(|system| system.f_type == TMPFS_MAGIC) {
        // It claims page by page, which takes half as long as writing the file; its figures say as much.
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

/// Bytes that may still be written to the file system of a file; `None` where it does not say.
pub(crate) fn free_space(file: impl AsFd) -> Option<u64> {
    let system = rustix::fs::fstatvfs(file).ok()?;
    // Some have no limit, or no answer, and say that they have no blocks at all.
    (system.f_blocks != 0).then(|| system.f_bavail.saturating_mul(system.f_frsize))
}

/// The longest name that the file system of a directory takes, in bytes; 255 where it does not say.
pub(crate) fn longest_name(directory: impl AsFd) -> usize {
    let said = rustix::fs::fstatvfs(directory).map_or(0, |system| system.f_namemax);
    // A figure below this is that of no file system that could hold our own names.
    usize::try_from(said).ok().filter(|said| (64..=255).contains(said)).unwrap_or(255)
}

/// The longest file that this process may write (`ulimit -f`).
pub(crate) fn file_size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Whether `needed` bytes more fit on the disk, for a file of a size; claims nothing.
///
/// # Errors
/// They do not, or the file is too large.
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

/// Makes writing past that limit an error: the signal that comes with it would end the process.
///
/// # Errors
/// The system has no descriptors for it.
pub fn catch_file_size_signal() -> io::Result<()> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // The handler is set inside of a runtime, and stays.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    signal(kind).map(drop)
}

/// Keeps tokens and keys out of core files, and other processes of the same user from reading the memory or the environment
/// (`FDSP_TOKEN`) of this one. A process that is already traced stays readable for its tracer.
///
/// # Errors
/// The system does not allow it.
pub fn protect_memory() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    if !is_traced() {
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

/// Whether a debugger, or `strace`, watches this process.
fn is_traced() -> bool {
    status("TracerPid:").is_some_and(|tracer| tracer != "0")
}

/// The value of a field of `/proc/self/status`.
pub(crate) fn status(field: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()))
}

/// Whether an error says that a file system cannot do what was asked at all: sync, set a mode or time, lock, claim space. The
/// one list, for files, trees and archives.
pub(crate) fn cannot(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY)
}

/// Waits until the disk has a file, or the names in a directory. A file system that cannot has nothing to wait for.
pub(crate) fn sync(file: impl AsFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::fs::fsync(file.as_fd())) {
        Err(error) if cannot(error) => Ok(()),
        synced => Ok(synced?),
    }
}

/// Waits until the disk has everything of the file system that a file or directory is on.
pub(crate) fn sync_file_system(file: impl AsFd) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::fs::syncfs(file.as_fd())) {
        Err(error) if cannot(error) => Ok(()),
        synced => Ok(synced?),
    }
}

/// Tells one start of the system from all others, where the system does.
pub(crate) fn boot() -> Option<String> {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    Some(blake3::hash(&id).to_hex()[..32].to_owned())
}

/// The permission bits that new files do not get; the usual ones where the system does not tell.
pub(crate) fn umask() -> u32 {
    // Asking the system itself would change it for a moment, for all threads.
    status("Umask:").and_then(|mask| u32::from_str_radix(&mask, 8).ok()).unwrap_or(0o022)
}

/// Makes sure that the system gives so many threads more. Libraries that start their own end the program, or hang, where it
/// does not.
///
/// # Errors
/// It does not.
pub(crate) fn check_threads(count: usize) -> io::Result<()> {
    const STACK: usize = 64 << 10;
    /// How long the kernel may count a thread that has ended.
    const EXIT_TIMEOUT: Duration = Duration::from_secs(1);
    let (sender, tasks) = std::sync::mpsc::channel();
    let all_there = std::sync::Mutex::new(());
    let started = std::thread::scope(|scope| {
        // Each waits for this, so that all of them are there at the same time.
        let waiting = all_there.lock();
        let mut start = |_| {
            let (sender, all_there) = (sender.clone(), &all_there);
            let run = move || {
                drop(all_there.lock());
                let _ = sender.send(std::fs::read_link("/proc/thread-self"));
            };
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run).map(drop)
        };
        let started = (0..count).try_for_each(&mut start);
        drop(waiting);
        started
    });
    drop(sender);
    // The kernel counts a thread for a moment longer than it runs; these are the ones to wait for, whichever others there are.
    let begun = std::time::Instant::now();
    let is_counted = |task: &Path| Path::new("/proc").join(task).exists() && begun.elapsed() < EXIT_TIMEOUT;
    for task in tasks.iter().flatten() {
        while is_counted(&task) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    started.map_err(|error| io::Error::new(error.kind(), "the system gives it no more threads"))
}

/// Shuts a socket down, also under the feet of a thread that waits in it; a listener stops accepting.
/// One that is no longer connected is as shut down as it can be.
pub(crate) fn shutdown(socket: impl AsFd, how: Shutdown) -> io::Result<()> {
    let how = match how {
        Shutdown::Read => rustix::net::Shutdown::Read,
        Shutdown::Write => rustix::net::Shutdown::Write,
        Shutdown::Both => rustix::net::Shutdown::Both,
    };
    match rustix::net::shutdown(socket, how) {
        Ok(()) | Err(Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a listener or one of these sockets is readable, or `timeout` has passed. Returns which are readable, the listener first.
pub(crate) fn readable(
    listener: impl AsFd,
    sockets: &[impl AsFd],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let mut all = vec![PollFd::new(&listener, PollFlags::IN)];
    all.extend(sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(&mut all, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(all.iter().map(|one| !one.revents().is_empty()).collect()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the peer of a socket has shut its sending side down, or the connection is over.
pub(crate) fn has_peer_ended(socket: impl AsFd) -> bool {
    let mut sockets = [PollFd::new(&socket, PollFlags::RDHUP)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut sockets, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// What an I/O error says, without the number of the system; its own words go on after others, so they begin small.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = without_number(&error.to_string());
    if error.raw_os_error().is_some() { text.to_lowercase() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, net::TcpListener, os::unix::fs::symlink};

    const INSIDE: Reach = Reach { links: Links::Inside, mounts: true };
    const NEVER: Reach = Reach { links: Links::Never, mounts: true };

    #[test]
    fn the_systems_own_words_begin_small_and_no_others() {
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "no such file or directory");
        let about = io::Error::other(format!("/Music: {}", io::Error::from_raw_os_error(13)));
        assert_eq!(reason(&about), "/Music: Permission denied");
    }

    #[test]
    fn nothing_leads_out() {
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

    #[test]
    fn a_listener_that_is_shut_down_stops_a_waiting_accept() {
        let listener = std::sync::Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let waiting = std::thread::spawn({
            let listener = listener.clone();
            move || listener.accept().map(drop)
        });
        shutdown(&*listener, Shutdown::Both).unwrap();
        assert!(waiting.join().unwrap().is_err());
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let file = tempfile::tempfile().unwrap();
        let Some(free) = free_space(&file) else { return println!("skipped: the file system says nothing") };
        let error = claim_space(&file, free.saturating_mul(2).max(1 << 20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_blocks, 0);
    }

    #[test]
    fn claimed_space_is_given_back_and_the_content_stays() {
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
    fn threads_that_others_start_are_not_waited_for() {
        use std::sync::{Arc, Barrier};
        // Under load one try may take long; waiting for the others would make each take a second.
        let shortest = (0..3).map(|_| {
            let (stop, mut others) = (Arc::new(Barrier::new(17)), Vec::new());
            let begun = std::time::Instant::now();
            let checked = std::thread::spawn(|| check_threads(8));
            for _ in 0..16 {
                let stop = Arc::clone(&stop);
                others.push(std::thread::spawn(move || stop.wait()));
                std::thread::sleep(Duration::from_millis(1));
            }
            checked.join().unwrap().unwrap();
            let elapsed = begun.elapsed();
            stop.wait();
            others.into_iter().for_each(|other| {
                other.join().unwrap();
            });
            elapsed
        });
        assert!(shortest.min() < Some(Duration::from_secs(1)));
    }

    #[test]
    fn space_is_claimed_and_the_length_stays() {
        let file = tempfile::tempfile().unwrap();
        claim_space(&file, 0).unwrap();
        claim_space(&file, 1 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
