//! Cookies of a file in the format of Netscape, which browsers' exports, curl and wget write.
//!
//! ```text
//! DOMAIN  SUBDOMAINS  PATH  SECURE  EXPIRY  NAME  VALUE        separated by tabs; SUBDOMAINS and SECURE are TRUE or FALSE
//! ```
//!
//! A domain that begins with `#HttpOnly_` is one without it; every other line that begins with `#` is a comment. The expiry is in seconds since
//! 1970, and 0 for a cookie of a session, which is sent.

use std::{
    fmt,
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use url::Url;
use zeroize::Zeroizing;

/// Bytes of a file, at most.
pub const MAX_COOKIES_LEN: usize = 16 << 20;
/// Bytes of the cookies of one request, at most: servers refuse more.
const MAX_SENT: usize = 64 << 10;
/// Second labels that are registered below, in the domain of a country.
const PUBLIC_LABELS: [&str; 14] =
    ["ac", "co", "com", "ed", "edu", "go", "gob", "gov", "gv", "mil", "ne", "net", "or", "org"];

/// All cookies of a file. `Debug` shows none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cookies(Vec<Cookie>);

#[derive(Clone, PartialEq, Eq)]
struct Cookie {
    /// In lower case, without a dot before it.
    domain: String,
    /// Whether it is for the hosts below the domain, too.
    subdomains: bool,
    path: String,
    /// Whether it is for encrypted connections only.
    secure: bool,
    /// Seconds since 1970.
    expiry: Option<u64>,
    /// `NAME=VALUE`.
    pair: Zeroizing<String>,
}

/// Why a text is not such a file. The values are not in it: they are secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookiesError {
    /// Larger than any.
    #[error("it is larger than 16 MiB")]
    TooLarge,
    /// The database of a browser.
    #[error("it is a browser's database: export the cookies in Netscape format (cookies.txt)")]
    Database,
    /// Not seven fields.
    #[error(
        "line {0}: it does not have the seven fields DOMAIN, SUBDOMAINS, PATH, SECURE, EXPIRY, NAME and VALUE, separated by \
         tabs"
    )]
    Fields(usize),
    /// Neither TRUE nor FALSE.
    #[error("line {0}: the second and the fourth field are TRUE or FALSE")]
    Flag(usize),
    /// Not seconds.
    #[error("line {0}: the fifth field is a number of seconds")]
    Expiry(usize),
    /// A control character, or a separator.
    #[error("line {0}: the name or the value has a character that a cookie cannot have")]
    Character(usize),
}

impl Cookies {
    /// Reads the content of a file.
    ///
    /// # Errors
    /// See [`CookiesError`].
    pub fn parse(content: &[u8]) -> Result<Cookies, CookiesError> {
        if content.len() > MAX_COOKIES_LEN {
            return Err(CookiesError::TooLarge);
        }
        if content.starts_with(b"SQLite format 3\0") {
            return Err(CookiesError::Database);
        }
        let text = String::from_utf8_lossy(content);
        let mut cookies: Vec<Cookie> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.strip_prefix("#HttpOnly_").unwrap_or(line);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            cookies.push(cookie(line, number)?);
        }
        Ok(Cookies(cookies))
    }

    /// The value of `Cookie` for a URL; `None` if no cookie is for it. Longer paths come first.
    pub(crate) fn for_url(&self, url: &Url, now: SystemTime) -> Option<Zeroizing<String>> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut fitting: Vec<_> = self.0.iter().filter(|cookie| cookie.is_for(url, now)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut value = Zeroizing::new(String::new());
        for cookie in fitting {
            if value.len() + cookie.pair.len() > MAX_SENT {
                break;
            }
            if !value.is_empty() {
                value.push_str("; ");
            }
            value.push_str(&cookie.pair);
        }
        (!value.is_empty()).then_some(value)
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookies({})", self.0.len())
    }
}

impl Cookie {
    fn is_for(&self, url: &Url, now: u64) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
        let is_fresh = self.expiry.is_none_or(|expiry| expiry > now);
        let is_allowed = !self.secure || url.scheme() == "https";
        is_fresh && is_allowed && self.is_for_host(host) && is_below(url.path(), &self.path)
    }

    fn is_for_host(&self, host: &str) -> bool {
        if host == self.domain {
            return true;
        }
        let below = host.strip_suffix(self.domain.as_str()).is_some_and(|below| below.ends_with('.'));
        below && self.subdomains && host.parse::<IpAddr>().is_err() && !is_public(&self.domain)
    }
}

