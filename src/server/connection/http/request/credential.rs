//! What a request shows of a token: a password, a bearer token, the token of a link, or the cookie that was given for it.

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::head::Request;
use crate::protocol::trust::token::Token;

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
    // The user is of no meaning.
    let password = decoded.iter().position(|byte| *byte == b':').map(|colon| &decoded[colon + 1..])?;
    str::from_utf8(password).ok().map(str::to_owned)
}

/// The cookie that stands for a token: its name, which is different for each server of a host, and its value, from which the token cannot
/// be computed.
pub(crate) fn cookie(token: &Token, port: u16) -> (String, Zeroizing<String>) {
    let value = blake3::derive_key("fdsp 2026 cookie of a token", token.reveal().as_bytes());
    (format!("fdsp-{port}"), Zeroizing::new(hex::encode(value)))
}

/// Whether a request has the cookie that stands for this token. A wrong one counts as none: it cannot be guessed, and may be of a token
/// that was replaced.
pub(crate) fn has_cookie(request: &Request, token: &Token, port: u16) -> bool {
    let (name, value) = cookie(token, port);
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
    fn a_cookie_stands_for_one_token_of_one_server() {
        let (one, two) =
            (Token::parse("the-first-token").unwrap(), Token::parse("the-second-token").unwrap());
        let (name, value) = cookie(&one, 7878);
        assert!(!value.contains("first"));
        let request = request(&format!("Cookie: a=b; {name}=old\r\nCookie: {name}={}\r\n", value.as_str()));
        assert!(has_cookie(&request, &one, 7878));
        assert!(!has_cookie(&request, &two, 7878));
        assert!(!has_cookie(&request, &one, 7879));
    }
}
