//! The downloads of the command line: addresses, targets and options.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Cli, ClientArgs, access,
    environment::{Environment, Terminal},
    error::{UsageError, shown, wrong},
    named_files::{
        input_file::{self, Entry},
        metalinks,
    },
};
use crate::{
    app::config::{self, Bounded, Rate, Settings},
    client::{
        self, Existing, Form, LimitSchedule, Limits, Locator, NewJob, SavedJob, Server, SessionName, Speak,
        SumsAt, Zone, glob,
        metalink::{self, MetalinkFile},
        saved,
        session::{Changed, Saved},
        typed::{self, Request, TypedError},
    },
    protocol::{
        address::{Authority, Security, without_token},
        path::odd_name,
    },
    text::{SafeText, without_number},
};

/// For how long cancelling and removing can be undone on the screen.
const UNDO_TIME: Duration = Duration::from_secs(10);

const NO_SESSIONS: &str = "there is no home folder to save a session in: set XDG_STATE_HOME";

/// Downloads, and the defaults of those that the user adds later.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Configuration of the engine.
    pub engine: client::Config,
    /// Downloads to queue at the start.
    pub jobs: Vec<NewJob>,
    /// A server without a path, whose files are listed on the screen.
    pub listing: Option<Locator>,
    /// The server of paths without a server.
    pub server: Option<Server>,
    /// Whether servers without a scheme are reached without TLS.
    pub plain: bool,
    /// The absolute path of the download folder.
    pub folder: PathBuf,
    /// The form in which directories are fetched.
    pub form: Form,
    /// Whether patterns in addresses stand for several of them.
    pub globs: bool,
    /// Whether checksums are looked for beside files of web servers.
    pub find_checksums: bool,
    /// The download of the session that is fetched from another address: the address that it has, and the new one.
    pub replaced: Option<(Locator, Request)>,
    /// The protocol to use.
    pub speak: Speak,
    /// What to do if a target exists.
    pub existing: Existing,
    /// Whether archives are extracted.
    pub extract: bool,
    /// Whether the exit code is 0 if entries of a folder are missing.
    pub allow_missing: bool,
    /// The session that saves the queue, if any.
    pub session: Option<SessionChoice>,
    /// Whether the queue starts paused.
    pub paused: bool,
    /// The limits of the configuration, which options and a session override.
    pub configured: Limits,
    /// The limits of the command line.
    given: Changed,
}

/// The session to use.
#[derive(Clone, Debug)]
pub struct SessionChoice {
    /// Its name.
    pub name: SessionName,
    /// The folder of the sessions.
    pub folder: PathBuf,
    /// Whether the user named it, so that it is an error if it cannot be opened.
    pub named: bool,
}

impl Fetch {
    /// The settings for downloads, with an empty queue.
    pub(super) fn new(settings: &Settings, environment: &Environment, server: Option<Server>) -> Fetch {
        let client = &settings.client;
        Fetch {
            engine: client::Config {
                jobs: client.jobs.count(),
                segments: client.segments.count(),
                limit: client.limit.0,
                limit_schedule: schedule(client),
                retries: client.retries.small(),
                retry_max_time: client.retry_max_time.0,
                timeout: client.timeout.get(),
                speed_limit: client.speed_limit.bytes(),
                speed_time: client.speed_time.0,
                sync: client.sync,
                extract: client.extract_limits(),
                names: client.names,
                trust: access::trust(settings, environment),
                web: client::Web {
                    proxy: client.proxy.0.clone(),
                    headers: Vec::new(),
                    user_agent: client.user_agent.0.as_ref().map(|text| text.0.clone()),
                    referer: client.referer.0.as_ref().map(|text| text.0.clone()),
                    netrc: None,
                    cookies: None,
                },
                undo_time: Duration::ZERO,
                hooks: client.hooks(),
                asks: false,
            },
            jobs: Vec::new(),
            listing: None,
            server,
            plain: client.plain || client.protocol != Speak::V1,
            // Without `.` components: the path is shown to users.
            folder: environment.directory.join(&client.dir).components().collect(),
            form: client.form,
            globs: false,
            find_checksums: false,
            replaced: None,
            speak: client.protocol,
            existing: client.existing,
            extract: client.extract,
            allow_missing: client.allow_missing,
            session: None,
            paused: false,
            configured: client.limits(),
            given: Changed::default(),
        }
    }

