//! Files of the server that it must not serve: keys and tokens.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::{
    Cli,
    error::{UsageError, shown, wrong},
    surroundings::Surroundings,
};
use crate::{
    app::config::Settings,
    server::{Certificate, Config},
    storage::root::Links,
};

impl Cli {
    /// Refuses to serve a folder through which clients could fetch the server's key or a token.
    pub(super) fn keeps_its_own(
        &self,
        config: &Config,
        settings: &Settings,
        around: &Surroundings,
    ) -> Result<(), UsageError> {
        let policy = config.policy;
        // A link that is not hidden leads to what is.
        let hidden = policy.hidden || policy.links != Links::Never;
        let served = Served { root: canonical(&config.root), hidden };
        if let Some(state) = &around.state {
            served.keeps_state(&canonical(state))?;
        }
        let mut files = self.files_of_its_own(config, settings, around).into_iter();
        files.try_for_each(|(path, what)| served.keeps_file(&path, what))
    }

    /// The server's own files, without links.
    pub(super) fn private(
        &self,
        config: &Config,
        settings: &Settings,
        around: &Surroundings,
    ) -> Vec<PathBuf> {
        let files = self.files_of_its_own(config, settings, around).into_iter().map(|(path, _)| path);
        files.chain(around.state.as_deref().map(canonical)).collect()
    }

    fn files_of_its_own(
        &self,
        config: &Config,
        settings: &Settings,
        around: &Surroundings,
    ) -> Vec<(PathBuf, &'static str)> {
        let key = match &config.identity {
            Some(Certificate::Given { key, .. }) => Some((key, "the server's key")),
            _ => None,
        };
        let tokens = [&self.common.token_file, &settings.server.token_file.0].into_iter().flatten();
        let files = key.into_iter().chain(tokens.map(|path| (path, "the token")));
        files.map(|(path, what)| (canonical(&around.directory.join(path)), what)).collect()
    }
}

/// A folder that is to be served.
struct Served {
    root: PathBuf,
    /// Whether hidden names can be reached.
    hidden: bool,
}

impl Served {
    /// The path on which clients could fetch this; `None` if they could not.
    fn path_to<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let within = path.strip_prefix(&self.root).ok()?;
        (self.hidden || !is_hidden(within)).then_some(within)
    }

    fn keeps_state(&self, state: &Path) -> Result<(), UsageError> {
        let (root, shown_state) = (shown(self.root.as_os_str()), shown(state.as_os_str()));
        if self.root.starts_with(state) {
            return wrong(format!(
                "cannot serve '{root}': it is in '{shown_state}', which has the server's key and tokens in it; serve \
                 another folder"
            ));
        }
        let Some(within) = self.path_to(state) else { return Ok(()) };
        let hide = if is_hidden(within) {
            ", or neither hidden names nor links (--hidden never --symlinks never)"
        } else {
            ""
        };
        wrong(format!(
            "cannot serve '{root}': in it is '{shown_state}' with the server's key and tokens, which could be fetched; \
             serve another folder{hide}, or have those elsewhere (XDG_STATE_HOME)"
        ))
    }

    fn keeps_file(&self, path: &Path, what: &str) -> Result<(), UsageError> {
        if self.path_to(path).is_none() {
            return Ok(());
        }
        let (root, path) = (shown(self.root.as_os_str()), shown(path.as_os_str()));
        wrong(format!(
            "cannot serve '{root}': in it is '{path}' with {what}, which could be fetched; put that file elsewhere"
        ))
    }
}

/// Whether a name in the path begins with a dot.
fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| matches!(part, Component::Normal(name) if name.as_bytes().starts_with(b".")))
}

/// A path without links in the part of it that exists.
pub(super) fn canonical(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|path| Some((path, path.canonicalize().ok()?)));
    let Some((existing, mut canonical)) = existing else { return path.to_owned() };
    // Joining nothing would end it with a slash.
    canonical.extend(path.strip_prefix(existing).unwrap_or(Path::new("")).components());
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(root: &str, hidden: bool) -> Served {
        Served { root: root.into(), hidden }
    }

    #[test]
    fn a_folder_with_the_state_in_it_is_not_served() {
        let state = Path::new("/home/me/.local/state/fdsp");
        let refused = |root, hidden| served(root, hidden).keeps_state(state).err().map(|error| error.0);
        for root in ["/", "/home/me", "/home/me/.local/state/fdsp", "/home/me/.local/state/fdsp/server"] {
            let sentence = refused(root, true).expect(root);
            assert!(sentence.contains("'/home/me/.local/state/fdsp'"), "{sentence}");
            assert_eq!(
                sentence.contains("--hidden never"),
                root.ends_with("me") || root == "/",
                "{sentence}"
            );
        }
        for root in ["/srv", "/home/me/served", "/home/m", "/home/me/.local/state/fdsp2"] {
            assert_eq!(refused(root, true), None, "{root}");
        }
        assert_eq!(refused("/home/me", false), None, "hidden names are not served");
        let sentence = refused("/home/me/.local", false).expect("nothing in it is hidden");
        assert!(!sentence.contains("--hidden"), "{sentence}");
    }

    #[test]
    fn links_lead_to_where_it_is() {
        let place = tempfile::tempdir().expect("a folder");
        let real = place.path().canonicalize().expect("there");
        std::fs::create_dir(real.join("real")).expect("made");
        std::os::unix::fs::symlink("real", real.join("link")).expect("made");
        assert_eq!(canonical(&place.path().join("link/not/yet")), real.join("real/not/yet"));
        assert_eq!(canonical(&place.path().join("link/")).as_os_str(), real.join("real").as_os_str());
    }
}
