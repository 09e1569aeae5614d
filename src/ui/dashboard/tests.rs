//! The dashboard as pictures, and what keys do to it.

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
    for (width, height) in SIZES.into_iter().chain([(60, 20)]) {
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
    let scenes: [(&str, &str); 12] = [
        ("details", "j\n"),
        ("client_details", "j\nk"),
        ("open", "j>j"),
        ("question", "jd"),
        ("filter_prompt", "/films"),
        ("filtered", "/films\n"),
        ("sorted_by_speed", "SSSSS"),
        ("log_focused", "\t"),
        ("help", "?"),
        ("drain_question", "D"),
        ("copied", "c"),
        ("block_selected", "G"),
    ];
    for (name, pressed) in scenes {
        let mut model = busy();
        keys(&mut model, pressed);
        insta::assert_snapshot!(name, shown(&model));
    }
    let mut model = busy();
    model.frozen = Some("22:31:20".to_owned());
    insta::assert_snapshot!("frozen", shown(&model));
    let mut empty = model_of(Vec::new(), Instant::now());
    empty.picture.snapshot.clients = 0;
    insta::assert_snapshot!("empty", shown(&empty));
    empty.about.is_local = true;
    insta::assert_snapshot!("only_this_machine", shown(&empty));
    let mut line = busy();
    line.resize(Size { width: 30, height: 3 });
    insta::assert_snapshot!("line", shown(&line));
    for (name, pressed) in [("compact_details", "j\n"), ("compact_question", "jd"), ("compact_blocked", "G")]
    {
        let mut compact = busy();
        compact.resize(Size { width: 40, height: 8 });
        keys(&mut compact, pressed);
        insta::assert_snapshot!(name, shown(&compact));
    }
}

#[test]
fn pictures_of_the_qr_code() {
    for (name, look) in LOOKS {
        let mut model = busy();
        model.look = look;
        model.resize(Size { width: 80, height: 40 });
        keys(&mut model, "Q");
        let buffer = draw(80, 40, |frame| view(&model, frame));
        insta::assert_snapshot!(format!("qr_{name}"), picture(&buffer));
        model.resize(Size { width: 40, height: 8 });
        assert!(shown(&model).contains("too small"), "{}", shown(&model));
        keys(&mut model, "d\x1b");
        assert!(!model.shows_code && matches!(model.dialog, Dialog::None));
    }
    let mut model = busy();
    keys(&mut model, "QQ");
    assert!(!model.shows_code, "the same key closes it");
    model.about.code = None;
    keys(&mut model, "Q");
    assert!(shown(&model).contains("too long"));
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
    assert!(rows.concat().starts_with(&format!("{address}   c copies it")), "{shown}");
    assert_eq!(keys(&mut model, "c"), [Effect::Copy(address)]);
    model.resize(Size { width: 40, height: 8 });
    let small = self::shown(&model);
    assert!(small.contains("fdsp://0123456789@192.1…   c copies it"), "{small}");
}

