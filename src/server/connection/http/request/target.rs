//! The target of a request: a path, and the form in which it is wanted.

use std::fmt;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::Refused;
use crate::{
    protocol::path::{RemotePath, odd_name},
    server::access::host_names::split_port,
};

/// The form in which a path is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// A file as itself, a folder as a page.
    #[default]
    Auto,
    /// A folder as JSON.
    Json,
    /// A folder as a zip.
    Zip,
    /// A folder as a tar.
    Tar,
    /// The BLAKE3 digest of a file, as `b3sum` prints it.
    Blake3,
    /// The SHA-256 digest of a file, as `sha256sum` prints it.
    Sha256,
    /// A metalink of a file, with the digests of its pieces.
    Meta4,
}

/// What the rows of a page are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Column {
    #[default]
    Name,
    Size,
    Modified,
}

/// The order of the rows of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub column: Column,
    pub is_descending: bool,
}

/// The target of a request.
#[derive(Default)]
pub(crate) struct Target {
    pub path: RemotePath,
    /// Whether it ends with a slash: it names a folder.
    pub is_folder: bool,
    pub form: Form,
    pub order: Order,
    /// Entries after this name only.
    pub after: Option<String>,
    /// The token that a link has.
    pub token: Option<Zeroizing<String>>,
    /// The query without the token.
    query: String,
    /// As it was sent: path and query.
    raw: Zeroizing<String>,
}

/// Without a token.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("path", &self.path).field("form", &self.form).finish_non_exhaustive()
    }
}

impl Target {
    /// Parses a target in origin-form, or in absolute-form. Also returns the host that the latter names.
    ///
    /// # Errors
    /// It is malformed, or names nothing in a folder.
    pub fn parse(text: &str) -> Result<(Target, Option<String>), Refused> {
        let (host, text) = match absolute(text) {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let host = authority(&rest[..end]).ok_or(Refused::bad("the target names no host"))?;
                (Some(host), &rest[end..])
            }
            None if text.starts_with('/') => (None, text),
            None => return Err(Refused::bad("the target is not a path")),
        };
        if text.contains('#') {
            return Err(Refused::bad("a '#' in the target"));
        }
        let (encoded, query) = text.split_once('?').unwrap_or((text, ""));
        let bytes: Vec<u8> = percent_decode_str(encoded).collect();
        if bytes.contains(&0) {
            return Err(Refused::bad("a NUL byte in the path"));
        }
        let path = RemotePath::parse(&odd_name::to_text(&bytes))
            .map_err(|_| Refused::bad("the path is too long, or contains '..'"))?;
        let is_folder = bytes.ends_with(b"/") || path.is_root();
        let raw = Zeroizing::new(if text.starts_with('/') { text.to_owned() } else { format!("/{text}") });
        let mut target = Target { path, is_folder, raw, ..Target::default() };
        target.read_query(query);
        Ok((target, host))
    }

    fn read_query(&mut self, query: &str) {
        let mut kept = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let decoded = || odd_name::to_text(&percent_decode_str(value).collect::<Vec<_>>()).into_owned();
            if name == "token" {
                self.token = Some(Zeroizing::new(decoded()));
                continue;
            }
            kept.push(part);
            match name {
                "json" => self.form = Form::Json,
                "zip" => self.form = Form::Zip,
                "tar" => self.form = Form::Tar,
                "blake3" => self.form = Form::Blake3,
                "sha256" => self.form = Form::Sha256,
                "meta4" => self.form = Form::Meta4,
                "after" => self.after = Some(decoded()),
                "sort" => self.order = Order::parse(value),
                // Others are ignored, as links have them for other purposes.
                _ => {}
            }
        }
        self.query = kept.join("&");
    }

    /// The path and query as they were sent, for the same server with TLS.
    pub fn raw(&self) -> &str {
        if self.raw.is_empty() { "/" } else { &self.raw }
    }

    /// The query with its question mark and without the token, or nothing.
    pub fn query(&self) -> String {
        if self.query.is_empty() { String::new() } else { format!("?{}", self.query) }
    }
}

impl Order {
    /// The parameter of it, with its end, or nothing for the usual order.
    pub fn query(self) -> String {
        let name = match self.column {
            Column::Name => "name",
            Column::Size => "size",
            Column::Modified => "modified",
        };
        let direction = if self.is_descending { "-" } else { "" };
        if self == Order::default() { String::new() } else { format!("sort={direction}{name}&") }
    }

    fn parse(text: &str) -> Order {
        let (name, is_descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let column = match name {
            "size" => Column::Size,
            "modified" => Column::Modified,
            _ => Column::Name,
        };
        Order { column, is_descending }
    }
}

/// What follows the scheme of a target in absolute-form.
fn absolute(text: &str) -> Option<&str> {
    ["http://", "https://"].into_iter().find_map(|scheme| {
        let begin = text.get(..scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    })
}

/// A host with an optional port, in lower case; `None` if the text is something else.
pub(super) fn authority(text: &str) -> Option<String> {
    let (host, port) = split_port(text)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_literal =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'%' | b'-' | b'_');
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(literal) => !literal.is_empty() && literal.bytes().all(is_literal),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    let is_port = |port: &str| {
        !port.is_empty() && port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    (is_host && port.is_none_or(is_port)).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Target {
        Target::parse(text).unwrap().0
    }

    #[test]
    fn paths_are_decoded_once() {
        for (text, path, is_folder) in [
            ("/", "", true),
            ("/a%20b/", "a b", true),
            ("/a%2520b", "a%20b", false),
            ("//a//./b", "a/b", false),
            ("/caf%E9", "caf\0E9", false),
            ("/%C3%BC+%", "ü+%", false),
            ("/a%2Fb", "a/b", false),
        ] {
            let target = parse(text);
            assert_eq!((target.path.as_str(), target.is_folder), (path, is_folder), "{text}");
        }
    }

    #[test]
    fn a_token_is_no_part_of_the_query_that_is_kept() {
        let target = parse("/a?x=1&token=secret%2B&sort=-size&after=%C3%BC");
        assert_eq!(target.query(), "?x=1&sort=-size&after=%C3%BC");
        assert_eq!(target.token.as_ref().map(|token| token.as_str()), Some("secret+"));
        assert_eq!(target.after.as_deref(), Some("ü"));
        assert_eq!(target.order, Order { column: Column::Size, is_descending: true });
        assert!(!format!("{target:?}").contains("secret"));
        assert_eq!(parse("/?token=x").query(), "");
        for text in ["sort=-size&", "sort=modified&", "sort=-name&", ""] {
            assert_eq!(parse(&format!("/?{text}x")).order.query(), text);
        }
        assert_eq!((parse("/?zip").form, parse("/a?blake3=").form), (Form::Zip, Form::Blake3));
    }

    #[test]
    fn an_absolute_target_names_its_host() {
        let (target, host) = Target::parse("HTTP://Name:80?json").unwrap();
        assert_eq!((target.path.as_str(), target.form, host.as_deref()), ("", Form::Json, Some("name:80")));
        assert_eq!(target.raw(), "/?json");
        assert!(Target::parse("http:///a").is_err());
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        for text in ["a", "a.b:80", "[::1]:7878", "[fe80::1%eth0]", "192.0.2.1", "a_b-c"] {
            assert_eq!(authority(text).as_deref(), Some(text));
        }
        for text in ["", ":80", "a:", "a:b", "a:99999", "[::1", "[]", "::1", "a/b", "a@b", "[::1]x", "a:+1"] {
            assert_eq!(authority(text), None, "{text}");
        }
    }
}
