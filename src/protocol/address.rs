//! Addresses: `fdsp+plain://HOST[:PORT]/PATH`, and where they will be spoken over TLS, `fdsp://`.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use super::path::{PathError, RemotePath};

/// The port where none is named.
pub const DEFAULT_PORT: u16 = 7878;

/// The scheme of a connection without TLS.
const PLAIN: &str = "fdsp+plain";
/// The scheme of a connection with TLS.
const SECURE: &str = "fdsp";
/// Most bytes of a host name.
const MAX_HOST: usize = 253;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A server and a path on it. `Display` gives the form that `parse` reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The server.
    pub authority: Authority,
    /// The path, percent-encoded where needed when shown.
    pub path: RemotePath,
}

/// Why a text is no address. Each sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `://` in it.
    #[error("an address begins with a scheme: write {PLAIN}://HOST[:PORT]/PATH")]
    NoScheme,
    /// `fdsp://`.
    #[error("this version speaks no TLS yet: use {PLAIN}://… instead of {SECURE}://…")]
    Tls,
    /// Another scheme.
    #[error("'{0}' is not spoken here: write {PLAIN}://HOST[:PORT]/PATH")]
    OtherScheme(String),
    /// Nothing before the path.
    #[error("the address names no host: write {PLAIN}://HOST[:PORT]/PATH")]
    NoHost,
    /// Something before an `@`.
    #[error("an address without TLS carries no user and no token: leave out what stands before the '@'")]
    User,
    /// The host cannot be one.
    #[error("'{0}' is no host name: it may have letters, digits, '.', '-' and '_'")]
    Host(String),
    /// Brackets without an IPv6 address in them.
    #[error("'{0}' is no IPv6 address: write it as in [::1]")]
    Ipv6(String),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address stands in brackets: write {PLAIN}://[::1]:{DEFAULT_PORT}/PATH")]
    NoBrackets,
    /// What stands behind the colon is no port.
    #[error("'{0}' is no port: it is a number from 1 to 65535")]
    Port(String),
    /// A `#` in the path.
    #[error(
        "a pin behind '#' belongs to TLS, which this version does not speak yet; a '#' in a path is written %23"
    )]
    Pin,
    /// A `%` without two hex digits behind it.
    #[error("a '%' in a path is written %25")]
    Percent,
    /// Percent-coded bytes that are no text.
    #[error("the path is not UTF-8 once its %XX are decoded")]
    Utf8,
    /// The path is none.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(AddressError::NoScheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            PLAIN => {}
            SECURE => return Err(AddressError::Tls),
            _ => return Err(AddressError::OtherScheme(shown(scheme))),
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if authority.contains('#') || path.contains('#') {
            return Err(AddressError::Pin);
        }
        let authority = Authority::parse(authority)?;
        Ok(Address { authority, path: RemotePath::parse(&decode(path)?)? })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PLAIN}://{}/", self.authority)?;
        for &byte in self.path.as_str().as_bytes() {
            match byte {
                // What RFC 3986 lets stand in a path; the rest might mean something to a shell or a terminal.
                b'A'..=b'Z'
                | b'a'..=b'z'
                | b'0'..=b'9'
                | b'/'
                | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@' => f.write_char(byte.into())?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

impl Authority {
    /// Reads `HOST[:PORT]`, an IPv6 address in brackets.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Authority, AddressError> {
        if text.contains('@') {
            return Err(AddressError::User);
        }
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (host, port) =
                bracketed.split_once(']').ok_or_else(|| AddressError::Ipv6(shown(bracketed)))?;
            (ipv6(host)?, port)
        } else {
            if text.matches(':').count() > 1 {
                return Err(AddressError::NoBrackets);
            }
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (name(host)?, port)
        };
        Ok(Authority { host, port: self::port(port)? })
    }
}

impl FromStr for Authority {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Authority, AddressError> {
        Authority::parse(text)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Authority { host, port } = self;
        if !host.contains(':') {
            return write!(f, "{host}:{port}");
        }
        // The '%' before a zone is percent-coded, as RFC 6874 says.
        write!(f, "[{}]:{port}", host.replace('%', "%25"))
    }
}

/// An IPv6 address, perhaps with a zone (`fe80::1%eth0`).
fn ipv6(text: &str) -> Result<String, AddressError> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (text, None),
    };
    let wrong = || AddressError::Ipv6(shown(text));
    let address: core::net::Ipv6Addr = address.parse().map_err(|_| wrong())?;
    match zone {
        None => Ok(address.to_string()),
        Some(zone) if !zone.is_empty() && zone.bytes().all(is_host) => Ok(format!("{address}%{zone}")),
        Some(_) => Err(wrong()),
    }
}

fn name(text: &str) -> Result<String, AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoHost);
    }
    if text.len() > MAX_HOST || !text.bytes().all(is_host) {
        return Err(AddressError::Host(shown(text)));
    }
    Ok(text.to_ascii_lowercase())
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// What follows the host: nothing, or `:` and a number.
fn port(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    let wrong = || AddressError::Port(shown(text.trim_start_matches(':')));
    let digits = text.strip_prefix(':').ok_or_else(wrong)?;
    // `parse` alone would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)
}

fn decode(text: &str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_first_chunk::<2>().ok_or(AddressError::Percent)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(AddressError::Percent);
        bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).unwrap_or(u8::MAX));
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| AddressError::Utf8)
}

