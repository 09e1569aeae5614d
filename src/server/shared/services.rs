//! What a server serves, and what its connections use to do so: caches, permits, budgets, bandwidth, events.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::{
    net::bucket::Bucket,
    protocol::{classic::Dialect, path::RemotePath},
    server::{
        access::{host_names::HostNames, token_check::TokenCheck},
        api::{
            arch::Arch,
            event::{Event, Sink},
            response_header::ResponseHeader,
            snapshot::LastError,
        },
        cache::{digests::ContentDigests, hashes::BlockHashes, indexes::ArchiveIndexes},
        certificate::TlsSetup,
        limits::{Limits, MAX_OUTPUTS, MAX_PLANS, blocks::Blocks, budget::Budget, permits::Permits},
        sync::lock,
        telemetry::{access_log::AccessLog, metrics::Metrics, record::Record},
    },
    storage::{
        StorageError, Store,
        root::{Node, Renewed},
    },
    text::SafeText,
};

/// What a server serves, to whom, and how.
pub(crate) struct Terms {
    pub store: Store,
    pub arch: Arch,
    pub classic: Option<Dialect>,
    pub limits: Limits,
    /// The certificate and key for TLS; `None` without TLS.
    pub tls: Option<TlsSetup>,
    pub tokens: TokenCheck,
    /// Where it listens.
    pub local: SocketAddr,
    /// Its names, for requests that say which server they are for.
    pub hosts: HostNames,
    /// Fields that are added to the responses of HTTP.
    pub response_headers: Vec<ResponseHeader>,
}

/// What a server serves, and with what.
pub(crate) struct Services {
    pub terms: Terms,
    pub blocks: Blocks,
    pub hashes: BlockHashes,
    pub indexes: ArchiveIndexes,
    pub digests: ContentDigests,
    /// Permits for answers for which blocks are hashed.
    pub hashing: Permits,
    /// Permits for archives and trees.
    pub archives: Permits,
    /// Bytes for plans of archives and walks of trees.
    pub plans: Budget,
    /// Bytes for large outputs.
    pub outputs: Budget,
    /// The bandwidth of all connections together.
    bandwidth: Mutex<Bucket>,
    /// Whether the store was gone at the last request.
    is_gone: AtomicBool,
    sink: Sink,
    pub metrics: Metrics,
    /// Set once, at the start.
    access_log: OnceLock<AccessLog>,
    requests: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<Option<LastError>>,
    served: AtomicU64,
    refused: AtomicU64,
    sent: AtomicU64,
}

/// Numbers since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Contents that were sent up to their end.
    pub served: u64,
    /// Clients that were refused.
    pub refused: u64,
    /// Content bytes.
    pub sent: u64,
}

impl Services {
    /// Of a server that is about to run and reports its events to `sink`.
    pub fn new(terms: Terms, sink: Sink) -> Services {
        let limits = terms.limits.bounded();
        Services {
            hashing: Permits::new(limits.max_hashing),
            archives: Permits::new(limits.max_archives),
            plans: Budget::new(MAX_PLANS),
            outputs: Budget::new(MAX_OUTPUTS),
            bandwidth: Mutex::new(Bucket::new(limits.rate, Instant::now())),
            hashes: BlockHashes::new(),
            indexes: ArchiveIndexes::new(),
            digests: ContentDigests::new(),
            is_gone: AtomicBool::new(false),
            blocks: Blocks::default(),
            metrics: Metrics::new(terms.arch),
            access_log: OnceLock::new(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_error: Mutex::default(),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            terms: Terms { limits, ..terms },
            sink,
        }
    }

    /// Reports an event to the program and to the log.
    pub fn emit(&self, event: &Event) {
        match event {
            Event::Request { .. } => drop(self.requests.fetch_add(1, Ordering::Relaxed)),
            Event::Failed { .. } if event.is_error() => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                let message = SafeText::new(&event.to_string());
                *lock(&self.last_error) = Some(LastError { at: SystemTime::now(), message });
            }
            _ => {}
        }
        event.log();
        (self.sink)(event);
    }

    /// Reports a warning.
    pub fn warn(&self, message: &str) {
        self.emit(&Event::Warning { message: SafeText::new(message) });
    }

    /// Opens the path of a request, in the folder that has the path of the store now.
    pub fn open(&self, path: &RemotePath) -> Result<Node, StorageError> {
        let renewed = self.terms.store.renew();
        let is_gone = renewed.is_err();
        if self.is_gone.swap(is_gone, Ordering::Relaxed) != is_gone {
            self.warn(&match is_gone {
                true => {
                    format!("{} cannot be served: it was deleted or moved", self.terms.store.path())
                }
                false => format!("{} exists again, and is served", self.terms.store.path()),
            });
        } else if matches!(renewed, Ok(Renewed::Replaced)) {
            self.warn(&format!(
                "{} was replaced by another folder, which is served now",
                self.terms.store.path()
            ));
        }
        renewed?;
        self.terms.store.open(path)
    }

    /// The last request that failed.
    pub fn last_error(&self) -> Option<LastError> {
        lock(&self.last_error).clone()
    }

    /// Counts a client that is refused because it is blocked.
    pub fn refuse_blocked(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and reports a client that is refused because there are too many connections.
    pub fn refuse(&self, peer: SocketAddr) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.emit(&Event::Refused { peer });
    }

    /// Bytes of an output under the limit for all connections; see [`Bucket::quantum`].
    pub fn output_under_limit(&self, parts: u64, least: usize) -> usize {
        match self.terms.limits.rate {
            Some(_) => lock(&self.bandwidth).quantum(parts, least),
            None => usize::MAX,
        }
    }

    /// Takes bytes of what all connections together may write. Returns how long they have to wait.
    pub fn reserve(&self, bytes: usize, now: Instant) -> Duration {
        match self.terms.limits.rate {
            Some(_) => lock(&self.bandwidth).reserve(bytes, now),
            None => Duration::ZERO,
        }
    }

    /// Gives back bytes that [`Services::reserve`] took and that were not written.
    pub fn give_back(&self, bytes: usize) {
        if self.terms.limits.rate.is_some() {
            lock(&self.bandwidth).give_back(bytes);
        }
    }

    /// Writes requests to this access log from now on.
    pub fn set_access_log(&self, log: AccessLog) {
        // There is none before the server has started.
        let _ = self.access_log.set(log);
    }

    /// The access log, if there is one.
    pub fn access_log(&self) -> Option<&AccessLog> {
        self.access_log.get()
    }

    /// A request was answered, or failed.
    pub fn record(&self, record: Record) {
        self.metrics.request(&record);
        if let Some(log) = self.access_log() {
            log.push(record);
        }
    }

    /// Counts content that was written to a client with this dialect.
    pub fn add_sent(&self, dialect: Option<&'static str>, bytes: u64) {
        self.metrics.sent(dialect, bytes);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a content that was sent up to its end.
    pub fn add_served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers since the start.
    pub fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            served: self.served.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}
