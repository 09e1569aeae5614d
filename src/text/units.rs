//! Formats and parses bytes, rates and durations. Units are powers of 1000, and widths are stable: a value is
//! never wider than its column.

use std::time::Duration;

const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

/// The message at the start of a transfer, of which `local` bytes are local.
pub fn started(size: Option<u64>, local: u64) -> String {
    match (size, local) {
        (Some(size), 0) => format!("fetching {}", bytes(size)),
        (None, 0) => "fetching".to_owned(),
        (Some(size), local) => format!("resuming at {} of {}", bytes(local), bytes(size)),
        (None, local) => format!("resuming at {}", bytes(local)),
    }
}

/// Bytes in at most 7 columns: `0 B`, `999 B`, `1.0 kB`, `3.4 GB`, `84.2 MB`, `842 MB`.
pub fn bytes(count: u64) -> String {
    scaled(count as f64)
}

/// Bytes a second in at most 9 columns: `61.0 MB/s`.
pub fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", scaled(bytes_per_second.max(0.0)))
}

fn scaled(value: f64) -> String {
    let mut value = value;
    let mut unit = 0;
    // 999.5 would be rounded to 1000, so the next unit starts there.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    // Likewise 99.95 would be rounded to 100.0.
    let decimals = usize::from(unit > 0 && value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A duration in at most two significant units and 9 columns: `8 s`, `4 m 10 s`, `3 h 12 m`, `2 d 4 h`.
/// From ten of the larger unit on the smaller one is omitted, except for hours.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => format!("{minutes} m {} s", seconds % 60),
        600..3600 => format!("{minutes} m"),
        3600..86400 => format!("{hours} h {} m", minutes % 60),
        86400..864_000 => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
    }
}

/// A measured time: `3 ms`, `3.7 s`, then as [`duration`].
pub fn took(seconds: f64) -> String {
    match seconds.max(0.0) {
        short if short < 0.1 => format!("{:.0} ms", (short * 1000.0).ceil()),
        short if short < 60.0 => format!("{short:.1} s"),
        long => duration(Duration::try_from_secs_f64(long).unwrap_or(Duration::MAX)),
    }
}

/// Bytes, time and rate of a transfer: `2.1 MB in 3.4 s, 618 kB/s`. Very short transfers have no rate.
pub fn transfer(count: u64, seconds: f64) -> String {
    let text = format!("{} in {}", bytes(count), took(seconds));
    match seconds {
        ..0.001 => text,
        _ if count < 1000 => text,
        _ => format!("{text}, {}", rate(count as f64 / seconds)),
    }
}

/// A whole number with a comma at each thousand: `1,204`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of things: `1 client`, `1,204 clients`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The beginning of a digest in hex, enough to recognise it in the log.
pub fn short_digest(hex: &str) -> String {
    match hex.get(..8) {
        Some(start) if hex.len() > 8 => format!("{start}…"),
        _ => hex.to_owned(),
    }
}

/// Done and total bytes in few columns: `31 of 128 GB`, `512 MB of 3.4 GB`.
pub fn bytes_of(done: u64, total: u64) -> String {
    let (done, total) = (bytes(done), bytes(total));
    match (done.split_once(' '), total.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number} of {total}"),
        _ => format!("{done} of {total}"),
    }
}

/// A limit as [`parse_rate`] reads it, in its shortest exact form: `5M`, `500k`.
pub fn limit_as_typed(limit: u64) -> String {
    match limit {
        0 => "0".to_owned(),
        _ if limit.is_multiple_of(1_000_000) => format!("{}M", limit / 1_000_000),
        _ if limit.is_multiple_of(1000) => format!("{}k", limit / 1000),
        _ => limit.to_string(),
    }
}

/// An invalid rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a rate: write a number of bytes a second such as 500k, 2M or 1.5MB (0 is unlimited)", crate::text::SafeText::new(.0))]
pub struct RateError(String);

/// Parses a rate in bytes a second: a number, then `k`, `M`, `G`, `T` in either case (powers of 1000),
/// each with or without `B`, `/s` or `B/s`; `0` means unlimited and gives `None`.
///
/// # Errors
/// The text is not a rate.
pub fn parse_rate(text: &str) -> Result<Option<u64>, RateError> {
    let error = || RateError(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.strip_suffix("/s").unwrap_or(&lower);
    let number = number.strip_suffix('b').unwrap_or(number);
    let (number, factor) = match number.chars().last() {
        Some('k') => (&number[..number.len() - 1], 1e3),
        Some('m') => (&number[..number.len() - 1], 1e6),
        Some('g') => (&number[..number.len() - 1], 1e9),
        Some('t') => (&number[..number.len() - 1], 1e12),
        _ => (number, 1.0),
    };
    let number = number.trim();
    // `f64` also parses `inf`, `nan` and exponents, which are rejected.
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(error());
    }
    let value = number.parse::<f64>().map_err(|_| error())? * factor;
    if value == 0.0 {
        return Ok(None);
    }
    if !(1.0..=1e18).contains(&value) {
        return Err(error());
    }
    Ok(Some(value as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_have_three_digits() {
        let cases: [(u64, &str); 10] = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (3_400_000_000, "3.4 GB"),
            (84_200_000, "84.2 MB"),
            (u64::MAX, "18447 PB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 m 0 s"),
            (250, "4 m 10 s"),
            (600, "10 m"),
            (11_520, "3 h 12 m"),
            (187_200, "2 d 4 h"),
            (864_000, "10 d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn long_times_are_rounded() {
        let cases = [(0.0, "0 ms"), (0.0012, "2 ms"), (0.34, "0.3 s"), (3.66, "3.7 s"), (250.0, "4 m 10 s")];
        for (seconds, text) in cases {
            assert_eq!(took(seconds), text);
        }
        assert_eq!(took(f64::NAN), "0 ms");
    }

    #[test]
    fn tiny_transfers_have_no_rate() {
        assert_eq!(transfer(2_100_000, 3.4), "2.1 MB in 3.4 s, 618 kB/s");
        assert_eq!(transfer(3, 0.017), "3 B in 17 ms");
        assert_eq!(transfer(0, 0.0), "0 B in 0 ms");
    }

    #[test]
    fn limits_are_written_as_they_are_read() {
        for (limit, text) in [(5_000_000, "5M"), (500_000, "500k"), (1_500_000, "1500k"), (1234, "1234")] {
            assert_eq!(limit_as_typed(limit), text);
            assert_eq!(parse_rate(text), Ok(Some(limit)));
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1204, "1,204"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn rates_are_read() {
        for (text, value) in [
            ("0", None),
            ("500", Some(500)),
            ("500k", Some(500_000)),
            ("2M", Some(2_000_000)),
            ("1.5MB", Some(1_500_000)),
            ("1.5 MB/s", Some(1_500_000)),
            ("1g", Some(1_000_000_000)),
        ] {
            assert_eq!(parse_rate(text), Ok(value), "{text}");
        }
        for text in ["", "k", "-1", "fast", "1e9", "nan", "inf", "1x", "0.5", "1..2", "9999999999T"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn widths_are_stable(value in 0u64..999_000_000_000_000_000, seconds in 0u64..10_000_000_000) {
            prop_assert!(bytes(value).len() <= 7);
            prop_assert!(rate(value as f64).len() <= 9);
            prop_assert!(duration(Duration::from_secs(seconds)).len() <= 9);
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse_rate(&text);
        }
    }
}