/// A piece of the user's text for a sentence: short, and nothing that a terminal obeys.
fn shown(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut shown: String = text.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if text.chars().count() > LIMIT {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (String, u16, String) {
        let Address { authority, path } = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        (authority.host, authority.port, path.as_str().to_owned())
    }

    #[test]
    fn every_right_form_is_read() {
        for (text, host, port, path) in [
            ("fdsp+plain://host/a/b.txt", "host", 7878, "a/b.txt"),
            ("fdsp+plain://host:1/", "host", 1, ""),
            ("fdsp+plain://host", "host", 7878, ""),
            ("  FDSP+Plain://Host.Example:65535//a//./b/\n", "host.example", 65535, "a/b"),
            ("fdsp+plain://127.0.0.1:9000/x", "127.0.0.1", 9000, "x"),
            ("fdsp+plain://[::1]/x", "::1", 7878, "x"),
            ("fdsp+plain://[2001:DB8::0:1]:80/x", "2001:db8::1", 80, "x"),
            ("fdsp+plain://[fe80::1%25eth0]:80/x", "fe80::1%eth0", 80, "x"),
            ("fdsp+plain://[fe80::1%eth0]/x", "fe80::1%eth0", 7878, "x"),
            ("fdsp+plain://h/a%20b%2Bc+d?e", "h", 7878, "a b+c+d?e"),
            ("fdsp+plain://h/%C3%BCber/ünd", "h", 7878, "über/ünd"),
            ("fdsp+plain://h/a%2fb:c@d", "h", 7878, "a/b:c@d"),
        ] {
            assert_eq!(parts(text), (host.to_owned(), port, path.to_owned()), "{text}");
        }
    }

    #[test]
    fn every_wrong_form_gets_its_sentence() {
        use AddressError::*;
        let own = str::to_owned;
        for (text, error) in [
            ("", NoScheme),
            ("host/path", NoScheme),
            ("/path", NoScheme),
            ("fdsp+plain:/host", NoScheme),
            ("fdsp://host/x", Tls),
            ("FDSP://token@host/x#sha256:00", Tls),
            ("http://host/x", OtherScheme(own("http"))),
            ("://host", OtherScheme(own(""))),
            ("fdsp+plain://", NoHost),
            ("fdsp+plain:///x", NoHost),
            ("fdsp+plain://:80/x", NoHost),
            ("fdsp+plain://me@host/x", User),
            ("fdsp+plain://ho st/x", Host(own("ho st"))),
            ("fdsp+plain://h\u{1b}[2J/x", Host(own("h\\u{1b}[2J"))),
            ("fdsp+plain://höst/x", Host(own("höst"))),
            ("fdsp+plain://::1/x", NoBrackets),
            ("fdsp+plain://[::1/x", Ipv6(own("::1"))),
            ("fdsp+plain://[host]/x", Ipv6(own("host"))),
            ("fdsp+plain://[]/x", Ipv6(own(""))),
            ("fdsp+plain://[fe80::1%]/x", Ipv6(own("fe80::1%"))),
            ("fdsp+plain://[::1]80/x", Port(own("80"))),
            ("fdsp+plain://host:/x", Port(own(""))),
            ("fdsp+plain://host:0/x", Port(own("0"))),
            ("fdsp+plain://host:65536/x", Port(own("65536"))),
            ("fdsp+plain://host:-1/x", Port(own("-1"))),
            ("fdsp+plain://host:+80/x", Port(own("+80"))),
            ("fdsp+plain://host:http/x", Port(own("http"))),
            ("fdsp+plain://host/x#y", Pin),
            ("fdsp+plain://host#sha256:00", Pin),
            ("fdsp+plain://host/100%", Percent),
            ("fdsp+plain://host/%zz", Percent),
            ("fdsp+plain://host/%+1", Percent),
            ("fdsp+plain://host/%ff", Utf8),
            ("fdsp+plain://host/a/../b", Path(PathError::Parent)),
            ("fdsp+plain://host/a/%2e%2E/b", Path(PathError::Parent)),
            ("fdsp+plain://host/%00", Path(PathError::Nul)),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
        assert_eq!(
            Address::parse(&format!("fdsp+plain://{}/", "h".repeat(254))),
            Err(Host(format!("{}…", "h".repeat(60))))
        );
        let long = format!("fdsp+plain://h/{}", "x".repeat(256));
        assert_eq!(Address::parse(&long), Err(Path(PathError::TooLong)));
    }

    #[test]
    fn sentences_say_what_to_write() {
        assert_eq!(
            AddressError::Tls.to_string(),
            "this version speaks no TLS yet: use fdsp+plain://… instead of fdsp://…"
        );
        assert_eq!(
            AddressError::NoScheme.to_string(),
            "an address begins with a scheme: write fdsp+plain://HOST[:PORT]/PATH"
        );
    }

    #[test]
    fn what_is_shown_can_be_pasted() {
        for (text, shown) in [
            ("fdsp+plain://h", "fdsp+plain://h:7878/"),
            ("fdsp+plain://[::1]/a b", "fdsp+plain://[::1]:7878/a%20b"),
            ("fdsp+plain://[fe80::1%eth0]:1/%23%25%3F$'", "fdsp+plain://[fe80::1%25eth0]:1/%23%25%3F%24%27"),
            ("fdsp+plain://h:1/ü", "fdsp+plain://h:1/%C3%BC"),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Ok(shown));
        }
    }

    proptest! {
        #[test]
        fn any_path_survives_being_shown(path in ".{0,200}", port in 1u16..) {
            if let Ok(path) = RemotePath::parse(&path) {
                let address = Address { authority: Authority { host: "h".to_owned(), port }, path };
                let shown = address.to_string();
                prop_assert!(shown.is_ascii());
                prop_assert_eq!(Address::parse(&shown), Ok(address));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,100}", tail in any::<String>()) {
            let _ = Address::parse(&text);
            if let Ok(address) = Address::parse(&format!("fdsp+plain://{tail}")) {
                prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
            }
        }
    }
}