#[test]
fn every_state_is_readable_without_colour() {
    let mut model = busy();
    model.resize(Size { width: 80, height: 40 });
    let shown = shown(&model);
    for word in ["greeting", "idle", "planning", "refused", "waiting", "blocked", " %", "MB/s", "error"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
}

#[test]
fn the_selection_stays_on_its_client() {
    let rows = |from: u64| (from..30).map(|n| row(n, ConnectionState::Idle, "x")).collect::<Vec<_>>();
    let mut model = model_of(rows(0), Instant::now());
    keys(&mut model, "jjjjj");
    assert_eq!(model.rows.selected(), Some(client(5)));
    read(&mut model, rows(3));
    assert_eq!((model.rows.cursor(), model.rows.selected()), (2, Some(client(5))), "three before it left");
    read(&mut model, rows(8));
    assert_eq!(model.rows.selected(), Some(client(10)), "it left: the one in its place is selected");
    read(&mut model, Vec::new());
    assert_eq!((model.rows.cursor(), model.rows.selected()), (0, None));
}

#[test]
fn the_connections_of_a_client_are_one_row_that_opens() {
    let mut model = busy();
    assert_eq!(model.rows.keys().len(), 8, "seven clients and a blocked address");
    keys(&mut model, "j");
    assert_eq!(model.rows.selected(), Some(client(20)));
    let row = model.row(client(20)).expect("a row");
    assert_eq!(
        (row.connections, row.rate, row.what.as_str()),
        (3, Some(48_000_000.0), "films/ubuntu-24.04.iso")
    );
    keys(&mut model, "\n");
    assert_eq!(model.rows.keys().len(), 11);
    keys(&mut model, "jj");
    let port = SocketAddr::new(peer(20).ip(), 50_021);
    assert_eq!(model.rows.selected(), Some(RowKey::Connection(Some(ConnectionId(21)), port)));
    keys(&mut model, "<");
    assert_eq!((model.rows.keys().len(), model.rows.selected()), (8, Some(client(20))));
    keys(&mut model, ">");
    assert_eq!(model.rows.keys().len(), 11);
    keys(&mut model, "\n");
    assert_eq!(model.rows.keys().len(), 8, "the same key closes it");
    // The row of a client stays the same when all but one of its connections end.
    let mut rows = reading(&model).rows;
    rows.retain(|row| row.id != Some(ConnectionId(21)) && row.id != Some(ConnectionId(22)));
    read(&mut model, rows);
    assert_eq!((model.rows.keys().len(), model.rows.selected()), (8, Some(client(20))));
    keys(&mut model, ">");
    assert!(model.notice.is_some() && model.rows.keys().len() == 8);
}

#[test]
fn rows_are_sorted_by_any_column_and_either_way() {
    let mut model = busy();
    let order = |model: &Model| -> Vec<String> {
        let clients = model.rows.keys().iter().filter(|key| matches!(key, RowKey::Client(_)));
        clients.map(|key| model.row(*key).expect("a row").name).collect()
    };
    let is_sorted = |model: &Model, by: &dyn Fn(&super::row::Row) -> f64| {
        let clients = model.rows.keys().iter().filter(|key| matches!(key, RowKey::Client(_)));
        let values: Vec<f64> = clients.map(|key| by(&model.row(*key).expect("a row"))).collect();
        values.is_sorted_by(|a, b| a >= b)
    };
    assert!(is_sorted(&model, &|row| row.age.map_or(0.0, |age| age.as_secs_f64())), "{:?}", order(&model));
    let oldest = order(&model);
    keys(&mut model, "R");
    let newest = order(&model);
    assert_eq!((oldest.first(), newest.last()), (newest.last(), oldest.first()));
    keys(&mut model, "S");
    assert_eq!(model.view.sort.column, Column::Client);
    assert_eq!(order(&model).first().map(String::as_str), Some("192.168.1.20"));
    keys(&mut model, "SSSS");
    assert!(is_sorted(&model, &|row| row.rate.unwrap_or(-1.0)), "{:?}", order(&model));
    assert!(shown(&model).contains("SPEED▾") || shown(&model).contains("SPEED"), "{}", shown(&model));
    keys(&mut model, "S");
    assert_eq!(model.view.sort.column, Column::Age);
    assert!(matches!(model.rows.keys().last(), Some(RowKey::Block(_))), "blocked addresses are the last");
}

#[test]
fn rows_sorted_by_speed_keep_their_places_for_a_moment() {
    let start = Instant::now();
    let rows = |first: u64, second: u64| {
        let mut rows = vec![row(1, ConnectionState::Sending, "x"), row(2, ConnectionState::Sending, "y")];
        (rows[0].sent, rows[1].sent) = (first, second);
        snapshot(rows)
    };
    let mut model = model_of(Vec::new(), start);
    keys(&mut model, "SSSSS");
    let at = |millis| start + Duration::from_millis(millis);
    model.take(rows(0, 0), at(0));
    model.take(rows(2_000_000, 1_000_000), at(2000));
    assert_eq!(model.rows.keys(), [client(1), client(2)]);
    model.take(rows(2_000_000, 9_000_000), at(2500));
    assert_eq!(model.rows.keys(), [client(1), client(2)], "half a second later");
    model.take(rows(2_000_000, 9_500_000), at(4500));
    assert_eq!(model.rows.keys(), [client(2), client(1)]);
}

#[test]
fn a_thousand_connections_cost_what_the_visible_rows_cost() {
    let now = Instant::now();
    let all =
        |count: u64| (0..count).map(|n| row(n, ConnectionState::Sending, "films/x")).collect::<Vec<_>>();
    let allocations = |count: u64| {
        let mut model = model_of(all(count), now);
        let mut one = reading(&model);
        model.take(one.clone(), now);
        one.rows = all(count);
        // The text of a path is shared, and nothing else of a row that is not visible is made.
        allocation_counter::measure(|| {
            model.take(one, now);
            for number in model.rows.visible() {
                assert!(model.row(*number).is_some());
            }
        })
        .count_total
    };
    let (few, many) = (allocations(20), allocations(1000));
    assert!(many <= few + 40, "{few} allocations for 20 connections, {many} for 1,000");
    let mut model = model_of(all(1000), now);
    for (pressed, selected) in [("G", 999), ("k", 998), ("g", 0), ("j", 1)] {
        keys(&mut model, pressed);
        assert_eq!((model.rows.cursor(), model.rows.selected()), (selected, Some(client(selected as u64))));
        assert!(shown(&model).contains(&peer(selected as u64).ip().to_string()));
    }
}

#[test]
fn what_cannot_be_undone_asks_first_and_takes_only_its_own_key() {
    let address = IpAddr::from([192, 168, 1, 20]);
    let mut model = busy();
    keys(&mut model, "j");
    for question in ["d", "D", "q"] {
        assert_eq!(keys(&mut model, question), []);
        assert_eq!(keys(&mut model, "\n"), [], "Enter is no answer");
        assert!(matches!(model.dialog, Dialog::Question(_)));
        assert_eq!(keys(&mut model, "n"), []);
        assert!(matches!(model.dialog, Dialog::None));
    }
    assert_eq!(keys(&mut model, "dy"), [Effect::Command(Command::DisconnectAddress(address))]);
    assert_eq!(keys(&mut model, "db"), [Effect::Command(Command::Block(address, BLOCK_TIME))]);
    keys(&mut model, ">j");
    assert_eq!(keys(&mut model, "dy"), [Effect::Command(Command::Disconnect(ConnectionId(20)))]);
    assert_eq!(keys(&mut model, "db"), [Effect::Command(Command::Block(address, BLOCK_TIME))]);
    assert_eq!(keys(&mut model, "Db"), [], "only a client can be blocked");
    assert_eq!(keys(&mut model, "y"), [Effect::Command(Command::Drain)]);
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
fn a_block_is_shown_with_the_time_left_and_can_be_lifted() {
    let address = IpAddr::from([192, 168, 1, 66]);
    let mut model = busy();
    assert_eq!(keys(&mut model, "u"), []);
    assert!(model.notice.is_some(), "nothing that is blocked is selected");
    keys(&mut model, "G");
    assert_eq!(model.rows.selected(), Some(RowKey::Block(address)));
    let text = shown(&model);
    assert!(text.contains("9 m 40 s") && text.contains("blocked") && text.contains("3 refused"), "{text}");
    assert_eq!(keys(&mut model, "d"), []);
    assert!(matches!(model.dialog, Dialog::None), "it is disconnected already");
    assert_eq!(keys(&mut model, "u"), [Effect::Command(Command::Unblock(address))]);
}

#[test]
fn the_question_is_about_the_client_it_was_asked_of() {
    let mut model = busy();
    keys(&mut model, "jd");
    assert!(shown(&model).contains("Disconnect 192.168.1.20 (3 connections)?"));
    let mut rows = reading(&model).rows;
    rows.drain(..2);
    read(&mut model, rows);
    assert!(shown(&model).contains("Disconnect 192.168.1.20?"));
    read(&mut model, Vec::new());
    let address = IpAddr::from([192, 168, 1, 20]);
    assert_eq!(keys(&mut model, "y"), [Effect::Command(Command::DisconnectAddress(address))]);
}

#[test]
fn a_waiting_client_cannot_be_cut() {
    let mut model = busy();
    keys(&mut model, "Gk");
    let Some(waiting) = model.rows.keys().iter().position(|key| *key == client(83)) else { panic!("no row") };
    model.rows.go(waiting);
    keys(&mut model, "d");
    assert!(matches!(model.dialog, Dialog::None));
    assert!(shown(&model).contains("not accepted yet"));
}

#[test]
fn a_frozen_picture_stands_still_and_can_be_searched_and_sorted() {
    let mut model = busy();
    assert_eq!(keys(&mut model, "f"), [Effect::Freeze]);
    model.frozen = Some("22:31:20".to_owned());
    assert_eq!(model.pace(), Pace::Still);
    keys(&mut model, "/photos\n");
    assert_eq!(model.rows.keys(), [client(31)]);
    keys(&mut model, "\x1b");
    assert_eq!(model.rows.keys().len(), 8);
    keys(&mut model, "S");
    assert_eq!(model.rows.keys()[0], client(20));
    assert_eq!(keys(&mut model, "f"), []);
    assert!(model.frozen.is_none());
}

#[test]
fn a_freeze_leaves_no_peak_in_graph_and_speeds() {
    let mut model = busy();
    let before = (model.picture.throughput.rate(), model.row(client(31)).and_then(|row| row.rate));
    let mut later = reading(&model);
    // Ten minutes at the speed of before.
    later.sent += (600.0 * before.0) as u64;
    later
        .rows
        .iter_mut()
        .filter(|row| row.id == Some(ConnectionId(31)))
        .for_each(|row| row.sent += 600 * 23_000_000);
    let at = model.picture.at + Duration::from_secs(600);
    model.take(later, at);
    assert!(
        (model.picture.throughput.rate() / before.0 - 1.0).abs() < 0.02,
        "{}",
        model.picture.throughput.rate()
    );
    let rate = model.row(client(31)).and_then(|row| row.rate).zip(before.1);
    assert!(rate.is_some_and(|(after, before)| (after / before - 1.0).abs() < 0.02), "{rate:?}");
    assert!(model.picture.throughput.past(600).all(|bytes| bytes < 170_000_000.0));
}

#[test]
fn details_stay_with_a_connection_that_ended() {
    let mut model = busy();
    keys(&mut model, "j>j\n");
    let mut rows = reading(&model).rows;
    rows.remove(0);
    read(&mut model, rows);
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
    model.take(snapshot(vec![row(1, ConnectionState::Idle, "x")]), now);
    assert_eq!(model.pace(), Pace::Slow);
    model.take(snapshot(vec![row(1, ConnectionState::Sending, "x")]), now);
    assert_eq!(model.pace(), Pace::Moving);
    let mut sent = snapshot(Vec::new());
    sent.sent = 1000;
    model.take(sent.clone(), now);
    assert_eq!(model.pace(), Pace::Moving, "it may be somewhere out of sight");
    for second in 1..=40 {
        model.take(sent.clone(), now + Duration::from_secs(second));
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
            model.take(snapshot, now);
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
        width in 1_u16..300, height in 1_u16..100, pressed in "[?dDf/l\\n\\tgGjkqcSRQub<>\\x1b]{0,12}",
        name in any::<String>(), look in 0_usize..4,
    ) {
        let mut model = busy();
        model.look = LOOKS[look].1;
        let mut hostile = reading(&model);
        hostile.rows[0].path = SafeText::new(&name);
        let at = model.picture.at;
        model.take(hostile, at);
        model.resize(Size { width, height });
        keys(&mut model, &pressed);
        shown(&model);
        model.resize(Size { width: height, height: width.min(100) });
        shown(&model);
    }
}
