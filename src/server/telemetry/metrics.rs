//! Numbers for Prometheus, by dialect and architecture: what happens is counted, and what is, is read when it is asked for.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::record::Record;
use crate::server::{api::arch::Arch, registry::entry::DIALECTS};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    dialect: &'static str,
    arch: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkLabels {
    work: &'static str,
}

/// The counts of one dialect.
struct Counts {
    connections: Counter,
    requests: Counter,
    errors: Counter,
    bytes: Counter,
    seconds: Histogram,
}

/// What is counted.
pub(crate) struct Metrics {
    connections: Family<Labels, Counter>,
    requests: Family<Labels, Counter>,
    errors: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    /// By the numbers of the dialects.
    of_dialects: Vec<Counts>,
    arch: &'static str,
}

/// What is now, when it is asked for.
pub(crate) struct Present {
    /// The dialect of each open connection; `None` if it is not known yet.
    pub connections: Vec<Option<&'static str>>,
    /// What permits are for, how many are held, and how many there are.
    pub permits: [(&'static str, (usize, usize)); 2],
    /// Connections that were refused so far.
    pub refused: u64,
    pub is_draining: bool,
    /// Time since the start.
    pub uptime: Duration,
}

/// From 1 ms to some hours.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 13))
}

/// The name of a dialect in a label.
fn label(dialect: Option<&'static str>) -> &'static str {
    dialect.unwrap_or("unknown")
}

impl Metrics {
    /// Of a server that is about to run.
    pub fn new(arch: Arch) -> Metrics {
        let arch = arch.name();
        let (connections, requests) = (Family::default(), Family::default());
        let (errors, bytes) = (Family::default(), Family::default());
        let seconds = Family::new_with_constructor(durations as fn() -> Histogram);
        let of_dialect = |dialect: &Option<&'static str>| {
            let labels = Labels { dialect: label(*dialect), arch };
            let counter = |family: &Family<Labels, Counter>| family.get_or_create_owned(&labels);
            Counts {
                connections: counter(&connections),
                requests: counter(&requests),
                errors: counter(&errors),
                bytes: counter(&bytes),
                seconds: seconds.get_or_create_owned(&labels),
            }
        };
        let of_dialects = DIALECTS.iter().map(of_dialect).collect();
        Metrics { connections, requests, errors, bytes, seconds, of_dialects, arch }
    }

    fn of(&self, dialect: Option<&'static str>) -> &Counts {
        let number = DIALECTS.iter().position(|known| *known == dialect).unwrap_or_default();
        &self.of_dialects[number]
    }

    /// Counts a connection, whose dialect is known now, or never will be.
    pub fn connection(&self, dialect: Option<&'static str>) {
        self.of(dialect).connections.inc();
    }

    /// Counts content that was written.
    pub fn sent(&self, dialect: Option<&'static str>, bytes: u64) {
        self.of(dialect).bytes.inc_by(bytes);
    }

    /// Counts a request that was answered, or failed.
    pub fn request(&self, record: &Record) {
        let counts = self.of(Some(record.dialect));
        counts.requests.inc();
        if record.has_failed() {
            counts.errors.inc();
        }
        counts.seconds.observe(record.seconds);
    }

    /// All numbers as Prometheus reads them.
    pub fn text(&self, present: &Present) -> String {
        let mut registry = Registry::with_prefix("fdsp");
        registry.register("connections_accepted", "Connections accepted", self.connections.clone());
        registry.register("requests", "Requests that were answered or failed", self.requests.clone());
        registry.register("request_errors", "Requests that failed", self.errors.clone());
        registry.register("sent_bytes", "Content bytes sent", self.bytes.clone());
        registry.register(
            "request_duration_seconds",
            "Time from a request to the last byte of its answer",
            self.seconds.clone(),
        );
        self.present(present, &mut registry);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }

    /// Adds what is now.
    fn present(&self, present: &Present, registry: &mut Registry) {
        let live = Family::<Labels, Gauge>::default();
        for dialect in DIALECTS {
            live.get_or_create_owned(&Labels { dialect: label(dialect), arch: self.arch });
        }
        for dialect in &present.connections {
            live.get_or_create_owned(&Labels { dialect: label(*dialect), arch: self.arch }).inc();
        }
        registry.register("connections", "Open connections", live);
        let (taken, most) = (Family::<WorkLabels, Gauge>::default(), Family::<WorkLabels, Gauge>::default());
        for (work, (now, all)) in present.permits {
            let labels = WorkLabels { work };
            taken.get_or_create_owned(&labels).set(signed(now));
            most.get_or_create_owned(&labels).set(signed(all));
        }
        registry.register("permits_taken", "Permits for expensive work that are held", taken);
        registry.register("permits", "Permits for expensive work that there are", most);
        let refused = Counter::<u64, AtomicU64>::default();
        refused.inc_by(present.refused);
        registry.register("connections_refused", "Connections refused", refused);
        let is_draining: Gauge = Gauge::default();
        is_draining.set(present.is_draining.into());
        registry.register("draining", "Whether the server accepts no more connections", is_draining);
        let uptime = Gauge::<f64, AtomicU64>::default();
        uptime.set(present.uptime.as_secs_f64());
        registry.register("uptime_seconds", "Time since the start", uptime);
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
