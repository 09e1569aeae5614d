//! A slice of work: bounded by steps and by time.

use std::time::{Duration, Instant};

/// Maximum time of a slice.
const SLICE_TIME: Duration = Duration::from_millis(2);
/// A slice of work: a number of steps, or fewer if they are slow, as on a hard disk. A loop
/// serves other clients between two slices.
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

    /// Whether another step fits. The first one always does.
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
    fn slow_steps_shorten_a_slice() {
        assert_eq!(steps(Duration::from_micros(1)), 1000);
        assert_eq!(steps(Duration::from_micros(50)), 40);
        assert_eq!(steps(Duration::from_secs(10)), 1, "each slow step is a slice of its own");
    }
}
