//! The head of a request: found in the received bytes, and parsed so strictly that no other program reads it in another way.

use super::{
    Refused,
    fields::Fields,
    target::{Target, authority},
};
use crate::server::connection::http::response::Status;

/// The maximum length of a head in bytes.
pub(crate) const MAX_HEAD_LEN: usize = 32 * 1024;
/// The maximum length of a request line in bytes.
const MAX_LINE_LEN: usize = 16 * 1024;
/// The maximum number of fields.
const MAX_FIELDS: usize = 100;

/// What a request wants of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    /// One that is not served.
    Other,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: Method,
    /// Its name, for the access log.
    pub method_name: String,
    /// The minor version of HTTP/1: 0 or 1.
    pub minor: u8,
    pub target: Target,
    /// The host that it is for, with the port; `None` only for HTTP/1.0.
    pub host: Option<String>,
    /// Whether the client sends a body, which is not read.
    pub has_body: bool,
    /// Whether the client takes further answers on this connection.
    pub keep_alive: bool,
    pub fields: Fields,
}

/// Looks for the end of a head, whose first `searched` bytes were searched before. Returns its length.
///
/// # Errors
/// It has a NUL, or a line that does not end with CR and LF, or it is too long.
pub(crate) fn find_end(bytes: &[u8], searched: &mut usize) -> Result<Option<usize>, Refused> {
    for at in *searched..bytes.len() {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        match (before, bytes[at]) {
            (_, 0) => return Err(Refused::bad("a NUL byte in the head")),
            (Some(b'\r'), b'\n') => {}
            (_, b'\n') | (Some(b'\r'), _) => return Err(Refused::bad("a line that does not end with CR LF")),
            _ => {}
        }
        if bytes[..=at].ends_with(b"\r\n\r\n") {
            return check_length(at + 1, bytes).map(|()| Some(at + 1));
        }
    }
    *searched = bytes.len();
    check_length(bytes.len(), bytes).map(|()| None)
}

fn check_length(length: usize, bytes: &[u8]) -> Result<(), Refused> {
    let begin = &bytes[..length.min(MAX_LINE_LEN)];
    if begin.len() == MAX_LINE_LEN && !begin.contains(&b'\n') {
        return Err(Refused { status: Status::UriTooLong, reason: "the request line is too long" });
    }
    if length > MAX_HEAD_LEN {
        return Err(Refused { status: Status::HeadTooLarge, reason: "the head of the request is too long" });
    }
    Ok(())
}

impl Request {
    /// Parses a head, which ends with an empty line.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn parse(head: &[u8]) -> Result<Request, Refused> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(Refused::bad("the head of the request is not complete")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Refused {
                    status: Status::HeadTooLarge,
                    reason: "too many fields in the request",
                });
            }
            Err(httparse::Error::Version) if names_version(head) => {
                return Err(Refused {
                    status: Status::OtherVersion,
                    reason: "only HTTP/1.1 and HTTP/1.0 are supported",
                });
            }
            Err(_) => return Err(Refused::bad("the head of the request is malformed")),
        }
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
        else {
            return Err(Refused::bad("the request line is malformed"));
        };
        let fields = Fields::new(request.headers);
        let has_body = has_body(request.headers, minor)?;
        let method_name = method.to_owned();
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Other,
        };
        let (target, named) = match (method, target) {
            // Of no use to methods that are served.
            (Method::Other, _) => (Target::default(), None),
            _ => Target::parse(target)?,
        };
        let host = host(request.headers, minor)?;
        let connection = fields.get("connection").unwrap_or_default();
        let has = |option: &str| connection.split(',').any(|token| token.trim().eq_ignore_ascii_case(option));
        let keep_alive = !has("close") && (minor == 1 || has("keep-alive"));
        Ok(Request { method, method_name, minor, target, host: named.or(host), has_body, keep_alive, fields })
    }
}

