//! Reads the layers of settings and combines them.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Client, ClientOptions, Error, Keys, LimitOptions, Limits, Log, LogOptions, Screen, ScreenOptions, Server,
    ServerOptions, Theme, ThemeOptions, default_file, reject_path_of_another_user, value::Value,
};
use crate::{platform::state, text::SafeText};

/// A layer: the settings of the command line, the environment or a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `[client]`
    pub client: ClientOptions,
    /// `[server]`
    pub server: ServerOptions,
    /// `[server]`: the limits of clients.
    pub limits: LimitOptions,
    /// `[screen]`
    pub screen: ScreenOptions,
    /// `[theme]`
    pub theme: ThemeOptions,
    /// `[log]`
    pub log: LogOptions,
    /// `[keys]`
    pub keys: Keys,
}

/// The layers below the command line.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The settings of the environment.
    pub environment: Options,
    /// The settings of the file.
    pub file: Options,
    /// Where the file is, or would be.
    pub path: Option<PathBuf>,
}

impl Layers {
    /// Reads the environment and `file`, or the default file, if it exists.
    ///
    /// # Errors
    /// A named file cannot be read, a key is unknown, or a value is invalid.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Layers, Error> {
        let path = file.map(Path::to_owned).or_else(default_file);
        let of_file = path
            .as_deref()
            .map_or_else(|| Ok(Options::default()), |path| Options::read(path, file.is_some()));
        Ok(Layers { file: of_file?, environment: Options::from_environment(environment)?, path })
    }

    /// The settings of the environment over those of the file.
    pub fn combined(&self) -> Options {
        self.environment.clone().combine(self.file.clone())
    }
}

/// The value of every setting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[client]`
    pub client: Client,
    /// `[server]`
    pub server: Server,
    /// `[server]`: the limits of clients.
    pub limits: Limits,
    /// `[screen]`
    pub screen: Screen,
    /// `[theme]`
    pub theme: Theme,
    /// `[log]`
    pub log: Log,
    /// `[keys]`
    pub keys: Keys,
}

impl From<Options> for Settings {
    fn from(options: Options) -> Settings {
        let Options { client, server, limits, screen, theme, log, keys } = options;
        Settings {
            client: client.into(),
            server: server.into(),
            limits: limits.into(),
            screen: screen.into(),
            theme: theme.into(),
            log: log.into(),
            keys,
        }
    }
}

/// The sections with settings. `[keys]` is not one: it has the names of actions.
pub(super) const SECTIONS: [&str; 5] = ["client", "server", "screen", "theme", "log"];

impl Options {
    /// Combines these options with those of a lower layer.
    pub fn combine(self, lower: Options) -> Options {
        Options {
            client: self.client.combine(lower.client),
            server: self.server.combine(lower.server),
            limits: self.limits.combine(lower.limits),
            screen: self.screen.combine(lower.screen),
            theme: self.theme.combine(lower.theme),
            log: self.log.combine(lower.log),
            keys: self.keys.combine(lower.keys),
        }
    }

