//! The dashboard as pictures, and what keys do to it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::layout::Size;
use time::macros::datetime;
use tracing::Level;

use super::{
    model::{About, Dialog, Model, key},
    update::{Effect, paste, press},
    view::view,
};
use crate::{
    logging::{LogRing, Record},
    protocol::address::Security,
    server::{Arch, Command, ConnectionId, ConnectionState, ConnectionView, Snapshot},
    text::SafeText,
    ui::{
        KeyMap, Look, Pace,
        testing::{LOOKS, SIZES, draw, picture, text, traffic::bytes_per_second},
    },
};

fn peer(number: u64) -> SocketAddr {
    SocketAddr::from(([192, 168, 1, (number % 250) as u8], 50_000 + (number % 10_000) as u16))
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

/// A server in the middle of its work: 9 seconds of throughput, and rows in every state.
fn busy() -> Model {
    let start = Instant::now();
    let rows = |tenth: u64| {
        let total = 6_114_656_256;
        let mut film = row(20, ConnectionState::Sending, "films/ubuntu-24.04.iso");
        film.sent = 3_000_000_000 + tenth * 6_100_000;
        film.progress = Some((film.sent, total));
        film.age = Duration::from_secs(62);
        let mut photos = row(31, ConnectionState::Sending, "photos (zip)");
        photos.sent = tenth * 2_300_000;
        photos.progress = Some((tenth * 2_400_000, 9_000_000_000));
        let mut note = row(77, ConnectionState::Idle, "readme.txt");
        note.dialect = Some("classic");
        note.age = Duration::from_secs(7200);
        let mut greeting = row(80, ConnectionState::Handshake, "");
        greeting.dialect = None;
        let mut plan =
            row(81, ConnectionState::Planning, "größe/文件/a very long name of a folder that goes on (zip)");
        plan.dialect = Some("classic-select");
        let mut six = row(82, ConnectionState::Refused, "");
        six.peer = "[2001:db8:85a3::8a2e:370:7334]:51514".parse().expect("an address");
        let mut waiting = row(83, ConnectionState::Waiting, "");
        waiting.id = None;
        waiting.dialect = None;
        let mut snapshot = snapshot(vec![film, photos, note, greeting, plan, six, waiting]);
        snapshot.sent = 84_000_000_000 + tenth * tenth * 100_000;
        snapshot
    };
    let mut model = Model::new(about(), KeyMap::default(), Look::default(), log(), start, rows(0));
    for tenth in (0..=90).step_by(5) {
        model.take(rows(tenth), 0, start + Duration::from_millis(tenth * 100));
    }
    model.resize(Size { width: 80, height: 24 });
    model
}

fn keys(model: &mut Model, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\x1b' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        effects.extend(press(model, KeyEvent::new(code, KeyModifiers::NONE)));
    }
    effects
}

fn shown(model: &Model) -> String {
    text(&draw(model.size.width, model.size.height, |frame| view(model, frame)))
}

#[test]
fn other_addresses_have_a_row_where_there_is_room() {
    let mut model = busy();
    model.about.others = SafeText::new("also at 10.0.0.5:7878, [fd00::2]:7878");
    let mut shown = |width, height| {
        model.resize(Size { width, height });
        text(&draw(width, height, |frame| view(&model, frame)))
    };
    let full = shown(80, 24);
    assert!(
        full.lines().nth(2).is_some_and(|row| row.contains("also at 10.0.0.5:7878, [fd00::2]:7878")),
        "{full}"
    );
    assert!(shown(40, 8).contains("192.168.1.9"));
}

#[test]
fn pictures_of_a_busy_server() {
    for (width, height) in SIZES {
        for (name, look) in LOOKS {
            let mut model = busy();
            model.look = look;
            model.resize(Size { width, height });
            let buffer = draw(width, height, |frame| view(&model, frame));
            insta::assert_snapshot!(format!("busy_{width}x{height}_{name}"), picture(&buffer));
        }
    }
}