/// Whether a request line has three words, of which the last one is a version of HTTP.
fn names_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let [_, _, version] = words[..] else { return false };
    let version = version.strip_prefix(b"HTTP/");
    matches!(version, Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// The values of a field.
fn values<'a>(headers: &'a [httparse::Header<'_>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Whether a body follows the head.
///
/// # Errors
/// Its length is not certain: another program could find the next request elsewhere.
fn has_body(headers: &[httparse::Header<'_>], minor: u8) -> Result<bool, Refused> {
    let lengths: Vec<_> = values(headers, "content-length").collect();
    let codings: Vec<_> = values(headers, "transfer-encoding").collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(false),
        ([_, ..], [_, ..]) => Err(Refused::bad("both Content-Length and Transfer-Encoding")),
        ([], [_, ..]) if minor == 0 => Err(Refused::bad("Transfer-Encoding in a request of HTTP/1.0")),
        ([], [coding]) if coding.trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(true),
        ([], _) => {
            Err(Refused { status: Status::NotImplemented, reason: "a Transfer-Encoding other than chunked" })
        }
        ([length], [])
            if !length.is_empty() && length.len() <= 19 && length.iter().all(u8::is_ascii_digit) =>
        {
            Ok(length.iter().any(|digit| *digit != b'0'))
        }
        ([_], []) => Err(Refused::bad("a Content-Length that is not a number")),
        (_, []) => Err(Refused::bad("more than one Content-Length")),
    }
}

/// The `Host` field.
fn host(headers: &[httparse::Header<'_>], minor: u8) -> Result<Option<String>, Refused> {
    let mut all = values(headers, "host");
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(Refused::bad("more than one Host")),
        (None, None) if minor == 0 => Ok(None),
        (None, None) => Err(Refused::bad("no Host")),
        (Some(host), None) => match str::from_utf8(host).ok().and_then(authority) {
            Some(host) => Ok(Some(host)),
            None => Err(Refused::bad("a Host that is not a host")),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::cases;

    /// What the requests at the beginning of some bytes are: the status of what is refused.
    fn read(bytes: &[u8]) -> Result<Option<Request>, u16> {
        let end = find_end(bytes, &mut 0).map_err(|refused| refused.status as u16)?;
        let head = end.map(|end| Request::parse(&bytes[..end]));
        head.transpose().map_err(|refused| refused.status as u16)
    }

    fn status(text: &str) -> u16 {
        match read(text.as_bytes()) {
            Ok(Some(_)) => 200,
            Ok(None) => 0,
            Err(status) => status,
        }
    }

    #[test]
    fn requests_that_could_be_read_in_two_ways_are_refused() {
        for (expected, text) in [
            (200, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            (200, "GET / HTTP/1.0\r\n\r\n"),
            (200, "GET http://x:1/a?b HTTP/1.1\r\nHost: y\r\n\r\n"),
            (200, "OPTIONS * HTTP/1.1\r\nHost: y\r\n\r\n"),
            (200, "GET / HTTP/1.1\r\nhost:x\r\nContent-Length: 0\r\n\r\n"),
            (200, "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (0, "GET / HTTP/1.1\r\nHost: x\r\n"),
            (0, "GET / HTTP/1.1\r"),
            (400, "GET / HTTP/1.1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: user@x\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x:port\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            (400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (501, "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            (
                501,
                "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (400, "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\n: x\r\nHost: x\r\n\r\n"),
            (400, "GET / HTTP/1.1\nHost: x\n\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n"),
            (400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"),
            (400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET /\r\nHost: x\r\n\r\n"),
            (400, "GET a HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET http:// HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET /a/%2e%2E/b HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET / http/1.1\r\nHost: x\r\n\r\n"),
            (505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
            (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ] {
            if !text.is_empty() {
                assert_eq!(status(text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn heads_are_bounded() {
        let fields = |count| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
        let head = |fields: String| format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        assert_eq!(status(&head(fields(MAX_FIELDS - 1))), 200);
        assert_eq!(status(&head(fields(MAX_FIELDS))), 431);
        assert_eq!(status(&head(format!("X: {}\r\n", "y".repeat(MAX_HEAD_LEN)))), 431);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(MAX_HEAD_LEN))), 431);
        assert_eq!(status(&format!("GET /{}", "a".repeat(MAX_LINE_LEN))), 414);
        assert_eq!(status(&format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(MAX_LINE_LEN))), 414);
    }

    #[test]
    fn connections_are_kept_as_the_client_says() {
        let keeps = |text: &str| read(text.as_bytes()).unwrap().unwrap().keep_alive;
        assert!(keeps("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    }

    proptest! {
        #![proptest_config(cases(512))]

        /// Where the bytes are cut does not matter, and nothing panics.
        #[test]
        fn any_bytes_are_parsed_or_refused(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just(b"GET ".to_vec()), Just(b"HEAD /a?b=%41".to_vec()), Just(b" HTTP/1.1\r\n".to_vec()),
                    Just(b"Host: x:1\r\n".to_vec()), Just(b"Content-Length: 1".to_vec()), Just(b"\r\n".to_vec()),
                    Just(b"/".to_vec()), Just(b"Range: bytes=0-1\r\n".to_vec()), Just(b"\n".to_vec()),
                    Just(b"Transfer-Encoding: chunked\r\n".to_vec()), prop::collection::vec(any::<u8>(), 0..9),
                ],
                0..12,
            ),
            cuts in prop::collection::vec(1usize..20, 0..20),
        ) {
            let bytes = pieces.concat();
            let whole = find_end(&bytes, &mut 0);
            let (mut searched, mut length, mut cut) = (0, 0usize, Ok(None));
            for piece in cuts.into_iter().chain([usize::MAX]) {
                length = bytes.len().min(length.saturating_add(piece));
                cut = find_end(&bytes[..length], &mut searched);
                if !matches!(cut, Ok(None)) {
                    break;
                }
            }
            prop_assert_eq!(&whole, &cut);
            if let Ok(Some(end)) = whole {
                prop_assert!(bytes[..end].ends_with(b"\r\n\r\n"));
                if let Ok(request) = Request::parse(&bytes[..end]) {
                    prop_assert!(request.minor == 0 || request.host.is_some());
                }
            }
        }
    }
}
