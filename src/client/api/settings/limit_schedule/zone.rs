//! The local time zone of the coming years, as a table: the system can be asked safely only before there are threads.

use time::{OffsetDateTime, UtcOffset};

/// How far the table reaches, and the distance of the times that are compared.
const WEEKS: i64 = 3 * 53;
const WEEK: i64 = 7 * 24 * 3600;

/// The offset of the local clock from UTC, and its changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of UTC at first.
    offset: i64,
    /// Unix times, rising, with the offset from then on.
    changes: Vec<(i64, i64)>,
}

impl Zone {
    /// The zone of this machine for three years from now on. UTC if the system does not report it, or if this process has
    /// other threads already.
    pub fn local() -> Zone {
        let offset = |unix| {
            let at = OffsetDateTime::from_unix_timestamp(unix).ok()?;
            Some(i64::from(UtcOffset::local_offset_at(at).ok()?.whole_seconds()))
        };
        Zone::read(OffsetDateTime::now_utc().unix_timestamp(), |unix| offset(unix).unwrap_or(0))
    }

    /// The zone with these offsets from a Unix time on.
    fn read(from: i64, offset: impl Fn(i64) -> i64) -> Zone {
        let mut zone = Zone { offset: offset(from), changes: Vec::new() };
        let mut last = zone.offset;
        for week in 0..WEEKS {
            let (mut before, mut after) = (from + week * WEEK, from + (week + 1) * WEEK);
            let then = offset(after);
            if then == last {
                continue;
            }
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if offset(middle) == last {
                    before = middle;
                } else {
                    after = middle;
                }
            }
            zone.changes.push((after, then));
            last = then;
        }
        zone
    }

    /// Seconds to add to a Unix time.
    pub(super) fn offset(&self, unix: i64) -> i64 {
        let past = self.changes.iter().take_while(|(change, _)| *change <= unix);
        past.last().map_or(self.offset, |(_, offset)| *offset)
    }

    /// The next change after a Unix time.
    pub(super) fn next_change(&self, unix: i64) -> Option<i64> {
        self.changes.iter().map(|(change, _)| *change).find(|change| *change > unix)
    }

    /// A zone with this offset and these changes.
    #[cfg(test)]
    pub(super) fn fixed(offset: i64, changes: &[(i64, i64)]) -> Zone {
        Zone { offset, changes: changes.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_found_to_the_second() {
        let year = 365 * 24 * 3600;
        let (spring, autumn) = (1_000_003, 1_000_003 + year / 2);
        let offset = |unix| if (spring..autumn).contains(&unix) { 7200 } else { 3600 };
        let zone = Zone::read(0, offset);
        assert_eq!(zone, Zone::fixed(3600, &[(spring, 7200), (autumn, 3600)]));
        for unix in [0, spring - 1, spring, autumn - 1, autumn, 4 * year] {
            assert_eq!(zone.offset(unix), offset(unix), "{unix}");
        }
        assert_eq!(zone.next_change(spring), Some(autumn));
        assert_eq!(zone.next_change(autumn), None);
    }
}
