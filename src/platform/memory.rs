//! How much more memory the system gives this process.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// Bytes that this process may still take until it gets none, by the limits that it was given; [`u64::MAX`] where there is no
/// limit, or it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryLeft {
    /// Of address space (`ulimit -v`).
    pub space: u64,
    /// Of data (`ulimit -d`).
    pub data: u64,
}

impl MemoryLeft {
    /// Where there are no limits.
    pub const UNLIMITED: MemoryLeft = MemoryLeft { space: u64::MAX, data: u64::MAX };
}

/// How much is left now. Costs next to nothing where there is no limit.
pub(crate) fn memory_left() -> MemoryLeft {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    let pages = if limits == [None, None] { None } else { fs::read_to_string("/proc/self/statm").ok() };
    left(limits, &pages.unwrap_or_default(), rustix::param::page_size() as u64)
}

/// What is left of the limits for address space and data, by the pages that the kernel tells of: `size resident shared text
/// lib data dt`, see proc_pid_statm(5).
fn left([space, data]: [Option<u64>; 2], pages: &str, page: u64) -> MemoryLeft {
    let left = |limit: Option<u64>, field| {
        let used: u64 = pages.split_ascii_whitespace().nth(field)?.parse().ok()?;
        Some(limit?.saturating_sub(used.saturating_mul(page)))
    };
    MemoryLeft { space: left(space, 0).unwrap_or(u64::MAX), data: left(data, 5).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_taken_from_the_limits() {
        let pages = "100 9 9 9 0 20 0\n";
        for (limits, space, data) in [
            ([Some(500_000), None], 90_400, u64::MAX),
            ([Some(500_000), Some(100_000)], 90_400, 18_080),
            ([None, Some(100_000)], u64::MAX, 18_080),
            ([Some(4096), Some(4096)], 0, 0),
            ([None, None], u64::MAX, u64::MAX),
        ] {
            assert_eq!(left(limits, pages, 4096), MemoryLeft { space, data }, "{limits:?}");
        }
        assert_eq!(left([Some(1), Some(1)], "", 4096), MemoryLeft::UNLIMITED);
    }

    #[test]
    fn the_kernel_tells_what_is_used() {
        let pages = fs::read_to_string("/proc/self/statm").expect("the kernel's table");
        let left = left([Some(u64::MAX - 1); 2], &pages, rustix::param::page_size() as u64);
        assert!(left.space < u64::MAX - 100_000 && left.data < u64::MAX - 1, "{left:?}");
    }
}
