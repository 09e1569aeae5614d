//! Addresses of web servers: `https://[USER[:PASSWORD]@]HOST[:PORT]/PATH[?QUERY][#sha256:PIN]`, and without TLS `http://…`.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::{Position, Url};

use crate::{
    client::api::content::origin::Origin,
    protocol::{
        address::{Authority, Security},
        digest::Hash,
        trust::pin::{Pin, PinError},
    },
    text::{SafeText, odd_name, secret_names::is_secret},
};

/// The longest address, in bytes.
const MAX_LEN: usize = 8 * 1024;
/// The name of a content whose address ends with a slash, as wget names it.
const INDEX_NAME: &str = "index.html";
/// Replaces secrets in addresses that are displayed.
pub const REDACTED: &str = "REDACTED";

/// The address of a content on a web server. `Display` gives a form without secrets: user, password and signatures in the query are
/// left out; see [`WebAddress::revealed`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebAddress {
    /// Without a fragment.
    url: Url,
    /// The certificate that the server must have.
    pin: Option<Pin>,
    /// The last segment of the path, decoded.
    name: String,
    /// The path with its query without secrets, without a slash at either end.
    path: String,
}

/// Why a text is not an address of a web server. Each sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebAddressError {
    /// Longer than an address may be.
    #[error("the address is longer than {MAX_LEN} bytes")]
    TooLong,
    /// Not a URL.
    #[error("this is not a valid web address ({0}): write https://HOST[:PORT]/PATH")]
    Url(String),
    /// A blank or control character in it.
    #[error("this is not an address alone: write only https://HOST[:PORT]/PATH, a blank in it as %20")]
    NotAlone,
    /// A pin where there is no TLS.
    #[error("a pin after '#' is for TLS: write https://…, or leave it out")]
    PlainPin,
    /// The pin is not valid.
    #[error("the part after '#' is not a valid pin: {0}")]
    Pin(#[from] PinError),
}

