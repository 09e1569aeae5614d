//! A `.netrc` file: user names and passwords of servers, as curl and ftp read it.
//!
//! ```text
//! machine HOST login USER password PASSWORD
//! default login USER password PASSWORD        for all other hosts
//! macdef NAME                                 a macro, which ends at an empty line and is left out
//! ```
//!
//! Words are separated by blanks and line ends. A word in double quotes may have blanks, and `\"`, `\\`, `\n`, `\r`, `\t`. A word that
//! begins with `#` where a keyword may be is a comment up to the end of its line.

use std::{fmt, iter::Peekable, str::CharIndices};

use zeroize::Zeroizing;

/// Bytes of a file, at most.
pub const MAX_NETRC_LEN: usize = 1 << 20;

/// All entries of a file. `Debug` shows none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Netrc(Vec<Entry>);

#[derive(Clone, Default, PartialEq, Eq)]
struct Entry {
    /// In lower case; `None` is `default`.
    machine: Option<String>,
    login: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
}

/// Why a text is not such a file. What the file has is not in it: it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetrcError {
    /// Larger than any.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// A word that is no keyword.
    #[error(
        "line {0}: expected machine, default, login, password, account or macdef; a password with blanks is written \
         in double quotes"
    )]
    Keyword(usize),
    /// A keyword without its value.
    #[error("line {0}: the value after the last word is missing")]
    Value(usize),
    /// A login before the first machine.
    #[error("line {0}: write machine HOST before login and password")]
    NoMachine(usize),
    /// An open quote.
    #[error("line {0}: the double quote has no end")]
    Quote(usize),
}

impl Netrc {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// See [`NetrcError`].
    pub fn parse(text: &str) -> Result<Netrc, NetrcError> {
        if text.len() > MAX_NETRC_LEN {
            return Err(NetrcError::TooLarge);
        }
        let mut words = Words { text, rest: text.char_indices().peekable(), line: 1 };
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((keyword, is_quoted)) = words.next()? {
            let line = words.line;
            match keyword.as_str() {
                _ if is_quoted => return Err(NetrcError::Keyword(line)),
                comment if comment.starts_with('#') => words.skip_line(),
                "machine" => {
                    let machine = Some(words.value()?.to_ascii_lowercase());
                    entries.push(Entry { machine, ..Entry::default() });
                }
                "default" => entries.push(Entry::default()),
                "macdef" => {
                    words.value()?;
                    words.skip_macro();
                }
                "account" => drop(words.value()?),
                "login" | "password" => {
                    let value = Some(words.value()?);
                    let entry = entries.last_mut().ok_or(NetrcError::NoMachine(line))?;
                    match keyword.as_str() {
                        "login" => entry.login = value,
                        _ => entry.password = value,
                    }
                }
                _ => return Err(NetrcError::Keyword(line)),
            }
        }
        Ok(Netrc(entries))
    }

    /// The user name and password for a host: of its first entry, else of `default`. `user`: the name that is known already, which the
    /// entry must have. `is_meant`: whether the user has chosen the host; `default` is for no other one.
    pub(crate) fn find<'a>(
        &'a self,
        host: &str,
        user: Option<&'a str>,
        is_meant: bool,
    ) -> Option<(&'a str, &'a str)> {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let fits = |entry: &&Entry| match (user, &entry.login) {
            (Some(user), Some(login)) => login.as_str() == user,
            _ => true,
        };
        let own = |entry: &&Entry| entry.machine.as_deref() == Some(&host);
        let is_listed = self.0.iter().any(|entry| own(&entry));
        // A default is for the hosts that have no entry.
        let default = |entry: &&Entry| entry.machine.is_none() && !is_listed && is_meant;
        let entry = self.0.iter().find(|entry| (own(entry) || default(entry)) && fits(entry))?;
        let login = user.or(entry.login.as_ref().map(|login| login.as_str())).unwrap_or_default();
        let password = entry.password.as_ref().map(|password| password.as_str());
        (!login.is_empty() || password.is_some()).then(|| (login, password.unwrap_or_default()))
    }
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netrc({} entries)", self.0.len())
    }
}

/// The words of a file.
struct Words<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    /// The number of the line, from 1.
    line: usize,
}