    /// The configuration and the queue of an engine that resumes what an earlier run left. Without a screen, failed downloads are
    /// retried, because the user has no key for it.
    pub fn begin(&self, saved: Saved, has_screen: bool) -> (client::Config, Vec<SavedJob>) {
        let mut queue = saved.queue;
        if !has_screen {
            saved::retry_failed(&mut queue);
        }
        let servers = self.jobs.iter().map(|job| &job.address).chain(&self.listing).map(Locator::server);
        for server in self.server.clone().into_iter().chain(servers) {
            saved::reach(&mut queue, &server);
        }
        saved::add(&mut queue, self.jobs.clone());
        if self.paused {
            saved::pause_all(&mut queue);
        }
        let limits = self.given.or(saved.limits).over(self.configured);
        (
            client::Config {
                jobs: limits.jobs,
                segments: limits.segments,
                limit: limits.rate,
                limit_schedule: match self.given.rate {
                    // The user has asked for this limit now, whatever the time of day.
                    Some(_) => LimitSchedule::default(),
                    None => self.engine.limit_schedule.clone(),
                },
                // The screen shows that a server is unreachable, and the user decides.
                retry_max_time: self.engine.retry_max_time.filter(|_| !has_screen),
                asks: has_screen,
                undo_time: if has_screen { UNDO_TIME } else { Duration::ZERO },
                ..self.engine.clone()
            },
            queue,
        )
    }

    /// Changes the address of the download of the session that is to be replaced.
    ///
    /// # Errors
    /// The session has no unfinished download from that address.
    pub fn replace(&self, saved: &mut Saved) -> Result<(), String> {
        let Some((old, new)) = &self.replaced else { return Ok(()) };
        match saved::readdress(&mut saved.queue, old, &new.address, &new.headers) {
            0 => Err(format!(
                "the session has no unfinished download from {old}: see its addresses with tui --session"
            )),
            _ => Ok(()),
        }
    }

    /// The same for a process that continues a session which an earlier one had begun with these: all downloads and limits are in it.
    pub fn continued(self, session: SessionChoice) -> Fetch {
        Fetch {
            jobs: Vec::new(),
            paused: false,
            given: Changed::default(),
            session: Some(session),
            replaced: None,
            ..self
        }
    }

    /// Reads an address, with or without its scheme, or a path of the server of `--host`, or a command of curl. Patterns can stand for
    /// several of them.
    ///
    /// # Errors
    /// It is not an address, or it is a path without a server.
    pub fn resolve(&self, text: &str) -> Result<Vec<Request>, UsageError> {
        typed::requests(text, self.server.as_ref(), self.plain, self.globs).map_err(|error| {
            UsageError(match error {
                // What the command has may be a secret.
                TypedError::Curl(error) => format!("'curl …': {error}"),
                TypedError::NoServer { instead } => format!(
                    "'{}' names no server: give one with -H HOST, or write {instead}",
                    without_token(text)
                ),
                error if matches!(error, TypedError::Scp { .. }) || typed::names_server(text) => {
                    format!("'{}': {error}", without_token(text))
                }
                error => format!("cannot fetch '{}': {error}", SafeText::new(text)),
            })
        })
    }

    /// The jobs for the files of a metalink.
    fn described(&self, files: Vec<MetalinkFile>) -> Vec<NewJob> {
        let Some(first) = files.iter().find_map(MetalinkFile::first).cloned() else { return Vec::new() };
        metalink::jobs(&self.job(first), files, self.engine.names)
    }

