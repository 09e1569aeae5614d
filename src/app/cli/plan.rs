//! The plan that the app runs, made of the command line, the settings and the terminal.

use std::path::{Path, PathBuf};

use super::{
    Cli, Fetch, SessionChoice, access,
    environment::{Environment, Terminal, moves_cursor},
    error::{UsageError, shown, wrong},
    own_files::canonical,
};
use crate::{
    app::{
        config::{Bounded, DEFAULT_HOST, Optional, Options, Settings, reject_path_of_another_user},
        headless::{Output, PrintedToken, Style},
    },
    logging::{Destination, LogOptions},
    protocol::classic::Dialect,
    server::{self, Access, AccessLogConfig, Arch, Certificate},
    text::without_number,
};

/// A task, and how it is shown.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to do.
    pub task: Task,
    /// The user interface.
    pub face: Face,
    /// How to log.
    pub log: LogOptions,
    /// Warnings to show first, one sentence each.
    pub warnings: Vec<String>,
    /// The settings, with the options of the command line.
    pub settings: Settings,
}

impl Plan {
    /// The style of the output without a screen.
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
    Fetch(Box<Fetch>),
    /// Serve.
    Serve(Box<Serve>),
    /// Serve a folder and fetch from it.
    Demo(Box<Demo>),
    /// Show the state of a session's background process.
    Status(SessionChoice),
    /// Stop a session's background process.
    Stop(SessionChoice),
}

/// A server, and how its token is printed.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Its configuration.
    pub config: server::Config,
    /// How its token is printed.
    pub print: PrintedToken,
    /// Whether its address is printed as a QR code, too.
    pub qr: bool,
}

/// A server and a client in one process.
#[derive(Clone, Debug)]
pub struct Demo {
    /// On a loopback port.
    pub server: server::Config,
    /// How to fetch.
    pub fetch: Fetch,
    /// Whether `--dir` says where downloads go.
    pub dir_given: bool,
    /// Whether the files are made up, because no folder to serve is given and there is a screen.
    pub is_tour: bool,
}

/// The user interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Full screen.
    Screen,
    /// On stdout and stderr.
    Headless(Output),
}

impl Cli {
    /// Makes the plan. `options` are those of the environment and the file.
    ///
    /// # Errors
    /// Conflicting options, or an invalid address, host or path.
    pub fn plan(self, options: Options, environment: &Environment) -> Result<Plan, UsageError> {
        self.check_placement()?;
        if let Some(state) = &environment.state {
            reject_path_of_another_user(state).map_err(|error| {
                UsageError(format!(
                    "cannot use '{}' for keys, tokens and queues: {error}; set XDG_STATE_HOME to a folder of your own",
                    shown(state.as_os_str())
                ))
            })?;
        }
        let configured = Settings::from(options.clone()).client.limits();
        let mut settings = Settings::from(self.options()?.combine(options));
        let has_screen = cfg!(feature = "tui") && environment.terminal == Terminal::Screen;
        let face = match &self.common {
            common if common.json => Face::Headless(Output::Json),
            common if common.quiet => Face::Headless(Output::Quiet),
            common if common.headless || !has_screen => Face::Headless(Output::Plain),
            _ => Face::Screen,
        };
        let mut log = self.log(&settings, environment, face);
        let task = if self.task.status || self.task.stop {
            let session = self.background_session(environment)?;
            if self.task.status { Task::Status(session) } else { Task::Stop(session) }
        } else if self.task.serve {
            let config = server_config(&settings, self.served(&environment.directory)?)?;
            let identity = access::identity(&settings, environment)?;
            let (access, source) = self.access(&settings, environment)?;
            let print = match source {
                Some(source) if !environment.prints_to_terminal && !settings.server.print_token => {
                    PrintedToken::Source(source)
                }
                _ => PrintedToken::InAddress,
            };
            let access_log = access_log(&settings, environment, face)?;
            let config = server::Config { identity, access, access_log, ..config };
            self.check_own_files(&config, &settings, environment)?;
            let private = self.private(&config, &settings, environment);
            let config = server::Config { private, ..config };
            Task::Serve(Box::new(Serve { config, print, qr: settings.server.qr }))
        } else if self.task.demo {
            let is_tour = self.arguments.is_empty() && face == Face::Screen;
            let root = self.served(&environment.directory)?;
            // A growing log in the folder would change the archived files.
            if !is_tour
                && matches!(&log.destination, Destination::Folder { folder, .. } if canonical(folder).starts_with(canonical(&root)))
            {
                log.destination = Destination::Nowhere;
            }
            settings.server.host = Optional(Some(DEFAULT_HOST.to_owned()));
            settings.server.port = Bounded::nearest(0);
            let dir_given = self.download.dir.is_some();
            let mut fetch = Fetch::new(&settings, environment, None);
            // The demo keeps nothing, and must not create files in the served folder.
            fetch.engine.trust.secret = None;
            let identity = (!settings.server.plain).then_some(Certificate::Temporary);
            fetch.engine.trust.plain_tokens = true;
            // The original programs do not support tokens.
            let access = if settings.server.classic { Access::Public } else { Access::Temporary };
            let server =
                server::Config { identity, access, metrics: None, ..server_config(&settings, root)? };
            // The demo itself writes nothing to the state folder.
            if !is_tour && environment.state.as_ref().is_some_and(|state| state.exists()) {
                self.check_own_files(&server, &settings, environment)?;
            }
            Task::Demo(Box::new(Demo { server, fetch, dir_given, is_tour }))
        } else {
            Task::Fetch(Box::new(self.fetch(&settings, environment, face == Face::Screen, configured)?))
        };
        let warnings = self.readable_secrets(&settings, environment);
        Ok(Plan { task, face, log, warnings, settings })
    }

    fn log(&self, settings: &Settings, environment: &Environment, face: Face) -> LogOptions {
        let folder = settings.log.folder.0.clone().or_else(|| environment.state.clone());
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
            Ok(_) => wrong(format!("cannot serve '{what}': it is not a folder; give its parent folder")),
            Err(error) => wrong(format!(
                "cannot serve '{what}': {}; give an existing folder",
                without_number(&error.to_string())
            )),
        }
    }
}

/// Where requests are logged. A log of the settings is for servers, and not for the demo.
fn access_log(
    settings: &Settings,
    environment: &Environment,
    face: Face,
) -> Result<Option<AccessLogConfig>, UsageError> {
    let server = &settings.server;
    let Some(path) = &server.access_log.0 else { return Ok(None) };
    let file = (path.as_os_str() != "-").then(|| environment.directory.join(path));
    if file.is_none() && face == Face::Screen {
        return wrong(
            "the access log cannot go to stdout, which is the dashboard: name a file, or add --headless",
        );
    }
    Ok(Some(AccessLogConfig { file, format: server.access_log_format }))
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
        host_names: server.host_name.0.clone(),
        response_headers: server.response_headers.0.clone(),
        access_log: None,
        metrics: server.metrics.0.clone(),
        limits: (&settings.limits).into(),
    })
}