#[test]
fn pictures_of_other_states() {
    let scenes: [(&str, &str); 8] = [
        ("details", "\n"),
        ("question", "d"),
        ("filter_prompt", "/films"),
        ("filtered", "/films\n"),
        ("log_focused", "\t"),
        ("help", "?"),
        ("drain_question", "D"),
        ("copied", "c"),
    ];
    for (name, pressed) in scenes {
        let mut model = busy();
        keys(&mut model, pressed);
        if !model.filter.is_empty() {
            let (snapshot, at) = (busy().picture.snapshot, model.picture.at);
            model.take(snapshot, 0, at);
        }
        insta::assert_snapshot!(name, shown(&model));
    }
    let mut model = busy();
    let rows = model.picture.snapshot.rows.clone();
    model.freeze("22:31:20".to_owned(), rows);
    insta::assert_snapshot!("frozen", shown(&model));
    insta::assert_snapshot!("empty", shown(&model_of(Vec::new(), Instant::now())));
    let mut line = busy();
    line.resize(Size { width: 30, height: 3 });
    insta::assert_snapshot!("line", shown(&line));
    let mut compact = busy();
    compact.resize(Size { width: 40, height: 8 });
    keys(&mut compact, "\n");
    insta::assert_snapshot!("compact_details", shown(&compact));
}

#[test]
fn an_address_that_is_too_long_to_be_read_can_be_copied_whole() {
    let mut model = busy();
    let address = format!("fdsp://0123456789@192.168.1.9:7878/#sha256:{}", "a5".repeat(32));
    model.about.address = SafeText::new(&address);
    model.about.security = Security::Tls { pin: None };
    let shown = shown(&model);
    assert!(shown.contains("TLS") && !shown.contains("not encrypted"), "{shown}");
    let rows: Vec<_> = shown.lines().skip(1).take(2).map(str::trim).collect();
    assert_eq!(rows.concat(), format!("{address}   c copies it"), "{shown}");
    assert_eq!(keys(&mut model, "c"), [Effect::Copy(address)]);
    model.resize(Size { width: 40, height: 8 });
    let small = self::shown(&model);
    assert!(small.contains("fdsp://0123456789@192.1…   c copies it"), "{small}");
}

