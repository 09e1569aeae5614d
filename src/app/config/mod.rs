//! Settings in layers: the command line over the environment over a TOML file over the defaults.

#[cfg(test)]
mod fuzzing;
mod keys;
mod layers;
mod look;
mod options;
mod section;
mod types;
mod value;
mod words;

use std::{
    io,
    path::{Path, PathBuf},
};

use etcetera::{AppStrategy, AppStrategyArgs, app_strategy::Xdg};

use crate::{
    platform,
    text::{SafeText, ShowPath},
};

pub use keys::Keys;
pub use layers::{Options, Settings};
pub use options::{
    Client, ClientOptions, DEFAULT_HOST, LimitOptions, Limits, Log, LogOptions, Screen, ScreenOptions,
    Server, ServerOptions,
};
pub use types::{Bounded, Expected, Maybe, Rate, Seconds, SecondsOrZero};
pub use words::{ClassicDialect, Hidden, When};

/// `config/default.toml`: every setting with its default and a comment.
pub const DEFAULT: &str = include_str!("../../../config/default.toml");

/// What is wrong with a setting, and where it was set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration '{path}': {error}")]
    Read {
        /// The file.
        path: SafeText,
        /// Why.
        error: io::Error,
    },
    /// A line of the file is wrong.
    #[error("{path}, line {line}: {reason}")]
    File {
        /// The file.
        path: SafeText,
        /// Counted from 1.
        line: usize,
        /// Names the key.
        reason: SafeText,
    },
    /// A variable of the environment is wrong.
    #[error("in the environment, {name}: {reason}")]
    Environment {
        /// The variable.
        name: SafeText,
        /// Why.
        reason: SafeText,
    },
}

/// The folders of this program in the user's home.
fn xdg() -> Option<Xdg> {
    let (top_level_domain, author) = (String::new(), String::new());
    Xdg::new(AppStrategyArgs { top_level_domain, author, app_name: "fdsp".into() }).ok()
}

/// The configuration file when none is named: `~/.config/fdsp/config.toml`.
fn default_file() -> Option<PathBuf> {
    Some(xdg()?.config_dir().join("config.toml"))
}

/// The state folder: `$XDG_STATE_HOME/fdsp`, normally `~/.local/state/fdsp`.
pub(crate) fn state_folder() -> Option<PathBuf> {
    xdg()?.state_dir()
}

/// Fails if another user can replace a folder of this program's own files, or one on the way to it. A way that cannot be read is an
/// error of the file that is read there.
pub(crate) fn refuse_way_of_another(folder: &Path) -> io::Result<()> {
    match platform::of_another_on_way(folder) {
        Ok(None) | Err(_) => Ok(()),
        Ok(Some((theirs, owner))) => Err(io::Error::other(format!(
            "{} belongs to another user ({owner}) and lies in a folder that several users share",
            theirs.shown()
        ))),
    }
}

#[cfg(test)]
mod tests;
