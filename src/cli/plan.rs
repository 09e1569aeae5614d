//! What the command line means, together with the settings and the terminal: a plan that `main` carries out.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use tracing::Level;

use super::{Cli, UsageError};
use crate::{
    client::{self, Existing, NewJob, Speak},
    config::{Settings, When},
    headless::Style,
    logging::{self, Destination, LogOptions},
    protocol::{
        address::{Address, Authority},
        classic::Dialect,
        message::Form,
        path::RemotePath,
    },
    server::{self, Arch, Limits},
    text::SafeText,
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
    /// The settings with the flags in them.
    pub settings: Settings,
}

impl Plan {
    /// How to show without a screen.
    pub fn style(&self) -> Style {
        Style { face: self.face, ascii: self.settings.screen.look().glyphs.ascii, logged: self.log.stderr }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Fetch these.
    Fetch(Fetch),
    /// Serve.
    Serve(server::Config),
    /// Serve and fetch from it.
    Demo(Demo),
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

/// Downloads, and what further ones that are typed in are like.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// How the engine is to run.
    pub engine: client::Config,
    /// To queue at the start.
    pub jobs: Vec<NewJob>,
    /// The server for paths that name none.
    pub server: Option<Authority>,
    /// Where downloads go (absolute).
    pub folder: PathBuf,
    /// How a directory comes.
    pub form: Form,
    /// What to speak.
    pub speak: Speak,
    /// When a target exists.
    pub existing: Existing,
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

/// What the process was started in.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Stdin and stdout are a terminal that can be drawn on.
    pub terminal: bool,
    /// The current directory.
    pub directory: PathBuf,
}

impl Surroundings {
    /// Looks.
    ///
    /// # Errors
    /// The current directory is gone.
    pub fn look() -> Result<Surroundings, UsageError> {
        use std::io::IsTerminal;
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let directory = std::env::current_dir().map_err(|error| {
            UsageError(format!("the current directory cannot be used: {error}; go to another one"))
        })?;
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb;
        Ok(Surroundings { terminal, directory })
    }
}

fn wrong<T>(sentence: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(sentence.into()))
}

impl Cli {
    /// Decides what is meant.
    ///
    /// # Errors
    /// Options that do not go together, or an address, host or path that is none.
    pub fn plan(self, mut settings: Settings, around: &Surroundings) -> Result<Plan, UsageError> {
        self.misplaced()?;
        self.overlay(&mut settings);
        let face = match &self.common {
            common if common.json => Face::Json,
            common if common.quiet => Face::Quiet,
            common if common.headless || !around.terminal => Face::Plain,
            _ => Face::Screen,
        };
        let mut log = self.log(&settings, face);
        let task = if self.server.serve {
            Task::Serve(server_config(&settings, self.served(&around.directory)?)?)
        } else if self.server.demo {
            let root = self.served(&around.directory)?;
            // A log that grows in the folder would change what is being archived.
            if matches!(&log.destination, Destination::Folder { folder, .. } if is_beneath(folder, &root)) {
                log.destination = Destination::Nowhere;
            }
            settings.server.host = "127.0.0.1".into();
            settings.server.port = 0;
            let dir_given = self.client.dir.is_some();
            let fetch = fetch(&settings, around, None);
            Task::Demo(Demo { server: server_config(&settings, root)?, fetch, dir_given })
        } else {
            Task::Fetch(self.fetch(&settings, around, face)?)
        };
        Ok(Plan { task, face, log, settings })
    }

