//! Decides from settings and environment whether a terminal shows colours and characters other than ASCII.

use super::{Screen, When};

impl Screen {
    /// Whether to use colours; `get` reads a variable of the environment.
    pub fn is_coloured(&self, get: impl Fn(&str) -> Option<String>) -> bool {
        let term = get("TERM").unwrap_or_default();
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => set(&get, "NO_COLOR").is_none() && !is_monochrome(&term),
        }
    }

    /// Whether to use ASCII only; `get` reads a variable of the environment.
    pub fn is_ascii(&self, get: impl Fn(&str) -> Option<String>) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(&get, name));
        let is_utf8 = locale.unwrap_or_default().to_ascii_lowercase().replace('-', "").contains("utf8");
        match self.ascii {
            When::Always => true,
            When::Never => false,
            When::Auto => !is_utf8 || is_plain(&get("TERM").unwrap_or_default()),
        }
    }
}

fn set(get: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    get(name).filter(|value| !value.is_empty())
}

fn is_monochrome(term: &str) -> bool {
    term.is_empty()
        || term == "dumb"
        || term.starts_with("vt")
        || term.ends_with("-m")
        || term.ends_with("-mono")
}

/// Terminals without block elements in their font, or without UTF-8.
fn is_plain(term: &str) -> bool {
    matches!(term, "" | "dumb" | "linux" | "ansi" | "cons25") || term.starts_with("vt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(color: When, ascii: When, environment: &[(&str, &str)]) -> (bool, bool) {
        let get = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let screen = Screen { color, ascii, ..Screen::default() };
        (screen.is_coloured(get), !screen.is_ascii(get))
    }

    #[test]
    fn the_environment_decides() {
        use When::{Always, Auto, Never};
        let utf8 = ("LANG", "en_US.UTF-8");
        let term = ("TERM", "xterm-256color");
        assert_eq!(look(Auto, Auto, &[utf8, term]), (true, true));
        assert_eq!(look(Auto, Always, &[utf8, term]), (true, false));
        assert_eq!(look(Auto, Auto, &[utf8, term, ("NO_COLOR", "1")]), (false, true));
        assert_eq!(look(Auto, Auto, &[utf8, term, ("NO_COLOR", "")]), (true, true));
        assert_eq!(look(Always, Auto, &[utf8, term, ("NO_COLOR", "1")]), (true, true));
        assert_eq!(look(Never, Auto, &[utf8, term]), (false, true));
        assert_eq!(look(Auto, Auto, &[utf8, term, ("LC_ALL", "C")]), (true, false));
        assert_eq!(look(Auto, Auto, &[term, ("LC_CTYPE", "C.utf8")]), (true, true));
        assert_eq!(look(Auto, Auto, &[term]), (true, false));
        assert_eq!(look(Auto, Never, &[term]), (true, true));
        assert_eq!(look(Auto, Auto, &[utf8, ("TERM", "vt100")]), (false, false));
        assert_eq!(look(Auto, Auto, &[utf8, ("TERM", "linux")]), (true, false));
    }
}
