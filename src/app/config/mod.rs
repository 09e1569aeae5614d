//! Settings in layers: the command line over the environment over a TOML file over the defaults.

mod choices;
#[cfg(test)]
mod fuzzing;
mod hook;
mod keys;
mod layers;
mod look;
mod operators;
mod options;
mod print;
mod schedule;
mod section;
mod types;
mod value;

use std::{
    io,
    path::{Path, PathBuf},
};

use etcetera::{AppStrategy, AppStrategyArgs, app_strategy::Xdg};

use crate::{
    platform,
    text::{SafeText, ShowPath},
};

pub use choices::{Background, ClassicDialect, Colour, Hidden, When};
pub use keys::Keys;
pub use layers::{Layers, Options, Settings};
pub use operators::ResponseHeaders;
pub use options::{
    Client, ClientOptions, DEFAULT_HOST, LimitOptions, Limits, Log, LogOptions, Screen, ScreenOptions,
    Server, ServerOptions, Theme, ThemeOptions,
};
pub use print::print;
pub use types::{Bounded, Expected, Optional, Rate, Seconds, SecondsOrZero};
pub use value::below_home;

/// `config/default.toml`: every setting with its default and a comment.
pub const DEFAULT: &str = include_str!("../../../config/default.toml");

/// An invalid setting, and where it is set.
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
        /// The reason, with the key.
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

/// The default configuration file: `~/.config/fdsp/config.toml`.
fn default_file() -> Option<PathBuf> {
    Some(xdg()?.config_dir().join("config.toml"))
}

/// The state folder: `$XDG_STATE_HOME/fdsp`, normally `~/.local/state/fdsp`.
pub(crate) fn state_folder() -> Option<PathBuf> {
    xdg()?.state_dir()
}

/// Fails if another user can replace a folder of this program's own files, or a parent of it. A path that cannot be read is an
/// error of the file that is read there.
pub(crate) fn reject_path_of_another_user(folder: &Path) -> io::Result<()> {
    match platform::of_another_on_way(folder) {
        Ok(None) | Err(_) => Ok(()),
        Ok(Some((theirs, owner))) => Err(io::Error::other(format!(
            "{} belongs to another user ({owner}) and is in a folder that several users share",
            theirs.shown()
        ))),
    }
}

#[cfg(test)]
mod tests;
