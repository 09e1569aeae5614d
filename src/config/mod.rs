//! Settings: built-in defaults, overlaid by a TOML file, overlaid by the environment. Flags come last and
//! are [`crate::cli`]'s.

mod table;
mod value;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use etcetera::{AppStrategy, AppStrategyArgs, app_strategy::Xdg};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use tracing::Level;

use crate::{
    client::{Existing, Speak},
    protocol::{address::DEFAULT_PORT, classic::Dialect, message::Form},
    server::Arch,
    text::SafeText,
    ui::{
        self, Colour, FrameRate, Glyphs, Look,
        actions::{KeyError, KeyMap},
    },
};
use value::Value;

pub(crate) use table::{FORMS, PROTOCOLS, WHEN};
pub(crate) use value::{SECONDS, seconds};

/// `config/default.toml`: every setting with its default and a comment.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// Every setting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[client]`
    pub client: Client,
    /// `[server]`
    pub server: Server,
    /// `[screen]`
    pub screen: Screen,
    /// `[log]`
    pub log: Log,
    /// `[keys]`: actions whose keys are others than the table's; they make a [`KeyMap`].
    pub keys: BTreeMap<String, Vec<String>>,
}

/// Settings of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// The server for paths that name none.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// Where downloads go.
    pub dir: PathBuf,
    /// How a directory comes.
    pub form: Form,
    /// What to speak.
    pub protocol: Speak,
    /// Downloads at the same time.
    pub jobs: usize,
    /// Bytes a second of all; `None` is unlimited.
    pub limit: Option<u64>,
    /// Tries after the first one.
    pub retries: u32,
    /// Without a byte for so long, a server is lost.
    pub timeout: Duration,
    /// Whether to wait for the disk.
    pub sync: bool,
    /// When the target exists.
    pub existing: Existing,
}

/// Settings of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where to listen.
    pub host: String,
    /// Port; 0 picks one.
    pub port: u16,
    /// The architecture.
    pub arch: Arch,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Whether to answer the original programs.
    pub classic: bool,
    /// In which dialect; `None` is the architecture's own.
    pub classic_dialect: Option<Dialect>,
    /// To the first request.
    pub handshake_timeout: Duration,
    /// Between requests.
    pub idle_timeout: Duration,
    /// Bytes a second that a client must take; 0 is any.
    pub min_rate: u64,
    /// Over so long.
    pub rate_window: Duration,
    /// How long a drain may take.
    pub drain_timeout: Duration,
}

/// Settings of the screens.
#[derive(Clone, Debug, PartialEq)]
pub struct Screen {
    /// Whether to use colours.
    pub color: When,
    /// Whether to use ASCII only.
    pub ascii: When,
    /// Frames a second while transfers run.
    pub frames: u32,
}

/// Settings of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The least grave level.
    pub level: Level,
    /// The folder; `None` is the XDG state folder's.
    pub folder: Option<PathBuf>,
    /// Files that are kept.
    pub files: usize,
}

/// When to do something that depends on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// As the terminal and the environment ask for.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            host: None,
            port: DEFAULT_PORT,
            dir: PathBuf::from("."),
            form: Form::Auto,
            protocol: Speak::V1,
            jobs: 3,
            limit: None,
            retries: 8,
            timeout: Duration::from_secs(30),
            sync: true,
            existing: Existing::Keep,
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            host: "127.0.0.1".into(),
            port: DEFAULT_PORT,
            arch: Arch::Async,
            max_connections: 256,
            classic: false,
            classic_dialect: None,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            min_rate: 1000,
            rate_window: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Screen {
    fn default() -> Screen {
        Screen { color: When::Auto, ascii: When::Auto, frames: 4 }
    }
}

impl Screen {
    /// Colours and glyphs for the terminal that the environment tells of.
    pub fn look(&self) -> Look {
        let colour = match self.color {
            When::Auto => Colour::Auto,
            When::Always => Colour::Always,
            When::Never => Colour::Never,
        };
        let look = Look::detect(colour, self.ascii == When::Always, |name| std::env::var(name).ok());
        match self.ascii {
            When::Never => Look { glyphs: Glyphs::UTF8, ..look },
            _ => look,
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { level: Level::INFO, folder: None, files: 7 }
    }
}

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
        name: String,
        /// Why.
        reason: SafeText,
    },
}

/// Where the configuration is when no file is named: `~/.config/fdsp/config.toml`.
pub fn default_file() -> Option<PathBuf> {
    let args =
        AppStrategyArgs { top_level_domain: String::new(), author: String::new(), app_name: "fdsp".into() };
    Some(Xdg::new(args).ok()?.config_dir().join("config.toml"))
}

impl Settings {
    /// The defaults, overlaid by `file` (or by the default file, where there is one), overlaid by what
    /// `environment` answers.
    ///
    /// # Errors
    /// A named file cannot be read, a key is not known, a value is not of its kind.
    pub fn load(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Settings, Error> {
        let mut settings = Settings::default();
        let path = file.map(Path::to_owned).or_else(default_file);
        if let Some(path) = path {
            match std::fs::read(&path) {
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
            let name = format!("{section}.{}", key.get_ref());
            let at = Spanned::span(key).start;
            let Some(setting) = table::find(&name) else {
                let known = table::keys(section).collect::<Vec<_>>().join(", ");
                return Err(wrong(at, &format!("'{name}' is not a setting; [{section}] has {known}")));
            };
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

    /// The keys in force.
    pub fn key_map(&self) -> KeyMap {
        // They were tried when they were read.
        KeyMap::new(&self.keys).unwrap_or_default()
    }

    /// What screens are told.
    pub fn screen_options(&self) -> ui::Options {
        ui::Options {
            look: self.screen.look(),
            keys: self.key_map(),
            rate: FrameRate::new(self.screen.frames),
        }
    }

    /// Takes what the environment sets.
    fn overlay_environment(&mut self, environment: impl Fn(&str) -> Option<OsString>) -> Result<(), Error> {
        for setting in table::SETTINGS {
            let name = setting.variable();
            let Some(text) = environment(&name) else { continue };
            let wrong = |reason: String| Error::Environment { name, reason: SafeText::new(&reason) };
            let Some(text) = text.to_str() else { return Err(wrong("is not UTF-8".into())) };
            let set = (setting.set)(self, &Value::Environment(text));
            set.map_err(|expected| wrong(format!("must be {expected}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
