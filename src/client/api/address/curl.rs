//! A command line of curl, as browsers copy it: the address, and the header fields that it is requested with.
//!
//! ```text
//! curl 'https://HOST/PATH' -H 'NAME: VALUE' -b 'NAME=VALUE; …' -u USER:PASSWORD -A AGENT -e REFERER
//! ```
//!
//! `--compressed` and `--globoff` are left out, and so are header fields that this program sets itself. Every other option is an error. The
//! quotes are those of bash: `'…'`, `"…"`, `$'…'` and `\`; nothing is expanded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    shell_words::{WordError, words},
    web::{WebAddress, WebAddressError},
    web_header::{WebHeader, WebHeaderError},
};
use crate::text::SafeText;

/// Bytes of a command, at most.
pub const MAX_COMMAND_LEN: usize = 128 << 10;
/// The most lines of a command.
const MAX_LINES: usize = 1000;
/// Header fields of a download, at most.
pub const MAX_HEADERS: usize = 100;
/// What is not escaped in a user name and a password.
const USER_SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What a command requests. `Debug` shows no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurlCommand {
    /// The address, with the user name and password.
    pub address: WebAddress,
    /// The header fields.
    pub headers: Vec<WebHeader>,
}

/// Why a text is not a command that is understood. Each sentence says what to write instead, and has no values of the command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CurlError {
    /// Longer than a command may be.
    #[error("the curl command is longer than 128 KiB")]
    TooLong,
    /// Copied for the command prompt of Windows.
    #[error("this curl command is for the command prompt of Windows: copy it as cURL (bash)")]
    Windows,
    /// Its words cannot be read.
    #[error(transparent)]
    Words(#[from] WordError),
    /// Another option.
    #[error("curl's option {0} cannot be used here: leave it out (-H, -b, -u, -A and -e can be used)")]
    Option(SafeText),
    /// An option without its value.
    #[error("curl's option {0} has no value")]
    NoValue(SafeText),
    /// No address.
    #[error("the curl command has no address")]
    NoAddress,
    /// Two addresses.
    #[error("the curl command has several addresses: write one command for each")]
    Addresses,
    /// The address is not valid.
    #[error("the address of the curl command: {0}")]
    Address(#[from] WebAddressError),
    /// Not http or https.
    #[error("the address of the curl command is written https://HOST/PATH")]
    Scheme,
    /// A header field that is not valid.
    #[error("a header field of the curl command: {0}")]
    Header(#[from] WebHeaderError),
    /// A header field without a value, which removes one.
    #[error("the header field {0} of the curl command has no value: leave it out")]
    NoHeaderValue(SafeText),
    /// The host of another server.
    #[error("the curl command sends the host of another server: leave out its field 'Host'")]
    Host,
    /// More than a request may have.
    #[error("the curl command has more than {MAX_HEADERS} header fields")]
    Headers,
    /// A file.
    #[error("curl's option {0} names a file here, which is not read: write the values themselves")]
    File(SafeText),
    /// Twice.
    #[error("curl's option {0} is given twice")]
    Twice(SafeText),
}

impl CurlCommand {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        let text = text.trim_start();
        let rest = text.strip_prefix("curl.exe").or_else(|| text.strip_prefix("curl"));
        rest.is_some_and(|rest| rest.starts_with([' ', '\t', '\\', '^', '\n', '\r']) && rest.contains("://"))
    }

    /// Whether the command in a text continues in the next line.
    pub fn continues(text: &str) -> bool {
        let is_open = || matches!(words(text), Err(WordError::Quote));
        let is_short = text.len() <= MAX_COMMAND_LEN && text.matches('\n').count() < MAX_LINES;
        is_short && (ends_with_backslash(text) || is_open())
    }

    /// Reads a command.
    ///
    /// # Errors
    /// See [`CurlError`].
    pub fn parse(text: &str) -> Result<CurlCommand, CurlError> {
        if text.len() > MAX_COMMAND_LEN {
            return Err(CurlError::TooLong);
        }
        let text = text.trim();
        if is_of_windows(text) {
            return Err(CurlError::Windows);
        }
        let mut words = words(text)?.into_iter().skip(1);
        let mut found = Found::default();
        while let Some(text) = words.next() {
            let Some((option, attached)) = split_option(&text) else {
                found.address(text)?;
                continue;
            };
            let Some(kind) = kind(option) else { return Err(CurlError::Option(SafeText::new(option))) };
            if kind == Kind::Ignored {
                // Letters after it would be other options.
                match attached {
                    Some(_) => return Err(CurlError::Option(SafeText::new(&text))),
                    None => continue,
                }
            }
            let value = attached.map(str::to_owned).or_else(|| words.next());
            let value = value.ok_or_else(|| CurlError::NoValue(SafeText::new(option)))?;
            found.option(kind, option, value)?;
        }
        found.command()
    }
}

/// An option that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Header,
    Cookie,
    User,
    UserAgent,
    Referer,
    Url,
    Ignored,
}

