//! Settings: built-in defaults, overlaid by a TOML file, overlaid by the environment. Flags come last and
//! are [`crate::cli`]'s.

#[cfg(test)]
mod fuzzing;
mod settings;
mod table;
mod value;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use etcetera::{AppStrategy, AppStrategyArgs, app_strategy::Xdg};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    state,
    text::SafeText,
    ui::actions::{KeyError, KeyMap},
};
use value::Value;

pub use settings::{Client, Log, Screen, Server, Settings, When};

pub(crate) use table::{FORMS, HIDDEN, LINKS, NAMES, PROTOCOLS, WHEN};
pub(crate) use value::{SECONDS, seconds};

/// `config/default.toml`: every setting with its default and a comment.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// What is wrong with a setting, and where it stands.
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
    /// The file is not what it should be.
    #[error("{path}, line {line}: {reason}")]
    File {
        /// The file.
        path: SafeText,
        /// Counted from 1.
        line: usize,
        /// Names the key.
        reason: SafeText,
    },
    /// A variable of the environment is not what it should be.
    #[error("in the environment, {name}: {reason}")]
    Environment {
        /// The variable.
        name: SafeText,
        /// Why.
        reason: SafeText,
    },
}

/// The folders of this program in the home of who runs it.
fn xdg() -> Option<Xdg> {
    let (top_level_domain, author) = (String::new(), String::new());
    Xdg::new(AppStrategyArgs { top_level_domain, author, app_name: "fdsp".into() }).ok()
}

/// Where the configuration is when no file is named: `~/.config/fdsp/config.toml`.
fn default_file() -> Option<PathBuf> {
    Some(xdg()?.config_dir().join("config.toml"))
}

/// Where what outlives a run is kept: `$XDG_STATE_HOME/fdsp`, normally `~/.local/state/fdsp`.
pub(crate) fn state_folder() -> Option<PathBuf> {
    xdg()?.state_dir()
}

impl Settings {
    /// The defaults, overlaid by `file` (or by the default file, where there is one), overlaid by the
    /// variables of `environment`.
    ///
    /// # Errors
    /// A named file cannot be read, a key is not known, a value is not of its kind.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Settings, Error> {
        let mut settings = Settings::default();
        let path = file.map(Path::to_owned).or_else(default_file);
        if let Some(path) = path {
            // A file that the user names may be anywhere.
            let trusted = match file {
                None => path.parent().map_or(Ok(()), state::refuse_way_of_another),
                Some(_) => Ok(()),
            };
            match trusted.and_then(|()| state::read(&path)) {
                Ok(content) => settings.overlay(&path, &String::from_utf8_lossy(&content))?,
                Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::Read { path: SafeText::from_path(&path), error }),
            }
        }
        settings.overlay_environment(environment)?;
        Ok(settings)
    }

    /// Takes what a file sets.
    fn overlay(&mut self, path: &Path, content: &str) -> Result<(), Error> {
        let wrong = |at: usize, reason: &str| Error::File {
            path: SafeText::from_path(path),
            line: content.as_bytes()[..at.min(content.len())].iter().filter(|byte| **byte == b'\n').count()
                + 1,
            reason: SafeText::new(reason),
        };
        let document = DeTable::parse(content)
            .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message()))?;
        for (section, keys) in document.get_ref() {
            let sections = || {
                let known = table::sections().map(|section| format!("[{section}]")).collect::<Vec<_>>();
                format!("'{}' is not a section; there are {}, [keys]", section.get_ref(), known.join(", "))
            };
            if section.get_ref() == "keys" {
                self.overlay_keys(keys, &wrong)?;
                continue;
            }
            if !table::sections().any(|known| known == section.get_ref()) {
                return Err(wrong(section.span().start, &sections()));
            }
            let Some(keys) = keys.get_ref().as_table() else {
                return Err(wrong(section.span().start, &sections()));
            };
            self.overlay_section(section.get_ref(), keys, &wrong)?;
        }
        Ok(())
    }

    fn overlay_section(
        &mut self,
        section: &str,
        keys: &DeTable<'_>,
        wrong: &impl Fn(usize, &str) -> Error,
    ) -> Result<(), Error> {
        for (key, value) in keys {
            let at = Spanned::span(key).start;
            let setting = table::find(section, key.get_ref()).map_err(|reason| wrong(at, &reason))?;
            let name = setting.name;
            let set = (setting.set)(self, &Value::from_toml(value.get_ref()));
            set.map_err(|expected| wrong(at, &format!("'{name}' must be {expected}")))?;
        }
        Ok(())
    }

    /// Takes the keys. They are tried at once, so that an error can name the line.
    fn overlay_keys(
        &mut self,
        keys: &Spanned<DeValue<'_>>,
        wrong: &impl Fn(usize, &str) -> Error,
    ) -> Result<(), Error> {
        let list = |value: &DeValue<'_>| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|key| Some(key.get_ref().as_str()?.to_owned())).collect()
        };
        let Some(table) = keys.get_ref().as_table() else {
            return Err(wrong(keys.span().start, "'keys' must be a section, [keys]"));
        };
        for (action, value) in table {
            let Some(list) = list(value.get_ref()) else {
                let reason =
                    format!("'keys.{}' must be a list of keys such as [\"q\", \"ctrl-c\"]", action.get_ref());
                return Err(wrong(action.span().start, &reason));
            };
            self.keys.insert(action.get_ref().to_string(), list);
        }
        KeyMap::new(&self.keys).map(drop).map_err(|error| {
            let named = match &error {
                KeyError::NoSuchAction(name) => name,
                KeyError::NoSuchKey { action, .. } => *action,
                // The other one of the two may be the one that stands in the file.
                KeyError::Conflict { first, second, .. } if !table.contains_key(*second) => *first,
                KeyError::Conflict { second, .. } => *second,
            };
            let at =
                table.keys().find(|key| key.get_ref().starts_with(named)).map_or(0, |key| key.span().start);
            wrong(at, &error.to_string())
        })
    }

    /// Takes what the environment sets. Other programs' variables may begin with FDSP_, too: only names that go on
    /// with a section can be misspelt.
    fn overlay_environment(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), Error> {
        for (name, value) in environment {
            let Some(setting) = table::of_variable(&name.to_string_lossy()) else { continue };
            let name = SafeText::from_bytes(name.as_encoded_bytes());
            let wrong = |reason: String| Error::Environment { name, reason: SafeText::new(&reason) };
            let setting = match setting {
                Ok(setting) => setting,
                Err(reason) => return Err(wrong(reason)),
            };
            let Some(text) = value.to_str() else { return Err(wrong("is not UTF-8".into())) };
            let set = (setting.set)(self, &Value::Environment(text));
            set.map_err(|expected| wrong(format!("must be {expected}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
