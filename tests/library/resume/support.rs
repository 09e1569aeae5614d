//! A served folder, and independent runs of the engine.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use fdsp::{
    client::{
        Command, Config, Event, Existing, Finished, Form, Locator, NewJob, Speak, Trouble, Trust, start,
    },
    server::{self, Arch, Server},
};
use tempfile::TempDir;

use crate::resume::proxy::Proxy;

pub use crate::shared::{
    folder::{MIB, content},
    target::{Folder, MAX_WAIT, until},
};

/// The secret that authenticates journals, in all tests.
const SECRET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/state/secret");

/// A folder and the server that serves it.
pub struct Served {
    pub folder: TempDir,
    arch: Arch,
    server: Server,
}

impl Served {
    pub fn new() -> Served {
        Served::on(Arch::Async)
    }

    pub fn on(arch: Arch) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(folder.path(), arch);
        Served { folder, arch, server }
    }

    /// The server ends, and another one serves the folder on another port.
    pub fn restart(&mut self) {
        self.server = serve(self.folder.path(), self.arch);
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

fn serve(folder: &Path, arch: Arch) -> Server {
    let config = server::Config { arch, ..server::Config::local(folder) };
    server::start(config, Arc::new(|_| {})).unwrap()
}

impl Folder {
    /// One run to the end of one job.
    pub fn fetch(&self, at: SocketAddr, path: &str) -> Result<Finished, Trouble> {
        self.fetch_as(at, path, Existing::Keep)
    }

    pub fn fetch_as(&self, at: SocketAddr, path: &str, existing: Existing) -> Result<Finished, Trouble> {
        let run = Run::start(self.job(at, path, existing));
        run.end()
    }

    pub fn fetch_with(&self, config: Config, job: NewJob) -> Result<Finished, Trouble> {
        Run::with(config, job).end()
    }

    /// Runs all jobs to their end, and returns the warnings.
    pub fn warnings_of(&self, config: Config, jobs: Vec<NewJob>) -> Vec<String> {
        let (mut open, mut said) = (jobs.len(), Vec::new());
        let (engine, events) = start(config).unwrap();
        engine.command(Command::Add(jobs));
        let mut run = Run { engine, events };
        let seen = run.see(|event| {
            match event {
                Event::Warning { message } => said.push(message.to_string()),
                Event::Done { .. } => open -= 1,
                Event::Failed { trouble, .. } => panic!("{trouble:?}"),
                _ => {}
            }
            (open == 0).then_some(())
        });
        run.stop();
        seen.expect("the jobs end");
        said
    }

    /// A run that continues until it is stopped.
    pub fn begin(&self, at: SocketAddr, path: &str) -> Run {
        Run::start(self.job(at, path, Existing::Keep))
    }

    pub fn begin_with(&self, config: Config, job: NewJob) -> Run {
        Run::with(config, job)
    }

    pub fn begin_job(&self, job: NewJob) -> Run {
        Run::start(job)
    }

    pub fn job(&self, at: SocketAddr, path: &str, existing: Existing) -> NewJob {
        NewJob {
            address: Locator::parse(&format!("fdsp+plain://{at}")).unwrap().join(path).unwrap(),
            speak: Speak::V1,
            form: Form::Auto,
            folder: self.folder.path().to_owned(),
            save_as: None,
            existing,
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

    /// A run that is stopped properly once this number of blocks of the target `name` are verified; the other blocks are not
    /// forwarded.
    pub fn interrupted(&self, at: SocketAddr, path: &str, name: &str, blocks: usize) {
        let gate = Proxy::gate(at, blocks * (MIB + 1000) + 8000);
        let run = self.begin(gate.at(), path);
        self.wait_for(name, blocks);
        run.stop();
    }
}

pub fn config() -> Config {
    Config {
        jobs: 1,
        segments: 4,
        limit: None,
        limit_schedule: Default::default(),
        retries: 3,
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

/// One run of an engine, of one job.
pub struct Run {
    engine: fdsp::client::Engine,
    events: tokio::sync::mpsc::UnboundedReceiver<Event>,
}

impl Run {
    fn start(job: NewJob) -> Run {
        Run::with(config(), job)
    }

    fn with(config: Config, job: NewJob) -> Run {
        let (engine, events) = start(config).unwrap();
        engine.command(Command::Add(vec![job]));
        Run { engine, events }
    }

    fn end(mut self) -> Result<Finished, Trouble> {
        let ended = self.see(|event| match event {
            Event::Done { finished, .. } => Some(Ok(finished)),
            Event::Failed { trouble, .. } => Some(Err(trouble)),
            _ => None,
        });
        self.stop();
        ended.expect("the job ends")
    }

    /// Waits for an event for which `wanted` returns a value; `None` after a timeout.
    fn see<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = async {
            loop {
                if let Some(found) = wanted(self.events.recv().await.expect("the engine runs")) {
                    return found;
                }
            }
        };
        runtime.block_on(async { tokio::time::timeout(MAX_WAIT, seen).await.ok() })
    }

    /// Stops it properly, before its job is done.
    pub fn stop(self) {
        self.engine.command(Command::Stop);
        self.engine.join(MAX_WAIT);
    }
}
