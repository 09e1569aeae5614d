//! How much more memory the system gives this process.

use std::{env, fs, os::unix::process::CommandExt, process::Command};

use rustix::process::{Resource, getrlimit};

/// Bytes of memory that this process may still take until it gets none, by the nearest of the limits that it was given
/// (`ulimit -v` and `-d`); `None` if it has no limit, or that cannot be told.
pub(crate) fn memory_left() -> Option<u64> {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    if limits == [None, None] {
        return None;
    }
    left(limits, &fs::read_to_string("/proc/self/statm").ok()?, rustix::param::page_size() as u64)
}

/// Starts this program anew with one heap for all threads, if its address space is limited (`ulimit -v`) and nobody has said
/// how many heaps there are to be (`MALLOC_ARENA_MAX`, `GLIBC_TUNABLES`). If it cannot be, the program goes on as it is.
///
/// The GNU C library reserves 64 MiB of address space for each of many threads, and a thread for which it finds none takes a
/// page for everything that it allocates: a server with a thread for each connection would be out of memory while it uses
/// next to none. The library reads how many it may have when a program starts, and at no other time.
pub fn share_one_heap() {
    const HEAPS: &str = "MALLOC_ARENA_MAX";
    let is_said = [HEAPS, "GLIBC_TUNABLES"].into_iter().any(|name| env::var_os(name).is_some());
    if is_said || getrlimit(Resource::As).current.is_none() {
        return;
    }
    let mut arguments = env::args_os();
    if let (Some(name), Ok(program)) = (arguments.next(), env::current_exe()) {
        let _ = Command::new(program).arg0(name).args(arguments).env(HEAPS, "1").exec();
    }
}

/// What is left of the limits for address space and data, by the pages that the kernel tells of: `size resident shared text
/// lib data dt`, see proc_pid_statm(5).
fn left([space, data]: [Option<u64>; 2], pages: &str, page: u64) -> Option<u64> {
    let left = |limit: Option<u64>, field| {
        let used: u64 = pages.split_ascii_whitespace().nth(field)?.parse().ok()?;
        Some(limit?.saturating_sub(used.saturating_mul(page)))
    };
    left(space, 0).into_iter().chain(left(data, 5)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_limit_counts() {
        let pages = "100 9 9 9 0 20 0\n";
        assert_eq!(left([Some(500_000), None], pages, 4096), Some(90_400));
        assert_eq!(left([Some(500_000), Some(100_000)], pages, 4096), Some(18_080));
        assert_eq!(left([None, Some(100_000)], pages, 4096), Some(18_080));
        assert_eq!(left([Some(4096), None], pages, 4096), Some(0));
        assert_eq!(left([None, None], pages, 4096), None);
        assert_eq!(left([Some(1), Some(1)], "", 4096), None);
    }

    #[test]
    fn the_kernel_tells_what_is_used() {
        let pages = fs::read_to_string("/proc/self/statm").expect("the kernel's table");
        let space = left([Some(u64::MAX), None], &pages, rustix::param::page_size() as u64);
        assert!(space.is_some_and(|space| space < u64::MAX - 100_000), "{space:?}");
    }
}
