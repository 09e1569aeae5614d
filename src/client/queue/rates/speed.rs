//! Speed and time left, from samples of a counter; time is an argument.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Speed is the mean over this time: long enough to be readable, short enough to follow changes.
const SPEED_WINDOW: Duration = Duration::from_secs(4);
/// The estimate of the time left follows changes of the rate with this time constant, so that it does not
/// jump with each burst.
const ESTIMATE_TIME: Duration = Duration::from_secs(12);
/// No estimate before samples of this time.
const MIN_OBSERVED: Duration = Duration::from_secs(3);

/// Watches one rising counter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    samples: VecDeque<(Instant, u64)>,
    /// Sum of the rates, each weighted by how long ago it was.
    weighted: f64,
    weight: f64,
    observed: Duration,
}

impl Meter {
    /// The counter was at `total`.
    pub(crate) fn sample(&mut self, now: Instant, total: u64) {
        if let Some(&(then, before)) = self.samples.back() {
            let Some(elapsed) = now.checked_duration_since(then).filter(|elapsed| !elapsed.is_zero()) else {
                return;
            };
            let rate = total.saturating_sub(before) as f64 / elapsed.as_secs_f64();
            let keep = (-elapsed.as_secs_f64() / ESTIMATE_TIME.as_secs_f64()).exp();
            self.weighted = self.weighted * keep + rate * (1.0 - keep);
            self.weight = self.weight * keep + (1.0 - keep);
            self.observed += elapsed;
        }
        self.samples.push_back((now, total));
        while self.samples.get(1).is_some_and(|&(then, _)| now.duration_since(then) >= SPEED_WINDOW) {
            self.samples.pop_front();
        }
    }

    /// The counter is about to rise by this much at once, which counts as no speed.
    pub(crate) fn skip(&mut self, count: u64) {
        for (_, total) in &mut self.samples {
            *total = total.saturating_add(count);
        }
    }

    /// Units a second over the last seconds.
    pub(crate) fn speed(&self) -> f64 {
        match (self.samples.front(), self.samples.back()) {
            (Some(&(from, before)), Some(&(to, after))) if to > from => {
                after.saturating_sub(before) as f64 / (to - from).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// The speed; `None` while nothing is received and it is too early to show a speed of 0: a server may
    /// first have to read a whole folder.
    pub(crate) fn known(&self) -> Option<f64> {
        let speed = self.speed();
        (speed > 0.0 || self.observed >= MIN_OBSERVED).then_some(speed)
    }

    /// Units a second, slowly filtered; `None` before there is enough data.
    pub(crate) fn slow_rate(&self) -> Option<f64> {
        (self.observed >= MIN_OBSERVED && self.weight > 0.0).then(|| self.weighted / self.weight)
    }

    /// Seconds until `remaining` more are received.
    pub(crate) fn eta(&self, remaining: u64) -> Option<f64> {
        eta(remaining, self.slow_rate()?)
    }
}

/// Seconds for `remaining` units at `rate`; `None` if that is too long to be shown.
pub(crate) fn eta(remaining: u64, rate: f64) -> Option<f64> {
    let seconds = remaining as f64 / rate;
    (seconds.is_finite() && seconds < 1e9).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(meter: &mut Meter, start: Instant, from: u64, rates: &[u64]) -> (Instant, u64) {
        let (mut now, mut total) = (start, from);
        meter.sample(now, total);
        for rate in rates {
            for _ in 0..4 {
                now += Duration::from_millis(250);
                total += rate / 4;
                meter.sample(now, total);
            }
        }
        (now, total)
    }

    #[test]
    fn a_steady_rate_is_the_speed() {
        let mut meter = Meter::default();
        run(&mut meter, Instant::now(), 0, &[1000; 10]);
        assert!((meter.speed() - 1000.0).abs() < 1.0, "{}", meter.speed());
        assert!((meter.eta(10_000).unwrap() - 10.0).abs() < 0.1);
    }

    #[test]
    fn no_estimate_before_three_seconds() {
        let mut meter = Meter::default();
        let (now, total) = run(&mut meter, Instant::now(), 0, &[1000, 1000]);
        assert_eq!(meter.eta(1000), None);
        run(&mut meter, now, total, &[1000]);
        assert!(meter.eta(1000).is_some());
    }

    #[test]
    fn speed_forgets_after_the_window_and_the_estimate_later() {
        let mut meter = Meter::default();
        let (now, total) = run(&mut meter, Instant::now(), 0, &[10_000; 30]);
        run(&mut meter, now, total, &[0; 5]);
        assert!(meter.speed() < 1.0);
        assert!(meter.slow_rate().unwrap() > 4_000.0, "the estimate follows slowly");
    }

    #[test]
    fn a_new_transfer_has_no_speed_of_0() {
        let mut meter = Meter::default();
        assert_eq!(meter.known(), None);
        let (now, total) = run(&mut meter, Instant::now(), 0, &[0; 2]);
        assert_eq!(meter.known(), None);
        run(&mut meter, now, total, &[0; 2]);
        assert_eq!(meter.known(), Some(0.0));
        let mut meter = Meter::default();
        run(&mut meter, now, 0, &[1000]);
        assert!(meter.known().is_some_and(|speed| speed > 900.0));
    }

    #[test]
    fn a_stall_gives_no_estimate_and_a_counter_that_falls_no_panic() {
        let mut meter = Meter::default();
        let now = Instant::now();
        let (now, _) = run(&mut meter, now, 500, &[0; 10]);
        assert_eq!(meter.eta(1), None);
        meter.sample(now + Duration::from_secs(1), 3);
        assert_eq!(meter.speed(), 0.0);
    }
}