    /// Options that mean nothing for what is to be done are an error and not left unheard.
    fn misplaced(&self) -> Result<(), UsageError> {
        let (client, server) = (&self.client, &self.server);
        let of_one_download = [
            ("--remote", client.remote.is_some()),
            ("--local", client.local.is_some()),
            ("--checksum", client.checksum.is_some()),
        ];
        let of_fetching = [
            ("--dir", client.dir.is_some()),
            ("--as", client.form.is_some()),
            ("--jobs", client.jobs.is_some()),
            ("--limit", client.limit.is_some()),
            ("--retries", client.retries.is_some()),
            ("--timeout", client.timeout.is_some()),
            ("--no-sync", client.no_sync),
            ("--overwrite", client.overwrite),
            ("--rename", client.rename),
            ("--protocol", client.protocol.is_some()),
        ];
        let of_serving = [
            ("--arch", server.arch.is_some()),
            ("--max-connections", server.max_connections.is_some()),
            ("--classic", server.classic),
            ("--classic-dialect", server.classic_dialect.is_some()),
        ];
        let given = |options: &[(&'static str, bool)]| {
            options.iter().find(|(_, given)| *given).map(|(name, _)| *name)
        };
        if server.serve {
            if let Some(name) = given(&of_one_download).or_else(|| given(&of_fetching)) {
                return wrong(format!("{name} is for fetching and cannot be used with --serve"));
            }
        } else if server.demo {
            let place = [("--host", self.place.host.is_some()), ("--port", self.place.port.is_some())];
            if let Some(name) = given(&of_one_download).or_else(|| given(&place)) {
                return wrong(format!(
                    "{name} cannot be used with --demo, which brings its own server and downloads"
                ));
            }
        } else if let Some(name) = given(&of_serving) {
            return wrong(format!("{name} is for serving: add --serve, or leave it out"));
        }
        Ok(())
    }

    /// Flags win over all settings.
    fn overlay(&self, settings: &mut Settings) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        let (client, server) = (&mut settings.client, &mut settings.server);
        if self.server.serve {
            set(&mut server.host, self.place.host.clone());
            set(&mut server.port, self.place.port);
        } else {
            set(&mut client.host, self.place.host.clone().map(Some));
            set(&mut client.port, self.place.port);
        }
        set(&mut client.dir, self.client.dir.clone());
        set(&mut client.form, self.client.form);
        set(&mut client.jobs, self.client.jobs.map(|jobs| jobs as usize));
        set(&mut client.limit, self.client.limit.map(|rate| rate.0));
        set(&mut client.retries, self.client.retries);
        set(&mut client.timeout, self.client.timeout);
        set(&mut client.protocol, self.client.protocol);
        set(&mut client.sync, self.client.no_sync.then_some(false));
        set(&mut client.existing, self.client.overwrite.then_some(Existing::Overwrite));
        set(&mut client.existing, self.client.rename.then_some(Existing::Rename));
        set(&mut server.arch, self.server.arch);
        set(&mut server.max_connections, self.server.max_connections.map(|count| count as usize));
        set(&mut server.classic, self.server.classic.then_some(true));
        set(&mut server.classic_dialect, self.server.classic_dialect.map(Some));
        set(&mut settings.screen.color, self.common.color);
        set(&mut settings.screen.ascii, self.common.ascii.then_some(When::Always));
        set(
            &mut settings.log.level,
            match self.common.verbose {
                0 => None,
                1 => Some(Level::DEBUG),
                _ => Some(Level::TRACE),
            },
        );
    }

    fn log(&self, settings: &Settings, face: Face) -> LogOptions {
        let folder = settings.log.folder.clone().or_else(logging::default_folder);
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
            Ok(_) => wrong(format!("cannot serve '{what}': it is no folder; name the folder that it is in")),
            Err(error) => wrong(format!(
                "cannot serve '{what}': {}; name a folder that exists",
                without_number(&error.to_string())
            )),
        }
    }

    fn fetch(&self, settings: &Settings, around: &Surroundings, face: Face) -> Result<Fetch, UsageError> {
        let server = match &settings.client.host {
            Some(host) => Some(authority(host, settings.client.port)?),
            None => None,
        };
        let mut fetch = fetch(settings, around, server);
        let mut addresses = Vec::new();
        if let Some(path) = &self.client.remote {
            addresses.push(fetch.resolve(path)?);
        }
        for argument in &self.arguments {
            let Some(text) = argument.to_str() else {
                return wrong(format!(
                    "'{}' is not UTF-8: in an address, write the bytes of such a name as %XX",
                    shown(argument)
                ));
            };
            addresses.push(fetch.resolve(text)?);
        }
        for (name, given) in
            [("--local", self.client.local.is_some()), ("--checksum", self.client.checksum.is_some())]
        {
            if given && addresses.len() != 1 {
                return wrong(format!("{name} goes with exactly one download, here are {}", addresses.len()));
            }
        }
        if addresses.is_empty() && face != Face::Screen {
            return wrong(
                "nothing to fetch: give an address such as fdsp+plain://HOST/PATH, or -H HOST and a PATH",
            );
        }
        let mut jobs: Vec<_> = addresses.into_iter().map(|address| fetch.job(address)).collect();
        if let (Some(local), [job]) = (&self.client.local, jobs.as_mut_slice()) {
            place(job, local)?;
            job.checksum = self.client.checksum.clone();
        } else if let [job] = jobs.as_mut_slice() {
            job.checksum = self.client.checksum.clone();
        }
        fetch.jobs = jobs;
        Ok(fetch)
    }
}