    /// A job for an address.
    pub fn job(&self, address: Locator) -> NewJob {
        NewJob {
            address,
            speak: self.speak,
            form: self.form,
            folder: self.folder.clone(),
            save_as: None,
            existing: self.existing,
            checksum: None,
            sums: self.find_checksums.then_some(SumsAt::Beside),
            headers: Vec::new(),
            extract: self.extract,
            mirrors: Vec::new(),
            described: None,
            listed: None,
            earlier: Vec::new(),
        }
    }
}

impl Cli {
    /// The downloads of the arguments.
    pub(super) fn fetch(
        &self,
        settings: &Settings,
        environment: &Environment,
        has_screen: bool,
        configured: Limits,
    ) -> Result<Fetch, UsageError> {
        let host = match &settings.client.host.0 {
            Some(host) => Some(authority(host, settings.client.port.get(), self.security(settings)?)?),
            None => None,
        };
        let mut fetch = Fetch::new(settings, environment, host.clone().map(Server::from));
        fetch.engine.web.headers.clone_from(&self.client.header);
        fetch.engine.web.netrc = self.netrc(environment)?;
        fetch.engine.web.cookies = self.cookies(environment)?;
        (fetch.globs, fetch.find_checksums) = (self.client.glob, self.client.find_checksums);
        let sums = self.sums(environment)?;
        if let Some(file) = &fetch.engine.trust.authorities
            && let Err(error) = client::read_authorities(file)
        {
            let (name, reason) = (shown(file.as_os_str()), without_number(&error.to_string()));
            return wrong(format!("cannot use the authorities of --ca-file '{name}': {reason}"));
        }
        let mut requests: Vec<Request> = Vec::new();
        if let Some(path) = &self.client.remote {
            requests.extend(fetch.resolve(path)?);
        }
        let mut described = Vec::new();
        for argument in &self.arguments {
            if host.is_none()
                && let Some(files) = metalinks::read(argument, environment)?
            {
                described.extend(files);
                continue;
            }
            let text = odd_name::to_text(argument.as_encoded_bytes());
            if odd_name::is_escaped(&text) && typed::names_server(&text) {
                return wrong(format!(
                    "'{}' is not UTF-8: in an address, write the bytes of such a name as %XX",
                    shown(argument)
                ));
            }
            requests.extend(fetch.resolve(&text)?);
        }
        // The options of each address: none of those on the command line.
        let mut entries: Vec<Option<Entry>> = vec![None; requests.len()];
        let mut mirrors = Vec::new();
        for mirror in &self.client.mirror {
            mirrors.extend(fetch.resolve(mirror)?.into_iter().map(|request| (0, request.address)));
        }
        if let Some(file) = &self.client.input_file {
            for entry in input_file::read(file, environment)? {
                let of_line = |error: UsageError| input_file::at(file, entry.line, &error.0);
                let several = fetch.resolve(&entry.address).map_err(of_line)?;
                if several.len() > 1 && (entry.out.is_some() || entry.checksum.is_some()) {
                    let count = several.len();
                    return Err(of_line(UsageError(format!(
                        "out and checksum are for one download, and the address stands for {count}"
                    ))));
                }
                for mirror in &entry.mirrors {
                    let found = fetch.resolve(mirror).map_err(of_line)?;
                    if found.len() != several.len() {
                        let (count, of) = (found.len(), several.len());
                        return Err(of_line(UsageError(format!(
                            "a mirror stands for {count} addresses, and the address before it for {of}"
                        ))));
                    }
                    let numbered = (requests.len()..).zip(found);
                    mirrors.extend(numbered.map(|(number, request)| (number, request.address)));
                }
                entries.extend(several.iter().map(|_| Some(entry.clone())));
                requests.extend(several);
                if fetch.globs && requests.len() > glob::MAX_ADDRESSES {
                    let max = glob::MAX_ADDRESSES;
                    return Err(of_line(UsageError(format!(
                        "the patterns stand for more than {max} downloads"
                    ))));
                }
            }
        }
        let headers: Vec<_> =
            requests.iter_mut().map(|request| std::mem::take(&mut request.headers)).collect();
        let mut addresses: Vec<_> = requests.into_iter().map(|request| request.address).collect();
        for (name, given) in [
            ("--local", self.client.local.is_some()),
            ("--checksum", self.client.checksum.is_some()),
            ("--mirror", !self.client.mirror.is_empty()),
        ] {
            let downloads = addresses.len() + described.len();
            if given && downloads != 1 {
                return wrong(format!("{name} is for exactly one download, and there are {downloads}"));
            }
        }
        fetch.session = self.session(environment, has_screen)?;
        if self.client.replace_address.is_some() && fetch.session.is_none() {
            return wrong("--replace-address is for a download of a session: name it with --session NAME");
        }
        fetch.paused = self.client.paused;
        fetch.configured = configured;
        fetch.given = Changed {
            jobs: self.download.jobs.map(Bounded::count),
            segments: self.download.segments.map(Bounded::count),
            rate: self.common.limit.map(Rate::bytes),
        };
        let has_host = host.is_some();
        let (jobs, count): (Vec<usize>, _) = (mirrors.iter().map(|(job, _)| *job).collect(), addresses.len());
        addresses.extend(mirrors.into_iter().map(|(_, address)| address));
        let server = self.assign_credentials(host, &mut addresses, settings, environment)?;
        // The server of an address becomes that of paths once it has answered.
        fetch.server = server.filter(|_| has_host);
        for address in addresses.iter().filter_map(Locator::as_fdsp) {
            match address.authority.security {
                Security::Tls { .. } if settings.client.protocol != Speak::V1 => {
                    return wrong(
                        "the original programs do not support TLS: write fdsp+plain:// instead of fdsp://",
                    );
                }
                Security::Tls { .. } if settings.client.plain => {
                    return wrong(
                        "--plain turns TLS off: write fdsp+plain:// instead of fdsp://, or leave out --plain",
                    );
                }
                _ => {}
            }
        }
        let mirrors: Vec<_> = jobs.into_iter().zip(addresses.split_off(count)).collect();
        if addresses.is_empty() && described.is_empty() && !has_screen && fetch.session.is_none() {
            let screen = match environment.terminal {
                Terminal::Dumb => {
                    "; to use the screen, set TERM to the type of the terminal, such as TERM=xterm"
                }
                Terminal::None | Terminal::Screen => "",
            };
            return wrong(format!(
                "nothing to fetch: give an address such as fdsp://HOST/PATH, or -H HOST and a PATH{screen}"
            ));
        }
        if has_screen
            && self.fetches_usually(&fetch)
            && let [address] = addresses.as_slice()
            && address.is_root()
        {
            fetch.listing = addresses.pop();
        }
        let requests = addresses.into_iter().zip(headers);
        let mut jobs: Vec<_> =
            requests.map(|(address, headers)| NewJob { headers, ..fetch.job(address) }).collect();
        for (job, mirror) in mirrors {
            if let Some(job) = jobs.get_mut(job) {
                job.mirrors.push(mirror);
            }
        }
        let described = fetch.described(described);
        let named = described.len();
        jobs.splice(0..0, described);
        if let (Some(local), [job]) = (&self.client.local, jobs.as_mut_slice()) {
            place(job, local)?;
            job.checksum = self.client.checksum.clone();
        } else if let [job] = jobs.as_mut_slice() {
            job.checksum = self.client.checksum.clone();
        }
        for (job, entry) in jobs.iter_mut().skip(named).zip(entries) {
            let Some(entry) = entry else { continue };
            let line = entry.line;
            apply(entry, job, &environment.directory).map_err(|error| match &self.client.input_file {
                Some(file) => input_file::at(file, line, &error.0),
                None => error,
            })?;
        }
        if let Some(sums) = sums {
            jobs.iter_mut().for_each(|job| job.sums = Some(sums.clone()));
        }
        if let Some([old, new]) = self.client.replace_address.as_deref() {
            let one = |text: &str| match fetch.resolve(text)?.as_slice() {
                [one] => Ok(one.clone()),
                _ => wrong("--replace-address takes one address in the place of another"),
            };
            fetch.replaced = Some((one(old)?.address, one(new)?));
        }
        fetch.jobs = jobs;
        Ok(fetch)
    }

