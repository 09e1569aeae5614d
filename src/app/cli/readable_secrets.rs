//! Warnings about secret files that other users of this machine can read.

use std::{os::unix::fs::PermissionsExt, path::Path};

use super::{Cli, environment::Environment, error::shown};
use crate::app::config::Settings;

impl Cli {
    /// One warning for each file with a token or key that all users can read. It can be intended (the secrets of a
    /// container), so it is not an error.
    pub(super) fn readable_secrets(&self, settings: &Settings, environment: &Environment) -> Vec<String> {
        let (token, key) = if self.task.serve {
            (&settings.server.token_file.0, settings.server.tls_key.0.as_ref())
        } else {
            (&settings.client.token_file.0, None)
        };
        let token = self.common.token_file.as_ref().or(token.as_ref()).map(|path| (path, "the token"));
        let (netrc, cookies) = (self.netrc_path(environment), self.cookies_path(environment));
        let netrc = netrc.as_ref().map(|path| (path, "the passwords"));
        let cookies = cookies.as_ref().map(|path| (path, "the cookies"));
        let named = token.into_iter().chain(key.map(|path| (path, "the key"))).chain(netrc).chain(cookies);
        let open = named.filter(|(path, _)| is_open(&environment.directory.join(path)));
        open.map(|(path, what)| {
            let path = shown(path.as_os_str());
            format!("other users can read {what} in '{path}': run chmod 600 on it")
        })
        .collect()
    }
}

/// Whether it is a file that all users can read. Errors are reported when it is read.
fn is_open(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o004 != 0)
}
