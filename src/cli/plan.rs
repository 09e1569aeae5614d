//! What the command line means, together with the settings and the terminal: a plan that `main` carries out.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Cli, Fetch, UsageError,
    access::{self, TokenSource},
    own::canonical,
};
use crate::{
    client,
    config::{self, Settings},
    logging::{Destination, LogOptions},
    protocol::{
        classic::Dialect,
        token::{Token, TokenError},
    },
    server::{self, Access, Arch, Identity},
    state,
    text::{SafeText, without_number},
};

/// What to do, and with which face.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to do.
    pub task: Task,
    /// How it shows.
    pub face: Face,
    /// How to log.
    pub log: LogOptions,
    /// What is to be said before, each a sentence.
    pub warnings: Vec<String>,
    /// The settings with the flags in them.
    pub settings: Settings,
}

impl Plan {
    /// How to show without a screen.
    pub fn style(&self) -> Style {
        Style {
            face: self.face,
            ascii: self.settings.screen.look().glyphs.ascii,
            logged: self.log.stderr,
            cursor: moves_cursor(),
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Fetch these.
    Fetch(Fetch),
    /// Serve.
    Serve(Serve),
    /// Serve and fetch from it.
    Demo(Box<Demo>),
}

/// A server, and how its token is printed.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Its configuration.
    pub config: server::Config,
    /// How its token is printed.
    pub print: PrintedToken,
}

/// How a server prints its token. Stdout may be a file or a log that other users can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrintedToken {
    /// In the address, on stdout.
    InAddress,
    /// Not at all; stderr says where the token is.
    Source(TokenSource),
}

/// A server and a client of one process.
#[derive(Clone, Debug)]
pub struct Demo {
    /// On a loopback port.
    pub server: server::Config,
    /// How to fetch.
    pub fetch: Fetch,
    /// Whether `--dir` says where downloads go.
    pub dir_given: bool,
}

/// How the work shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Full screen.
    Screen,
    /// Lines on stderr.
    Plain,
    /// Objects on stdout.
    Json,
    /// Errors only.
    Quiet,
}

/// How to tell what happens without a screen.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Lines, objects or errors only.
    pub face: Face,
    /// Bars of ASCII only.
    pub ascii: bool,
    /// Stderr shows the log, which has all that would be said there.
    pub logged: bool,
    /// A terminal on stderr can move its cursor.
    pub cursor: bool,
}

/// What stdin and stdout are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Not a terminal.
    None,
    /// A terminal of which TERM does not say that it can move its cursor.
    Dumb,
    /// A terminal that can be drawn on.
    Screen,
}

/// What the process was started in.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What stdin and stdout are.
    pub terminal: Terminal,
    /// Whether stdout is a terminal, whatever stdin is.
    pub prints_to_terminal: bool,
    /// The current directory.
    pub directory: PathBuf,
    /// What FDSP_TOKEN holds.
    pub token: Option<Result<Token, TokenError>>,
    /// Where what outlives a run is kept.
    pub state: Option<PathBuf>,
}

impl Surroundings {
    /// Looks.
    ///
    /// # Errors
    /// The current directory is gone.
    pub fn look() -> Result<Surroundings, UsageError> {
        use std::io::IsTerminal;
        let directory = std::env::current_dir().map_err(|error| {
            UsageError(format!("the current directory cannot be used: {error}; go to another one"))
        })?;
        let prints_to_terminal = std::io::stdout().is_terminal();
        let terminal = match std::io::stdin().is_terminal() && prints_to_terminal {
            true if moves_cursor() => Terminal::Screen,
            true => Terminal::Dumb,
            false => Terminal::None,
        };
        let token = std::env::var_os("FDSP_TOKEN").map(|text| Zeroizing::new(text.into_encoded_bytes()));
        let token = token.filter(|text| !text.is_empty());
        let token = token.map(|text| str::from_utf8(&text).map_or(Err(TokenError), Token::parse));
        Ok(Surroundings { terminal, prints_to_terminal, directory, token, state: config::state_folder() })
    }
}

/// Whether TERM names a kind of terminal that can move its cursor.
fn moves_cursor() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

pub(super) fn wrong<T>(sentence: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(sentence.into()))
}