fn kind(option: &str) -> Option<Kind> {
    Some(match option {
        "-H" | "--header" => Kind::Header,
        "-b" | "--cookie" => Kind::Cookie,
        "-u" | "--user" => Kind::User,
        "-A" | "--user-agent" => Kind::UserAgent,
        "-e" | "--referer" => Kind::Referer,
        "--url" => Kind::Url,
        "--compressed" | "-g" | "--globoff" => Kind::Ignored,
        _ => return None,
    })
}

/// The option of a word, and the value that is attached to a short one; `None` if it is no option.
fn split_option(word: &str) -> Option<(&str, Option<&str>)> {
    if !word.starts_with('-') || word == "-" {
        return None;
    }
    if word.starts_with("--") {
        return Some((word, None));
    }
    let end = word.char_indices().nth(2).map_or(word.len(), |(end, _)| end);
    let (option, attached) = word.split_at(end);
    Some((option, Some(attached).filter(|attached| !attached.is_empty())))
}

/// What was found in a command so far.
#[derive(Default)]
struct Found {
    address: Option<String>,
    user: Option<String>,
    headers: Vec<WebHeader>,
}

impl Found {
    fn address(&mut self, text: String) -> Result<(), CurlError> {
        match self.address.replace(text) {
            Some(_) => Err(CurlError::Addresses),
            None => Ok(()),
        }
    }

    fn option(&mut self, kind: Kind, option: &str, value: String) -> Result<(), CurlError> {
        match kind {
            Kind::Url => self.address(value),
            Kind::User if self.user.is_some() => Err(CurlError::Twice(SafeText::new(option))),
            Kind::User => {
                self.user = Some(value);
                Ok(())
            }
            // Without '=' it is the name of a file.
            Kind::Cookie if !value.contains('=') => Err(CurlError::File(SafeText::new(option))),
            Kind::Cookie => self.header(&format!("Cookie: {value}")),
            Kind::UserAgent => self.header(&format!("User-Agent: {value}")),
            // ";auto" is for redirects, which get no referer.
            Kind::Referer => self.header(&format!("Referer: {}", value.trim_end_matches(";auto"))),
            Kind::Header if value.starts_with('@') => Err(CurlError::File(SafeText::new(option))),
            Kind::Header => self.header(&value),
            Kind::Ignored => Ok(()),
        }
    }

