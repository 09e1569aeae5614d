//! Header fields that the operator adds to the responses of HTTP, for caches and for pages of other sites.

use std::fmt;

/// Fields on which the framing of responses, their security, or the correctness of resumed downloads depends.
const RESERVED: [&str; 35] = [
    "accept-ranges",
    "allow",
    "alt-svc",
    "connection",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-security-policy",
    "content-type",
    "date",
    "digest",
    "etag",
    "host",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "proxy-authenticate",
    "proxy-connection",
    "referrer-policy",
    "repr-digest",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "warning",
    "www-authenticate",
    "x-blake3",
    "x-content-type-options",
];
/// The maximum length of a field in bytes.
const MAX_LEN: usize = 1024;

/// A header field that is added to responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    name: String,
    value: String,
}

/// Why a text is no header field that can be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseHeaderError {
    /// It has no colon, an invalid name, or control characters.
    #[error("it must be NAME: VALUE, in ASCII and on one line")]
    Malformed,
    /// The server sets this field itself.
    #[error("the server itself sets '{0}', and it cannot be replaced")]
    Reserved(String),
}

impl ResponseHeader {
    /// Parses `NAME: VALUE`.
    ///
    /// # Errors
    /// See [`ResponseHeaderError`].
    pub fn parse(text: &str) -> Result<ResponseHeader, ResponseHeaderError> {
        let (name, value) = text.split_once(':').ok_or(ResponseHeaderError::Malformed)?;
        let value = value.trim_matches([' ', '\t']);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_value = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
        if name.is_empty()
            || text.len() > MAX_LEN
            || !name.bytes().all(is_token)
            || !value.bytes().all(is_value)
        {
            return Err(ResponseHeaderError::Malformed);
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(ResponseHeaderError::Reserved(name.to_owned()));
        }
        Ok(ResponseHeader { name: name.to_owned(), value: value.to_owned() })
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for ResponseHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

/// Adds these fields to the head of a response with this status, whose last line ends it. `Cache-Control` replaces the server's where no
/// token is needed; `Vary` is joined with the server's.
pub(crate) fn add_response_headers(
    headers: &[ResponseHeader],
    status: u16,
    needs_token: bool,
    head: &mut String,
) {
    if !headers.iter().any(|header| header.is("server")) {
        head.push_str("Server: fdsp\r\n");
    }
    for header in headers {
        if header.is("cache-control") {
            if matches!(status, 200 | 206 | 304) && !needs_token {
                replace_line(head, "Cache-Control", |_| header.value.clone());
            }
        } else if header.is("vary") && head.contains("\r\nVary: ") {
            replace_line(head, "Vary", |own| format!("{own}, {}", header.value));
        } else {
            head.push_str(&format!("{header}\r\n"));
        }
    }
}

/// Replaces the value of a field that the head has, or adds it.
fn replace_line(head: &mut String, name: &str, value: impl FnOnce(&str) -> String) {
    let begin = head.find(&format!("\r\n{name}: ")).map(|at| at + 2 + name.len() + 2);
    match begin.and_then(|begin| Some((begin, begin + head[begin..].find("\r\n")?))) {
        Some((begin, end)) => {
            let value = value(&head[begin..end]);
            head.replace_range(begin..end, &value);
        }
        None => head.push_str(&format!("{name}: {}\r\n", value(""))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::cases;

    #[test]
    fn framing_and_security_cannot_be_replaced() {
        for text in [
            "Content-Length: 0",
            "transfer-encoding:chunked",
            "SET-COOKIE: a=b",
            "Content-Security-Policy: x",
        ] {
            assert!(matches!(ResponseHeader::parse(text), Err(ResponseHeaderError::Reserved(_))), "{text}");
        }
        for text in ["", "a", ": x", "a b: x", "a: x\r\nb: y", "a: x\ny", "a: \0", "\u{fc}: x", "a: \u{fc}"] {
            assert_eq!(ResponseHeader::parse(text), Err(ResponseHeaderError::Malformed), "{text:?}");
        }
        assert_eq!(ResponseHeader::parse("X-A:  b c\t").unwrap().to_string(), "X-A: b c");
    }

    #[test]
    fn fields_are_added_replaced_or_joined() {
        let headers =
            ["Access-Control-Allow-Origin: *", "cache-control: public", "vary: Origin", "server: files"];
        let headers: Vec<_> = headers.iter().map(|text| ResponseHeader::parse(text).unwrap()).collect();
        let add = |status, needs_token, head: &str| {
            let mut head = head.to_owned();
            add_response_headers(&headers, status, needs_token, &mut head);
            head
        };
        let with = |status, head: &str| add(status, false, head);
        assert_eq!(
            with(200, "HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nVary: Cookie\r\n"),
            "HTTP/1.1 200 OK\r\nCache-Control: public\r\nVary: Cookie, Origin\r\nAccess-Control-Allow-Origin: *\r\nserver: files\r\n"
        );
        assert!(
            with(401, "HTTP/1.1 401 X\r\nCache-Control: no-store\r\n").contains("Cache-Control: no-store")
        );
        for own in ["private, no-cache", "no-store"] {
            let private = add(200, true, &format!("HTTP/1.1 200 OK\r\nCache-Control: {own}\r\n"));
            assert!(private.contains(&format!("Cache-Control: {own}\r\n")), "{private}");
            assert!(!private.contains("public") && private.contains("vary: Origin"), "{private}");
        }
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// Whatever is accepted is one line of a head.
        #[test]
        fn an_accepted_field_is_one_line(text in "[ -~\\r\\n\\t]{0,20}:[ -~\\r\\n\\t\u{80}]{0,20}") {
            if let Ok(header) = ResponseHeader::parse(&text) {
                let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
                add_response_headers(&[header], 200, false, &mut head);
                prop_assert!(head.matches("\r\n").count() <= 3 && !head.contains("\r\n\r\n"));
                prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
            }
        }
    }
}