/// `--local` names a folder, or the file itself.
fn place(job: &mut NewJob, local: &Path) -> Result<(), UsageError> {
    if local.as_os_str().is_empty() {
        return wrong("--local needs a path to save as");
    }
    let whole = job.folder.join(local);
    if local.as_os_str().as_encoded_bytes().ends_with(b"/") || whole.is_dir() {
        job.folder = whole;
        return Ok(());
    }
    match (whole.parent(), whole.file_name()) {
        (Some(folder), Some(name)) => {
            job.save_as = Some(PathBuf::from(name));
            job.folder = folder.to_owned();
            Ok(())
        }
        _ => wrong(format!("'{}' is no path to save as", shown(local.as_os_str()))),
    }
}

impl Fetch {
    /// Reads an address, or a path of the server that was named.
    ///
    /// # Errors
    /// It is no address, or a path without a server.
    pub fn resolve(&self, text: &str) -> Result<Address, UsageError> {
        if text.contains("://") {
            return Address::parse(text).map_err(|error| UsageError(error.to_string()));
        }
        let Some(authority) = self.server.clone() else {
            return wrong(format!(
                "'{}' names no server: give one with -H HOST, or write fdsp+plain://HOST[:PORT]/PATH",
                SafeText::new(text)
            ));
        };
        match RemotePath::parse(text) {
            Ok(path) => Ok(Address { authority, path }),
            Err(error) => wrong(format!("cannot ask for '{}': {error}", SafeText::new(text))),
        }
    }

    /// A job for an address.
    pub fn job(&self, address: Address) -> NewJob {
        NewJob {
            address,
            speak: self.speak,
            form: self.form,
            folder: self.folder.clone(),
            save_as: None,
            existing: self.existing,
            checksum: None,
        }
    }
}

fn fetch(settings: &Settings, around: &Surroundings, server: Option<Authority>) -> Fetch {
    let client = &settings.client;
    Fetch {
        engine: client::Config {
            jobs: client.jobs,
            limit: client.limit,
            retries: client.retries,
            timeout: client.timeout,
            sync: client.sync,
        },
        jobs: Vec::new(),
        server,
        folder: around.directory.join(&client.dir),
        form: client.form,
        speak: client.protocol,
        existing: client.existing,
    }
}

fn authority(host: &str, port: u16) -> Result<Authority, UsageError> {
    if port == 0 {
        return wrong("port 0 is for --serve, where it picks a free one: give the port of the server");
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let text = match bare.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]:{port}"),
        Err(_) if host.contains(':') => {
            return wrong(format!("'{}' is no host: give the port with -P", SafeText::new(host)));
        }
        Err(_) => format!("{host}:{port}"),
    };
    Authority::parse(&text).map_err(|error| UsageError(error.to_string()))
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
        host: server.host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: server.port,
        arch: server.arch,
        classic,
        limits: Limits {
            max_connections: server.max_connections,
            handshake: server.handshake_timeout,
            idle: server.idle_timeout,
            min_rate: server.min_rate,
            rate_window: server.rate_window,
            drain: server.drain_timeout,
        },
    })
}

/// Whether a path that need not exist yet lies in a folder.
fn is_beneath(path: &Path, folder: &Path) -> bool {
    let existing = path.ancestors().find_map(|path| path.canonicalize().ok());
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    existing.is_some_and(|path| path.starts_with(folder))
}

fn shown(text: &OsStr) -> SafeText {
    SafeText::from_bytes(text.as_encoded_bytes())
}

/// The words of the system without its `(os error 2)`.
pub(crate) fn without_number(text: &str) -> String {
    let Some((before, after)) = text.split_once(" (os error ") else { return text.to_owned() };
    let behind = after.split_once(')').map_or("", |(_, behind)| behind);
    format!("{before}{behind}")
}
