//! The dashboard as pictures, and what keys do to it.

mod dialogs;
mod pictures;
mod rows;
mod updates;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::layout::Size;
use time::macros::datetime;
use tracing::Level;

use super::{
    clients::RowKey,
    model::{About, BLOCK_TIME, Dialog, Model},
    sort::Column,
    update::{Effect, paste, press},
    view::view,
};
use crate::{
    logging::{LogRing, Record},
    protocol::address::Security,
    server::{Arch, BlockView, Command, ConnectionId, ConnectionState, ConnectionView, LastError, Snapshot},
    text::{SafeText, qr::Qr},
    ui::{
        KeyMap, Look, Pace,
        testing::{LOOKS, SIZES, draw, picture, text, traffic::bytes_per_second},
    },
};

fn peer(number: u64) -> SocketAddr {
    SocketAddr::from((
        [192, 168, (number / 250) as u8 + 1, (number % 250) as u8],
        50_000 + (number % 10_000) as u16,
    ))
}

fn client(number: u64) -> RowKey {
    RowKey::Client(peer(number).ip())
}

fn row(number: u64, state: ConnectionState, path: &str) -> ConnectionView {
    ConnectionView {
        id: Some(ConnectionId(number)),
        peer: peer(number),
        dialect: Some("v1"),
        path: SafeText::new(path),
        state,
        sent: 0,
        progress: None,
        age: Duration::from_secs(40),
    }
}

fn snapshot(rows: Vec<ConnectionView>) -> Snapshot {
    Snapshot {
        live: rows.iter().filter(|row| row.id.is_some()).count(),
        waiting: rows.iter().filter(|row| row.id.is_none()).count(),
        rows,
        blocks: Vec::new(),
        clients: 14,
        requests: 1310,
        errors: 0,
        last_error: None,
        served: 1204,
        refused: 2,
        sent: 0,
        uptime: Duration::from_secs(11_520),
        draining: false,
        stopped: false,
    }
}

fn about() -> About {
    About {
        root: SafeText::new("/srv/media"),
        address: SafeText::new("fdsp+plain://192.168.1.9:7878/"),
        code: Qr::new("fdsp+plain://192.168.1.9:7878/"),
        is_local: false,
        others: SafeText::default(),
        web: SafeText::new("http://192.168.1.9:7878/"),
        security: Security::Plain,
        arch: Arch::Select,
        max_connections: 256,
        since: datetime!(2026-11-22 19:19 UTC),
    }
}

fn log() -> LogRing {
    let ring = LogRing::new();
    let mut time = datetime!(2026-11-22 22:31:04 UTC);
    for (level, text) in [
        (Level::INFO, "192.168.1.20:51514: films/ubuntu-24.04.iso, from the start"),
        (Level::DEBUG, "192.168.1.20:51514: 3 requests pipelined"),
        (Level::WARN, "192.168.1.66:40100: too slow: 12 B/s over the last 30 s"),
        (Level::INFO, "192.168.1.66:40100: disconnected"),
        (Level::ERROR, "photos/locked.jpg: cannot be read: permission denied"),
    ] {
        time += Duration::from_secs(3);
        ring.push(Record { time, level, text: SafeText::new(text) });
    }
    ring
}

fn model_of(rows: Vec<ConnectionView>, now: Instant) -> Model {
    let mut model = Model::new(about(), KeyMap::default(), Look::default(), log(), now, snapshot(rows));
    model.resize(Size { width: 80, height: 24 });
    model
}

fn blocked(left: u64, refused: u64) -> BlockView {
    BlockView {
        address: "192.168.1.66".parse().expect("an address"),
        network: SafeText::new("192.168.1.66"),
        left: Duration::from_secs(left),
        refused,
    }
}

/// A server in the middle of its work: 150 seconds of throughput, a client with three connections, and rows in every state.
fn busy() -> Model {
    let start = Instant::now();
    let rows = |second: u64| {
        let total = 6_114_656_256;
        let film = |number: u64, done: u64, speed: u64| {
            let mut film = row(number, ConnectionState::Sending, "films/ubuntu-24.04.iso");
            film.peer = SocketAddr::new(peer(20).ip(), 50_000 + number as u16);
            film.sent = done + second * speed;
            film.progress = Some((film.sent, total));
            film.age = Duration::from_secs(262 - number);
            film
        };
        let mut films = vec![film(20, 3_000_000_000, 16_000_000), film(21, 2_800_000_000, 15_000_000)];
        films.push(film(22, 2_900_000_000, 17_000_000));
        let mut photos = row(31, ConnectionState::Sending, "photos (zip)");
        photos.sent = second * 23_000_000;
        photos.progress = Some((second * 2_400_000, 9_000_000_000));
        let mut note = row(77, ConnectionState::Idle, "readme.txt");
        note.dialect = Some("classic");
        note.age = Duration::from_secs(7290);
        let mut greeting = row(80, ConnectionState::Handshake, "");
        greeting.dialect = None;
        greeting.age = Duration::from_secs(2);
        let mut plan =
            row(81, ConnectionState::Planning, "größe/文件/a very long name of a folder that goes on (zip)");
        plan.dialect = Some("classic-select");
        plan.age = Duration::from_secs(190);
        let mut six = row(82, ConnectionState::Refused, "");
        six.peer = "[2001:db8:85a3::8a2e:370:7334]:51514".parse().expect("an address");
        let mut waiting = row(83, ConnectionState::Waiting, "");
        waiting.id = None;
        waiting.dialect = None;
        waiting.age = Duration::ZERO;
        films.extend([photos, note, greeting, plan, six, waiting]);
        let mut snapshot = snapshot(films);
        snapshot.sent = 84_000_000_000 + second * 71_000_000 + second.pow(2) * 300_000;
        snapshot.blocks = vec![blocked(580, 3)];
        snapshot.errors = 2;
        let at = SystemTime::from(datetime!(2026-11-22 22:31:19 UTC));
        let message = "192.168.1.66:40100: photos/locked.jpg: cannot be read: permission denied";
        snapshot.last_error = Some(LastError { at, message: SafeText::new(message) });
        snapshot
    };
    let mut model = Model::new(about(), KeyMap::default(), Look::default(), log(), start, rows(0));
    for second in 1..=150 {
        model.take(rows(second), start + Duration::from_secs(second));
    }
    model.resize(Size { width: 80, height: 24 });
    model
}

/// The connections of a model, as the next reading would have them.
fn reading(model: &Model) -> Snapshot {
    Snapshot { rows: model.picture.clients.connections().to_vec(), ..model.picture.snapshot.clone() }
}

/// The model after a reading of these connections.
fn read(model: &mut Model, rows: Vec<ConnectionView>) {
    let at = model.picture.at;
    let base = model.picture.snapshot.clone();
    let counted = snapshot(rows);
    let (live, waiting) = (counted.live, counted.waiting);
    model.take(Snapshot { rows: counted.rows, live, waiting, ..base }, at);
}

fn keys(model: &mut Model, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\x1b' => KeyCode::Esc,
            '>' => KeyCode::Right,
            '<' => KeyCode::Left,
            c => KeyCode::Char(c),
        };
        effects.extend(press(model, KeyEvent::new(code, KeyModifiers::NONE)));
    }
    effects
}

fn shown(model: &Model) -> String {
    text(&draw(model.size.width, model.size.height, |frame| view(model, frame)))
}
