//! The conditions of a request (RFC 9110, section 13) and the range that it asks for, applied to what a path has now.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use super::fields::Fields;

/// What a condition is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The entity tag, with its quotes. It is strong.
    pub tag: &'a str,
    /// The last modification, in whole seconds.
    pub modified: Option<SystemTime>,
    /// The moment of the answer.
    pub now: SystemTime,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    /// All of it.
    Whole,
    /// Some of its bytes.
    Part(Range<u64>),
    /// Nothing: the client has it.
    NotModified,
    /// Nothing: it is not what the client expects.
    Failed,
    /// Nothing: the range is after its end.
    Unsatisfiable,
}

/// Evaluates the conditions in the order of RFC 9110, section 13.2.2. `size`: of what has ranges; `None` if it has none.
pub(crate) fn select(fields: &Fields, validators: Validators<'_>, size: Option<u64>) -> Selected {
    let Validators { tag, modified, .. } = validators;
    let date = |name| fields.get(name).and_then(|value| httpdate::parse_http_date(value.trim()).ok());
    match (fields.get("if-match"), date("if-unmodified-since")) {
        (Some(tags), _) if !lists(tags, tag, true) => return Selected::Failed,
        (None, Some(since)) if modified.is_some_and(|modified| modified > since) => return Selected::Failed,
        _ => {}
    }
    match (fields.get("if-none-match"), date("if-modified-since")) {
        (Some(tags), _) if lists(tags, tag, false) => return Selected::NotModified,
        (None, Some(since)) if modified.is_some_and(|modified| modified <= since) => {
            return Selected::NotModified;
        }
        _ => {}
    }
    match (size, fields.get("range")) {
        (Some(size), Some(range)) if is_current(fields, validators) => select_range(range, size),
        _ => Selected::Whole,
    }
}

/// Whether a list of entity tags has this one, or is `*`. The strong comparison finds no weak tag.
fn lists(tags: &str, tag: &str, is_strong: bool) -> bool {
    tags.trim() == "*" || split_tags(tags).any(|(is_weak, other)| other == tag && !(is_weak && is_strong))
}

/// The entity tags of a list up to the first error: whether each is weak, and the rest of it with its quotes.
fn split_tags(mut rest: &str) -> impl Iterator<Item = (bool, &str)> {
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let end = quoted.strip_prefix('"')?.find('"')? + 2;
        let (tag, after) = quoted.split_at(end);
        rest = after;
        Some((is_weak, tag))
    })
}

/// Whether the version that a range is of is the current one, if the client names the one it has.
fn is_current(fields: &Fields, validators: Validators<'_>) -> bool {
    let Some(expected) = fields.get("if-range").map(str::trim) else { return true };
    if expected.starts_with('"') || expected.starts_with("W/") {
        return expected == validators.tag;
    }
    // A date is strong if it is at least a second older than the answer (section 8.8.2.2).
    httpdate::parse_http_date(expected).is_ok_and(|date| {
        validators.modified == Some(date) && date + Duration::from_secs(1) <= validators.now
    })
}

/// The bytes of a `Range`. One that is malformed, of another unit, or of several parts is ignored.
fn select_range(range: &str, size: u64) -> Selected {
    let Some((unit, set)) = range.split_once('=') else { return Selected::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Selected::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    // A number that is too large is after the end.
    let number = |text: &str| match text {
        "" => Some(None),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(text.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) if last.is_none_or(|last| first <= last) => {
            let end = last.map_or(size, |last: u64| last.saturating_add(1).min(size));
            if first < size { Selected::Part(first..end) } else { Selected::Unsatisfiable }
        }
        (Some(None), Some(Some(count))) => match size.min(count) {
            0 => Selected::Unsatisfiable,
            count => Selected::Part(size - count..size),
        },
        _ => Selected::Whole,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::cases;

    const TAG: &str = "\"abc\"";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn fields(all: &[(&str, &str)]) -> Fields {
        let headers: Vec<_> =
            all.iter().map(|(name, value)| httparse::Header { name, value: value.as_bytes() }).collect();
        Fields::new(&headers)
    }

    fn selected(all: &[(&str, &str)], size: u64) -> Selected {
        let modified = httpdate::parse_http_date(DATE).ok();
        let now = modified.unwrap() + Duration::from_secs(60);
        select(&fields(all), Validators { tag: TAG, modified, now }, Some(size))
    }

    #[test]
    fn ranges_are_as_exact_as_they_are_asked_for() {
        use Selected::{Part, Unsatisfiable, Whole};
        for (range, size, expected) in [
            ("bytes=0-0", 10, Part(0..1)),
            ("bytes=2-", 10, Part(2..10)),
            ("bytes=2-99", 10, Part(2..10)),
            ("Bytes = 9-9", 10, Part(9..10)),
            ("bytes=-3", 10, Part(7..10)),
            ("bytes=-99", 10, Part(0..10)),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-1", 0, Unsatisfiable),
            ("bytes=0-1,3-4", 10, Whole),
            ("bytes=5-2", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=a-", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("lines=1-2", 10, Whole),
            ("nonsense", 10, Whole),
        ] {
            assert_eq!(selected(&[("range", range)], size), expected, "{range} of {size}");
        }
        assert_eq!(selected(&[("range", "bytes=0-1"), ("Range", "bytes=2-3")], 10), Whole, "two of them");
    }

    #[test]
    fn conditions_are_evaluated_in_their_order() {
        use Selected::{Failed, NotModified, Part, Whole};
        let cases: [(&[(&str, &str)], Selected); 22] = [
            (&[("if-match", TAG)], Whole),
            (&[("if-match", "*")], Whole),
            (&[("if-match", "\"x\", \"abc\"")], Whole),
            (&[("if-match", "\"x\"")], Failed),
            (&[("if-match", "W/\"abc\"")], Failed),
            (&[("if-match", "abc")], Failed),
            (&[("if-match", TAG), ("if-unmodified-since", BEFORE)], Whole),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", DATE)], Whole),
            (&[("if-unmodified-since", "yesterday")], Whole),
            (&[("if-none-match", TAG)], NotModified),
            (&[("if-none-match", "W/\"abc\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"a,b\" ,\"abc\"")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], Whole),
            (&[("if-modified-since", DATE)], NotModified),
            (&[("if-modified-since", BEFORE)], Whole),
            (&[("if-match", "\"x\""), ("if-none-match", TAG)], Failed),
            (&[("if-range", TAG), ("range", "bytes=1-")], Part(1..10)),
            (&[("if-range", "W/\"abc\""), ("range", "bytes=1-")], Whole),
            (&[("if-range", DATE), ("range", "bytes=1-")], Part(1..10)),
            (&[("if-range", BEFORE), ("range", "bytes=1-")], Whole),
        ];
        for (all, expected) in cases {
            assert_eq!(selected(all, 10), expected, "{all:?}");
        }
    }

    /// Within that second the file may have changed twice.
    #[test]
    fn a_date_of_the_same_second_proves_no_version() {
        let modified = httpdate::parse_http_date(DATE).ok();
        let now = modified.unwrap();
        let fields = fields(&[("if-range", DATE), ("range", "bytes=1-")]);
        assert_eq!(select(&fields, Validators { tag: TAG, modified, now }, Some(10)), Selected::Whole);
    }

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn a_part_is_within_the_size(range in "(bytes=)?[0-9]{0,21}-?[0-9]{0,21}(,1-2)?", size in any::<u64>()) {
            if let Selected::Part(part) = selected(&[("range", &range)], size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
