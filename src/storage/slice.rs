//! How long a slice of work is.

use std::time::{Duration, Instant};

/// A slice ends when it has taken this long.
const TIME: Duration = Duration::from_millis(2);
/// The clock is asked again after so many steps.
const ASKED: usize = 16;

/// A slice of work of many steps: so many of them, or fewer where each takes long, as on a disk that has to move its heads. A loop
/// that serves others between two slices shall not keep them waiting for seconds.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    steps: usize,
    left: usize,
    until: Instant,
}

impl Slice {
    /// Of so many steps at most, from now on.
    pub fn new(steps: usize, now: Instant) -> Slice {
        Slice { steps, left: steps, until: now + TIME }
    }

    /// Whether there is another step in it.
    pub fn goes_on(&mut self, now: impl FnOnce() -> Instant) -> bool {
        let asks = self.left != self.steps && (self.steps - self.left).is_multiple_of(ASKED);
        if self.left == 0 || (asks && now() >= self.until) {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of a slice of 1000 where each takes so long.
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
        assert_eq!(steps(Duration::from_micros(50)), 48);
        assert_eq!(steps(Duration::from_millis(10)), ASKED, "it gets on however slow the disk is");
    }
}
