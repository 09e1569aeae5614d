//! Names that are not UTF-8 as text. Each byte that is not part of UTF-8 becomes U+0000 and two upper-case hex digits. No name has a
//! NUL, so no two names become the same text, and a name that is UTF-8 is its own text.

use std::borrow::Cow;

/// The prefix of the digits of a byte.
pub const ESCAPE: char = '\0';

/// The text of a name or path.
pub fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push(ESCAPE);
            [byte >> 4, byte & 15].iter().for_each(|digit| text.push(hex_digit(*digit)));
        }
    }
    Cow::Owned(text)
}

fn hex_digit(digit: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(digit & 15)])
}

/// The bytes of the name or path that is written as this text; `None` if the text stands for no name, or for one that is written differently.
pub fn to_bytes(text: &str) -> Option<Cow<'_, [u8]>> {
    if !is_escaped(text) {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let bytes: Vec<u8> = bytes(text).collect();
    (!bytes.contains(&0) && to_text(&bytes) == text).then_some(Cow::Owned(bytes))
}

/// Whether a text has escapes in it.
pub fn is_escaped(text: &str) -> bool {
    text.contains(ESCAPE)
}

/// The bytes of a text with its escapes decoded, for comparing.
pub fn bytes(text: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (byte, after) = match escape(rest) {
            Some(byte) => (byte, &rest[3..]),
            None => rest.split_first().map(|(byte, after)| (*byte, after))?,
        };
        rest = after;
        Some(byte)
    })
}

/// The byte of an escape at the beginning of a text.
pub fn escape(text: &[u8]) -> Option<u8> {
    let [0, high, low, ..] = *text else { return None };
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    // Bytes below are ASCII, and are not escaped.
    Some(digit(high)? << 4 | digit(low)?).filter(|byte| *byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::cases;

    #[test]
    fn only_invalid_utf8_is_escaped() {
        for (bytes, text) in [
            (&b"caf\xe9.txt"[..], "caf\0E9.txt"),
            (b"\xc3", "\0C3"),
            (b"a\xc3/\xa9", "a\0C3/\0A9"),
            (b"\xf0\x9f\x92", "\0F0\x009F\092"),
            (b"\xed\xa0\x80", "\0ED\0A0\080"),
            ("ü%E9".as_bytes(), "ü%E9"),
        ] {
            assert_eq!(to_text(bytes), text);
            assert_eq!(to_bytes(text), Some(Cow::Borrowed(bytes)));
        }
        assert!(matches!(to_text("ü".as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn a_second_spelling_of_a_name_is_invalid() {
        for text in [
            // A slash, a dot, a NUL and a letter.
            "\x002F",
            "\x002E\x002E",
            "\x0000",
            "\x0041",
            // UTF-8, whole and in pieces.
            "\0C3\0A9",
            "\0F0\x009F\092\096",
            // Not two upper-case digits.
            "\0",
            "\0E",
            "\0e9",
            "\0EG",
            "\0\0E9",
            "a\0",
        ] {
            assert_eq!(to_bytes(text), None, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn every_name_has_one_text(name in prop::collection::vec(1..=255u8, 0..40)) {
            let text = to_text(&name);
            let again = to_bytes(&text);
            prop_assert_eq!(again.as_deref(), Some(&*name));
            prop_assert_eq!(is_escaped(&text), str::from_utf8(&name).is_err());
        }

        #[test]
        fn every_text_is_at_most_one_name(text in "[\0]?[0-9A-Fa/é]{0,3}([\0][0-9A-F]{2}|[a-z.é]){0,6}") {
            if let Some(name) = to_bytes(&text) {
                prop_assert!(!name.contains(&0));
                prop_assert_eq!(to_text(&name), &*text);
            }
        }
    }
}
