//! Addresses for which curl's patterns stand: `{one,two}` is a set, `[1-9]`, `[001-100:10]` and `[a-z]` are ranges.
//!
//! Each pattern multiplies the addresses, and the last one changes first. A backslash takes the meaning from the character after it.
//! An IPv6 address in brackets is no pattern.

use std::net::Ipv6Addr;

/// Addresses that one text may stand for, at most.
pub const MAX_ADDRESSES: usize = 100_000;
/// Bytes of all addresses of one text, at most.
const MAX_BYTES: usize = 16 << 20;

/// Why a text with patterns is not valid. Each sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// A pattern that does not end.
    #[error("the '{0}' has no end: write \\{0} for the character itself")]
    Open(char),
    /// The end of a pattern that has not begun.
    #[error("the '{0}' ends no pattern: write \\{0} for the character itself")]
    Close(char),
    /// A set in a set.
    #[error("a set cannot contain another pattern")]
    Nested,
    /// A set of nothing.
    #[error("the set {{}} is empty")]
    Empty,
    /// Not a range.
    #[error(
        "'[{0}]' is not a range: write [1-9], [01-20], [1-100:10] or [a-z], or \\[ for the character itself"
    )]
    Range(String),
    /// Too many addresses.
    #[error("the patterns stand for more than {MAX_ADDRESSES} addresses, or for more than 16 MiB of them")]
    TooMany,
}

/// All texts that a text with patterns stands for, in curl's order; the text itself, if it has none.
///
/// # Errors
/// See [`GlobError`].
pub fn expand(text: &str) -> Result<Vec<String>, GlobError> {
    let parts = parse(text)?;
    let mut count = 1_usize;
    let mut longest = 0_usize;
    for part in &parts {
        count = count.saturating_mul(part.len());
        longest += part.iter().map(String::len).max().unwrap_or(0);
        if count > MAX_ADDRESSES {
            return Err(GlobError::TooMany);
        }
    }
    if count.saturating_mul(longest) > MAX_BYTES {
        return Err(GlobError::TooMany);
    }
    Ok((0..count).map(|number| compose(&parts, number)).collect())
}

/// The text with this number: the last pattern changes first.
fn compose(parts: &[Vec<String>], mut number: usize) -> String {
    let mut chosen = Vec::with_capacity(parts.len());
    for part in parts.iter().rev() {
        chosen.push(part[number % part.len()].as_str());
        number /= part.len();
    }
    chosen.into_iter().rev().collect()
}

