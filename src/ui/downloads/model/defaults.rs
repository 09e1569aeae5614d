//! What the screen begins with.

use std::path::PathBuf;

use crate::{
    client::{Existing, Form, Locator, Server, Speak},
    text::SafeText,
};

/// What holds for every job that is added, and how the screen begins.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The server that paths without one belong to.
    pub server: Option<Server>,
    /// The one that becomes it once it has answered: until then it is not known whether it is trusted.
    pub named: Option<Server>,
    /// Whether servers that are typed without a scheme are reached without TLS.
    pub plain: bool,
    /// Whether patterns in what is typed stand for several addresses.
    pub globs: bool,
    /// Whether checksums are looked for beside files of web servers.
    pub find_checksums: bool,
    /// The protocol to use.
    pub speak: Speak,
    /// The form in which directories are fetched.
    pub form: Form,
    /// Where downloads go (absolute).
    pub folder: PathBuf,
    /// What to do when a target exists.
    pub existing: Existing,
    /// Whether archives are unpacked.
    pub extract: bool,
    /// How many run at the same time at first.
    pub jobs: usize,
    /// How many connections one file may have at first.
    pub segments: usize,
    /// The server or folder whose listing is open at first.
    pub listing: Option<Locator>,
    /// Whether the queue has the keys at first.
    pub in_queue: bool,
    /// What was typed into the address line in earlier runs, the last one at the end.
    pub history: Vec<String>,
    /// What to show first.
    pub notice: Option<Notice>,
    /// What becomes of the queue when the screen is left.
    pub at_quit: AtQuit,
    /// The home of the user, for short paths.
    pub home: Option<PathBuf>,
    /// Whether the queue is paused: it has the keys at first, so that a key resumes it.
    pub paused: bool,
}

/// What becomes of the queue when the screen is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtQuit {
    /// It is lost: no session keeps it.
    Lost,
    /// The next start resumes it.
    Saved,
    /// The user is asked whether it continues in the background.
    Ask,
    /// It continues in the background.
    Background,
}

impl Defaults {
    /// A path as it is shown: with `~` in the place of the user's home folder.
    pub fn short_path(&self, path: &str) -> String {
        let home = self.home.as_ref().map(|home| SafeText::from_path(home).to_string()).unwrap_or_default();
        let home = home.trim_end_matches('/');
        match path.strip_prefix(home) {
            Some(rest) if !home.is_empty() && (rest.is_empty() || rest.starts_with('/')) => {
                format!("~{rest}")
            }
            _ => path.to_owned(),
        }
    }
}

/// One line in the place of the hints, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Whether something could not be done.
    pub bad: bool,
}

#[cfg(test)]
mod tests {
    use crate::ui::downloads::testing::model;

    #[test]
    fn a_path_below_the_home_folder_is_short() {
        let mut defaults = model().defaults;
        assert_eq!(defaults.short_path("/home/u/a"), "/home/u/a");
        for home in ["/home/u", "/home/u/"] {
            defaults.home = Some(home.into());
            let shown =
                ["/home/u/a", "/home/u", "/home/user/a", "/srv"].map(|path| defaults.short_path(path));
            assert_eq!(shown, ["~/a", "~", "/home/user/a", "/srv"]);
        }
        defaults.home = Some("/".into());
        assert_eq!(defaults.short_path("/srv"), "/srv");
    }
}