impl Cli {
    /// Decides what is meant.
    ///
    /// # Errors
    /// Options that do not go together, or an address, host or path that is none.
    pub fn plan(self, mut settings: Settings, around: &Surroundings) -> Result<Plan, UsageError> {
        self.misplaced()?;
        if let Some(state) = &around.state {
            state::refuse_way_of_another(state).map_err(|error| {
                UsageError(format!(
                    "cannot use '{}' for keys, tokens and queues: {error}; name a folder of your own with XDG_STATE_HOME",
                    shown(state.as_os_str())
                ))
            })?;
        }
        let configured = client::Limits {
            jobs: settings.client.jobs,
            segments: settings.client.segments,
            rate: settings.client.limit,
        };
        self.overlay(&mut settings);
        let face = match &self.common {
            common if common.json => Face::Json,
            common if common.quiet => Face::Quiet,
            common if common.headless || around.terminal != Terminal::Screen => Face::Plain,
            _ => Face::Screen,
        };
        let mut log = self.log(&settings, around, face);
        let task = if self.server.serve {
            let config = server_config(&settings, self.served(&around.directory)?)?;
            let identity = access::identity(&settings, around)?;
            let (access, source) = self.access(&settings, around)?;
            let print = match source {
                Some(source) if !around.prints_to_terminal && !settings.server.print_token => {
                    PrintedToken::Source(source)
                }
                _ => PrintedToken::InAddress,
            };
            let config = server::Config { identity, access, ..config };
            self.keeps_its_own(&config, &settings, around)?;
            let private = self.private(&config, &settings, around);
            Task::Serve(Serve { config: server::Config { private, ..config }, print })
        } else if self.server.demo {
            let root = self.served(&around.directory)?;
            // A log that grows in the folder would change what is being archived.
            if matches!(&log.destination, Destination::Folder { folder, .. } if canonical(folder).starts_with(canonical(&root)))
            {
                log.destination = Destination::Nowhere;
            }
            settings.server.host = "127.0.0.1".into();
            settings.server.port = 0;
            let dir_given = self.client.dir.is_some();
            let mut fetch = Fetch::new(&settings, around, None);
            // It keeps nothing, and nothing new may be in what it serves.
            fetch.engine.trust.secret = None;
            let identity = (!settings.server.plain).then_some(Identity::Temporary);
            fetch.engine.trust.plain_tokens = true;
            // The original programs have no token.
            let access = if settings.server.classic { Access::Public } else { Access::Temporary };
            let server = server::Config { identity, access, ..server_config(&settings, root)? };
            // A demo keeps nothing itself.
            if around.state.as_ref().is_some_and(|state| state.exists()) {
                self.keeps_its_own(&server, &settings, around)?;
            }
            Task::Demo(Box::new(Demo { server, fetch, dir_given }))
        } else {
            Task::Fetch(self.fetch(&settings, around, face, configured)?)
        };
        let warnings = self.exposed(&settings, around);
        Ok(Plan { task, face, log, warnings, settings })
    }

    fn log(&self, settings: &Settings, around: &Surroundings, face: Face) -> LogOptions {
        let folder = settings.log.folder.clone().or_else(|| around.state.clone());
        let destination = match (&self.common.log_file, folder) {
            (Some(file), _) => Destination::File(file.clone()),
            (None, Some(folder)) => Destination::Folder { folder, keep: settings.log.files },
            (None, None) => Destination::Nowhere,
        };
        let stderr = self.common.verbose > 0 && face != Face::Screen;
        LogOptions { destination, level: settings.log.level, stderr }
    }

    /// The folder to serve.
    fn served(&self, directory: &Path) -> Result<PathBuf, UsageError> {
        let root = match self.arguments.as_slice() {
            [] => directory.to_owned(),
            [one] => directory.join(one),
            [_, second, ..] => {
                return wrong(format!("only one folder can be served: leave out '{}'", shown(second)));
            }
        };
        let what = shown(root.as_os_str());
        match std::fs::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => Ok(root),
            Ok(_) => {
                wrong(format!("cannot serve '{what}': it is not a folder; name the folder that it is in"))
            }
            Err(error) => wrong(format!(
                "cannot serve '{what}': {}; name a folder that exists",
                without_number(&error.to_string())
            )),
        }
    }
}

fn server_config(settings: &Settings, root: PathBuf) -> Result<server::Config, UsageError> {
    let server = &settings.server;
    let classic = match (server.classic, server.classic_dialect, server.arch) {
        (false, Some(_), _) => {
            return wrong("--classic-dialect says how to answer the original programs: add --classic");
        }
        (false, None, _) => None,
        (true, Some(dialect), _) => Some(dialect),
        (true, None, Arch::Select) => Some(Dialect::ClassicSelect),
        (true, None, _) => Some(Dialect::Classic),
    };
    Ok(server::Config {
        root,
        host: server.host.clone(),
        port: server.port,
        arch: server.arch,
        classic,
        policy: server.policy,
        private: Vec::new(),
        identity: None,
        access: Access::Public,
        limits: server.limits.clone(),
    })
}

pub(super) fn shown(text: &OsStr) -> SafeText {
    SafeText::from_bytes(text.as_encoded_bytes())
}
