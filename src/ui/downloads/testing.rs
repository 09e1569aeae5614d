//! A queue without an engine, and a screen to look at, for the tests.

use std::path::PathBuf;

use ratatui::{buffer::Buffer, layout::Size};
use time::OffsetDateTime;
use tracing::Level;

use super::{Defaults, Effect, Message, Model, Queue, model::decision::question, update, view};
use crate::{
    client::{
        Arranged, Conflict, ConflictKind, Existing, Facts, Finished, Form, JobId, JobState, JobView, Locator,
        LostServer, Origin, Picture, Question, QuestionKind, Server, Sort, Speak, TimeOfDay, Totals, Trouble,
        TroubleKind, twins,
    },
    logging::{LogRing, Record},
    protocol::{
        message::{Entries, Entry, Kind, Timestamp},
        trust::pin::Pin,
    },
    text::SafeText,
    ui::{actions::KeyMap, theme::Look},
};

pub const HASH: &str = "9f3c2a7be1d04f5566778899aabbccddeeff00112233445566778899aabba1e0";

/// Rows that were asked for are counted: a frame must not read more than it shows.
#[derive(Debug, Default)]
pub struct Fake {
    pub rows: Vec<JobView>,
    pub limit: Option<u64>,
    pub limit_until: Option<TimeOfDay>,
    pub read: std::cell::Cell<usize>,
    /// How often all names were compared.
    pub distinguished: std::cell::Cell<usize>,
    pub generation: u64,
    /// The servers that have answered.
    pub answered: Vec<Server>,
    pub throughput: Vec<f64>,
    pub picture: Picture,
    pub lost: Vec<LostServer>,
    pub can_undo: bool,
}

/// The group of what is done.
const DONE: u8 = 6;

/// The group of a state, as the queue has it.
fn group(state: &JobState) -> u8 {
    match state {
        JobState::Connecting | JobState::Running | JobState::Verifying => 0,
        JobState::Undecided(_) => 1,
        JobState::Queued | JobState::Waiting { .. } | JobState::Unreachable { .. } => 2,
        JobState::Paused => 3,
        JobState::Failed(_) => 4,
        JobState::Cancelled => 5,
        JobState::Done(_) => DONE,
    }
}

impl Queue for Fake {
    fn has_answered(&self, server: &Server) -> bool {
        self.answered.contains(server)
    }
    fn arranged(&self, filter: &str, sort: Sort) -> Arranged {
        let filter = filter.to_lowercase();
        let fits = |row: &&JobView| row.name.as_str().to_lowercase().contains(&filter);
        let mut rows: Vec<_> = self.rows.iter().filter(fits).collect();
        match sort {
            Sort::Name => rows.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str())),
            Sort::Size => rows.sort_by_key(|row| std::cmp::Reverse(row.size)),
            Sort::Added => rows.sort_by_key(|row| std::cmp::Reverse(row.id)),
            _ => rows.sort_by_key(|row| group(&row.state)),
        }
        let (done, open): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| group(&row.state) == DONE);
        let done_bytes = done.iter().filter_map(|row| row.size).fold(0, u64::saturating_add);
        let ids = |rows: Vec<&JobView>| rows.into_iter().map(|row| row.id).collect();
        Arranged { open: ids(open), done: ids(done), done_bytes }
    }
    fn sizes(&self, ids: &[JobId]) -> (u64, usize) {
        let sizes: Vec<_> =
            self.rows.iter().filter(|row| ids.contains(&row.id)).map(|row| row.size).collect();
        let bytes = sizes.iter().flatten().fold(0, |sum: u64, size| sum.saturating_add(*size));
        (bytes, sizes.iter().filter(|size| size.is_none()).count())
    }
    fn throughput(&self, count: usize) -> Vec<f64> {
        self.throughput.iter().copied().take(count).collect()
    }
    fn picture(&self, _: JobId, parts: usize) -> Picture {
        let map = &self.picture.map;
        let map = (0..parts).filter_map(|part| map.get(part * map.len() / parts).copied()).collect();
        Picture { map, ..self.picture.clone() }
    }
    fn lost_servers(&self) -> Vec<LostServer> {
        self.lost.clone()
    }
    fn undecided(&self) -> Vec<(JobId, QuestionKind)> {
        let asks = |row: &JobView| Some((row.id, question(row)?.kind()));
        self.rows.iter().filter_map(asks).collect()
    }
    fn can_undo(&self) -> bool {
        self.can_undo
    }
    fn generation(&self) -> u64 {
        self.generation
    }
    fn ids(&self, filter: &str) -> Vec<JobId> {
        let filter = filter.to_lowercase();
        let fits = |row: &&JobView| row.name.as_str().to_lowercase().contains(&filter);
        self.rows.iter().filter(fits).map(|row| row.id).collect()
    }
    fn rows(&self, ids: &[JobId]) -> Vec<JobView> {
        self.read.set(self.read.get() + ids.len());
        // Ids are given in order in these tests, but rows may have been moved.
        ids.iter().filter_map(|id| self.rows.iter().find(|row| row.id == *id)).cloned().collect()
    }
    fn distinctions(&self, ids: &[JobId]) -> Vec<Option<String>> {
        self.distinguished.set(self.distinguished.get() + 1);
        fn named(row: &JobView) -> (&str, &str) {
            (row.name.as_str(), row.address.as_str())
        }
        let find = |id: &JobId| self.rows.iter().find(|row| row.id == *id).map_or(("", ""), named);
        let shown: Vec<_> = ids.iter().map(find).collect();
        twins::distinctions(&shown, self.rows.iter().map(named))
    }
    fn queued(&self, addresses: &[Locator]) -> Vec<bool> {
        let is_open = |address: &Locator| {
            let address = SafeText::new(&address.to_string());
            self.rows.iter().any(|row| !ended(&row.state) && row.address == address)
        };
        addresses.iter().map(is_open).collect()
    }
    fn totals(&self) -> Totals {
        let count = |which: fn(&JobState) -> bool| self.rows.iter().filter(|row| which(&row.state)).count();
        let speed = self.rows.iter().filter_map(|row| row.speed).sum();
        let sized = self
            .rows
            .iter()
            .filter(|row| row.size.or(row.progress.map(|sum| sum.1)).is_some() && !ended(&row.state))
            .count();
        let known = self.rows.iter().filter_map(|row| Some((row.received, row.size?)));
        let progress = known
            .fold((0, 0), |sum: (u64, u64), row| (sum.0.saturating_add(row.0), sum.1.saturating_add(row.1)));
        Totals {
            jobs: self.rows.len(),
            running: count(|state| {
                matches!(state, JobState::Connecting | JobState::Running | JobState::Verifying)
            }),
            waiting: count(|state| {
                matches!(state, JobState::Queued | JobState::Waiting { .. } | JobState::Unreachable { .. })
            }),
            paused: count(|state| matches!(state, JobState::Paused)),
            done: count(|state| matches!(state, JobState::Done(_))),
            failed: count(|state| matches!(state, JobState::Failed(_))),
            undecided: count(|state| matches!(state, JobState::Undecided(_))),
            speed,
            progress,
            unknown: count(|state| !ended(state)).saturating_sub(sized),
            eta: (speed > 0.0).then_some(720.0),
            limit: self.limit,
            limit_until: self.limit_until,
            ..Totals::default()
        }
    }
}

