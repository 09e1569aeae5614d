//! A served folder, an engine with its events, and test contents.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use fdsp::{
    client::{
        Change, Command, Config, Engine, Event, Existing, Finished, Form, JobId, JobState, JobView, Locator,
        NewJob, Speak, Trouble, Trust, start,
    },
    protocol::classic::Dialect,
    server::{self, Arch, Certificate, Limits, Server},
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc::UnboundedReceiver, time::timeout};

use crate::shared::target::MAX_WAIT;
pub use crate::shared::{
    folder::{MIB, content},
    target::names,
};

/// The secret that authenticates journals, in all tests.
const SECRET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/state/secret");

/// A folder and the server that serves it.
pub struct Served {
    pub folder: TempDir,
    pub server: Server,
}

impl Served {
    pub fn new() -> Served {
        Served::with(Arch::Async, None, Limits::default())
    }

    pub fn with(arch: Arch, classic: Option<Dialect>, limits: Limits) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let config = server::Config { arch, classic, limits, ..server::Config::local(folder.path()) };
        let server = server::start(config, Arc::new(|_| {})).unwrap();
        Served { folder, server }
    }

    /// Another server of the same folder.
    pub fn beside(&self, arch: Arch, identity: Option<Certificate>) -> Server {
        let config = server::Config { arch, identity, ..server::Config::local(self.folder.path()) };
        server::start(config, Arc::new(|_| {})).unwrap()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn at(&self) -> SocketAddr {
        self.server.local_addr()
    }
}

/// The address of a path on a server.
pub fn address(server: SocketAddr, path: &str) -> Locator {
    Locator::parse(&format!("fdsp+plain://{server}")).unwrap().join(path).unwrap()
}

/// An engine with short timeouts.
pub fn config() -> Config {
    Config {
        jobs: 4,
        segments: 4,
        limit: None,
        limit_schedule: Default::default(),
        retries: 8,
        retry_max_time: None,
        timeout: Duration::from_secs(20),
        speed_limit: 100,
        speed_time: None,
        sync: false,
        extract: Default::default(),
        names: Default::default(),
        trust: Trust { secret: Some(SECRET.into()), ..Trust::default() },
        web: fdsp::client::Web { proxy: fdsp::client::Proxy::None, ..Default::default() },
        undo_time: Duration::ZERO,
        hooks: Default::default(),
        asks: false,
    }
}

/// An engine without retries.
pub fn once() -> Config {
    Config { retries: 0, retry_max_time: Some(Duration::ZERO), ..config() }
}

/// An engine, its events, and the folder that it downloads to.
pub struct Client {
    pub engine: Engine,
    events: UnboundedReceiver<Event>,
    runtime: Runtime,
    pub folder: TempDir,
    /// All events so far.
    pub seen: Vec<Event>,
}

impl Client {
    pub fn new(config: Config) -> Client {
        let (engine, events) = start(config).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Client { engine, events, runtime, folder: tempfile::tempdir().unwrap(), seen: Vec::new() }
    }

    pub fn quick() -> Client {
        Client::new(config())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub fn job(&self, server: SocketAddr, path: &str) -> NewJob {
        self.job_at(address(server, path))
    }

    pub fn job_at(&self, address: Locator) -> NewJob {
        NewJob {
            address,
            speak: Speak::V1,
            form: Form::Auto,
            folder: self.folder.path().to_owned(),
            save_as: None,
            existing: Existing::Keep,
            checksum: None,
            sums: None,
            headers: Vec::new(),
            extract: false,
            mirrors: Vec::new(),
            described: None,
            listed: None,
            earlier: Vec::new(),
        }
    }

    /// The next event for which `wanted` returns a value.
    pub fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self
                .runtime
                .block_on(async { timeout(MAX_WAIT, self.events.recv()).await })
                .unwrap_or_else(|_| panic!("no event for too long, waiting for {what}: {:#?}", self.seen))
                .expect("the engine runs");
            let found = wanted(&event);
            self.seen.push(event);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Queues or resumes a job; returns its id.
    pub fn add(&mut self, job: NewJob) -> JobId {
        self.engine.command(Command::Add(vec![job]));
        self.wait("the job in the queue", |event| match event {
            Event::Queued { id, .. } | Event::Changed { id, what: Change::Resumed, .. } => Some(*id),
            _ => None,
        })
    }

    /// Waits for the end of a job.
    pub fn end(&mut self, job: JobId) -> Result<Finished, Trouble> {
        self.wait("the end of the job", |event| match event {
            Event::Done { id, finished, .. } if *id == job => Some(Ok(finished.clone())),
            Event::Failed { id, trouble, .. } if *id == job => Some(Err(trouble.clone())),
            _ => None,
        })
    }

    /// Runs a job to its end.
    pub fn run(&mut self, job: NewJob) -> Result<Finished, Trouble> {
        let id = self.add(job);
        self.end(id)
    }

    pub fn get(&mut self, server: SocketAddr, path: &str) -> Result<Finished, Trouble> {
        let job = self.job(server, path);
        self.run(job)
    }

    /// Waits for a command to take effect.
    pub fn changed(&mut self, job: JobId, to: Change) {
        self.wait(to.as_str(), |event| {
            matches!(event, Event::Changed { id, what, .. } if *id == job && *what == to).then_some(())
        });
    }

    /// Waits until the content of a job is being received.
    pub fn started(&mut self, job: JobId) {
        self.wait("the start of the job", |event| {
            matches!(event, Event::Started { id, .. } if *id == job).then_some(())
        });
    }

    /// Waits until `bytes` of a job are verified. No event reports that soon enough.
    pub fn verified(&self, job: JobId, bytes: u64) {
        let start = Instant::now();
        while self.view(job).received < bytes {
            assert!(start.elapsed() < MAX_WAIT, "{:?}", self.view(job));
            std::thread::yield_now();
        }
    }

    pub fn view(&self, job: JobId) -> JobView {
        self.engine.rows(&[job]).pop().expect("it is in the queue")
    }

    pub fn state(&self, job: JobId) -> JobState {
        self.view(job).state
    }

    /// Number of announced retries.
    pub fn retries(&self) -> usize {
        self.seen.iter().filter(|event| matches!(event, Event::Retry { .. })).count()
    }

    /// The names in the download folder.
    pub fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }
}
