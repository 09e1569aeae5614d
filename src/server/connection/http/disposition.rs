//! `Content-Disposition`: the name under which a browser saves (RFC 6266).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::protocol::path::odd_name;

/// What RFC 8187 has to be escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The value for a name: as ASCII for old clients, and as it is.
pub(crate) fn disposition(name: &str, is_attachment: bool) -> String {
    let kind = if is_attachment { "attachment" } else { "inline" };
    let plain = |c: char| {
        if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | '/') || c == ' ' { c } else { '_' }
    };
    let ascii: String = name.chars().map(plain).collect();
    let bytes: Vec<u8> = odd_name::bytes(name).collect();
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{}", percent_encode(&bytes, ESCAPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_name_are_given() {
        assert_eq!(disposition("a b.txt", false), "inline; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
        assert_eq!(
            disposition("ü\"\r\n\0E9", true),
            "attachment; filename=\"_____E9\"; filename*=UTF-8''%C3%BC%22%0D%0A%E9"
        );
    }
}