fn ended(state: &JobState) -> bool {
    matches!(state, JobState::Done(_) | JobState::Failed(_) | JobState::Cancelled)
}

pub fn row(id: u64, name: &str, state: JobState) -> JobView {
    JobView {
        id: JobId(id),
        address: SafeText::new(&format!("fdsp+plain://nas.local:7878/srv/{name}")),
        name: SafeText::new(name),
        target: SafeText::new(&format!("/home/u/{name}")),
        state,
        size: None,
        received: 0,
        verified: None,
        hashed: None,
        progress: None,
        files: None,
        segments: None,
        speed: None,
        eta: None,
        prepares: false,
        limit: None,
        attempts: 1,
        sources: Vec::new(),
    }
}

pub fn running(id: u64, name: &str, received: u64, size: u64, speed: f64, eta: f64) -> JobView {
    JobView {
        size: Some(size),
        received,
        speed: Some(speed),
        eta: Some(eta),
        ..row(id, name, JobState::Running)
    }
}

pub fn done(name: &str, bytes: u64) -> JobState {
    JobState::Done(Finished {
        path: PathBuf::from(format!("/home/u/{name}")),
        bytes,
        transferred: bytes,
        resumed: 0,
        blake3: HASH.to_owned(),
        origin: Origin::Certificate(Pin([0xa5; 32])),
        proof: None,
        sources: Vec::new(),
        seconds: 2.0,
        files: None,
        omitted: 0,
        deleted: 0,
        missing: Default::default(),
        extracted: None,
    })
}

pub fn failed(message: &str) -> JobState {
    JobState::Failed(Trouble::new(TroubleKind::NotFound, SafeText::new(message)))
}

pub fn undecided(question: Question) -> JobState {
    let message = SafeText::new("the target exists and differs from the server's");
    let question = Some(Box::new(question));
    JobState::Undecided(Trouble { question, ..Trouble::new(TroubleKind::Disk, message) })
}

/// A file that exists and is older than the server's.
pub fn conflict(name: &str) -> Question {
    let facts =
        |size, seconds| Facts { size: Some(size), modified: Some(Timestamp { seconds, nanoseconds: 0 }) };
    Question::Exists(Conflict {
        path: PathBuf::from(format!("/home/u/{name}")),
        kind: ConflictKind::File,
        local: facts(1_234_567, 1_780_000_000),
        remote: facts(1_500_000, 1_790_000_000),
    })
}

