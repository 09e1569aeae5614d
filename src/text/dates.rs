//! Dates and times of day as people read them.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

type Format = [BorrowedFormatItem<'static>];

/// The UTC time of a Unix time in seconds; `None` if no calendar has it.
pub fn of_unix(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// `2026-11-27`.
pub fn day(at: OffsetDateTime) -> String {
    const FORMAT: &Format = format_description!("[year]-[month]-[day]");
    formatted(at, FORMAT)
}

/// `2026-11-27 08:05`.
pub fn minute(at: OffsetDateTime) -> String {
    const FORMAT: &Format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    formatted(at, FORMAT)
}

/// The time of day: `08:05:09`.
pub fn clock(at: OffsetDateTime) -> String {
    const FORMAT: &Format = format_description!("[hour]:[minute]:[second]");
    formatted(at, FORMAT)
}

/// The time of day to the minute: `08:05`.
pub fn short_clock(at: OffsetDateTime) -> String {
    const FORMAT: &Format = format_description!("[hour]:[minute]");
    formatted(at, FORMAT)
}

/// `27 Nov 08:05`.
pub fn short(at: OffsetDateTime) -> String {
    const FORMAT: &Format = format_description!("[day padding:none] [month repr:short] [hour]:[minute]");
    formatted(at, FORMAT)
}

/// Formats that take all their parts from a date with a time cannot fail.
fn formatted(at: OffsetDateTime, format: &Format) -> String {
    at.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn numbers_have_leading_zeros() {
        let at = datetime!(2026-11-07 08:05:09 UTC);
        assert_eq!(day(at), "2026-11-07");
        assert_eq!(minute(at), "2026-11-07 08:05");
        assert_eq!(clock(at), "08:05:09");
        assert_eq!(short_clock(at), "08:05");
        assert_eq!(short(at), "7 Nov 08:05");
    }

    #[test]
    fn a_time_outside_the_calendar_is_none() {
        assert_eq!(of_unix(0).map(day).as_deref(), Some("1970-01-01"));
        assert_eq!(of_unix(i64::MAX), None);
        assert_eq!(of_unix(i64::MIN), None);
    }
}
