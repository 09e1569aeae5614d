//! The bandwidth limits: of all jobs, by the time of day, and of one job.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{
    client::{
        api::{
            job_id::JobId,
            settings::limit_schedule::{LimitPeriod, LimitSchedule},
        },
        engine::actor::Actor,
    },
    text::units,
};

/// Which part of a schedule is in force.
#[derive(Debug, Default)]
pub(super) struct Followed {
    period: Option<LimitPeriod>,
    /// Unix times: when it was looked up, and when it has to be looked up again. `None` before the first time.
    checked: Option<(i64, i64)>,
}

/// Another part of a schedule is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Changed {
    to: Option<LimitPeriod>,
    is_first: bool,
}

impl Followed {
    /// Follows the schedule to a Unix time, which may also be earlier than before: clocks are set.
    fn advance(&mut self, schedule: &LimitSchedule, unix: i64) -> Option<Changed> {
        let is_first = self.checked.is_none();
        if self.checked.is_some_and(|(at, next)| (at..next).contains(&unix)) {
            return None;
        }
        let in_force = schedule.at(unix)?;
        self.checked = Some((unix, in_force.next));
        let before = std::mem::replace(&mut self.period, in_force.period);
        (before != in_force.period).then_some(Changed { to: in_force.period, is_first })
    }
}

impl Actor {
    /// Changes the limit of all jobs. One by the time of day is replaced until it ends.
    pub(super) fn set_limit(&self, limit: Option<u64>) {
        let limit = limit.filter(|limit| *limit > 0);
        self.shared.limits.bandwidth.set(limit);
        if self.followed.period.is_none() {
            self.shared.with(|state| {
                state.limit = limit;
                state.queue.touch();
            });
        }
    }

    /// Changes the limits of jobs, also of those that run.
    pub(super) fn set_job_limit(&self, ids: Vec<JobId>, limit: Option<u64>) {
        let limit = limit.filter(|limit| *limit > 0);
        for id in ids {
            let Some(name) = self.shared.with(|state| state.queue.set_limit(id, limit)) else { continue };
            if let Some(limiter) = self.limiters.get(&id) {
                limiter.set(limit);
            }
            tracing::info!("{name}: {}", described(limit));
        }
    }

    /// Puts the limit by the time of day in force. Returns when to call this again.
    pub(super) fn follow_schedule(&mut self, now: Instant) -> Option<Instant> {
        if self.config.limit_schedule.is_empty() {
            return None;
        }
        // The clock of `Instant` stops while the machine sleeps: whatever wakes the actor, this one is read.
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix = i64::try_from(clock.as_secs()).unwrap_or(i64::MAX);
        if let Some(changed) = self.followed.advance(&self.config.limit_schedule, unix) {
            self.enter(changed);
        }
        let (_, next) = self.followed.checked?;
        let next = Duration::from_secs(u64::try_from(next).unwrap_or(0));
        now.checked_add(next.saturating_sub(clock))
    }

    fn enter(&self, Changed { to, is_first }: Changed) {
        let until = to.map(|period| period.to);
        let limit = self.shared.with(|state| {
            state.limit_until = until;
            to.map_or(state.limit, |period| period.limit)
        });
        self.shared.limits.bandwidth.set(limit);
        match until {
            Some(until) => tracing::info!("{} until {until}, by the time of day", described(limit)),
            None if !is_first => {
                tracing::info!("the limit by the time of day has ended: {}", described(limit))
            }
            None => {}
        }
    }
}

fn described(limit: Option<u64>) -> String {
    limit.map_or("no limit".to_owned(), |limit| format!("limit {}", units::rate(limit as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    #[test]
    fn a_schedule_is_followed_at_each_change_and_when_the_clock_is_set() {
        let time = |text: &str| text.parse().expect("a time of day");
        let day = LimitPeriod { from: time("08:00"), to: time("18:00"), limit: Some(2) };
        let schedule = LimitSchedule::new(vec![day]).expect("a schedule");
        let mut followed = Followed::default();
        let mut at = |unix| followed.advance(&schedule, unix);
        let enters = |is_first| Some(Changed { to: Some(day), is_first });
        let ends = Some(Changed { to: None, is_first: false });
        assert_eq!(at(9 * HOUR), enters(true));
        assert_eq!(at(9 * HOUR + 1), None);
        assert_eq!(at(18 * HOUR - 1), None);
        assert_eq!(at(18 * HOUR), ends);
        // The machine slept for two nights.
        assert_eq!(at(60 * HOUR), enters(false));
        // The clock is set back.
        assert_eq!(at(31 * HOUR), ends);
        assert_eq!(at(32 * HOUR), enters(false));
        assert_eq!(Followed::default().advance(&schedule, 0), None, "nothing is in force at first");
    }
}
