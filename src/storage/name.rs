//! Names of this machine as text.

use std::borrow::Cow;

/// A name as text that no request can contain; each byte that is not UTF-8 becomes `%XX`.
pub(super) fn as_text(name: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(name) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(name.len() + 8);
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| push_escaped(&mut text, *byte));
    }
    Cow::Owned(text)
}

/// A name that is not UTF-8 as text, different for different names: each byte that is not UTF-8 becomes `%XX`, and so do
/// each `%` and the first `count` bytes.
pub(super) fn escaped(name: &[u8], count: usize) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    let (first, rest) = name.split_at(count);
    first.iter().for_each(|byte| push_escaped(&mut text, *byte));
    for chunk in rest.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '%' => push_escaped(&mut text, b'%'),
                character => text.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_escaped(&mut text, *byte));
    }
    text
}

fn push_escaped(text: &mut String, byte: u8) {
    text.push('%');
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
    }
}

/// `directory/name`, or only one of them where the other one is empty.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match (directory, name) {
        (directory, []) => directory.to_vec(),
        ([], name) => name.to_vec(),
        (directory, name) => [directory, name].join(&b'/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_escaped_to_one() {
        assert_eq!(escaped(b"caf\xe9.txt", 0), "caf%E9.txt");
        assert_eq!(escaped(b"a\xff%FE", 0), "a%FF%25FE");
        assert_eq!(escaped(b"a%FF\xfe", 0), "a%25FF%FE");
        assert_eq!(escaped("ü\u{0}".as_bytes(), 1), "%C3%BC\u{0}");
        assert_eq!(escaped(b"ab\xff", 2), "%61%62%FF");
    }

    #[test]
    fn only_bytes_that_are_not_utf8_are_escaped() {
        assert_eq!(as_text(b"a%20b"), "a%20b");
        assert_eq!(as_text("ü日".as_bytes()), "ü日");
        assert_eq!(as_text(b"caf\xe9.txt"), "caf%E9.txt");
        assert_eq!(as_text(b"\xff\x0f\xfe"), "%FF\u{f}%FE");
        assert!(matches!(as_text(b"plain"), Cow::Borrowed(_)));
    }
}