pub fn waiting(seconds: f64, attempt: u32, reason: &str) -> JobState {
    JobState::Waiting { seconds, attempt, reason: SafeText::new(reason) }
}

/// One job in each state.
pub fn every_state() -> Fake {
    let mut rows = vec![
        running(1, "ubuntu-24.04.iso", 1_972_000_000, 3_400_000_000, 61_000_000.0, 40.0),
        row(2, "photos.zip", JobState::Running),
        row(3, "vm-disk.qcow2", JobState::Paused),
        row(4, "notes.tar.zst", done("notes.tar.zst", 2_100_000)),
        row(5, "old.bin", failed("not found on the server: /srv/old.bin")),
        row(6, "films.zip", waiting(4.0, 2, "the link was lost")),
        row(7, "checked.img", JobState::Verifying),
        row(8, "next.iso", JobState::Connecting),
        row(9, "given-up.iso", JobState::Cancelled),
        row(10, "backup-2026-11.tar", JobState::Queued),
        running(11, "stuck.bin", 5_000, 1_000_000, 0.0, 0.0),
    ];
    rows[1].received = 1_100_000_000;
    rows[1].progress = Some((1_200_000_000, 9_900_000_000));
    rows[1].speed = Some(23_000_000.0);
    rows[1].eta = Some(250.0);
    rows[2].size = Some(31_200_000_000);
    rows[2].received = 24_700_000_000;
    rows[3].size = Some(2_100_000);
    rows[3].received = 2_100_000;
    rows[5].size = Some(4_100_000_000);
    rows[5].received = 1_000_000_000;
    rows[6].size = Some(3_100_000_000);
    rows[6].received = 3_100_000_000;
    rows[9].size = Some(18_000_000_000);
    rows[10].eta = None;
    Fake { rows, ..Fake::default() }
}

pub fn server() -> Server {
    Locator::parse("fdsp+plain://nas.local").expect("an address").server()
}

pub fn model() -> Model {
    let defaults = Defaults {
        server: Some(server()),
        named: None,
        plain: false,
        globs: false,
        find_checksums: false,
        speak: Speak::V1,
        form: Form::Auto,
        folder: PathBuf::from("/home/u"),
        existing: Existing::Keep,
        extract: false,
        jobs: 3,
        segments: 4,
        listing: None,
        in_queue: false,
        history: Vec::new(),
        notice: None,
        at_quit: crate::ui::downloads::AtQuit::Lost,
        home: None,
        paused: false,
    };
    Model::new(defaults, KeyMap::default(), Look::default(), LogRing::new())
}

/// A model with a log, at a size.
pub fn logged() -> Model {
    let ring = LogRing::new();
    let lines = [
        (Level::INFO, "photos.zip: 1,024 blocks verified"),
        (Level::ERROR, "old.bin: not found on the server"),
        (Level::INFO, "vm-disk.qcow2: paused"),
        (Level::WARN, "films.zip: the link was lost; trying again in 4.0 s (2 of 8)"),
        (Level::INFO, "notes.tar.zst is done"),
    ];
    for (index, (level, text)) in lines.into_iter().enumerate() {
        let time = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(81_064 + index as i64);
        ring.push(Record { time, level, text: SafeText::new(text) });
    }
    let Model { defaults, keys, look, .. } = model();
    Model::new(defaults, keys, look, ring)
}

/// Presses the keys of these names, as the configuration would write them; gives the last one's effects.
pub fn keys(model: &mut Model, queue: &Fake, names: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for name in names.split_whitespace() {
        let key: crate::ui::actions::Key = name.parse().expect(name);
        effects = update(model, queue, Message::Key(key.event()));
    }
    effects
}

pub fn entries(names: &[&str], more: bool) -> Entries {
    let entry = |(index, name): (usize, &&str)| {
        let (name, kind) = match name.strip_suffix('/') {
            Some(directory) => (directory, Kind::Directory),
            None => (*name, Kind::File),
        };
        let kind = if name.starts_with("dev") { Kind::Other } else { kind };
        Entry {
            name: name.to_owned(),
            kind,
            size: (kind == Kind::File).then_some(1_234_567 * (index as u64 + 1)),
            modified: Timestamp { seconds: 1_790_000_000, nanoseconds: 0 },
        }
    };
    Entries { entries: names.iter().enumerate().map(entry).collect(), more }
}

/// The screen at a size.
pub fn draw(model: &mut Model, queue: &Fake, width: u16, height: u16) -> Buffer {
    model.refresh(queue, Size { width, height });
    let buffer = drawn(model, width, height);
    model.drawn();
    model.shown();
    buffer
}

/// The screen as it is, without reading the queue again.
pub fn drawn(model: &Model, width: u16, height: u16) -> Buffer {
    crate::ui::testing::draw(width, height, |frame| view(model, frame))
}
