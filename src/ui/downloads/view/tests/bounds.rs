//! What no size, state, name or key breaks, and what a frame costs.

use super::*;

#[test]
fn a_frame_reads_the_visible_rows_only() {
    let rows: Vec<_> = (0..10_000).map(|id| row(id, &format!("file-{id}"), JobState::Queued)).collect();
    let queue = Fake { rows, ..Fake::default() };
    let mut model = testing::model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab G");
    queue.read.set(0);
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("file-9999") && shown.contains("row 10,000 of 10,000"), "{shown}");
    assert!(queue.read.get() <= 24, "{}", queue.read.get());
}

/// What the screen writes while this many downloads run at about 60 MB/s together, rates wavering.
fn traffic(jobs: u64, size: Size) -> f64 {
    let row = |id| running(id, &format!("ubuntu-24.04.{id}.iso"), 0, 20_000_000_000, 0.0, 0.0);
    let mut queue = Fake { rows: (0..jobs).map(row).collect(), ..Fake::default() };
    let mut model = testing::model();
    let mut wave = 1_u64;
    bytes_per_second(
        60,
        size,
        &mut model,
        |model, _, _| {
            for row in &mut queue.rows {
                // A small generator: the same waves in each run.
                wave = wave.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let percent = 80 + (wave >> 33) % 40;
                row.received += 60_000_000 / 20 / jobs * percent / 100;
                let speed = 60_000_000.0 / jobs as f64 * (95.0 + percent as f64 / 20.0) / 100.0;
                row.speed = Some(speed);
                row.eta = Some((20_000_000_000 - row.received) as f64 / speed);
            }
            model.refresh(&queue, size)
        },
        view,
    )
}

#[test]
fn the_output_stays_within_its_bounds() {
    let usual = Size { width: 80, height: 24 };
    let large = Size { width: 300, height: 100 };
    let [none, one, eight, many] =
        [(0, usual), (1, usual), (8, usual), (60, large)].map(|(jobs, size)| traffic(jobs, size));
    println!("bytes a second: idle {none}, one {one}, eight {eight}, 60 rows at 300x100 {many}");
    assert_eq!(none, 0.0);
    assert!(one <= 1024.0, "{one}");
    assert!(eight <= 4096.0, "{eight}");
    assert!(many <= 16.0 * 1024.0, "{many}");
}

#[test]
fn a_terminal_that_shrank_since_the_last_reading_is_no_trouble() {
    let (mut model, queue) = ready(Look::default());
    draw(&mut model, &queue, 120, 40);
    for (width, height) in [(1, 1), (39, 7), (80, 24), (200, 60)] {
        drawn(&model, width, height);
    }
}

fn any_state() -> impl Strategy<Value = JobState> {
    let hostile = any::<String>();
    prop_oneof![
        Just(JobState::Queued),
        (any::<f64>(), any::<u32>(), hostile)
            .prop_map(|(seconds, attempt, reason)| waiting(seconds, attempt, &reason)),
        Just(JobState::Connecting),
        Just(JobState::Running),
        Just(JobState::Verifying),
        any::<u64>().prop_map(|bytes| done("x", bytes)),
        hostile.prop_map(|text| failed(&text)),
        Just(JobState::Paused),
        Just(JobState::Cancelled),
    ]
}

prop_compose! {
    fn any_queue()(
        rows in prop::collection::vec(
            (any::<String>(), any_state(), any::<Option<u64>>(), any::<u64>(), any::<Option<(u64, u64)>>(),
             any::<Option<f64>>(), any::<Option<f64>>()),
            0..40,
        ),
        limit in any::<Option<u64>>(),
    ) -> Fake {
        let rows = rows.into_iter().enumerate().map(|(id, (name, state, size, received, progress, speed, eta))| {
            let mut row = row(id as u64, &name, state);
            row.address = SafeText::new(&name);
            (row.size, row.received, row.progress, row.speed, row.eta) = (size, received, progress, speed, eta);
            row
        });
        Fake { rows: rows.collect(), limit, ..Fake::default() }
    }
}

/// Keys that open, close and move everything there is.
const KEYS: &[&str] = &[
    "esc",
    "tab",
    "shift-tab",
    "j",
    "k",
    "J",
    "G",
    "g",
    "space",
    "a",
    "enter",
    "x",
    "y",
    "n",
    "/",
    "i",
    "s",
    "o",
    "p",
    "r",
    "R",
    "d",
    "b",
    "?",
    "pagedown",
    "pageup",
    "left",
    "right",
    "ctrl-o",
    "z",
    "l",
    "c",
    "C",
    "t",
    "q",
    "up",
    "down",
    "backspace",
    "ctrl-w",
    "P",
    "Y",
    "ctrl-u",
    "S",
    "u",
    "+",
];

proptest! {
    #![proptest_config(crate::fuzzing::cases(96))]

    #[test]
    fn no_size_state_name_or_key_breaks_it(
        queue in any_queue(),
        pressed in prop::collection::vec((0..KEYS.len(), 1_u16..130, 1_u16..50), 0..25),
        names in prop::collection::vec(any::<String>(), 0..8),
        ascii: bool,
    ) {
        let mut model = logged();
        model.look = LOOKS[if ascii { 3 } else { 1 }].1;
        model.defaults.listing = Some(testing::server().root().clone());
        let effects = start(&mut model);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for effect in effects {
            if let Effect::List { ticket, .. } = effect {
                update(&mut model, &queue, Message::Listed { ticket, answer: Ok(entries(&names, true)) });
            }
        }
        for (key, width, height) in pressed {
            let buffer = draw(&mut model, &queue, width, height);
            for cell in buffer.content() {
                prop_assert!(!cell.symbol().contains(is_unsafe), "{:?}", cell.symbol());
            }
            keys(&mut model, &queue, KEYS[key]);
        }
    }

    #[test]
    fn the_extremes_hold(queue in any_queue()) {
        let mut model = testing::model();
        for (width, height) in [(1, 1), (300, 100), (1, 100), (300, 1), (24, 4), (2, 50)] {
            draw(&mut model, &queue, width, height);
            model.engine(&crate::client::Event::Started { id: JobId(3), name: SafeText::default(), size: None, here: 0 });
        }
    }
}
