//! Addresses: `fdsp://[TOKEN@]HOST[:PORT]/PATH[#PIN]`, and without TLS `fdsp+plain://[TOKEN@]HOST[:PORT]/PATH`.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::{
    path::{PathError, RemotePath, odd_name},
    trust::{
        pin::{Pin, PinError},
        token::{Token, TokenError},
    },
};
use crate::text::SafeText;

/// The port where none is named.
pub const DEFAULT_PORT: u16 = 7878;

/// The scheme of a connection without TLS.
const PLAIN: &str = "fdsp+plain";
/// The scheme of a connection with TLS.
const SECURE: &str = "fdsp";
/// Bytes of a host name, at most.
const MAX_HOST: usize = 253;

/// Whether connections to a server are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// Without TLS.
    Plain,
    /// With TLS.
    Tls {
        /// The certificate that it must have.
        pin: Option<Pin>,
    },
}

impl Security {
    /// Whether TLS is used.
    pub fn is_encrypted(self) -> bool {
        self != Security::Plain
    }

    /// The pin that the certificate must have.
    pub fn pin(self) -> Option<Pin> {
        match self {
            Security::Tls { pin } => pin,
            Security::Plain => None,
        }
    }
}

/// A server: its host and port, and how to connect to it. `Display` gives `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether connections to it are encrypted.
    pub security: Security,
    /// The token that it needs.
    pub token: Option<Token>,
}

/// A server and a path on it. `Display` gives a form that `parse` reads, without the token: see
/// [`Address::revealed`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The server.
    pub authority: Authority,
    /// The path, percent-encoded where needed when shown.
    pub path: RemotePath,
}

/// Why a text is not an address. Each message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `://` in it.
    #[error("an address begins with a scheme: write {SECURE}://HOST[:PORT]/PATH")]
    NoScheme,
    /// More than an address.
    #[error("this is not an address alone: write only {SECURE}://HOST[:PORT]/PATH, a blank in it as %20")]
    NotAlone,
    /// Another scheme.
    #[error("{0}:// is not supported: write {SECURE}://HOST[:PORT]/PATH")]
    OtherScheme(String),
    /// Nothing before the path.
    #[error("the address names no host: write {SECURE}://HOST[:PORT]/PATH")]
    NoHost,
    /// The part before the `@` is not a token.
    #[error("the part before the '@' is not a valid token: {0}")]
    Token(#[from] TokenError),
    /// The host is not a host name.
    #[error("'{0}' is not a host name: it may have letters, digits, '.', '-' and '_'")]
    Host(String),
    /// Brackets without an IPv6 address in them.
    #[error("'{0}' is not an IPv6 address: write it as in [::1]")]
    Ipv6(String),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address is written in brackets: write {SECURE}://[::1]:{DEFAULT_PORT}/PATH")]
    NoBrackets,
    /// There is no port after the colon.
    #[error("there is no port after the ':': write a number from 1 to 65535, or leave the ':' out")]
    NoPort,
    /// The part after the colon is not a port.
    #[error("'{0}' is not a port: it is a number from 1 to 65535")]
    Port(String),
    /// The part after the `#` is not a pin.
    #[error("the part after '#' is not a valid pin: {0}; a '#' in a path is written %23")]
    Pin(#[from] PinError),
    /// A pin where there is no TLS.
    #[error(
        "a pin after '#' is for TLS: write {SECURE}://…, or leave it out; a '#' in a path is written %23"
    )]
    PlainPin,
    /// A `%` that two hex digits do not follow.
    #[error("a '%' in a path is written %25")]
    Percent,
    /// The path is not valid.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Address {
    /// Whether both are the same path of the same server: they have the same host and port, or the same pin.
    pub fn is_same_as(&self, other: &Address) -> bool {
        let (one, two) = (&self.authority, &other.authority);
        let same_pin = one.security == two.security && matches!(one.security, Security::Tls { pin: Some(_) });
        self.path == other.path && (one.is_at(two) || same_pin)
    }

    /// The address of a path below it.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn join(&self, path: &str) -> Result<Address, PathError> {
        let path = match self.path.as_str() {
            "" => RemotePath::parse(path)?,
            parent => RemotePath::parse(&format!("{parent}/{path}"))?,
        };
        Ok(Address { authority: self.authority.clone(), path })
    }

    /// Reads an address.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(AddressError::NoScheme)?;
        let (rest, pin) = match rest.split_once('#') {
            Some((rest, pin)) => (rest, Some(pin)),
            None => (rest, None),
        };
        let security = match (scheme.to_ascii_lowercase().as_str(), pin) {
            (PLAIN, None) => Security::Plain,
            (PLAIN, Some(_)) => return Err(AddressError::PlainPin),
            (SECURE, pin) => Security::Tls { pin: pin.map(Pin::parse).transpose()? },
            _ if !scheme.bytes().all(is_scheme) => return Err(AddressError::NotAlone),
            _ => return Err(AddressError::OtherScheme(shown(scheme))),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let authority = Authority::parse(authority, security)?;
        Ok(Address { authority, path: RemotePath::parse(&decode(path)?)? })
    }

    /// The address with its token: to be pasted elsewhere, or saved as a secret.
    pub fn revealed(&self) -> String {
        let mut text = String::new();
        // Writing into a text cannot fail.
        let _ = self.write(&mut text, self.authority.token.as_ref());
        text
    }

    fn write(&self, f: &mut impl fmt::Write, token: Option<&Token>) -> fmt::Result {
        let (scheme, pin) = match self.authority.security {
            Security::Plain => (PLAIN, None),
            Security::Tls { pin } => (SECURE, pin),
        };
        write!(f, "{scheme}://")?;
        if let Some(token) = token {
            write!(f, "{}@", token.reveal())?;
        }
        write!(f, "{}/", self.authority)?;
        f.write_str(&encoded(self.path.as_str()))?;
        pin.map_or(Ok(()), |pin| write!(f, "#{pin}"))
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
        self.write(f, None)
    }
}