impl Words<'_> {
    /// The next word, and whether it is in quotes; `None` at the end.
    fn next(&mut self) -> Result<Option<(Zeroizing<String>, bool)>, NetrcError> {
        while let Some((_, blank)) = self.rest.next_if(|(_, c)| c.is_ascii_whitespace()) {
            self.line += usize::from(blank == '\n');
        }
        if self.rest.next_if(|(_, c)| *c == '"').is_some() {
            return self.quoted().map(|word| Some((word, true)));
        }
        let mut word = Zeroizing::new(String::new());
        while let Some((_, c)) = self.rest.next_if(|(_, c)| !c.is_ascii_whitespace()) {
            word.push(c);
        }
        Ok((!word.is_empty()).then_some((word, false)))
    }

    /// The rest of a word in quotes.
    fn quoted(&mut self) -> Result<Zeroizing<String>, NetrcError> {
        let mut word = Zeroizing::new(String::new());
        let line = self.line;
        while let Some((_, c)) = self.rest.next() {
            word.push(match c {
                '"' => return Ok(word),
                '\n' => break,
                '\\' => match self.rest.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 'r')) => '\r',
                    Some((_, 't')) => '\t',
                    Some((_, other)) => other,
                    None => break,
                },
                other => other,
            });
        }
        Err(NetrcError::Quote(line))
    }

    fn value(&mut self) -> Result<Zeroizing<String>, NetrcError> {
        let line = self.line;
        self.next()?.map(|(word, _)| word).ok_or(NetrcError::Value(line))
    }

    /// Goes to the next line.
    fn skip_line(&mut self) {
        while self.rest.next_if(|(_, c)| *c != '\n').is_some() {}
    }

    /// Goes to the end of a macro: an empty line.
    fn skip_macro(&mut self) {
        loop {
            self.skip_line();
            if self.rest.next().is_none() {
                return;
            }
            self.line += 1;
            let rest = self.rest.peek().map_or("", |(at, _)| &self.text[*at..]);
            if rest.starts_with('\n') || rest.starts_with("\r\n") {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Netrc {
        Netrc::parse(text).unwrap()
    }

    #[test]
    fn each_host_has_its_name_and_password() {
        let netrc = read(
            "# mine\nmachine a.example login me password p4ss\n\
             machine B.example\n  login \"you and me\"\n  account x\n  password \"a \\\"b\\\" \\\\ c\\t\" # not this\n\
             macdef init\ncd /\nmachine evil login x password y\n\n\
             machine c.example login only\nmachine [::1] password alone\ndefault login anonymous password guest\n",
        );
        assert_eq!(netrc.find("a.example", None, true), Some(("me", "p4ss")));
        assert_eq!(netrc.find("A.EXAMPLE", Some("me"), true), Some(("me", "p4ss")));
        assert_eq!(
            netrc.find("a.example", Some("other"), true),
            None,
            "an entry of another user, and no default"
        );
        assert_eq!(netrc.find("b.example", None, true), Some(("you and me", "a \"b\" \\ c\t")));
        assert_eq!(netrc.find("c.example", None, true), Some(("only", "")));
        assert_eq!(netrc.find("evil", None, true), Some(("anonymous", "guest")), "a macro is no entry");
        assert_eq!(netrc.find("sub.a.example", None, true), Some(("anonymous", "guest")));
        assert_eq!(netrc.find("sub.a.example", None, false), None, "a host that the user has not chosen");
        assert_eq!(netrc.find("a.example", None, false), Some(("me", "p4ss")));
        assert_eq!(format!("{netrc:?}"), "Netrc(5 entries)");
        assert_eq!(read("machine a\n").find("a", None, true), None);
        assert_eq!(read("").find("a", None, true), None);
    }

    #[test]
    fn several_users_of_one_host_are_distinguished_by_their_names() {
        let netrc = read("machine h login a password 1\nmachine h login b password 2");
        assert_eq!(netrc.find("h", Some("b"), true), Some(("b", "2")));
        assert_eq!(netrc.find("h", None, true), Some(("a", "1")));
        assert_eq!(read("machine h password 3").find("h", Some("c"), true), Some(("c", "3")));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_without_passwords() {
        for (text, error) in [
            ("machine h login a password my secret", NetrcError::Keyword(1)),
            ("machine h\nport 25", NetrcError::Keyword(2)),
            ("\nlogin a", NetrcError::NoMachine(2)),
            ("machine h\n\n password", NetrcError::Value(3)),
            ("machine", NetrcError::Value(1)),
            ("machine h password \"abc\n\"", NetrcError::Quote(1)),
            ("\"machine\" h", NetrcError::Keyword(1)),
        ] {
            let found = Netrc::parse(text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("secret"));
        }
        assert_eq!(Netrc::parse(&" ".repeat(MAX_NETRC_LEN + 1)), Err(NetrcError::TooLarge));
        assert_eq!(
            read("macdef x\nfoo bar\r\n\r\nmachine h login a\r\n").find("h", None, true),
            Some(("a", ""))
        );
        assert!(read("macdef x\nfoo").0.is_empty(), "a macro may be the last");
    }

    /// A word as it may be written.
    fn quoted(word: &str) -> String {
        let mut text = String::from("\"");
        for c in word.chars() {
            match c {
                '\n' => text += "\\n",
                '\r' => text += "\\r",
                '\t' => text += "\\t",
                '"' | '\\' => text.extend(['\\', c]),
                other => text.push(other),
            }
        }
        text + "\""
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_is_an_error(text in "(machine|default|login|password|macdef|#|\"|\\\\|a|[ \n\t]){0,30}|.{0,60}") {
            if let Ok(netrc) = Netrc::parse(&text) {
                netrc.find("a", None, true);
            }
        }

        #[test]
        fn a_quoted_password_is_read_as_it_was_written(host in "[a-z.]{1,10}", login in ".{1,10}", password in ".{0,20}") {
            let text = format!("machine {host} login {} password {}\n", quoted(&login), quoted(&password));
            let netrc = read(&text);
            prop_assert_eq!(netrc.find(&host, None, true), Some((login.as_str(), password.as_str())));
        }
    }
}