#[test]
fn every_state_is_readable_without_colour() {
    let shown = shown(&busy());
    for word in ["greeting", "idle", "planning", "refused", "waiting", " %", "MB/s", "error:", "warning:"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
}

#[test]
fn the_selection_stays_on_its_connection() {
    let now = Instant::now();
    let rows = |from: u64| (from..30).map(|n| row(n, ConnectionState::Idle, "x")).collect::<Vec<_>>();
    let mut model = model_of(rows(0), now);
    keys(&mut model, "jjjjj");
    assert_eq!(model.selected_key, Some((Some(ConnectionId(5)), peer(5))));
    model.take(snapshot(rows(3)), 0, now);
    assert_eq!(model.rows.cursor(), 2, "three before it ended");
    assert_eq!(model.selected_row().map(key), model.selected_key);
    model.take(snapshot(rows(8)), 0, now);
    assert_eq!(model.rows.cursor(), 2, "it ended itself: the one in its place is selected");
    assert_eq!(model.selected_row().map(|row| row.id), Some(Some(ConnectionId(10))));
    model.take(snapshot(Vec::new()), 0, now);
    assert_eq!((model.rows.cursor(), model.selected_key), (0, None));
}

#[test]
fn of_a_thousand_connections_only_a_window_is_read() {
    let now = Instant::now();
    let all: Vec<_> = (0..1000).map(|n| row(n, ConnectionState::Sending, "x")).collect();
    let read = |model: &mut Model| {
        let wanted = model.wanted();
        assert!(wanted.len() <= 24 + 32, "{wanted:?}");
        let mut part = snapshot(all.clone());
        part.rows = all[wanted.start.min(1000)..wanted.end.min(1000)].to_vec();
        model.take(part, wanted.start, now);
    };
    let mut model = model_of(Vec::new(), now);
    read(&mut model);
    for (pressed, selected) in [("G", 999), ("k", 998), ("g", 0), ("j", 1)] {
        keys(&mut model, pressed);
        read(&mut model);
        assert_eq!(model.rows.cursor(), selected);
        assert_eq!(model.selected_key, Some((Some(ConnectionId(selected as u64)), peer(selected as u64))));
        assert!(shown(&model).contains(&peer(selected as u64).to_string()));
    }
}

#[test]
fn when_most_clients_leave_at_once_those_that_stay_are_read_again() {
    let now = Instant::now();
    let all: Vec<_> = (0..1000).map(|n| row(n, ConnectionState::Sending, "x")).collect();
    let mut model = model_of(all.clone(), now);
    keys(&mut model, "G");
    let read = |model: &mut Model, rows: &[ConnectionView]| {
        let wanted = model.wanted();
        let mut part = snapshot(rows.to_vec());
        part.rows = rows[wanted.start.min(rows.len())..wanted.end.min(rows.len())].to_vec();
        model.take(part, wanted.start, now);
    };
    read(&mut model, &all);
    assert!(!model.misses_rows());
    read(&mut model, &all[..5]);
    assert!(model.misses_rows(), "what was read lies beyond the last row that is left");
    read(&mut model, &all[..5]);
    assert!(!model.misses_rows());
    assert!(shown(&model).contains(&peer(4).to_string()));
    read(&mut model, &[]);
    assert!(!model.misses_rows(), "there is nothing to be read");
}

#[test]
fn what_cannot_be_undone_asks_first() {
    let mut model = busy();
    assert_eq!(keys(&mut model, "d"), []);
    assert_eq!(keys(&mut model, "n"), []);
    assert!(matches!(model.dialog, Dialog::None));
    assert_eq!(keys(&mut model, "dy"), [Effect::Command(Command::Disconnect(ConnectionId(20)))]);
    assert_eq!(keys(&mut model, "Dy"), [Effect::Command(Command::Drain)]);
    assert_eq!(keys(&mut model, "q"), []);
    assert_eq!(keys(&mut model, "y"), [Effect::Command(Command::Stop), Effect::Quit]);
    let mut empty = model_of(Vec::new(), Instant::now());
    assert_eq!(
        keys(&mut empty, "q"),
        [Effect::Command(Command::Stop), Effect::Quit],
        "no client is connected"
    );
}

#[test]
fn the_question_is_about_the_connection_it_was_asked_of() {
    let mut model = busy();
    keys(&mut model, "d");
    let mut rest = model.picture.snapshot.clone();
    rest.rows.remove(0);
    rest.live -= 1;
    let at = model.picture.at;
    model.take(rest, 0, at);
    assert_eq!(keys(&mut model, "y"), [Effect::Command(Command::Disconnect(ConnectionId(20)))]);
}

#[test]
fn a_waiting_client_cannot_be_cut() {
    let mut model = busy();
    keys(&mut model, "Gd");
    assert!(matches!(model.dialog, Dialog::None));
    assert!(shown(&model).contains("not accepted yet"));
}

#[test]
fn a_frozen_picture_stands_still_and_can_be_searched() {
    let mut model = busy();
    assert_eq!(keys(&mut model, "f"), [Effect::Freeze]);
    let rows = model.picture.snapshot.rows.clone();
    model.freeze("22:31:20".to_owned(), rows);
    assert_eq!(model.pace(), Pace::Still);
    keys(&mut model, "/photos\n");
    assert_eq!(model.picture.total, 1);
    keys(&mut model, "\x1b");
    assert_eq!(model.picture.total, 7);
    assert_eq!(keys(&mut model, "f"), []);
    assert!(model.frozen.is_none());
}

#[test]
fn details_stay_with_a_connection_that_ended() {
    let mut model = busy();
    keys(&mut model, "\n");
    let mut rest = model.picture.snapshot.clone();
    rest.rows.remove(0);
    rest.live -= 1;
    let at = model.picture.at;
    model.take(rest, 0, at);
    let text = shown(&model);
    assert!(text.contains("ended") && text.contains("films/ubuntu-24.04.iso"), "{text}");
    keys(&mut model, "\x1b");
    assert!(model.details.is_none());
}

#[test]
fn a_server_at_rest_is_not_looked_at() {
    let now = Instant::now();
    let mut model = model_of(Vec::new(), now);
    assert_eq!(model.pace(), Pace::Still);
    model.take(snapshot(vec![row(1, ConnectionState::Idle, "x")]), 0, now);
    assert_eq!(model.pace(), Pace::Slow);
    model.take(snapshot(vec![row(1, ConnectionState::Sending, "x")]), 0, now);
    assert_eq!(model.pace(), Pace::Moving);
    let mut sent = snapshot(Vec::new());
    sent.sent = 1000;
    model.take(sent.clone(), 0, now);
    assert_eq!(model.pace(), Pace::Moving, "it may be somewhere out of sight");
    for second in 1..=40 {
        model.take(sent.clone(), 0, now + Duration::from_secs(second));
    }
    assert_eq!(model.pace(), Pace::Still);
}

/// What the dashboard writes while this many clients download at about 60 MB/s together, rates wavering.
fn traffic(clients: u64, size: Size) -> f64 {
    let mut model = model_of(Vec::new(), Instant::now());
    model.resize(size);
    let (mut sent, mut wave) = (vec![0_u64; clients as usize], 1_u64);
    bytes_per_second(
        60,
        size,
        &mut model,
        |model, since, now| {
            let mut rows = Vec::new();
            for (number, sent) in (0..).zip(&mut sent) {
                // A small generator: the same waves in each run.
                wave = wave.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *sent += 60_000_000 / 20 / clients * (80 + (wave >> 33) % 40) / 100;
                let mut row = row(number, ConnectionState::Sending, "films/ubuntu-24.04.iso");
                (row.sent, row.progress, row.age) = (*sent, Some((*sent, 20_000_000_000)), since);
                rows.push(row);
            }
            let mut snapshot = snapshot(rows);
            snapshot.sent = sent.iter().sum();
            model.take(snapshot, 0, now);
            clients > 0
        },
        view,
    )
}

#[test]
fn the_output_stays_within_its_bounds() {
    let usual = Size { width: 80, height: 24 };
    let large = Size { width: 300, height: 100 };
    let [none, one, eight, many] =
        [(0, usual), (1, usual), (8, usual), (90, large)].map(|(n, size)| traffic(n, size));
    println!("bytes a second: idle {none}, one {one}, eight {eight}, 90 rows at 300x100 {many}");
    assert_eq!(none, 0.0);
    assert!(one <= 1024.0, "{one}");
    assert!(eight <= 4096.0, "{eight}");
    assert!(many <= 16.0 * 1024.0, "{many}");
}

#[test]
fn a_paste_into_a_prompt_submits_nothing() {
    let mut model = busy();
    paste(&mut model, "y\n");
    assert_eq!(model.filter, "");
    keys(&mut model, "/");
    paste(&mut model, "fil\nms\n");
    assert_eq!(model.filter, "fil ms");
    assert!(matches!(model.dialog, Dialog::Prompt(..)));
}

#[test]
fn a_paste_into_a_prompt_is_bounded_and_harmless() {
    let mut model = busy();
    keys(&mut model, "/");
    paste(&mut model, &format!("a\u{202e}b\u{1b}{}", "c".repeat(1 << 20)));
    assert!(model.filter.starts_with("abcc") && model.filter.len() <= 8 * 1024, "{}", model.filter.len());
    keys(&mut model, "\u{202e}");
    assert!(!shown(&model).contains('\u{202e}') && !model.filter.contains('\u{202e}'));
}

proptest! {
    #![proptest_config(crate::fuzzing::cases(64))]

    #[test]
    fn it_draws_at_any_size_in_any_state(
        width in 1_u16..300, height in 1_u16..100, pressed in "[?dDf/l\\n\\tgGjkqc\\x1b]{0,12}",
        name in any::<String>(), look in 0_usize..4,
    ) {
        let mut model = busy();
        model.look = LOOKS[look].1;
        let mut hostile = model.picture.snapshot.clone();
        hostile.rows[0].path = SafeText::new(&name);
        let at = model.picture.at;
        model.take(hostile, 0, at);
        model.resize(Size { width, height });
        keys(&mut model, &pressed);
        shown(&model);
        model.resize(Size { width: height, height: width.min(100) });
        shown(&model);
    }
}
