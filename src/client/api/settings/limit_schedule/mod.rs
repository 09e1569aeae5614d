//! A bandwidth limit by the time of day, and which part of it is in force. No clock: time is an argument.

mod zone;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use zone::Zone;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A time of day on the local clock, to the minute, from 00:00 to 24:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeOfDay(u16);

/// A text is not a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time of day such as 08:00 or 18:30")]
pub struct NotATime;

impl FromStr for TimeOfDay {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<TimeOfDay, NotATime> {
        let (hours, minutes) = text.split_once(':').ok_or(NotATime)?;
        let number = |digits: &str, lengths: &[usize]| -> Result<u16, NotATime> {
            let is_number =
                lengths.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_number { digits.parse().map_err(|_| NotATime) } else { Err(NotATime) }
        };
        let (hours, minutes) = (number(hours, &[1, 2])?, number(minutes, &[2])?);
        let time = hours * 60 + minutes;
        if minutes < 60 && time <= DAY { Ok(TimeOfDay(time)) } else { Err(NotATime) }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A part of each day with a limit of its own. It contains midnight if it ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitPeriod {
    /// Its first minute.
    pub from: TimeOfDay,
    /// The minute after its last one.
    pub to: TimeOfDay,
    /// Bytes a second for all jobs together; `None` is unlimited.
    pub limit: Option<u64>,
}

impl LimitPeriod {
    /// The minutes that it contains, the first of each part and the one after its last.
    fn parts(&self) -> [(u16, u16); 2] {
        let (from, to) = (self.from.0, self.to.0);
        if from < to { [(from, to), (0, 0)] } else { [(from, DAY), (0, to)] }
    }

    fn contains(&self, minute: u16) -> bool {
        self.parts().iter().any(|(from, to)| (*from..*to).contains(&minute))
    }

    fn overlaps(&self, other: &LimitPeriod) -> bool {
        let others = other.parts();
        self.parts().iter().any(|one| others.iter().any(|other| one.0.max(other.0) < one.1.min(other.1)))
    }
}

impl fmt::Display for LimitPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// Periods that are not a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A period has no minutes.
    #[error("{0} is no time at all; the whole day is 00:00 to 24:00")]
    Empty(LimitPeriod),
    /// Two periods have minutes in common.
    #[error("{0} and {1} overlap")]
    Overlap(LimitPeriod, LimitPeriod),
}

/// The limits by the time of day. At any time at most one period is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSchedule {
    periods: Vec<LimitPeriod>,
    zone: Zone,
}

/// What of a schedule holds at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    /// The period, if there is one.
    pub(crate) period: Option<LimitPeriod>,
    /// The Unix time at which to look again.
    pub(crate) next: i64,
}

impl LimitSchedule {
    /// A schedule of these periods, in UTC.
    ///
    /// # Errors
    /// A period is empty, or two of them overlap.
    pub fn new(periods: Vec<LimitPeriod>) -> Result<LimitSchedule, ScheduleError> {
        for (index, period) in periods.iter().enumerate() {
            if period.from == period.to || period.from.0 == DAY {
                return Err(ScheduleError::Empty(*period));
            }
            if let Some(earlier) = periods[..index].iter().find(|earlier| earlier.overlaps(period)) {
                return Err(ScheduleError::Overlap(*earlier, *period));
            }
        }
        Ok(LimitSchedule { periods, zone: Zone::default() })
    }

    /// The same in another time zone.
    pub fn in_zone(self, zone: Zone) -> LimitSchedule {
        LimitSchedule { zone, ..self }
    }

    /// The periods.
    pub fn periods(&self) -> &[LimitPeriod] {
        &self.periods
    }

    /// Whether it has no periods.
    pub fn is_empty(&self) -> bool {
        self.periods.is_empty()
    }

    /// What holds at a Unix time; `None` without periods.
    pub(crate) fn at(&self, unix: i64) -> Option<InForce> {
        let local = unix.saturating_add(self.zone.offset(unix));
        let minute = u16::try_from(local.div_euclid(60).rem_euclid(i64::from(DAY))).unwrap_or(0);
        let period = self.periods.iter().find(|period| period.contains(minute)).copied();
        let bounds = self.periods.iter().flat_map(|period| [period.from, period.to]);
        let next = bounds.map(|bound| self.next(unix, bound)).min()?;
        let next = self.zone.next_change(unix).map_or(next, |change| next.min(change));
        Some(InForce { period, next })
    }

    /// The next Unix time at which the local clock shows this.
    fn next(&self, unix: i64, time: TimeOfDay) -> i64 {
        const SECONDS: i64 = 60 * DAY as i64;
        let offset = self.zone.offset(unix);
        let until = (60 * i64::from(time.0) - unix - offset).rem_euclid(SECONDS);
        let then = unix + if until == 0 { SECONDS } else { until };
        // The clock may be changed in between.
        (then + offset - self.zone.offset(then)).max(unix + 1)
    }
}

#[cfg(test)]
mod tests;