/// Whether others can register a domain below this one, so that no cookie is for all of them: a domain without a dot, or one such as `co.uk`.
fn is_public(domain: &str) -> bool {
    match domain.split_once('.') {
        None => true,
        Some((label, country)) => country.len() == 2 && PUBLIC_LABELS.contains(&label),
    }
}

/// Whether a path is this one or below it (RFC 6265, section 5.1.4).
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

fn cookie(line: &str, number: usize) -> Result<Cookie, CookiesError> {
    let mut fields = line.splitn(7, '\t');
    let mut field = || fields.next().ok_or(CookiesError::Fields(number));
    let flag = |text: &str| match text.trim() {
        flag if flag.eq_ignore_ascii_case("true") => Ok(true),
        flag if flag.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(CookiesError::Flag(number)),
    };
    let domain = field()?.trim().trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let subdomains = flag(field()?)?;
    let path = field()?.trim().to_owned();
    let secure = flag(field()?)?;
    let expiry = seconds(field()?.trim()).ok_or(CookiesError::Expiry(number))?;
    let name = field()?;
    // An empty value is written without its tab by some.
    let value = field().unwrap_or_default();
    if domain.is_empty() {
        return Err(CookiesError::Fields(number));
    }
    let is_wrong = |c: char| c.is_control() || c == ';';
    if name.is_empty() || name.contains(is_wrong) || name.contains('=') || value.contains(is_wrong) {
        return Err(CookiesError::Character(number));
    }
    let path = if path.starts_with('/') { path } else { "/".to_owned() };
    let expiry = Some(expiry).filter(|expiry| *expiry > 0);
    Ok(Cookie { domain, subdomains, path, secure, expiry, pair: Zeroizing::new(format!("{name}={value}")) })
}

