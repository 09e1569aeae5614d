//! The throughput of all transfers in the last minutes. Time is an argument.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The time of a part.
const PART_TIME: Duration = Duration::from_secs(2);
/// Parts, at most.
const MAX_PARTS: usize = 120;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    /// Bytes a second of each part, the last one at the end.
    rates: VecDeque<f64>,
    /// When the present part began, and how many bytes there were then.
    since: Option<(Instant, u64)>,
}

impl Recent {
    /// `total` bytes were received until now.
    pub(crate) fn sample(&mut self, now: Instant, total: u64) {
        let &mut (since, before) = self.since.get_or_insert((now, total));
        let elapsed = now.saturating_duration_since(since);
        if elapsed < PART_TIME {
            return;
        }
        if self.rates.len() == MAX_PARTS {
            self.rates.pop_front();
        }
        self.rates.push_back(total.saturating_sub(before) as f64 / elapsed.as_secs_f64());
        self.since = Some((now, total));
    }

    /// Bytes a second of the last parts, at most `count`.
    pub(crate) fn rates(&self, count: usize) -> Vec<f64> {
        self.rates.range(self.rates.len().saturating_sub(count)..).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_the_rate_of_its_two_seconds() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        for quarter in 0..=16_u64 {
            // 1000 bytes a second, then 3000.
            let total = if quarter <= 8 { 250 * quarter } else { 2000 + 750 * (quarter - 8) };
            recent.sample(start + Duration::from_millis(250) * quarter as u32, total);
        }
        assert_eq!(recent.rates(9), [1000.0, 3000.0]);
        assert_eq!(recent.rates(1), [3000.0]);
    }
}
