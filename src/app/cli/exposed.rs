//! Warnings about secrets of the user that others on this machine may read.

use std::{os::unix::fs::PermissionsExt, path::Path};

use super::{Cli, error::shown, surroundings::Surroundings};
use crate::app::config::Settings;

impl Cli {
    /// A sentence for each of the files with a token or a key that all users may read. It may be intended (a container's
    /// secrets are for all who are in it), so it is a warning and not an error.
    pub(super) fn exposed(&self, settings: &Settings, around: &Surroundings) -> Vec<String> {
        let (token, key) = if self.task.serve {
            (&settings.server.token_file.0, settings.server.tls_key.0.as_ref())
        } else {
            (&settings.client.token_file.0, None)
        };
        let token = self.common.token_file.as_ref().or(token.as_ref()).map(|path| (path, "the token"));
        let named = token.into_iter().chain(key.map(|path| (path, "the key")));
        let open = named.filter(|(path, _)| is_open(&around.directory.join(path)));
        open.map(|(path, what)| {
            let path = shown(path.as_os_str());
            format!("others may read {what} in '{path}'; take that away with chmod 600")
        })
        .collect()
    }
}

/// Whether it is a file that all users may read. Other errors are reported when it is read.
fn is_open(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o004 != 0)
}
