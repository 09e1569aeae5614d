//! A server on a free port with its own folder, and its events.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use fdsp::{
    protocol::classic::Dialect,
    server::{self, Access, Arch, Certificate, Config, Event, Limits, Server, Sink, Snapshot},
    storage::root::Policy,
};
use tempfile::TempDir;

pub use crate::shared::folder::content as noise;
use crate::shared::folder::temporary;

/// The maximum time of any wait, on the slowest machine.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

thread_local! {
    /// Whether the servers that this test starts use TLS.
    static TLS: Cell<bool> = const { Cell::new(false) };
}

/// The addresses of servers with TLS, so that clients on any thread use it, too.
static SECURE: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());

/// Runs a scenario with servers that use TLS.
pub fn with_tls(scenario: impl FnOnce()) {
    TLS.set(true);
    scenario();
}

/// Whether the server at an address uses TLS.
pub fn is_secure(address: SocketAddr) -> bool {
    SECURE.lock().unwrap().contains(&address)
}

/// Starts a server. It is recorded whether the server uses TLS, so each one that a `Line` connects
/// to is started by this: its port may have been that of another server.
pub fn start(config: Config, sink: Sink) -> Server {
    let tls = TLS.get();
    let server =
        server::start(Config { identity: tls.then_some(Certificate::Temporary), ..config }, sink).unwrap();
    let mut secure = SECURE.lock().unwrap();
    let _ = if tls { secure.insert(server.local_addr()) } else { secure.remove(&server.local_addr()) };
    drop(secure);
    server
}

/// The events so far.
#[derive(Default)]
struct Log {
    events: Mutex<Vec<Event>>,
    grown: Condvar,
}

/// A running server.
pub struct Served {
    pub server: Option<Server>,
    pub address: SocketAddr,
    folder: TempDir,
    log: Arc<Log>,
}

/// Starts a server with an empty folder.
pub fn serve(arch: Arch) -> Served {
    serve_with(arch, None, Limits::default())
}

/// Starts a server with an empty folder, these limits, and a classic dialect.
pub fn serve_with(arch: Arch, classic: Option<Dialect>, limits: Limits) -> Served {
    serve_under(Policy::default(), arch, classic, limits)
}

/// Starts a server with this policy.
pub fn serve_under(policy: Policy, arch: Arch, classic: Option<Dialect>, limits: Limits) -> Served {
    serve_as(|root| Config { arch, classic, policy, limits, ..Config::local(root) })
}

/// Starts a server with a token.
pub fn serve_to(access: Access, arch: Arch, limits: Limits) -> Served {
    serve_as(|root| Config { arch, access, limits, ..Config::local(root) })
}

/// Starts a server with this configuration of a folder.
pub fn serve_as(config: impl FnOnce(PathBuf) -> Config) -> Served {
    let folder = temporary();
    let log = Arc::new(Log::default());
    let sink = {
        let log = Arc::clone(&log);
        move |event: &Event| {
            log.events.lock().unwrap().push(event.clone());
            log.grown.notify_all();
        }
    };
    let server = start(config(folder.path().to_owned()), Arc::new(sink));
    Served { address: server.local_addr(), server: Some(server), folder, log }
}

impl Served {
    /// A second server of the same folder, without the caches of the first one.
    pub fn beside(&self, arch: Arch) -> Server {
        let (root, limits) = (self.folder.path().to_owned(), Limits::default());
        start(Config { arch, limits, ..Config::local(root) }, Arc::new(|_| {}))
    }

    /// A path in the served folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file there.
    pub fn file(&self, name: impl AsRef<Path>, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Puts a directory there, with those above it.
    pub fn directory(&self, name: impl AsRef<Path>) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    /// The running server.
    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Waits for an event for which `choose` returns a value.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut choose: impl FnMut(&Event) -> Option<T>) -> T {
        let start = Instant::now();
        let mut events = self.log.events.lock().unwrap();
        loop {
            if let Some(found) = events.iter().find_map(&mut choose) {
                return found;
            }
            let left = MAX_WAIT.checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| panic!("no {what} among {events:#?}"));
            events = self.log.grown.wait_timeout(events, left).unwrap().0;
        }
    }

    /// Waits until a connection has ended for a reason that contains `reason`.
    #[track_caller]
    pub fn wait_for_end(&self, reason: &str) {
        self.wait(&format!("end because {reason}"), |event| match event {
            Event::Disconnected { reason: text, .. } if text.as_str().contains(reason) => Some(()),
            _ => None,
        });
    }

    /// Waits until a request has failed for a reason that contains `reason`.
    #[track_caller]
    pub fn wait_for_failure(&self, reason: &str) {
        self.wait(&format!("failure because {reason}"), |event| match event {
            Event::Failed { reason: text, .. } if text.as_str().contains(reason) => Some(()),
            _ => None,
        });
    }

    /// Waits until `count` connections have ended.
    #[track_caller]
    pub fn wait_for_ends(&self, count: usize) {
        let start = Instant::now();
        let mut events = self.log.events.lock().unwrap();
        while events.iter().filter(|event| matches!(event, Event::Disconnected { .. })).count() < count {
            let left = MAX_WAIT.checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| panic!("not {count} ends among {events:#?}"));
            events = self.log.grown.wait_timeout(events, left).unwrap().0;
        }
    }

    /// The number of events that `choose` accepts.
    pub fn count(&self, choose: impl Fn(&Event) -> bool) -> usize {
        self.log.events.lock().unwrap().iter().filter(|event| choose(event)).count()
    }

    /// The state, with all rows.
    pub fn snapshot(&self) -> Snapshot {
        self.server().snapshot(0..usize::MAX)
    }

    /// Waits until the state satisfies `is`; for states that no event reports.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let start = Instant::now();
        loop {
            let snapshot = self.snapshot();
            if is(&snapshot) {
                return snapshot;
            }
            assert!(start.elapsed() < MAX_WAIT, "not {what}: {snapshot:#?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