    fn header(&mut self, text: &str) -> Result<(), CurlError> {
        // "NAME;" is a field without a value, and "NAME:" removes one.
        if let Some(name) = text.trim_end().strip_suffix([':', ';']).filter(|name| !name.contains(':')) {
            return Err(CurlError::NoHeaderValue(SafeText::new(name)));
        }
        match WebHeader::parse(text) {
            Ok(header) => {
                self.headers.push(header);
                if self.headers.len() > MAX_HEADERS { Err(CurlError::Headers) } else { Ok(()) }
            }
            Err(WebHeaderError::Own(name)) if name == "host" => Err(CurlError::Host),
            // What browsers send to cache, to compress and to request parts.
            Err(WebHeaderError::Own(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn command(self) -> Result<CurlCommand, CurlError> {
        let text = self.address.ok_or(CurlError::NoAddress)?;
        if !WebAddress::is_meant(&text) {
            return Err(CurlError::Scheme);
        }
        let mut address = WebAddress::parse(&text)?;
        if let Some(user) = self.user {
            let (name, password) = user.split_once(':').map_or((user.as_str(), None), |(name, password)| {
                (name, Some(utf8_percent_encode(password, USER_SET).to_string()))
            });
            let name = utf8_percent_encode(name, USER_SET).to_string();
            address = address.with_user(&name, password.as_deref());
        }
        Ok(CurlCommand { address, headers: self.headers })
    }
}

/// Whether it is for the command prompt of Windows, where `^` is the escape.
fn is_of_windows(text: &str) -> bool {
    text.starts_with("curl.exe")
        || text.contains("^\"")
        || text.ends_with('^')
        || text.contains("^\n")
        || text.contains("^\r")
}

/// Whether the last line ends with a backslash that is not escaped.
fn ends_with_backslash(text: &str) -> bool {
    let text = text.trim_end_matches(['\n', '\r']);
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (String, Vec<String>) {
        let command = CurlCommand::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (command.address.revealed(), command.headers.iter().map(WebHeader::revealed).collect())
    }

    #[test]
    fn what_browsers_copy_is_understood() {
        let chrome = "curl 'https://h.example/a?b=1&c=2' \\\n  -H 'accept: */*' \\\n  -H 'accept-encoding: gzip, br' \\\r\n  \
                      -b 'sid=1; x=y' \\\n  -H $'x-name: it\\'s \\u0021\\u00e9\\ud83d\\ude00\\xc3\\xa9' \\\n  -H 'range: bytes=0-' \\\n  \
                      --compressed";
        assert!(CurlCommand::is_meant(chrome));
        assert_eq!(
            read(chrome),
            (
                "https://h.example/a?b=1&c=2".to_owned(),
                vec!["accept: */*".into(), "cookie: sid=1; x=y".into(), "x-name: it's !é😀é".into()]
            )
        );
        let firefox = "curl \"https://h.example/a b\" --compressed -H \"User-Agent: Mozilla/5.0\" -H \"Connection: keep-alive\"";
        assert!(CurlCommand::parse(firefox).is_err(), "a blank in an address is an error as elsewhere");
        let firefox = firefox.replace("a b", "a\\$b");
        assert_eq!(read(&firefox), ("https://h.example/a$b".into(), vec!["user-agent: Mozilla/5.0".into()]));
    }

    #[test]
    fn the_options_have_their_short_and_long_forms() {
        let (address, headers) = read(
            "curl -u 'me:p:a@ss/ é' -Aagent -e https://r.example/;auto --url https://h/a#x --cookie a=b -g --globoff"
                .replace(";auto", "\\;auto")
                .as_str(),
        );
        assert_eq!(address, "https://me:p%3Aa%40ss%2F%20%C3%A9@h/a");
        assert_eq!(headers, ["user-agent: agent", "referer: https://r.example/", "cookie: a=b"]);
        assert_eq!(
            read("curl --user me https://other:pass@h/").0,
            "https://me@h/",
            "the option is the last word"
        );
    }

    #[test]
    fn anything_else_is_an_error_that_names_it_and_no_value() {
        for (command, part) in [
            ("curl -L https://h/", "curl's option -L cannot be used here"),
            ("curl -sSL https://h/", "curl's option -s cannot"),
            ("curl --data-raw 'secret' https://h/", "curl's option --data-raw cannot"),
            ("curl -X POST https://h/", "curl's option -X cannot"),
            ("curl -k https://h/", "curl's option -k cannot"),
            ("curl -o x https://h/", "curl's option -o cannot"),
            ("curl https://h/ https://i/", "several addresses"),
            ("curl https://h/ -H", "-H has no value"),
            ("curl -H 'a: b' # https://", "several addresses"),
            ("curl ftp://h/secret", "is written https://"),
            ("curl https://h/?a=secret&b=c", "'&' outside of quotes"),
            ("curl 'https://h/' | sh", "'|' outside of quotes"),
            ("curl \"https://h/$TOKEN\"", "'$' outside of quotes"),
            ("curl \"https://h/`id`\"", "'`' outside"),
            ("curl 'https://h/secret", "no end"),
            ("curl $'https://h/\\q'", "escape"),
            ("curl $'https://h/\\xff'", "escape"),
            ("curl $'https://h/\\x00'", "escape"),
            ("curl ^\"https://h/^\" ^\n -H ^\"a: b^\"", "Windows"),
            ("curl.exe https://h/", "Windows"),
            ("curl https://h/ -b cookies.txt", "names a file"),
            ("curl https://h/ -H @headers", "names a file"),
            ("curl https://h/ -H 'Accept:'", "Accept of the curl command has no value"),
            ("curl https://h/ -H 'X-Empty;'", "X-Empty of the curl command has no value"),
            ("curl https://h/ -H 'Host: i'", "host of another server"),
            ("curl https://h/ -H 'secret'", "NAME: VALUE"),
            ("curl https://h/ -H $'a: secret\\nb: c'", "NAME: VALUE"),
            ("curl -u a:secret -u b:c https://h/", "given twice"),
            ("curl -H 'a: ://'", "no address"),
        ] {
            let error = CurlCommand::parse(command).expect_err(command).to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{command}: {error}");
        }
        let long = format!("curl https://h/ -H 'a: {}'", "x".repeat(MAX_COMMAND_LEN));
        assert_eq!(CurlCommand::parse(&long), Err(CurlError::TooLong));
        let many = format!("curl https://h/{}", " -H 'a: b'".repeat(MAX_HEADERS + 1));
        assert_eq!(CurlCommand::parse(&many), Err(CurlError::Headers));
    }

    #[test]
    fn a_command_of_several_lines_is_recognised() {
        for (text, continues) in [
            ("curl 'https://h/' \\", true),
            ("curl 'https://h/' \\\\", false),
            ("curl 'https://h/", true),
            ("curl https://h/", false),
            ("curl https://h/ $'a\\'", true),
        ] {
            assert_eq!(CurlCommand::continues(text), continues, "{text}");
        }
        for (text, is_meant) in [
            ("curl https://h", true),
            (" curl\t-H x http://h", true),
            ("curl notes.txt", false),
            ("curly https://h", false),
            ("https://h/curl ", false),
        ] {
            assert_eq!(CurlCommand::is_meant(text), is_meant, "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let command = CurlCommand::parse("curl -u me:s3cret -b sid=s3cret 'https://h/a?sig=s3cret'").unwrap();
        assert!(!format!("{command:?}").contains("s3cret"), "{command:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_is_an_error(text in "curl( |-H|-b|-u|'|\"|\\$'|\\\\|https://h/|a: b|x|\n|=|\\^|\\$|u00){0,20}|.{0,60}") {
            let _ = (CurlCommand::is_meant(&text), CurlCommand::continues(&text), CurlCommand::parse(&text));
        }

        #[test]
        fn a_quoted_word_is_read_as_it_was_written(word in "[^\0]{0,30}") {
            let single = format!("x '{}'", word.replace('\'', "'\\''"));
            let expected = Ok(vec!["x".to_owned(), word.clone()]);
            prop_assert_eq!(&words(&single), &expected);
            let codes: String = word
                .chars()
                .map(|c| match c {
                    '\'' | '\\' => format!("\\{c}"),
                    c if c.is_ascii_graphic() => c.to_string(),
                    c => format!("\\U{:08x}", c as u32),
                })
                .collect();
            prop_assert_eq!(&words(&format!("x $'{codes}'")), &expected);
        }
    }
}