impl Authority {
    /// A server without a token.
    pub fn new(host: impl Into<String>, port: u16, security: Security) -> Authority {
        Authority { host: host.into(), port, security, token: None }
    }

    /// Reads `[TOKEN@]HOST[:PORT]`, an IPv6 address in brackets.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str, security: Security) -> Result<Authority, AddressError> {
        let (token, text) = match text.rsplit_once('@') {
            Some((token, text)) => (Some(Token::parse(token)?), text),
            None => (None, text),
        };
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
        Ok(Authority { host, port: self::port(port)?, security, token })
    }
}

impl Authority {
    /// Whether both are the same server, with any token and pin.
    pub fn is_at(&self, other: &Authority) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }

    /// Takes the token and the pin of another address of the same server. Returns whether that changed anything. The two
    /// are taken as a pair, or the token alone if neither address has a pin. So a token is sent only to the pin that
    /// it was given with. TLS is never removed.
    pub fn follow(&mut self, now: &Authority) -> bool {
        if !self.is_at(now) {
            return false;
        }
        let taken = match (now.security.pin(), &now.token) {
            (None, None) => false,
            (Some(_), Some(_)) => true,
            (Some(_), None) => self.token.is_none(),
            (None, Some(_)) => self.security == now.security,
        };
        if !taken || (&self.token, self.security) == (&now.token, now.security) {
            return false;
        }
        (self.token, self.security) = (now.token.clone(), now.security);
        true
    }

    /// Takes the known token and pin of the same server: both if it has neither, one if it has the same
    /// other one. So a token is sent only to the pin that it was given with.
    pub fn complete(&mut self, known: &Authority) {
        let same_transport =
            matches!(self.security, Security::Plain) == matches!(known.security, Security::Plain);
        if !self.is_at(known) || !same_transport {
            return;
        }
        let taken = match (self.security.pin(), &self.token) {
            (None, None) => true,
            (Some(_), None) => self.security == known.security,
            (None, Some(_)) => self.token == known.token,
            (Some(_), Some(_)) => false,
        };
        if taken {
            (self.token, self.security) = (known.token.clone(), known.security);
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Authority { host, port, .. } = self;
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

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// The part after the host: nothing, or `:` and a number.
fn port(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    if text == ":" {
        return Err(AddressError::NoPort);
    }
    let wrong = || AddressError::Port(shown(text.trim_start_matches(':')));
    let digits = text.strip_prefix(':').ok_or_else(wrong)?;
    // `parse` alone would accept a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)
}

/// Bytes that are not escaped in an address: those that RFC 3986 allows in a path, and that have no meaning in a shell.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A path, or a part of one, as it is written in an address.
pub fn encoded(path: &str) -> String {
    let bytes: Vec<u8> = odd_name::bytes(path).collect();
    percent_encode(&bytes, UNESCAPED).to_string()
}

fn decode(text: &str) -> Result<String, AddressError> {
    let is_escape =
        |rest: &[u8]| matches!(rest, [_, a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if text.match_indices('%').any(|(at, _)| !is_escape(&text.as_bytes()[at..])) {
        return Err(AddressError::Percent);
    }
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    // A NUL would stand for another byte.
    if bytes.contains(&0) {
        return Err(PathError::Nul.into());
    }
    Ok(odd_name::to_text(&bytes).into_owned())
}

/// A text that is not an address, for a sentence. The part before an `@` may be a token, and is left out.
pub fn without_token(text: &str) -> SafeText {
    match text.rsplit_once('@') {
        Some((_, rest)) => SafeText::new(&format!("…@{rest}")),
        None => SafeText::new(text),
    }
}

/// A part of the user's text for a sentence: short, without control characters.
fn shown(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut shown = String::new();
    for letter in text.chars().take(LIMIT) {
        match letter {
            '\'' | '"' => shown.push(letter),
            _ => shown.extend(letter.escape_debug()),
        }
    }
    if text.chars().count() > LIMIT {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
