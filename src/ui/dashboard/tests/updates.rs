//! Readings, freezing, the pace of frames and the bytes that they cost.

use super::*;

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
