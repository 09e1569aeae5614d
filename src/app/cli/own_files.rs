//! Keys and tokens of the server, which it must not serve.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::{
    Cli,
    environment::Environment,
    error::{UsageError, shown, wrong},
};
use crate::{
    app::config::Settings,
    server::{Certificate, Config},
    storage::root::Links,
};

impl Cli {
    /// Rejects a folder through which clients could fetch the server's key or a token.
    pub(super) fn check_own_files(
        &self,
        config: &Config,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<(), UsageError> {
        let policy = config.policy;
        // A visible link can lead to a hidden file.
        let hidden = policy.hidden || policy.links != Links::Never;
        let served = Served { root: canonical(&config.root), hidden };
        if let Some(state) = &environment.state {
            served.check_state(&canonical(state))?;
        }
        let mut files = self.own_files(config, settings, environment).into_iter();
        files.try_for_each(|(path, what)| served.check_file(&path, what))
    }

    /// The canonical paths of the server's own files.
    pub(super) fn private(
        &self,
        config: &Config,
        settings: &Settings,
        environment: &Environment,
    ) -> Vec<PathBuf> {
        let files = self.own_files(config, settings, environment).into_iter().map(|(path, _)| path);
        files.chain(environment.state.as_deref().map(canonical)).collect()
    }

    fn own_files(
        &self,
        config: &Config,
        settings: &Settings,
        environment: &Environment,
    ) -> Vec<(PathBuf, &'static str)> {
        let key = match &config.identity {
            Some(Certificate::Given { key, .. }) => Some((key, "the server's key")),
            _ => None,
        };
        let tokens = [&self.common.token_file, &settings.server.token_file.0].into_iter().flatten();
        let log = config.access_log.as_ref().and_then(|log| log.file.as_ref());
        let log = log.map(|path| (path, "the access log"));
        let files = key.into_iter().chain(tokens.map(|path| (path, "the token"))).chain(log);
        files.map(|(path, what)| (canonical(&environment.directory.join(path)), what)).collect()
    }
}

/// The folder to serve.
struct Served {
    root: PathBuf,
    /// Whether hidden names can be reached.
    hidden: bool,
}

impl Served {
    /// The path under which clients could fetch a file; `None` if they cannot.
    fn path_to<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let within = path.strip_prefix(&self.root).ok()?;
        (self.hidden || !is_hidden(within)).then_some(within)
    }

    fn check_state(&self, state: &Path) -> Result<(), UsageError> {
        let (root, shown_state) = (shown(self.root.as_os_str()), shown(state.as_os_str()));
        if self.root.starts_with(state) {
            return wrong(format!(
                "cannot serve '{root}': it is in '{shown_state}', which contains the server's key and tokens; serve \
                 another folder"
            ));
        }
        let Some(within) = self.path_to(state) else { return Ok(()) };
        let hide = if is_hidden(within) {
            ", or serve neither hidden names nor links (--hidden never --symlinks never)"
        } else {
            ""
        };
        wrong(format!(
            "cannot serve '{root}': it contains '{shown_state}' with the server's key and tokens, which clients could fetch; \
             serve another folder{hide}, or move the state folder (XDG_STATE_HOME)"
        ))
    }

    fn check_file(&self, path: &Path, what: &str) -> Result<(), UsageError> {
        if self.path_to(path).is_none() {
            return Ok(());
        }
        let (root, path) = (shown(self.root.as_os_str()), shown(path.as_os_str()));
        wrong(format!(
            "cannot serve '{root}': it contains '{path}' with {what}, which clients could fetch; move that file elsewhere"
        ))
    }
}

/// Whether a name in the path begins with a dot.
fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| matches!(part, Component::Normal(name) if name.as_bytes().starts_with(b".")))
}

/// A path with the links in its existing part resolved.
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
    fn a_folder_that_contains_the_state_folder_is_not_served() {
        let state = Path::new("/home/me/.local/state/fdsp");
        let refused = |root, hidden| served(root, hidden).check_state(state).err().map(|error| error.0);
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
    fn links_in_a_path_are_resolved() {
        let place = tempfile::tempdir().expect("a folder");
        let real = place.path().canonicalize().expect("there");
        std::fs::create_dir(real.join("real")).expect("made");
        std::os::unix::fs::symlink("real", real.join("link")).expect("made");
        assert_eq!(canonical(&place.path().join("link/not/yet")), real.join("real/not/yet"));
        assert_eq!(canonical(&place.path().join("link/")).as_os_str(), real.join("real").as_os_str());
    }
}