impl WebAddress {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.trim_start().split("://").next().unwrap_or_default();
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    }

    /// Reads an address. A fragment that is not a pin is a place in the document, and is left out.
    ///
    /// # Errors
    /// See [`WebAddressError`].
    pub fn parse(text: &str) -> Result<WebAddress, WebAddressError> {
        let text = text.trim();
        if text.len() > MAX_LEN {
            return Err(WebAddressError::TooLong);
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(WebAddressError::NotAlone);
        }
        let url = Url::parse(text).map_err(|error| WebAddressError::Url(error.to_string()))?;
        let pin = match url.fragment() {
            Some(fragment) if fragment.to_ascii_lowercase().starts_with("sha256:") => {
                Some(Pin::parse(fragment)?)
            }
            _ => None,
        };
        if pin.is_some() && url.scheme() != "https" {
            return Err(WebAddressError::PlainPin);
        }
        WebAddress::new(url, pin)
    }

    fn new(url: Url, pin: Option<Pin>) -> Result<WebAddress, WebAddressError> {
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(WebAddressError::Url("no host".to_owned()));
        }
        if url.port_or_known_default() == Some(0) {
            return Err(WebAddressError::Url("the port is 0".to_owned()));
        }
        Ok(WebAddress::of(url, pin))
    }

    /// The address of a URL.
    pub(crate) fn of(mut url: Url, pin: Option<Pin>) -> WebAddress {
        url.set_fragment(None);
        let name = name_of(&url);
        let path =
            without_secrets(&url)[Position::BeforePath..Position::AfterQuery].trim_matches('/').to_owned();
        WebAddress { url, pin, name, path }
    }

    /// The user name and password, decoded.
    pub(crate) fn user(&self) -> Option<(String, Option<String>)> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        self.has_user().then(|| (decode(self.url.username()), self.url.password().map(decode)))
    }

    /// The same address with this user name and password, which are encoded.
    pub(crate) fn with_user(mut self, user: &str, password: Option<&str>) -> WebAddress {
        // A URL with a host has room for both.
        let _ = self.url.set_username(user);
        let _ = self.url.set_password(password);
        self
    }

    /// The URL, with user and password, and without the pin.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The address with all its secrets: to be requested, pasted elsewhere, or saved as a secret.
    pub fn revealed(&self) -> String {
        match self.pin {
            Some(pin) => format!("{}#{pin}", self.url),
            None => self.url.to_string(),
        }
    }

    /// The last segment of the path, decoded; `index.html` without one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path with its query without secrets, without a slash at either end: what is the same content has the same path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the server is, and how it is reached.
    pub(crate) fn authority(&self) -> Authority {
        authority(&self.url, self.pin)
    }

    /// The host without a port.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The pin.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// Whether it has a user name or password.
    pub fn has_user(&self) -> bool {
        !self.url.username().is_empty() || self.url.password().is_some()
    }

    /// The server: its address without a path.
    pub(crate) fn root(&self) -> WebAddress {
        let mut url = self.url.clone();
        url.set_path("/");
        url.set_query(None);
        WebAddress::of(url, self.pin)
    }

    /// The address of a file with this name in the same folder, without a query; `None` if that would be no file of it.
    pub(crate) fn beside(&self, name: &str) -> Option<WebAddress> {
        if matches!(name, "" | "." | "..") || name.contains('/') {
            return None;
        }
        let mut url = self.url.clone();
        url.set_query(None);
        url.path_segments_mut().ok()?.pop().push(name);
        WebAddress::new(url, self.pin).ok()
    }

    /// The address of a path below it.
    pub(crate) fn join(&self, path: &str) -> Result<WebAddress, WebAddressError> {
        let mut url = self.url.clone();
        url.set_query(None);
        url.path_segments_mut()
            .map_err(|()| WebAddressError::Url("no path".to_owned()))?
            .pop_if_empty()
            .extend(path.split('/'));
        WebAddress::new(url, self.pin)
    }

    /// Whether both are requested as the same URL. Links that differ in a signature, or in what may be one, are not.
    pub(crate) fn is_same_request(&self, other: &WebAddress) -> bool {
        without_user(&self.url) == without_user(&other.url)
    }

    /// Whether both are the same content of the same server, whatever they are reached with.
    pub(crate) fn is_same_as(&self, other: &WebAddress) -> bool {
        self.shown() == other.shown()
    }

    /// Takes the user and the pin that the same server is reached with now. Returns whether that changed anything.
    pub(crate) fn follow(&mut self, now: &WebAddress) -> bool {
        let given = now.pin.is_some() || now.has_user();
        if self.url.scheme() != now.url.scheme() || !self.authority().is_at(&now.authority()) || !given {
            return false;
        }
        let before = self.clone();
        self.take_credentials(now);
        *self != before
    }

    /// Takes the user and the pin that are known of the same server, if it has neither.
    pub(crate) fn complete(&mut self, known: &WebAddress) {
        if self.pin.is_none() && !self.has_user() {
            self.follow(known);
        }
    }

    /// The same address, reached with the user and the pin of another one.
    pub(crate) fn with_credentials_of(&self, other: &WebAddress) -> WebAddress {
        let mut address = self.clone();
        address.take_credentials(other);
        address
    }

    fn take_credentials(&mut self, other: &WebAddress) {
        self.pin = other.pin;
        // A URL with a host has room for both.
        let _ = self.url.set_username(other.url.username());
        let _ = self.url.set_password(other.url.password());
    }

    /// What a server of this address proves.
    pub(crate) fn origin(&self) -> Origin {
        match (self.is_encrypted(), self.pin) {
            (true, Some(pin)) => Origin::Certificate(pin),
            (true, None) => Origin::Site(Hash::of(self.authority().to_string().as_bytes())),
            (false, _) => Origin::plain(&self.authority().host),
        }
    }

    fn shown(&self) -> String {
        without_secrets(&self.url).to_string()
    }
}

