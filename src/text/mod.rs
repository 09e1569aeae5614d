//! Text of peers and file names, sanitised for output; names that are not UTF-8; dates, numbers and units.

pub mod dates;
pub mod odd_name;
pub mod qr;
pub(crate) mod secret_names;
pub mod units;

use std::{
    borrow::Cow,
    fmt::{self, Write},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Maximum length of a text in bytes, that of the longest path. A peer may send longer texts many times, and logs and queues keep
/// them.
const MAX_LEN: usize = 4096;
/// Replaces the omitted middle.
const CUT: &str = "…";

/// Text without control, bidirectional or zero-width characters: each is replaced by a visible form
/// where text is received, so that no escape sequence of a peer or a file name reaches a terminal, a log or
/// a line of output. `\u{1b}` becomes `␛`, DEL `␡`, everything else of the kind `‹U+202E›`, a byte of a name that is not UTF-8
/// `‹xE9›`.
///
/// It has at most 4096 bytes: of a longer text the middle is omitted, since sentences begin with their subject and
/// end with the problem. A clone shares the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SafeText(Arc<str>);

impl SafeText {
    /// Sanitises text.
    pub fn new(text: &str) -> SafeText {
        if !text.contains(is_unsafe) {
            return SafeText(bounded(text).into());
        }
        let mut safe = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let length = match odd_name::escape(rest.as_bytes()) {
                Some(byte) => {
                    push_byte(&mut safe, byte);
                    3
                }
                None => {
                    push_visible(&mut safe, c);
                    c.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        SafeText::visible(safe)
    }

    /// Sanitises bytes: each byte that is not UTF-8 becomes `‹xE9›`.
    pub fn from_bytes(bytes: &[u8]) -> SafeText {
        let mut safe = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|c| push_visible(&mut safe, c));
            chunk.invalid().iter().for_each(|byte| push_byte(&mut safe, *byte));
        }
        SafeText::visible(safe)
    }

    fn visible(safe: String) -> SafeText {
        SafeText(bounded(&safe).into())
    }

    /// Sanitises a path of this machine.
    pub fn from_path(path: &std::path::Path) -> SafeText {
        SafeText::from_bytes(path.as_os_str().as_encoded_bytes())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Omits the middle of a text that is too long.
fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_LEN {
        return Cow::Borrowed(text);
    }
    let half = (MAX_LEN - CUT.len()) / 2;
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=half).rev().find(is_boundary).unwrap_or(0);
    let tail = (text.len() - half..).find(is_boundary).unwrap_or(text.len());
    Cow::Owned([&text[..head], CUT, &text[tail..]].concat())
}

fn push_byte(out: &mut String, byte: u8) {
    write!(out, "‹x{byte:02X}›").expect("a String takes any text");
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\u{7f}' => out.push('␡'),
        c if c < ' ' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('␦')),
        c if is_unsafe(c) => write!(out, "‹U+{:04X}›", u32::from(c)).expect("a String takes any text"),
        c => out.push(c),
    }
}

/// Whether a character controls a terminal, reorders text, or is invisible: C0, DEL, C1, line
/// and paragraph separators, bidirectional controls (Unicode Standard Annex #9), zero-width and other
/// invisible format characters, variation selectors, tags.
pub fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Formats a path of this machine for messages.
pub trait ShowPath {
    /// The sanitised path.
    fn shown(&self) -> SafeText;
}

impl ShowPath for std::path::Path {
    fn shown(&self) -> SafeText {
        SafeText::from_path(self)
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for SafeText {
    fn from(text: &str) -> Self {
        SafeText::new(text)
    }
}

impl Serialize for SafeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SafeText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SafeText, D::Error> {
        String::deserialize(from).map(|text| SafeText::new(&text))
    }
}

/// An error message of the system without its `(os error 2)`.
pub fn without_number(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, after)| after))
}

#[cfg(test)]
mod fuzzing;
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn error_numbers_are_removed() {
        for (text, without) in [
            ("a: Permission denied (os error 13); then", "a: Permission denied; then"),
            ("a (os error 2): b (os error 3)", "a: b"),
            ("cut (os error 1", "cut"),
            ("no number (os error)", "no number (os error)"),
            ("", ""),
        ] {
            assert_eq!(without_number(text), without);
        }
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in ["", "a b.txt", "größe 文件", "-rf", "e\u{301}"] {
            assert_eq!(SafeText::new(text).as_str(), text);
        }
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(SafeText::new("a\u{1b}[2Jb\r\n\u{7f}").as_str(), "a␛[2Jb␍␊␡");
        assert_eq!(SafeText::new("x\u{202e}gpj\u{9b}").as_str(), "x‹U+202E›gpj‹U+009B›");
        assert_eq!(SafeText::from_bytes(b"caf\xe9\x1b").as_str(), "caf‹xE9›␛");
        assert_eq!(SafeText::new("caf\0E9\0\x001B\0e9").as_str(), "caf‹xE9›␀␀1B␀e9");
    }

    #[test]
    fn the_middle_of_a_long_text_is_omitted() {
        let longest = "é".repeat(MAX_LEN / 2);
        assert_eq!(SafeText::new(&longest).as_str(), longest);
        let path = format!("it is '{}' that is wrong", "é".repeat(40_000));
        for cut in [SafeText::new(&path), SafeText::from_bytes(path.as_bytes())] {
            let text = cut.as_str();
            assert!((MAX_LEN - 8..=MAX_LEN).contains(&text.len()), "{}", text.len());
            assert!(
                text.starts_with("it is 'éé") && text.contains("é…é") && text.ends_with("éé' that is wrong")
            );
        }
        for hostile in [SafeText::new(&"\u{80}".repeat(40_000)), SafeText::from_bytes(&[0xff; 70_000])] {
            assert!(hostile.as_str().len() <= MAX_LEN && hostile.as_str().contains(CUT), "{hostile}");
        }
    }

    proptest! {
        #[test]
        fn sanitised_text_has_no_unsafe_character(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            prop_assert!(!SafeText::new(&text).as_str().contains(is_unsafe));
            prop_assert!(!SafeText::from_bytes(&bytes).as_str().contains(is_unsafe));
        }

        #[test]
        fn sanitising_is_idempotent(text in any::<String>()) {
            let once = SafeText::new(&text);
            prop_assert_eq!(SafeText::new(once.as_str()), once);
        }
    }
}
