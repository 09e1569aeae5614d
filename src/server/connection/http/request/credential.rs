//! What a request shows of a token: a password, a bearer token, the token of a link, or the cookie that was given for it.

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::head::Request;

/// The token that a request shows, from the first place that has one; empty if that is not text.
pub(crate) fn token(request: &Request) -> Option<Zeroizing<String>> {
    match request.fields.get("authorization") {
        Some(value) => Some(Zeroizing::new(authorization(value.trim()).unwrap_or_default())),
        None => request.target.token.clone(),
    }
}

fn authorization(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(rest.trim()).ok()?);
    // The user name is ignored.
    let password = decoded.iter().position(|byte| *byte == b':').map(|colon| &decoded[colon + 1..])?;
    str::from_utf8(password).ok().map(str::to_owned)
}

/// The name of the cookie that replaces a token. It is different for each server of a host.
pub(crate) fn cookie_name(port: u16) -> String {
    format!("fdsp-{port}")
}

/// Whether a request has the cookie with this value. A wrong one counts as none: it cannot be guessed, and may be of an earlier run.
pub(crate) fn has_cookie(request: &Request, value: &str, port: u16) -> bool {
    let name = cookie_name(port);
    let cookies = request.fields.get("cookie").unwrap_or_default();
    let own =
        cookies.split(';').filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name);
    own.take(4).any(|(_, shown)| bool::from(shown.as_bytes().ct_eq(value.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &str) -> Request {
        let head = format!("GET /?token=link HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        Request::parse(head.as_bytes()).unwrap()
    }

    #[test]
    fn tokens_are_found_wherever_clients_put_them() {
        for (fields, shown) in [
            ("", "link"),
            ("Authorization: Bearer secret\r\n", "secret"),
            ("authorization: bAsIc YW55Ym9keTpzZWNyZXQ=\r\n", "secret"),
            ("Authorization: Basic OmE6Yg==\r\n", "a:b"),
            ("Authorization: Basic ???\r\n", ""),
            ("Authorization: Basic YWJj\r\n", ""),
            ("Authorization: Digest a=b\r\n", ""),
            ("Authorization: Bearer one\r\nAuthorization: Bearer two\r\n", "one, Bearer two"),
        ] {
            assert_eq!(token(&request(fields)).unwrap().as_str(), shown, "{fields}");
        }
        assert!(token(&Request::parse(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap()).is_none());
    }

    #[test]
    fn a_cookie_is_of_one_server() {
        let name = cookie_name(7878);
        let request = request(&format!("Cookie: a=b; {name}=old\r\nCookie: {name}=0123456789\r\n"));
        assert!(has_cookie(&request, "0123456789", 7878));
        assert!(!has_cookie(&request, "012345678a", 7878));
        assert!(!has_cookie(&request, "0123456789", 7879));
    }
}
