//! The rate of the progress of a download or of the queue; the time is an argument.

use std::time::Instant;

use super::speed::Meter;

/// Watches progress by received content and by comparison of local content. Comparison is much faster: the time left of what has to
/// be received cannot be estimated from its rate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Advance {
    meter: Meter,
    /// Content was received since the last sample that had only local progress.
    receives: bool,
}

impl Advance {
    /// The progress is `total`, of which `local` were added by local comparison since the last sample; `receives` says whether
    /// content was received since then.
    pub(crate) fn sample(&mut self, now: Instant, total: u64, local: u64, receives: bool) {
        if receives && !self.receives {
            *self = Advance { receives, ..Advance::default() };
        } else if receives {
            self.meter.skip(local);
        } else if local > 0 {
            self.receives = false;
        }
        self.meter.sample(now, total);
    }

    /// Whether content is received, and its rate is the one that is measured.
    pub(crate) fn receives(&self) -> bool {
        self.receives
    }

    /// Units a second, slowly filtered; `None` before there is enough data.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.meter.slow_rate()
    }

    /// Seconds until `remaining` more are there.
    pub(crate) fn eta(&self, remaining: u64) -> Option<f64> {
        self.meter.eta(remaining)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Samples one second each of `(rise, of it local, whether content is received)`.
    fn run(advance: &mut Advance, samples: &[(u64, u64, bool)]) {
        let (mut now, mut total) = (Instant::now(), 0);
        advance.sample(now, total, 0, false);
        for &(rise, local, receives) in samples {
            now += Duration::from_secs(1);
            total += rise;
            advance.sample(now, total, local, receives);
        }
    }

    #[test]
    fn the_time_left_after_a_resume_is_that_of_the_link() {
        let mut advance = Advance::default();
        let compared = [(500_000, 500_000, false); 4];
        // The rest of the comparison and the first bytes are in one sample.
        let begun = [(101_000, 100_000, true)];
        let received = [(1_000, 0, true); 5];
        run(&mut advance, &[&compared[..], &begun, &received].concat());
        let left = advance.eta(10_000).expect("5 s are enough");
        assert!((9.9..10.1).contains(&left), "{left}");
    }

    #[test]
    fn another_download_that_resumes_does_not_shorten_the_time_left() {
        let mut advance = Advance::default();
        run(&mut advance, &[[(1_000, 0, true); 5], [(501_000, 500_000, true); 5]].concat());
        let left = advance.eta(10_000).expect("10 s are enough");
        assert!((9.9..10.1).contains(&left), "{left}");
    }

    #[test]
    fn a_comparison_alone_has_a_time_left() {
        let mut advance = Advance::default();
        run(&mut advance, &[(500_000, 500_000, false); 5]);
        assert!((1.9..2.1).contains(&advance.eta(1_000_000).expect("5 s are enough")));
    }
}