    /// Whether no option says how a server without a path is fetched: then its files are listed where there is a screen.
    fn fetches_usually(&self, fetch: &Fetch) -> bool {
        let ClientArgs { local, remote, checksum, .. } = &self.client;
        local.is_none()
            && remote.is_none()
            && checksum.is_none()
            && fetch.form == Form::Auto
            && !fetch.extract
    }

    /// The session that saves the queue. Without a screen only a session named by the user: the queue of a script is
    /// its command line.
    fn session(
        &self,
        environment: &Environment,
        has_screen: bool,
    ) -> Result<Option<SessionChoice>, UsageError> {
        let given = self.client.session.clone();
        if !has_screen && self.client.paused {
            return wrong("--paused is for the screen: without one the queue could not be resumed");
        }
        if !has_screen && given.is_none() {
            return Ok(None);
        }
        let named = given.is_some();
        match self.chosen_session(environment) {
            None if named => wrong(NO_SESSIONS),
            chosen => Ok(chosen),
        }
    }

    /// The session whose background process is meant.
    pub(super) fn background_session(&self, environment: &Environment) -> Result<SessionChoice, UsageError> {
        if let Some(argument) = self.arguments.first() {
            return wrong(format!(
                "--status and --stop take no address: leave out '{}'; --session NAME names another session",
                shown(argument)
            ));
        }
        self.chosen_session(environment).ok_or_else(|| UsageError(NO_SESSIONS.to_owned()))
    }