/// Where the server of a URL is, and how it is reached.
pub(crate) fn authority(url: &Url, pin: Option<Pin>) -> Authority {
    let host = match url.host() {
        Some(url::Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    let security = if url.scheme() == "https" { Security::Tls { pin } } else { Security::Plain };
    Authority::new(host, url.port_or_known_default().unwrap_or(80), security)
}

/// The last segment of the path of a URL, decoded; `index.html` without one.
pub(crate) fn name_of(url: &Url) -> String {
    let last = url.path().rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or(INDEX_NAME);
    let bytes: Vec<u8> = percent_decode_str(last).filter(|byte| *byte != 0).collect();
    odd_name::to_text(&bytes).into_owned()
}

/// A URL to be displayed: without user and password, and without the secrets of its query.
pub(crate) fn without_secrets(url: &Url) -> Url {
    let mut shown = without_user(url);
    if let Some(query) = url.query() {
        let redact = |parameter: &str| match parameter.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
            _ => parameter.to_owned(),
        };
        let query = query.split('&').map(redact).collect::<Vec<_>>().join("&");
        shown.set_query(Some(&query));
    }
    shown
}

/// A URL without user and password.
pub(crate) fn without_user(url: &Url) -> Url {
    let mut url = url.clone();
    // A URL with a host has room for both.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// A URL for a sentence.
pub(crate) fn shown(url: &Url) -> SafeText {
    SafeText::new(without_secrets(url).as_str())
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())?;
        self.pin.map_or(Ok(()), |pin| write!(f, "#{pin}"))
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> WebAddress {
        WebAddress::parse(text).unwrap()
    }

    #[test]
    fn the_name_is_the_last_segment_decoded() {
        for (text, name) in [
            ("https://h/a/b%20c.iso?x=/y", "b c.iso"),
            ("HTTP://h", "index.html"),
            ("https://h/a/", "index.html"),
            ("https://h/caf%E9", "caf\0E9"),
            ("https://h/a%00b", "ab"),
            ("https://h/a%2Fb", "a/b"),
        ] {
            assert_eq!(address(text).name(), name, "{text}");
        }
    }

    /// By UTS 46: lower case, composed letters, full-width forms, right-to-left scripts; what is not a name is rejected.
    #[test]
    fn a_host_with_other_letters_is_named_as_in_dns() {
        for (host, name) in [
            ("B\u{fc}cher.example", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("stra\u{df}e.example", "xn--strae-oqa.example"),
            ("\u{65e5}\u{672c}\u{3002}example", "xn--wgv71a.example"),
            ("\u{ff10}\u{ff18}x.example", "08x.example"),
            ("\u{5d0}\u{5d1}.example", "xn--4dbc.example"),
        ] {
            assert_eq!(address(&format!("https://{host}/a")).host(), name);
        }
        for host in ["\u{5d0}a.example", "xn--a.example", "a\u{2009}b.example"] {
            assert!(WebAddress::parse(&format!("https://{host}/a")).is_err(), "{host}");
        }
    }

    #[test]
    fn secrets_are_not_displayed() {
        let text = "https://me:pass@h/a?X-Amz-Date=1&X-Amz-Signature=abc&token=t";
        let signed = address(text);
        let shown = "https://h/a?X-Amz-Date=1&X-Amz-Signature=REDACTED&token=REDACTED";
        assert_eq!(
            (signed.to_string(), format!("{signed:?}")),
            (shown.into(), format!("WebAddress({shown})"))
        );
        assert_eq!(signed.revealed(), text);
        assert!(address(shown).is_same_as(&signed), "a journal names the address without its secrets");
        let renewed = address("https://h/a?X-Amz-Date=1&X-Amz-Signature=new&token=t");
        assert!(renewed.is_same_as(&signed) && !renewed.is_same_request(&signed));
        assert_eq!(
            (renewed.path(), signed.path()),
            (&shown[10..], &shown[10..]),
            "what is the same has one path"
        );
    }

    #[test]
    fn a_pin_is_the_only_fragment_that_is_kept() {
        let pin = Pin([7; 32]);
        let pinned = address(&format!("https://h:8443/a#{pin}"));
        assert_eq!((pinned.pin(), pinned.revealed()), (Some(pin), format!("https://h:8443/a#{pin}")));
        assert_eq!(address("https://h/a#part").revealed(), "https://h/a");
        assert!(matches!(WebAddress::parse("https://h/a#sha256:00"), Err(WebAddressError::Pin(_))));
        let plain = WebAddress::parse(&format!("http://h/a#{pin}"));
        assert_eq!(plain, Err(WebAddressError::PlainPin));
    }

    #[test]
    fn what_is_no_address_is_rejected() {
        for text in ["https://", "https://h/a b", "https://h:0/", "https://h:99999/", "https:///"] {
            assert!(WebAddress::parse(text).is_err(), "{text}");
        }
        assert!(!WebAddress::is_meant("fdsp://h/http://x") && WebAddress::is_meant(" HTTPS://h"));
    }

    #[test]
    fn credentials_are_taken_only_from_the_same_server() {
        let mut own = address("https://h/a");
        assert!(
            !own.follow(&address("http://me:pass@h:443/b")) && !own.follow(&address("https://me@other/b"))
        );
        own.complete(&address("https://me:pass@h/b"));
        assert_eq!(own.revealed(), "https://me:pass@h/a");
    }
}