/// The parts of a text, each with all that may stand in its place. None is empty.
fn parse(text: &str) -> Result<Vec<Vec<String>>, GlobError> {
    let mut parts = Vec::new();
    // Long before there are too many addresses, there may be too many parts.
    let mut count = 1_usize;
    let mut add = |parts: &mut Vec<Vec<String>>, plain: &mut String, choices: Vec<String>| {
        count = count.saturating_mul(choices.len());
        parts.extend([vec![std::mem::take(plain)], choices]);
        if count > MAX_ADDRESSES { Err(GlobError::TooMany) } else { Ok(()) }
    };
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        match first {
            '\\' => {
                let escaped = after.chars().next().filter(|next| "{}[]\\,".contains(*next));
                plain.push(escaped.unwrap_or('\\'));
                rest = &after[escaped.map_or(0, char::len_utf8)..];
            }
            '[' => {
                let end = after.find(']').ok_or(GlobError::Open('['))?;
                let inner = &after[..end];
                rest = &after[end + 1..];
                if is_ipv6(inner) {
                    plain += &format!("[{inner}]");
                    continue;
                }
                let choices = range(inner).ok_or_else(|| GlobError::Range(shown(inner)))??;
                add(&mut parts, &mut plain, choices)?;
            }
            '{' => {
                let (choices, after) = set(after)?;
                add(&mut parts, &mut plain, choices)?;
                rest = after;
            }
            '}' | ']' => return Err(GlobError::Close(first)),
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    parts.push(vec![plain]);
    Ok(parts)
}

/// A few characters of what is no range.
fn shown(inner: &str) -> String {
    inner.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// Whether it is an IPv6 address, perhaps with a zone.
fn is_ipv6(text: &str) -> bool {
    text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// The choices of a set, and what follows it.
fn set(text: &str) -> Result<(Vec<String>, &str), GlobError> {
    let mut choices = vec![String::new()];
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        let choice = match character {
            '}' if choices.iter().all(String::is_empty) && choices.len() == 1 => {
                return Err(GlobError::Empty);
            }
            '}' => return Ok((choices, &text[at + 1..])),
            '{' | '[' | ']' => return Err(GlobError::Nested),
            ',' => {
                choices.push(String::new());
                continue;
            }
            '\\' => characters.next().map_or('\\', |(_, escaped)| escaped),
            other => other,
        };
        if let Some(last) = choices.last_mut() {
            last.push(choice);
        }
    }
    Err(GlobError::Open('{'))
}

/// The values of a range; `None` if it is not one.
fn range(text: &str) -> Option<Result<Vec<String>, GlobError>> {
    let (range, step) = match text.split_once(':') {
        Some((range, step)) => (range, number(step).filter(|step| *step > 0)?),
        None => (text, 1),
    };
    let (first, last) = range.split_once('-')?;
    let step_len = usize::try_from(step).unwrap_or(usize::MAX);
    if let (Some(from), Some(to)) = (number(first), number(last)) {
        if from > to {
            return None;
        }
        if (to - from) / step >= MAX_ADDRESSES as u64 {
            return Some(Err(GlobError::TooMany));
        }
        // A number that begins with a zero has as many digits in all addresses.
        let width = if first.starts_with('0') { first.len() } else { 0 };
        return Some(Ok((from..=to).step_by(step_len).map(|value| format!("{value:0width$}")).collect()));
    }
    let (from, to) = (letter(first)?, letter(last)?);
    let same_case = from.is_ascii_lowercase() == to.is_ascii_lowercase();
    (same_case && from <= to).then(|| Ok((from..=to).step_by(step_len).map(String::from).collect()))
}

/// Digits only: `parse` alone would take a sign. At most 18, so that none of them overflows.
fn number(text: &str) -> Option<u64> {
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn letter(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let first = characters.next().filter(char::is_ascii_alphabetic)?;
    characters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sets_and_ranges_stand_for_many_addresses_as_in_curl() {
        for (text, all) in [
            ("https://h/a", vec!["https://h/a"]),
            (
                "https://{a,b}.h/[1-2]",
                vec!["https://a.h/1", "https://a.h/2", "https://b.h/1", "https://b.h/2"],
            ),
            ("h/[01-10:4]", vec!["h/01", "h/05", "h/09"]),
            ("h/[9-11]", vec!["h/9", "h/10", "h/11"]),
            ("h/[08-11]", vec!["h/08", "h/09", "h/10", "h/11"]),
            ("h/[a-e:2]", vec!["h/a", "h/c", "h/e"]),
            ("h/{,.sig}", vec!["h/", "h/.sig"]),
            ("http://[::1]:80/[0-1]", vec!["http://[::1]:80/0", "http://[::1]:80/1"]),
            (r"h/\[1-2\]\{a\}\\", vec![r"h/[1-2]{a}\"]),
            (r"h/{a\,b,c\}}", vec!["h/a,b", "h/c}"]),
            (r"h\x", vec![r"h\x"]),
            ("", vec![""]),
        ] {
            assert_eq!(expand(text).unwrap(), all, "{text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_an_error() {
        for (text, error) in [
            ("h/[1-2", GlobError::Open('[')),
            ("h/{a", GlobError::Open('{')),
            ("h/a]", GlobError::Close(']')),
            ("h/a}", GlobError::Close('}')),
            ("h/{a,{b}}", GlobError::Nested),
            ("h/{}", GlobError::Empty),
            ("h/[]", GlobError::Range(String::new())),
            ("h/[2-1]", GlobError::Range("2-1".into())),
            ("h/[a-Z]", GlobError::Range("a-Z".into())),
            ("h/[1-2:0]", GlobError::Range("1-2:0".into())),
            ("h/[+1-2]", GlobError::Range("+1-2".into())),
            ("h/[1-9999999999999999999]", GlobError::Range("1-9999999999999999999".into())),
            ("h/[1-999999999]", GlobError::TooMany),
            ("h/[1-1000][1-1000]", GlobError::TooMany),
        ] {
            assert_eq!(expand(text), Err(error), "{text}");
        }
        let long = format!("{}[1-99999]", "x".repeat(8000));
        assert_eq!(expand(&long), Err(GlobError::TooMany), "the bytes are bounded, too");
        let parts = |count| format!("h/{}", "[1-100]".repeat(count));
        assert_eq!(parse(&parts(2)).map(|parts| parts.len()), Ok(5));
        assert_eq!(parse(&parts(1000)), Err(GlobError::TooMany), "before all parts are made");
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_within_the_bounds_or_is_an_error(text in "[a-z0-9{},\\[\\]\\\\:-]{0,40}|.{0,40}") {
            if let Ok(all) = expand(&text) {
                prop_assert!((1..=MAX_ADDRESSES).contains(&all.len()));
            }
        }

        #[test]
        fn an_escaped_text_is_itself(text in ".{0,40}") {
            let escaped: String = text
                .chars()
                .flat_map(|c| "{}[]\\".contains(c).then_some('\\').into_iter().chain([c]))
                .collect();
            prop_assert_eq!(expand(&escaped), Ok(vec![text]));
        }

        #[test]
        fn a_range_has_all_its_numbers(first in 0_u32..500, count in 1_u32..50, step in 1_u32..7) {
            let all = expand(&format!("x[{first}-{}:{step}]y", first + count - 1)).unwrap();
            let expected: Vec<_> =
                (first..first + count).step_by(step as usize).map(|n| format!("x{n}y")).collect();
            // A first zero is a width of one digit.
            prop_assert_eq!(all, expected);
        }
    }
}
