//! The rate of a transfer over all of its time, in a bounded number of parts. Time is an argument.

use std::time::Duration;

/// Parts, at most; when there are as many, two neighbours become one.
const MAX_PARTS: usize = 256;
/// The time of a part at first.
const MIN_PART_TIME: Duration = Duration::from_secs(1);

/// See the module. Only time in which a transfer ran counts.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Bytes of each whole part.
    parts: Vec<u64>,
    /// The time of a part.
    part_time: Duration,
    /// What belongs to the part that is not whole.
    elapsed: Duration,
    bytes: u64,
}

impl Default for History {
    fn default() -> History {
        History { parts: Vec::new(), part_time: MIN_PART_TIME, elapsed: Duration::ZERO, bytes: 0 }
    }
}

impl History {
    /// `bytes` were received in `elapsed`.
    pub(crate) fn add(&mut self, elapsed: Duration, bytes: u64) {
        self.elapsed += elapsed;
        self.bytes += bytes;
        if self.elapsed < self.part_time {
            return;
        }
        // One sample may be longer than a part, but is never shared out: a pause of the process is rare.
        let rate = self.bytes as f64 / self.elapsed.as_secs_f64();
        self.parts.push((rate * self.part_time.as_secs_f64()) as u64);
        (self.elapsed, self.bytes) = (Duration::ZERO, 0);
        if self.parts.len() == MAX_PARTS {
            self.parts = self.parts.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.part_time *= 2;
        }
    }

    /// Bytes a second in each part.
    pub(crate) fn rates(&self) -> Vec<f64> {
        self.parts.iter().map(|&bytes| bytes as f64 / self.part_time.as_secs_f64()).collect()
    }

    /// Seconds of all parts together.
    pub(crate) fn seconds(&self) -> f64 {
        self.parts.len() as f64 * self.part_time.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transfer_has_no_more_parts_than_a_short_one_and_the_same_rates() {
        for seconds in [10_u64, 1000, 100_000] {
            let mut history = History::default();
            for _ in 0..4 * seconds {
                history.add(Duration::from_millis(250), 250_000);
            }
            let rates = history.rates();
            assert!(rates.len() < MAX_PARTS && rates.len() >= 10, "{seconds}: {}", rates.len());
            assert!(rates.iter().all(|rate| (rate - 1e6).abs() < 1.0), "{seconds}: {rates:?}");
            assert!((history.seconds() - seconds as f64).abs() <= 0.02 * seconds as f64, "{seconds}");
        }
    }
}
