//! Names of this machine as text.

use std::borrow::Cow;

/// A name as text; each byte that is not UTF-8 becomes `%XX`.
pub(super) fn as_text(name: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(name) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(name.len() + 8);
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    Cow::Owned(text)
}

/// `directory/name`, or only the name where the directory is the served folder itself.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_text_is_escaped() {
        assert_eq!(as_text(b"a%20b"), "a%20b");
        assert_eq!(as_text("ü日".as_bytes()), "ü日");
        assert_eq!(as_text(b"caf\xe9.txt"), "caf%E9.txt");
        assert_eq!(as_text(b"\xff\x0f\xfe"), "%FF\u{f}%FE");
        assert!(matches!(as_text(b"plain"), Cow::Borrowed(_)));
    }
}
