//! What a user types or pastes to name a content: an address, an address without its scheme, or a path on the server at hand.
//!
//! ```text
//! SCHEME://…               an address
//! HOST:PORT[/PATH][#PIN]   the same without fdsp://; HOST has a letter or is an IPv4 address, PORT is a number
//! [IPV6][:PORT][/PATH]     the same
//! curl ADDRESS …           a command of curl, see [`CurlCommand`]
//! anything else            a path
//! ```
//!
//! So `a:b/c` and `12:30/x` are paths. A path that begins like an address is written with a slash before it: `/nas:7878/x`.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    client::api::address::{
        curl::{CurlCommand, CurlError},
        glob::{self, GlobError},
        locator::{Locator, LocatorError, Server},
        web::WebAddress,
        web_header::WebHeader,
    },
    protocol::address::{AddressError, DEFAULT_PORT, encoded},
};

/// Bytes of a token, at least.
const MIN_SECRET_LEN: usize = 8;
/// Schemes, which are no host where a slash was left out.
const SCHEMES: [&str; 4] = ["fdsp", "http", "https", "ftp"];

/// Why a text names no content. Each sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypedError {
    /// It is neither an address nor a path.
    #[error(transparent)]
    Locator(#[from] LocatorError),
    /// `USER@HOST:PATH`, as scp writes it.
    #[error("that is the form of scp: write fdsp://{place}, or with a token fdsp://TOKEN@{place}")]
    Scp {
        /// The same as `HOST[:PORT]/PATH`.
        place: String,
    },
    /// A path, and there is no server at hand.
    #[error("no server yet: type {instead}")]
    NoServer {
        /// What may be meant.
        instead: String,
    },
    /// A command of curl that is not understood.
    #[error(transparent)]
    Curl(#[from] CurlError),
    /// Patterns that are not valid.
    #[error(transparent)]
    Glob(#[from] GlobError),
}

/// What is requested: an address, and the header fields for its server alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The address.
    pub address: Locator,
    /// The header fields, which may be secrets.
    pub headers: Vec<WebHeader>,
}

impl From<Locator> for Request {
    fn from(address: Locator) -> Request {
        Request { address, headers: Vec::new() }
    }
}

/// Reads what a user typed as [`read`] does, and commands of curl as well. `globs`: whether patterns stand for several addresses.
///
/// # Errors
/// See [`TypedError`].
pub fn requests(
    text: &str,
    at_hand: Option<&Server>,
    plain: bool,
    globs: bool,
) -> Result<Vec<Request>, TypedError> {
    if CurlCommand::is_meant(text) {
        let CurlCommand { address, headers } = CurlCommand::parse(text)?;
        return Ok(vec![Request { address: Locator::Http(address), headers }]);
    }
    if !globs {
        return Ok(vec![read(text, at_hand, plain)?.into()]);
    }
    let all = glob::expand(text.trim())?;
    all.iter().map(|text| read(text, at_hand, plain).map(Request::from)).collect()
}

/// Reads what a user typed. `at_hand` is the server that paths belong to. A server without a scheme is reached without TLS if it is
/// `at_hand` and that has none, and else if `plain`.
///
/// # Errors
/// See [`TypedError`].
pub fn read(text: &str, at_hand: Option<&Server>, plain: bool) -> Result<Locator, TypedError> {
    let text = text.trim();
    let first = first_part(text);
    let mut address = if has_scheme(text) {
        Locator::parse(text)?
    } else if is_server(first) {
        parse_without_scheme(text, at_hand, plain)?
    } else if let Some(place) = scp_place(text) {
        return Err(TypedError::Scp { place });
    } else if first.parse::<Ipv6Addr>().is_ok() {
        return Err(LocatorError::from(AddressError::NoBrackets).into());
    } else {
        let server = at_hand.ok_or_else(|| TypedError::NoServer { instead: instead_of(text) })?;
        return Ok(server.at(text)?);
    };
    if let Some(server) = at_hand {
        address.complete(server);
    }
    Ok(address)
}

/// Whether a text names a server, and is not only a path.
pub fn names_server(text: &str) -> bool {
    has_scheme(text) || is_server(first_part(text))
}

/// Whether a text has a scheme, and is not an address without one.
pub fn has_scheme(text: &str) -> bool {
    text.contains("://")
}

/// A text in three parts: the server, the path, and the pin. In a path without a server, all is the path.
pub fn split(text: &str) -> (&str, &str, &str) {
    if !names_server(text) {
        return ("", text, "");
    }
    let start = text.find("://").map_or(0, |scheme| scheme + 3);
    let end = text[start..].find('#').map_or(text.len(), |pin| start + pin);
    let path = text[start..end].find('/').map_or(end, |slash| start + slash);
    (&text[..path], &text[path..end], &text[end..])
}

/// A text as it may be saved: without a token or a password. `None` if the text may contain one that cannot be distinguished from the rest.
pub fn without_secrets(text: &str) -> Option<String> {
    if CurlCommand::is_meant(text) {
        return CurlCommand::parse(text).ok().map(|command| command.address.to_string());
    }
    if WebAddress::is_meant(text) {
        return WebAddress::parse(text).ok().map(|address| address.to_string());
    }
    let start = text.find("://").map_or(0, |scheme| scheme + 3);
    let end = text[start..].find(['/', '#']).map_or(text.len(), |end| start + end);
    match text[start..end].rfind('@') {
        None => Some(text.to_owned()),
        Some(at) if start > 0 => Some(format!("{}{}", &text[..start], &text[start + at + 1..])),
        // A name with an '@' is a name; with what may be a token before it, it may be an address that is not complete.
        Some(at) => (at < MIN_SECRET_LEN && !text[at..end].contains(':')).then(|| text.to_owned()),
    }
}

/// What is before the path and the pin, if the text has no scheme.
fn first_part(text: &str) -> &str {
    text.split(['/', '#']).next().unwrap_or_default()
}

fn is_server(part: &str) -> bool {
    if let Some((address, rest)) = part.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let address = address.split('%').next().unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok() && (rest.is_empty() || rest.starts_with(':'));
    }
    let Some((host, port)) = part.split_once(':') else { return false };
    is_host(host) && (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is a host name or an IPv4 address. A number alone is neither: `12:30` is a name.
fn is_host(text: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    text.bytes().all(may) && (has_letter || text.parse::<Ipv4Addr>().is_ok())
}

fn parse_without_scheme(text: &str, at_hand: Option<&Server>, plain: bool) -> Result<Locator, LocatorError> {
    let address = Locator::parse(&format!("fdsp://{text}"))?;
    let plain = match at_hand {
        Some(server) if server.host() == address.host() => !server.is_encrypted(),
        _ => plain,
    };
    // A pin is for TLS.
    if plain && !text.contains('#') { Locator::parse(&format!("fdsp+plain://{text}")) } else { Ok(address) }
}

/// The `HOST[:PORT]/PATH` of `USER@HOST:PATH`.
fn scp_place(text: &str) -> Option<String> {
    let first = first_part(text);
    let (user, rest) = first.split_once('@')?;
    let bracketed = rest.find(']').filter(|_| rest.starts_with('[')).map(|end| end + 1);
    let end = bracketed.or_else(|| rest.find(':'))?;
    let (host, after) = rest.split_at(end);
    let is_user = !user.is_empty() && !user.contains([' ', ':']);
    if !is_user || !after.starts_with(':') || !(bracketed.is_some() || is_host(host)) {
        return None;
    }
    let whole = &text[user.len() + 1 + end + 1..];
    let port = first_part(whole);
    Some(match port.parse::<u16>() {
        Ok(1..) => format!("{host}:{port}/{}", encoded(whole[port.len()..].trim_start_matches('/'))),
        _ => format!("{host}/{}", encoded(whole.trim_start_matches('/'))),
    })
}

/// What may be meant by a path where there is no server.
fn instead_of(text: &str) -> String {
    let first = first_part(text);
    let host = first.split(':').next().unwrap_or_default();
    let is_named = first.contains(':') || host.contains('.') || host == "localhost";
    // The name of a file may have a dot, too: such a name is alone. What is before an '@' may be a token.
    let is_file = host == text && host != "localhost";
    if !is_named || is_file || !is_host(host) || text.contains('@') || SCHEMES.contains(&host) {
        return "HOST:PORT/PATH or fdsp://HOST/PATH".to_owned();
    }
    let path = text[host.len()..].trim_start_matches([':', '/']);
    format!("{host}:{DEFAULT_PORT}/{}", encoded(path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn server() -> Server {
        Locator::parse("fdsp+plain://sesame-sesame-sesame@nas").expect("an address").server()
    }

    fn shown(text: &str) -> String {
        match read(text, Some(&server()), false) {
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_address_needs_no_scheme_where_it_has_a_port() {
        for (text, address) in [
            ("other:9000/films/a b.iso", "fdsp://other:9000/films/a%20b.iso"),
            (" Other.Example:1 ", "fdsp://other.example:1/"),
            ("localhost:7878/", "fdsp://localhost:7878/"),
            ("127.0.0.1:9000/a%20b", "fdsp://127.0.0.1:9000/a%20b"),
            ("[::1]/a", "fdsp://[::1]:7878/a"),
            ("[::1]:80", "fdsp://[::1]:80/"),
            ("[fe80::1%eth0]:80/a", "fdsp://[fe80::1%25eth0]:80/a"),
            ("fdsp+plain://other", "fdsp+plain://other:7878/"),
        ] {
            assert_eq!(shown(text), address, "{text}");
        }
        let pin = format!("#sha256:{}", "a5".repeat(32));
        assert_eq!(shown(&format!("other:1/a{pin}")), format!("fdsp://other:1/a{pin}"));
        assert_eq!(shown(&format!("nas:7878{pin}")), format!("fdsp://nas:7878/{pin}"));
    }

    #[test]
    fn a_path_is_everything_else() {
        for (text, path) in [
            ("films/a b.iso", "films/a b.iso"),
            ("a:b/c", "a:b/c"),
            ("nas:films/a", "nas:films/a"),
            ("12:30/x", "12:30/x"),
            ("a:123456", "a:123456"),
            ("a b:80/c", "a b:80/c"),
            ("/other:9000/x", "other:9000/x"),
            ("./other:9000/x", "other:9000/x"),
            ("[group] film.mkv", "[group] film.mkv"),
            ("[::1", "[::1"),
            ("nas.local/x", "nas.local/x"),
            ("photos@2024/a", "photos@2024/a"),
            ("100%", "100%"),
            ("films/me@nas:a", "films/me@nas:a"),
            ("a#b", "a#b"),
        ] {
            let read = read(text, Some(&server()), false).expect(text);
            assert_eq!((read.server(), read.path()), (server(), path), "{text}");
        }
    }

    #[test]
    fn a_server_without_a_scheme_is_reached_as_before_or_as_all() {
        let at = |text, plain| read(text, Some(&server()), plain).expect(text).server();
        assert_eq!(at("nas:7878/a", false), server(), "with its token, and without TLS");
        assert!(at("other:7878/a", false).is_encrypted());
        assert!(!at("other:7878/a", true).is_encrypted());
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        for (text, start) in [
            (
                "me@nas:films/a b",
                "that is the form of scp: write fdsp://nas/films/a%20b, or with a token fdsp:",
            ),
            ("me@nas:/a", "that is the form of scp: write fdsp://nas/a, "),
            ("sesame-sesame@nas:7878/a", "that is the form of scp: write fdsp://nas:7878/a, or"),
            ("me@[::1]:a", "that is the form of scp: write fdsp://[::1]/a, "),
            ("me@nas:", "that is the form of scp: write fdsp://nas/, "),
            ("::1/a", "an IPv6 address is written in brackets"),
            ("nas:99999/a", "'99999' is not a port"),
            ("[::1]:x/a", "'x' is not a port"),
            ("nas:80/100%", "a '%' in a path is written %25"),
            ("curl -O https://nas/a", "this is not an address alone"),
        ] {
            let error = shown(text);
            assert!(error.starts_with(start), "{text}: {error}");
            assert!(!error.contains("sesame"), "{error}");
        }
        let error = |text| read(text, None, false).expect_err(text).to_string();
        for (text, instead) in [
            ("nas:films/a", "nas:7878/films/a"),
            ("nas.local/a b", "nas.local:7878/a%20b"),
            ("localhost", "localhost:7878/"),
            ("films/a", "HOST:PORT/PATH or fdsp://HOST/PATH"),
            ("a.iso", "HOST:PORT/PATH or fdsp://HOST/PATH"),
            ("fdsp:/sesame-sesame@nas/a", "HOST:PORT/PATH or fdsp://HOST/PATH"),
            ("http:/nas/a", "HOST:PORT/PATH or fdsp://HOST/PATH"),
        ] {
            assert_eq!(error(text), format!("no server yet: type {instead}"));
        }
    }

    #[test]
    fn what_is_saved_has_no_token() {
        for (text, saved) in [
            ("fdsp://sesame-sesame@nas/a@b#c", Some("fdsp://nas/a@b#c")),
            ("https://me:secret@host/a", Some("https://host/a")),
            (
                "https://host/a?Signature=abc&token=t",
                Some("https://host/a?Signature=REDACTED&token=REDACTED"),
            ),
            ("https://", None),
            ("fdsp://x@y@nas", Some("fdsp://nas")),
            ("films/a@b", Some("films/a@b")),
            ("nas:7878/a", Some("nas:7878/a")),
            ("me@home/x", Some("me@home/x")),
            ("sesame-sesame@nas", None),
            ("me@nas:7878/a", None),
        ] {
            assert_eq!(without_secrets(text).as_deref(), saved, "{text}");
        }
    }

    fn typed() -> impl Strategy<Value = String> {
        let part = "[a-z0-9.:@%#/ \\[\\]-]{0,12}";
        prop_oneof![
            ".{0,60}".prop_map(|text| text),
            part.prop_map(|text| text),
            (part, part).prop_map(|(host, path)| format!("{host}:{path}")),
            ("[a-z][a-z0-9.-]{0,9}", 0..70_000_u32, part)
                .prop_map(|(host, port, path)| format!("{host}:{port}/{path}")),
            (part, part).prop_map(|(user, rest)| format!("{user}@{rest}")),
            ("[0-9a-f:]{2,12}", part).prop_map(|(address, rest)| format!("[{address}]{rest}")),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_read_in_one_way(text in typed(), plain: bool) {
            let (host, path, pin) = split(&text);
            prop_assert_eq!(format!("{host}{path}{pin}"), text.clone());
            let at_hand = server();
            match read(&text, Some(&at_hand), plain) {
                Ok(address) if names_server(text.trim()) => {
                    let whole = if has_scheme(&text) { text.trim().to_owned() } else { format!("fdsp://{}", text.trim()) };
                    let whole = Locator::parse(&whole).expect("the same with its scheme");
                    prop_assert_eq!((whole.host(), whole.path()), (address.host(), address.path()));
                }
                Ok(address) => prop_assert_eq!(address.server(), at_hand),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            if let Some(saved) = without_secrets(&text) {
                prop_assert!(has_scheme(&text) || saved == text);
            }
        }

        #[test]
        fn a_slash_before_it_makes_any_text_a_path(text in typed()) {
            prop_assume!(!has_scheme(&text));
            if let Ok(address) = read(&format!("/{text}"), Some(&server()), false) {
                prop_assert_eq!(address.server(), server());
            }
        }
    }
}
