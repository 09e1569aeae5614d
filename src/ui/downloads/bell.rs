//! When the terminal's bell rings: once, when the last download of a longer piece of work has ended, for a
//! user who has looked away.

use std::time::{Duration, Instant};

/// Shorter work does not ring the bell.
const MIN_WORK_TIME: Duration = Duration::from_secs(10);

/// Watches how many downloads run or wait.
#[derive(Debug, Default)]
pub(super) struct Bell {
    busy_since: Option<Instant>,
}

impl Bell {
    /// Whether to ring, now that `unfinished` downloads run or wait.
    pub(super) fn watch(&mut self, unfinished: usize, now: Instant) -> bool {
        if unfinished > 0 {
            self.busy_since.get_or_insert(now);
            return false;
        }
        self.busy_since.take().is_some_and(|since| now.saturating_duration_since(since) >= MIN_WORK_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_once_at_the_end_of_long_work_only() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bell = Bell::default();
        let rings = [(0, 0), (2, 1), (1, 9), (0, 11), (0, 30), (1, 31), (0, 32)]
            .map(|(unfinished, seconds)| bell.watch(unfinished, at(seconds)));
        assert_eq!(rings, [false, false, false, true, false, false, false]);
    }
}
