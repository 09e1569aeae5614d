//! Clients, their connections and details: grouping, order and selection.

use super::*;

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
    let is_sorted = |model: &Model, by: &dyn Fn(&crate::ui::dashboard::row::Row) -> f64| {
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
fn the_connections_inside_a_client_follow_the_chosen_order() {
    let mut model = busy();
    keys(&mut model, "j\n");
    let inside = |model: &Model| -> Vec<u64> {
        let number = |key: &RowKey| match key {
            RowKey::Connection(id, _) => id.map(|id| id.0),
            _ => None,
        };
        model.rows.keys().iter().filter_map(number).collect()
    };
    assert_eq!(inside(&model), [20, 21, 22], "the oldest first");
    keys(&mut model, "R");
    assert_eq!(inside(&model), [22, 21, 20]);
    keys(&mut model, "SSSSS");
    assert_eq!(model.view.sort.column, Column::Speed);
    assert_eq!(inside(&model), [22, 20, 21], "17, 16 and 15 MB/s");
    keys(&mut model, "<>");
    assert_eq!(inside(&model), [22, 20, 21], "also right after it was opened");
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