    fn chosen_session(&self, environment: &Environment) -> Option<SessionChoice> {
        let folder = environment.state.as_ref()?.join("sessions");
        let given = self.client.session.clone();
        let named = given.is_some();
        Some(SessionChoice { name: given.unwrap_or_default(), folder, named })
    }
}

/// Applies the options of an entry of a file.
fn apply(entry: Entry, job: &mut NewJob, directory: &Path) -> Result<(), UsageError> {
    if let Some(dir) = entry.dir {
        job.folder = directory.join(dir).components().collect();
    }
    if let Some(out) = entry.out {
        place(job, &out)?;
    }
    job.checksum = entry.checksum;
    // Options of the line come after what a command of curl has.
    for header in entry.headers {
        if header.is_single() {
            job.headers.retain(|given| !given.has_name_of(&header));
        }
        job.headers.push(header);
    }
    Ok(())
}

/// The limits by the time of day, on the local clock. The time zone can only be read before other threads start.
fn schedule(client: &config::Client) -> LimitSchedule {
    match &client.limit_schedule {
        none if none.is_empty() => LimitSchedule::default(),
        schedule => schedule.clone().in_zone(Zone::local()),
    }
}

/// The path of `--local` or `out` names a folder, or the file itself.
fn place(job: &mut NewJob, local: &Path) -> Result<(), UsageError> {
    if local.as_os_str().is_empty() {
        return wrong("the path to save as is empty");
    }
    let whole = job.folder.join(local);
    // A tree is a folder itself, which may exist.
    let into = whole.is_dir() && job.form != Form::Tree;
    if local.as_os_str().as_encoded_bytes().ends_with(b"/") || into {
        job.folder = whole;
        return Ok(());
    }
    match (whole.parent(), whole.file_name()) {
        (Some(folder), Some(name)) => {
            job.save_as = Some(PathBuf::from(name));
            job.folder = folder.to_owned();
            Ok(())
        }
        _ => wrong(format!("'{}' is not a path to save as", shown(local.as_os_str()))),
    }
}

/// The server of `--host`.
fn authority(host: &str, port: u64, security: Security) -> Result<Authority, UsageError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A link-local address has a zone, as in fe80::1%eth0.
    let address = bare.split('%').next().unwrap_or_default();
    let text = match address.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("[{bare}]:{port}"),
        Err(_) if host.contains(':') => {
            return wrong(format!("'{}' is not a host: give the port with -P", without_token(host)));
        }
        Err(_) => format!("{host}:{port}"),
    };
    Authority::parse(&text, security).map_err(|error| UsageError(error.to_string()))
}
