//! Terminals that are known to take a title, progress or notifications, by the environment. Nothing is asked of a terminal.
//!
//! OSC 9;4 is the progress of some terminals and a notification of others: it is sent only where it is known. Windows Terminal, ConEmu
//! and Konsole do not save titles, so that none is set there.

use super::{Attention, Notification};

/// One kind of terminal.
struct Kind {
    is: fn(&Environment<'_>) -> bool,
    title: bool,
    progress: fn(&Environment<'_>) -> bool,
    notify: Option<Notification>,
}

/// The variables that say which terminal it is.
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    fn get(&self, name: &str) -> String {
        (self.0)(name).unwrap_or_default()
    }

    fn is_set(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    fn program(&self, name: &str) -> bool {
        self.get("TERM_PROGRAM") == name
    }

    fn term(&self, name: &str) -> bool {
        self.get("TERM").strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Whether a number that a variable begins with is at least this.
    fn at_least(&self, name: &str, least: u32) -> bool {
        let value = self.get(name);
        let digits = value.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse::<u32>().is_ok_and(|number| number >= least)
    }

    /// Whether iTerm2 announces a feature: an upper-case letter, and lower-case letters or digits of its own after it.
    fn has_feature(&self, feature: &str) -> bool {
        let features = self.get("TERM_FEATURES");
        let mut found = features.match_indices(feature);
        found.any(|(at, _)| !features[at + feature.len()..].starts_with(|c: char| c.is_ascii_lowercase()))
    }

    /// Whether a multiplexer is between this program and the terminal.
    fn is_multiplexed(&self) -> bool {
        self.is_set("TMUX")
            || self.is_set("STY")
            || self.is_set("ZELLIJ")
            || self.term("tmux")
            || self.term("screen")
    }
}

const fn always(_: &Environment<'_>) -> bool {
    true
}

const fn never(_: &Environment<'_>) -> bool {
    false
}

/// The first kind that it is counts.
const KINDS: [Kind; 13] = {
    use Notification::{Osc9, Osc777};
    [
        Kind { is: |e| e.is_set("WT_SESSION"), title: false, progress: always, notify: None },
        Kind { is: |e| e.get("ConEmuANSI") == "ON", title: false, progress: always, notify: None },
        Kind { is: |e| e.is_set("KONSOLE_VERSION"), title: false, progress: never, notify: None },
        Kind { is: |e| e.program("Apple_Terminal"), title: false, progress: never, notify: None },
        Kind { is: |e| e.program("vscode"), title: false, progress: never, notify: None },
        Kind {
            is: |e| e.term("xterm-ghostty") || e.program("ghostty"),
            title: true,
            progress: always,
            notify: Some(Osc777),
        },
        Kind {
            is: |e| e.term("wezterm") || e.program("WezTerm"),
            title: true,
            progress: always,
            notify: Some(Osc777),
        },
        Kind {
            is: |e| e.term("xterm-kitty") || e.is_set("KITTY_WINDOW_ID"),
            title: true,
            progress: never,
            notify: Some(Osc9),
        },
        Kind {
            is: |e| e.program("iTerm.app"),
            title: true,
            progress: |e| e.has_feature("P"),
            notify: Some(Osc9),
        },
        Kind { is: |e| e.term("foot"), title: true, progress: never, notify: Some(Osc777) },
        Kind { is: |e| e.term("contour"), title: true, progress: never, notify: Some(Osc777) },
        Kind {
            is: |e| e.is_set("VTE_VERSION"),
            title: true,
            progress: |e| e.at_least("PTYXIS_VERSION", 48),
            notify: None,
        },
        Kind {
            is: |e| e.term("xterm") || e.term("alacritty") || e.term("mintty"),
            title: true,
            progress: never,
            notify: None,
        },
    ]
};

/// What the terminal of this environment is known to take; nothing inside a multiplexer.
pub fn known(get: impl Fn(&str) -> Option<String>) -> Attention {
    let environment = Environment(&get);
    let kind = KINDS.iter().find(|kind| (kind.is)(&environment)).filter(|_| !environment.is_multiplexed());
    let take = |kind: &Kind| Attention {
        title: kind.title,
        progress: (kind.progress)(&environment),
        notify: kind.notify,
        ascii: false,
    };
    kind.map(take).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> (bool, bool, Option<Notification>) {
        let get =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let Attention { title, progress, notify, .. } = known(get);
        (title, progress, notify)
    }

    #[test]
    fn terminals_are_known_by_their_environment() {
        use Notification::{Osc9, Osc777};
        let xterm = ("TERM", "xterm-256color");
        let nothing = (false, false, None);
        assert_eq!(of(&[]), nothing);
        for term in ["dumb", "linux", "vt220", "rxvt-unicode", "xtermx"] {
            assert_eq!(of(&[("TERM", term)]), nothing, "{term}");
        }
        assert_eq!(of(&[xterm]), (true, false, None));
        assert_eq!(of(&[("TERM", "xterm-kitty")]), (true, false, Some(Osc9)));
        assert_eq!(of(&[("TERM", "xterm-ghostty")]), (true, true, Some(Osc777)));
        assert_eq!(of(&[("TERM", "foot-extra")]), (true, false, Some(Osc777)));
        assert_eq!(of(&[xterm, ("TERM_PROGRAM", "WezTerm")]), (true, true, Some(Osc777)));
        assert_eq!(of(&[xterm, ("WT_SESSION", "1")]), (false, true, None));
        assert_eq!(of(&[xterm, ("ConEmuANSI", "ON")]), (false, true, None));
        assert_eq!(of(&[xterm, ("ConEmuANSI", "OFF")]), (true, false, None));
        assert_eq!(of(&[xterm, ("VTE_VERSION", "7800")]), (true, false, None));
        assert_eq!(of(&[xterm, ("VTE_VERSION", "7800"), ("PTYXIS_VERSION", "48.1")]), (true, true, None));
        assert_eq!(of(&[xterm, ("VTE_VERSION", "7800"), ("PTYXIS_VERSION", "47.9")]), (true, false, None));
        let iterm = ("TERM_PROGRAM", "iTerm.app");
        assert_eq!(of(&[xterm, iterm]), (true, false, Some(Osc9)));
        assert_eq!(of(&[xterm, iterm, ("TERM_FEATURES", "T3LrMSc7PUw9")]), (true, true, Some(Osc9)));
        assert_eq!(of(&[xterm, iterm, ("TERM_FEATURES", "T3LrPxMSc7")]), (true, false, Some(Osc9)));
        assert_eq!(of(&[xterm, ("TERM_PROGRAM", "Apple_Terminal")]), nothing);
    }

    #[test]
    fn nothing_is_sent_through_a_multiplexer() {
        let ghostty = ("TERM_PROGRAM", "ghostty");
        for inside in [
            ("TMUX", "/tmp/x"),
            ("STY", "1.x"),
            ("ZELLIJ", "0"),
            ("TERM", "screen-256color"),
            ("TERM", "tmux"),
        ] {
            assert_eq!(of(&[inside, ghostty]), (false, false, None), "{inside:?}");
        }
    }
}
