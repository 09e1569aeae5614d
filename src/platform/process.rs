//! Memory protection, signals and threads of this process.

use std::{io, path::Path, time::Duration};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Makes writing past the limit of `ulimit -f` an error instead of a signal that ends the process.
///
/// # Errors
/// The system has no descriptors for it.
pub fn catch_file_size_signal() -> io::Result<()> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // The handler is set inside of a runtime, and outlives it.
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

/// Whether a debugger or `strace` traces this process.
fn is_traced() -> bool {
    status("TracerPid:").is_some_and(|tracer| tracer != "0")
}

/// The value of a field of `/proc/self/status`.
pub(crate) fn status(field: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()))
}

/// The boot id of the system; `None` if it has none.
pub(crate) fn boot() -> Option<String> {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    Some(blake3::hash(&id).to_hex()[..32].to_owned())
}

/// The umask of this process; 0o022 if the system does not report it.
pub(crate) fn umask() -> u32 {
    // umask(2) would change it for a moment, for all threads.
    status("Umask:").and_then(|mask| u32::from_str_radix(&mask, 8).ok()).unwrap_or(0o022)
}

/// Checks that the process can start `count` more threads. Libraries that start threads panic or hang if it
/// cannot.
///
/// # Errors
/// The system allows no more threads.
pub(crate) fn check_threads(count: usize) -> io::Result<()> {
    const STACK: usize = 64 << 10;
    /// How long the kernel may count a thread that has ended.
    const EXIT_TIMEOUT: Duration = Duration::from_secs(1);
    let (sender, tasks) = std::sync::mpsc::channel();
    let all_started = std::sync::Mutex::new(());
    let started = std::thread::scope(|scope| {
        // Each waits for this, so that all of them exist at the same time.
        let waiting = all_started.lock();
        let mut start = |_| {
            let (sender, all_started) = (sender.clone(), &all_started);
            let run = move || {
                drop(all_started.lock());
                let _ = sender.send(std::fs::read_link("/proc/thread-self"));
            };
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run).map(drop)
        };
        let started = (0..count).try_for_each(&mut start);
        drop(waiting);
        started
    });
    drop(sender);
    // The kernel counts a thread for a moment longer than it runs; wait for these, and not for others.
    let start = std::time::Instant::now();
    let is_counted = |task: &Path| Path::new("/proc").join(task).exists() && start.elapsed() < EXIT_TIMEOUT;
    for task in tasks.iter().flatten() {
        while is_counted(&task) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    started.map_err(|error| io::Error::new(error.kind(), "the system allows no more threads"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_others_are_not_waited_for() {
        use std::sync::{Arc, Barrier};
        // Under load one try may take long; waiting for the others would make each take a second.
        let shortest = (0..3).map(|_| {
            let (stop, mut others) = (Arc::new(Barrier::new(17)), Vec::new());
            let start = std::time::Instant::now();
            let checked = std::thread::spawn(|| check_threads(8));
            for _ in 0..16 {
                let stop = Arc::clone(&stop);
                others.push(std::thread::spawn(move || stop.wait()));
                std::thread::sleep(Duration::from_millis(1));
            }
            checked.join().unwrap().unwrap();
            let elapsed = start.elapsed();
            stop.wait();
            others.into_iter().for_each(|other| {
                other.join().unwrap();
            });
            elapsed
        });
        assert!(shortest.min() < Some(Duration::from_secs(1)));
    }
}