    /// The names of all settings: `section.key`.
    #[cfg(test)]
    pub(super) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        SECTIONS.into_iter().flat_map(|section| keys(section).map(move |key| (section, key)))
    }

    /// Whether this layer sets a setting.
    pub(super) fn has(&self, section: &str, key: &str) -> bool {
        match section {
            "client" => self.client.has(key),
            "server" => self.server.has(key) || self.limits.has(key),
            "screen" => self.screen.has(key),
            "theme" => self.theme.has(key),
            "log" => self.log.has(key),
            _ => false,
        }
    }

    fn read(path: &Path, is_named: bool) -> Result<Options, Error> {
        // A file named by the user may be anywhere.
        let trusted = match path.parent() {
            Some(folder) if !is_named => reject_path_of_another_user(folder),
            _ => Ok(()),
        };
        match trusted.and_then(|()| state::read(path)) {
            Ok(content) => Options::from_file(path, &String::from_utf8_lossy(&content)),
            Err(error) if !is_named && error.kind() == io::ErrorKind::NotFound => Ok(Options::default()),
            Err(error) => Err(Error::Read { path: SafeText::from_path(path), error }),
        }
    }

    /// The settings of a file.
    pub(crate) fn from_file(path: &Path, content: &str) -> Result<Options, Error> {
        let file = File { path: SafeText::from_path(path), content };
        let document = DeTable::parse(content)
            .map_err(|error| file.error(error.span().map_or(0, |span| span.start), error.message()))?;
        let mut options = Options { keys: Keys::new(file.path.clone()), ..Options::default() };
        for (section, content) in document.get_ref() {
            let name = section.get_ref().as_ref();
            match content.get_ref().as_table() {
                _ if name == "keys" => options.set_keys(content, &file)?,
                Some(keys) if SECTIONS.contains(&name) => options.set_section(name, keys, &file)?,
                _ => {
                    let known = SECTIONS.map(|section| format!("[{section}]")).join(", ");
                    let reason = format!("'{name}' is not a section; there are {known}, [keys]");
                    return Err(file.error(section.span().start, &reason));
                }
            }
        }
        Ok(options)
    }

    fn set_section(&mut self, section: &str, keys: &DeTable<'_>, file: &File<'_>) -> Result<(), Error> {
        for (key, value) in keys {
            let at = Spanned::span(key).start;
            match self.set(section, key.get_ref(), &Value::from_toml(value.get_ref())) {
                Some(Ok(())) => {}
                Some(Err(expected)) => {
                    return Err(file.error(at, &format!("'{section}.{}' must be {expected}", key.get_ref())));
                }
                None => return Err(file.error(at, &unknown(section, key.get_ref()))),
            }
        }
        Ok(())
    }

    fn set_keys(&mut self, keys: &Spanned<DeValue<'_>>, file: &File<'_>) -> Result<(), Error> {
        let list = |value: &DeValue<'_>| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|key| Some(key.get_ref().as_str()?.to_owned())).collect()
        };
        let Some(table) = keys.get_ref().as_table() else {
            return Err(file.error(keys.span().start, "'keys' must be a section, [keys]"));
        };
        for (action, value) in table {
            let (at, name) = (action.span().start, action.get_ref());
            let Some(list) = list(value.get_ref()) else {
                let reason = format!("'keys.{name}' must be a list of keys such as [\"q\", \"ctrl-c\"]");
                return Err(file.error(at, &reason));
            };
            self.keys.set(name.to_string(), file.line(at), list);
        }
        Ok(())
    }

    /// Sets a setting; `None` if there is no such setting.
    fn set(&mut self, section: &str, key: &str, value: &Value<'_>) -> Option<Result<(), String>> {
        match section {
            "client" => self.client.set(key, value),
            "server" => self.server.set(key, value).or_else(|| self.limits.set(key, value)),
            "screen" => self.screen.set(key, value),
            "theme" => self.theme.set(key, value),
            "log" => self.log.set(key, value),
            _ => None,
        }
    }

    /// The settings of the environment, from variables such as `FDSP_CLIENT_JOBS`. A variable `FDSP_…` without the name of a section may
    /// belong to another program.
    pub(super) fn from_environment(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Options, Error> {
        let mut options = Options::default();
        for (name, value) in environment {
            let Some((section, key)) = variable(&name.to_string_lossy()) else { continue };
            let name = SafeText::from_bytes(name.as_encoded_bytes());
            let wrong = |reason: &str| Error::Environment { name, reason: SafeText::new(reason) };
            let Some(text) = value.to_str() else { return Err(wrong("is not UTF-8")) };
            match options.set(section, &key, &Value::Environment(text)) {
                Some(Ok(())) => {}
                Some(Err(expected)) => return Err(wrong(&format!("must be {expected}"))),
                None => return Err(wrong(&unknown(section, &key))),
            }
        }
        Ok(options)
    }
}

impl Settings {
    /// The settings of a section, and their values as a file has them.
    pub(super) fn written(&self, section: &str) -> Vec<(&'static str, String)> {
        match section {
            "client" => self.client.written().collect(),
            "server" => self.server.written().chain(self.limits.written()).collect(),
            "screen" => self.screen.written().collect(),
            "theme" => self.theme.written().collect(),
            "log" => self.log.written().collect(),
            _ => Vec::new(),
        }
    }
}

/// A file, to report errors with their line.
struct File<'a> {
    path: SafeText,
    content: &'a str,
}

impl File<'_> {
    fn line(&self, at: usize) -> usize {
        let before = &self.content.as_bytes()[..at.min(self.content.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn error(&self, at: usize, reason: &str) -> Error {
        Error::File { path: self.path.clone(), line: self.line(at), reason: SafeText::new(reason) }
    }
}

/// The keys of a section.
fn keys(section: &str) -> impl Iterator<Item = &'static str> {
    let [first, second]: [&[&str]; 2] = match section {
        "client" => [ClientOptions::KEYS, &[]],
        "server" => [ServerOptions::KEYS, LimitOptions::KEYS],
        "screen" => [ScreenOptions::KEYS, &[]],
        "theme" => [ThemeOptions::KEYS, &[]],
        "log" => [LogOptions::KEYS, &[]],
        _ => [&[], &[]],
    };
    first.iter().chain(second).copied()
}

fn unknown(section: &str, key: &str) -> String {
    let known = keys(section).collect::<Vec<_>>().join(", ");
    format!("'{section}.{key}' is not a setting; [{section}] has {known}")
}

/// The variable of the environment for a setting.
pub(super) fn variable_of(section: &str, key: &str) -> String {
    format!("FDSP_{section}_{key}").to_ascii_uppercase()
}

/// The section and the key of a variable of the environment; `None` if it names no section.
fn variable(name: &str) -> Option<(&'static str, String)> {
    let (section, key) = name.strip_prefix("FDSP_")?.split_once('_')?;
    let section = SECTIONS.into_iter().find(|known| known.to_ascii_uppercase() == section)?;
    // The names of variables are in capitals: a name in mixed case is reported as unknown.
    let lower = key.to_ascii_lowercase();
    Some((section, if key == lower.to_ascii_uppercase() { lower } else { key.to_owned() }))
}
