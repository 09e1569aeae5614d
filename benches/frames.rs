//! What a frame of each screen costs, from its model to the bytes for the terminal: drawn anew in full, and
//! after every row has moved on a little.

use std::{
    hint::black_box,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use divan::Bencher;
use fdsp::{
    client::{
        Arranged, Existing, Form, JobId, JobState, JobView, Locator, LostServer, Part, Picture, QuestionKind,
        Sort, Speak, Totals,
    },
    logging::{LogRing, Record},
    protocol::address::Security,
    server::{Arch, ConnectionId, ConnectionState, ConnectionView, Snapshot},
    text::SafeText,
    ui::{
        KeyMap, Look,
        dashboard::{self, model::About},
        downloads::{self, Defaults, Queue},
        terminal::backend::FrameBackend,
    },
};
use ratatui::{Frame, Terminal, layout::Size};
use time::OffsetDateTime;

const SIZES: [Size; 2] = [Size { width: 80, height: 24 }, Size { width: 200, height: 60 }];

fn log() -> LogRing {
    let ring = LogRing::new();
    for number in 0..10_000 {
        let text = SafeText::new(&format!("films/ubuntu-24.04.iso: block {number} verified"));
        ring.push(Record { time: OffsetDateTime::UNIX_EPOCH, level: tracing::Level::INFO, text });
    }
    ring
}

/// 1,000 connections of 250 clients. All of them share the text of their path.
fn snapshot(path: &SafeText, step: u64) -> Snapshot {
    let row = |number: usize| ConnectionView {
        id: Some(ConnectionId(number as u64)),
        peer: SocketAddr::from(([192, 168, 1, (number % 250) as u8], 50_000)),
        dialect: Some("v1"),
        path: path.clone(),
        state: ConnectionState::Sending,
        sent: step * 1_000_000,
        progress: Some((step * 1_000_000 % 6_000_000_000, 6_000_000_000)),
        age: Duration::from_secs(60 + step),
    };
    Snapshot {
        rows: (0..1000).map(row).collect(),
        live: 1000,
        waiting: 0,
        blocks: Vec::new(),
        clients: 14,
        requests: 1310,
        errors: 0,
        last_error: None,
        served: 1204,
        refused: 2,
        sent: step * 84_000_000,
        uptime: Duration::from_secs(step),
        draining: false,
        stopped: false,
    }
}

/// 10,000 jobs.
struct Jobs {
    step: u64,
}

impl Queue for Jobs {
    fn has_answered(&self, _: &fdsp::client::Server) -> bool {
        false
    }
    fn arranged(&self, _: &str, _: Sort) -> Arranged {
        Arranged { open: self.ids(""), ..Arranged::default() }
    }
    fn distinctions(&self, ids: &[JobId]) -> Vec<Option<String>> {
        vec![None; ids.len()]
    }
    fn queued(&self, addresses: &[Locator]) -> Vec<bool> {
        vec![false; addresses.len()]
    }
    fn sizes(&self, ids: &[JobId]) -> (u64, usize) {
        (6_000_000_000 * ids.len() as u64, 0)
    }
    fn throughput(&self, count: usize) -> Vec<f64> {
        (0..count).map(|part| 1e6 * ((part as u64 + self.step) % 7) as f64).collect()
    }
    fn picture(&self, _: JobId, parts: usize) -> Picture {
        let rates = (0..200).map(|part| 1e6 * ((part + self.step) % 7) as f64).collect();
        Picture { rates, seconds: 100.0, map: vec![Part::Partial; parts] }
    }
    fn lost_servers(&self) -> Vec<LostServer> {
        Vec::new()
    }
    fn undecided(&self) -> Vec<(JobId, QuestionKind)> {
        Vec::new()
    }
    fn can_undo(&self) -> bool {
        false
    }
    fn generation(&self) -> u64 {
        1
    }
    fn ids(&self, _: &str) -> Vec<JobId> {
        (0..10_000).map(JobId).collect()
    }
    fn rows(&self, ids: &[JobId]) -> Vec<JobView> {
        let row = |id: &JobId| {
            let received = (self.step * 7_000_000 + id.0 * 1_000_000) % 6_000_000_000;
            JobView {
                id: *id,
                address: SafeText::new("fdsp+plain://nas.local:7878/films/ubuntu-24.04.iso"),
                name: SafeText::new("ubuntu-24.04.iso"),
                target: SafeText::new("/home/me/ubuntu-24.04.iso"),
                state: JobState::Running,
                size: Some(6_000_000_000),
                received,
                verified: None,
                hashed: None,
                progress: Some((received, 6_000_000_000)),
                files: None,
                segments: None,
                speed: Some(61_000_000.0 + (self.step % 7) as f64 * 100_000.0),
                eta: Some(40.0),
                prepares: false,
                limit: None,
                attempts: 1,
                sources: Vec::new(),
            }
        };
        ids.iter().map(row).collect()
    }
    fn totals(&self) -> Totals {
        Totals { jobs: 10_000, running: 8, speed: 84_200_000.0, ..Totals::default() }
    }
}

/// What a frame shows.
#[derive(Clone, Copy)]
enum What {
    /// Everything, drawn anew.
    Full,
    /// What has changed since the frame before.
    Change,
}

/// Measures frames of a model that `step` moves on.
fn frames<M>(
    bencher: Bencher<'_, '_>,
    (size, what): (Size, What),
    mut model: M,
    mut step: impl FnMut(&mut M, u64),
    view: impl Fn(&M, &mut Frame<'_>),
) {
    let Ok(mut terminal) = Terminal::new(FrameBackend::new(size, false));
    step(&mut model, 0);
    let mut number = 0;
    bencher.bench_local(|| {
        match what {
            What::Full => {
                terminal.backend_mut().forget();
                let Ok(()) = terminal.clear();
            }
            What::Change => {
                number += 1;
                step(&mut model, number);
            }
        }
        let Ok(_) = terminal.draw(|frame| view(&model, frame));
        black_box(terminal.backend_mut().take())
    });
}

mod dashboard_screen {
    use super::*;

    fn measure(bencher: Bencher<'_, '_>, size: Size, what: What) {
        let about = About {
            root: SafeText::new("/srv/media"),
            address: SafeText::new("fdsp+plain://192.168.1.9:7878/"),
            code: None,
            others: SafeText::default(),
            web: SafeText::new("https://192.0.2.7:7878/"),
            is_local: false,
            security: Security::Plain,
            arch: Arch::Select,
            max_connections: 1000,
            since: OffsetDateTime::UNIX_EPOCH,
        };
        let start = Instant::now();
        let (keys, look) = (KeyMap::default(), Look::default());
        let path = SafeText::new("films/ubuntu-24.04.iso");
        let mut model = dashboard::model::Model::new(about, keys, look, log(), start, snapshot(&path, 0));
        model.resize(size);
        let step = |model: &mut dashboard::model::Model, step: u64| {
            model.take(snapshot(&path, step), start + Duration::from_millis(250 * step));
        };
        frames(bencher, (size, what), model, step, dashboard::view::view);
    }

    #[divan::bench(args = SIZES)]
    fn full(bencher: Bencher<'_, '_>, size: Size) {
        measure(bencher, size, What::Full);
    }

    #[divan::bench(args = SIZES)]
    fn change(bencher: Bencher<'_, '_>, size: Size) {
        measure(bencher, size, What::Change);
    }
}

mod downloads_screen {
    use super::*;

    fn measure(bencher: Bencher<'_, '_>, size: Size, what: What) {
        let defaults = Defaults {
            server: None,
            named: None,
            speak: Speak::V1,
            form: Form::Zip,
            folder: PathBuf::from("/home/me"),
            existing: Existing::Keep,
            extract: false,
            jobs: 8,
            segments: 4,
            listing: None,
            plain: false,
            globs: false,
            find_checksums: false,
            in_queue: false,
            history: Vec::new(),
            notice: None,
            at_quit: fdsp::ui::downloads::AtQuit::Lost,
            home: None,
            paused: false,
        };
        let model = downloads::Model::new(defaults, KeyMap::default(), Look::default(), log());
        let step = |model: &mut downloads::Model, step: u64| {
            model.refresh(&Jobs { step }, size);
        };
        frames(bencher, (size, what), model, step, downloads::view);
    }

    #[divan::bench(args = SIZES)]
    fn full(bencher: Bencher<'_, '_>, size: Size) {
        measure(bencher, size, What::Full);
    }

    #[divan::bench(args = SIZES)]
    fn change(bencher: Bencher<'_, '_>, size: Size) {
        measure(bencher, size, What::Change);
    }
}

fn main() {
    divan::main();
}
