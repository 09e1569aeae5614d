//! What the command line means, together with the settings and the terminal: a plan that the app carries out.

use std::path::{Path, PathBuf};

use super::{
    Cli, Fetch, access,
    error::{UsageError, shown, wrong},
    own::canonical,
    surroundings::{Surroundings, Terminal, moves_cursor},
};
use crate::{
    app::{
        config::{Bounded, DEFAULT_HOST, Maybe, Options, Settings, refuse_way_of_another},
        headless::{Output, PrintedToken, Style},
    },
    logging::{Destination, LogOptions},
    protocol::classic::Dialect,
    server::{self, Access, Arch, Certificate},
    text::without_number,
};

/// What to do, and with which face.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to do.
    pub task: Task,
    /// How it is shown.
    pub face: Face,
    /// How to log.
    pub log: LogOptions,
    /// Warnings to show first, each a sentence.
    pub warnings: Vec<String>,
    /// The settings, with the options of the command line.
    pub settings: Settings,
}

impl Plan {
    /// How to show the work without a screen.
    pub fn style(&self, output: Output) -> Style {
        Style {
            output,
            ascii: self.settings.screen.is_ascii(|name| std::env::var(name).ok()),
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

/// How the work is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Full screen.
    Screen,
    /// On stdout and stderr.
    Headless(Output),
}

impl Cli {
    /// Plans the work; `options` are those of the environment and the file.
    ///
    /// # Errors
    /// Options that do not go together, or an address, host or path that is not valid.
    pub fn plan(self, options: Options, around: &Surroundings) -> Result<Plan, UsageError> {
        self.misplaced()?;
        if let Some(state) = &around.state {
            refuse_way_of_another(state).map_err(|error| {
                UsageError(format!(
                    "cannot use '{}' for keys, tokens and queues: {error}; name a folder of your own with XDG_STATE_HOME",
                    shown(state.as_os_str())
                ))
            })?;
        }
        let configured = Settings::from(options.clone()).client.limits();
        let mut settings = Settings::from(self.options()?.combine(options));
        let has_screen = cfg!(feature = "tui") && around.terminal == Terminal::Screen;
        let face = match &self.common {
            common if common.json => Face::Headless(Output::Json),
            common if common.quiet => Face::Headless(Output::Quiet),
            common if common.headless || !has_screen => Face::Headless(Output::Plain),
            _ => Face::Screen,
        };
        let mut log = self.log(&settings, around, face);
        let task = if self.task.serve {
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
        } else if self.task.demo {
            let root = self.served(&around.directory)?;
            // A log that grows in the folder would change what is being archived.
            if matches!(&log.destination, Destination::Folder { folder, .. } if canonical(folder).starts_with(canonical(&root)))
            {
                log.destination = Destination::Nowhere;
            }
            settings.server.host = Maybe(Some(DEFAULT_HOST.to_owned()));
            settings.server.port = Bounded::nearest(0);
            let dir_given = self.download.dir.is_some();
            let mut fetch = Fetch::new(&settings, around, None);
            // It keeps nothing, and nothing new may be in what it serves.
            fetch.engine.trust.secret = None;
            let identity = (!settings.server.plain).then_some(Certificate::Temporary);
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
            Task::Fetch(self.fetch(&settings, around, face == Face::Screen, configured)?)
        };
        let warnings = self.exposed(&settings, around);
        Ok(Plan { task, face, log, warnings, settings })
    }

    fn log(&self, settings: &Settings, around: &Surroundings, face: Face) -> LogOptions {
        let folder = settings.log.folder.0.clone().or_else(|| around.state.clone());
        let destination = match (&self.common.log_file, folder) {
            (Some(file), _) => Destination::File(file.clone()),
            (None, Some(folder)) => Destination::Folder { folder, keep: settings.log.files.count() },
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
    let classic = match (server.classic, server.classic_dialect.0, server.arch) {
        (false, Some(_), _) => {
            return wrong("--classic-dialect is for answering the original programs: add --classic");
        }
        (false, None, _) => None,
        (true, Some(dialect), _) => Some(dialect),
        (true, None, Arch::Select) => Some(Dialect::ClassicSelect),
        (true, None, _) => Some(Dialect::Classic),
    };
    Ok(server::Config {
        root,
        host: server.host().to_owned(),
        port: server.port.get() as u16,
        arch: server.arch,
        classic,
        policy: server.policy(),
        private: Vec::new(),
        identity: None,
        access: Access::Public,
        limits: (&settings.limits).into(),
    })
}
