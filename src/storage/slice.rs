//! How long a slice of work is.

use std::time::{Duration, Instant};

/// A slice ends when it has taken this long.
const SLICE_TIME: Duration = Duration::from_millis(2);
/// A slice of work of many steps: a number of them, or fewer where each takes long, as on a disk that has to move its heads. A loop
/// that serves others between two slices shall not keep them waiting for seconds.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    begun: bool,
    left: usize,
    until: Instant,
}

impl Slice {
    /// Of at most this many steps, from now on.
    pub fn new(steps: usize, now: Instant) -> Slice {
        Slice { begun: false, left: steps, until: now + SLICE_TIME }
    }

    /// Whether there is another step in it. There is one, however slow the disk is.
    pub fn goes_on(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.left == 0 || (self.begun && now() >= self.until) {
            return false;
        }
        self.begun = true;
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of a slice of 1000 where each takes this long.
    fn steps(each: Duration) -> usize {
        let start = Instant::now();
        let (mut slice, mut now, mut count) = (Slice::new(1000, start), start, 0);
        while slice.goes_on(|| now) {
            now += each;
            count += 1;
        }
        count
    }

    #[test]
    fn slow_steps_make_a_slice_short() {
        assert_eq!(steps(Duration::from_micros(1)), 1000);
        assert_eq!(steps(Duration::from_micros(50)), 40);
        assert_eq!(
            steps(Duration::from_secs(10)),
            1,
            "a client hears of the server after each step of a slow disk"
        );
    }
}
