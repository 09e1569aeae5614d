//! Which protocol a client speaks: what TLS has agreed on, or else the first bytes.

use crate::{
    net::tls::HTTP_PROTOCOL,
    protocol::preamble::{FIRST_BYTE, TLS_FIRST_BYTE},
};

/// The maximum length of a method of HTTP that is waited for.
const MAX_METHOD_LEN: usize = 32;

/// The protocol of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detected {
    V1,
    /// TLS, where none is expected.
    Tls,
    Http,
    Classic,
    /// There are too few bytes to tell.
    Undecided,
    Unknown,
}

/// Detects the protocol from the first bytes. `agreed`: the name that ALPN has selected. `is_classic`: whether clients of the original
/// programs are answered, which begin with any byte.
pub(crate) fn detect(bytes: &[u8], agreed: Option<&[u8]>, is_classic: bool) -> Detected {
    match (bytes.first(), agreed) {
        (None, _) => Detected::Undecided,
        (_, Some(HTTP_PROTOCOL)) => Detected::Http,
        (Some(&FIRST_BYTE), _) => Detected::V1,
        (_, Some(_)) => Detected::Unknown,
        (Some(&TLS_FIRST_BYTE), None) => Detected::Tls,
        // What one read gives is the path.
        _ if is_classic => {
            let is_http = bytes.starts_with(b"GET /") || bytes.starts_with(b"HEAD /");
            if is_http { Detected::Http } else { Detected::Classic }
        }
        _ => detect_http(bytes),
    }
}

/// Every request of HTTP begins with a word and a blank.
fn detect_http(bytes: &[u8]) -> Detected {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    match bytes.iter().position(|byte| !is_of_token(byte)) {
        Some(end @ 1..=MAX_METHOD_LEN) if bytes[end] == b' ' => Detected::Http,
        None if bytes.len() <= MAX_METHOD_LEN => Detected::Undecided,
        _ => Detected::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_select_the_protocol() {
        use Detected::{Classic, Http, Tls, Undecided, Unknown, V1};
        for (bytes, plain, classic) in [
            (&b""[..], Undecided, Undecided),
            (b"\0FDSP", V1, V1),
            (b"\x16\x03", Tls, Tls),
            (b"GET / HTTP/1.1", Http, Http),
            (b"HEAD /a", Http, Http),
            (b"G", Undecided, Classic),
            (b"GET ", Http, Classic),
            (b"POST /", Http, Classic),
            (b"PRI * HTTP/2.0", Http, Classic),
            (b"some/file", Unknown, Classic),
            (b"hello?", Unknown, Classic),
            (b"SSH-2.0-OpenSSH_9.9\r\n", Unknown, Classic),
            (b" GET /", Unknown, Classic),
            (&[b'a'; 40], Unknown, Classic),
        ] {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(detect(bytes, None, false), plain, "{text}");
            assert_eq!(detect(bytes, None, true), classic, "{text}");
        }
    }

    #[test]
    fn what_tls_has_agreed_on_is_spoken() {
        for (bytes, agreed, detected) in [
            (&b"GET /"[..], &b"http/1.1"[..], Detected::Http),
            (b"\0FDSP", b"http/1.1", Detected::Http),
            (b"\0FDSP", b"fdsp/1", Detected::V1),
            (b"GET /", b"fdsp/1", Detected::Unknown),
            (b"\x16", b"fdsp/1", Detected::Unknown),
        ] {
            assert_eq!(detect(bytes, Some(agreed), false), detected);
        }
    }
}