/// Seconds since 1970. Some programs write them with a fraction, or negative ones for a cookie of a session.
fn seconds(text: &str) -> Option<u64> {
    let is_negative = text.starts_with('-');
    let whole = text.trim_start_matches('-').split('.').next().unwrap_or_default();
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if is_negative { 0 } else { whole.parse().unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn sent(file: &str, url: &str) -> Option<String> {
        let cookies = Cookies::parse(file.as_bytes()).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        cookies.for_url(&Url::parse(url).unwrap(), now).map(|value| value.to_string())
    }

    #[test]
    fn a_cookie_is_sent_only_to_what_it_matches() {
        for (line, url, is_sent) in [
            ("h.example\tFALSE\t/\tFALSE\t0\ta\tb", "http://h.example/x", true),
            ("h.example\tFALSE\t/\tFALSE\t0\ta\tb", "http://sub.h.example/x", false),
            (".h.example\tTRUE\t/\tFALSE\t0\ta\tb", "http://sub.h.example/x", true),
            (".h.example\tTRUE\t/\tFALSE\t0\ta\tb", "http://h.example/x", true),
            (".H.Example\ttrue\t/\tfalse\t0\ta\tb", "http://h.example./x", true),
            (".h.example\tTRUE\t/\tFALSE\t0\ta\tb", "http://evilh.example/x", false),
            (".example\tTRUE\t/\tFALSE\t0\ta\tb", "http://h.example/x", false),
            (".co.uk\tTRUE\t/\tFALSE\t0\ta\tb", "http://h.co.uk/x", false),
            (".h.co.uk\tTRUE\t/\tFALSE\t0\ta\tb", "http://x.h.co.uk/x", true),
            ("localhost\tFALSE\t/\tFALSE\t0\ta\tb", "http://localhost:8080/x", true),
            ("0.0.1\tTRUE\t/\tFALSE\t0\ta\tb", "http://127.0.0.1/x", false),
            ("127.0.0.1\tFALSE\t/\tFALSE\t0\ta\tb", "http://127.0.0.1/x", true),
            ("::1\tFALSE\t/\tFALSE\t0\ta\tb", "http://[::1]/x", true),
            ("h.example\tFALSE\t/dir\tFALSE\t0\ta\tb", "http://h.example/dir", true),
            ("h.example\tFALSE\t/dir\tFALSE\t0\ta\tb", "http://h.example/dir/x", true),
            ("h.example\tFALSE\t/dir\tFALSE\t0\ta\tb", "http://h.example/dirty", false),
            ("h.example\tFALSE\t/\tTRUE\t0\ta\tb", "http://h.example/x", false),
            ("h.example\tFALSE\t/\tTRUE\t0\ta\tb", "https://h.example/x", true),
            ("h.example\tFALSE\t/\tFALSE\t999\ta\tb", "http://h.example/x", false),
            ("h.example\tFALSE\t/\tFALSE\t1001.5\ta\tb", "http://h.example/x", true),
            ("h.example\tFALSE\t/\tFALSE\t-1\ta\tb", "http://h.example/x", true),
            ("#HttpOnly_h.example\tFALSE\t/\tFALSE\t0\ta\tb", "http://h.example/x", true),
            ("# h.example\tFALSE\t/\tFALSE\t0\ta\tb", "http://h.example/x", false),
        ] {
            assert_eq!(sent(line, url), is_sent.then(|| "a=b".to_owned()), "{line} {url}");
        }
    }

    #[test]
    fn cookies_of_longer_paths_come_first() {
        let file = "# Netscape HTTP Cookie File\r\n\r\nh\tFALSE\t/\tFALSE\t0\ta\t1 2\r\nh\tFALSE\t/d/\tFALSE\t0\tb\t\r\nh\tFALSE\t/\tFALSE\t0\tc";
        assert_eq!(sent(file, "http://h/d/x").as_deref(), Some("b=; a=1 2; c="));
        assert_eq!(sent(file, "http://h/x").as_deref(), Some("a=1 2; c="));
        let cookies = Cookies::parse(file.as_bytes()).unwrap();
        assert_eq!(format!("{cookies:?}"), "Cookies(3)");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_without_values() {
        for (text, error) in [
            ("h FALSE / FALSE 0 a secret", CookiesError::Fields(1)),
            ("\n\tFALSE\t/\tFALSE\t0\ta\tsecret", CookiesError::Fields(2)),
            ("h\tYES\t/\tFALSE\t0\ta\tsecret", CookiesError::Flag(1)),
            ("h\tTRUE\t/\tFALSE\tsoon\ta\tsecret", CookiesError::Expiry(1)),
            ("h\tTRUE\t/\tFALSE\t0\ta;b\tsecret", CookiesError::Character(1)),
            ("h\tTRUE\t/\tFALSE\t0\ta\tsecret\x01", CookiesError::Character(1)),
            ("h\tTRUE\t/\tFALSE\t0\t\tsecret", CookiesError::Character(1)),
            ("SQLite format 3\0", CookiesError::Database),
        ] {
            let found = Cookies::parse(text.as_bytes()).unwrap_err();
            assert_eq!(found, error, "{text:?}");
            assert!(!found.to_string().contains("secret"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_are_an_error(content in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Cookies::parse(&content);
        }

        #[test]
        fn any_fields_are_read_or_are_an_error(line in "(#HttpOnly_|h|\\.|TRUE|FALSE|/|0|\t|a|;){0,20}") {
            if let Ok(cookies) = Cookies::parse(line.as_bytes()) {
                cookies.for_url(&Url::parse("http://h.h/a").unwrap(), UNIX_EPOCH);
            }
        }

        #[test]
        fn no_cookie_of_another_host_is_sent(domain in "[a-c.]{1,6}", subdomains: bool, host in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}") {
            let flag = if subdomains { "TRUE" } else { "FALSE" };
            let value = Cookies::parse(format!("{domain}\t{flag}\t/\tFALSE\t0\ta\tb").as_bytes());
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            if let Ok(Some(_)) = value.map(|cookies| cookies.for_url(&url, UNIX_EPOCH)) {
                let domain = domain.trim_matches('.');
                let is_below = host.ends_with(&format!(".{domain}")) && domain.contains('.') && subdomains;
                prop_assert!(host == domain || is_below, "{} {}", domain, host);
            }
        }
    }
}
