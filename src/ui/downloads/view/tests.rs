//! What the screen looks like, and that nothing can break it.

use proptest::prelude::*;
use ratatui::{layout::Size, style::Modifier};

use crate::{
    client::{
        Claimed, Doubt, Finished, JobId, JobState, JobView, Locator, LostServer, NewServer, Part, Picture,
        Question, Trouble, TroubleKind,
    },
    protocol::{
        message::{Missing, MissingEntry},
        trust::pin::Pin,
    },
    text::{SafeText, is_unsafe},
    ui::{
        Look,
        downloads::{
            Effect, Message, Model, Ticket, start,
            testing::{
                self, Fake, conflict, done, draw, drawn, entries, every_state, failed, keys, logged, row,
                running, undecided, waiting,
            },
            update, view,
        },
        testing::{LOOKS, SIZES, picture, text, traffic::bytes_per_second},
    },
};

fn ready(look: Look) -> (Model, Fake) {
    let queue = every_state();
    let mut model = logged();
    model.look = look;
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab space");
    (model, queue)
}

#[test]
fn every_state_at_every_size_and_look() {
    for (width, height) in SIZES {
        for (name, look) in LOOKS {
            let (mut model, queue) = ready(look);
            let frame = draw(&mut model, &queue, width, height);
            insta::assert_snapshot!(format!("{width}x{height}_{name}"), picture(&frame));
        }
    }
}

#[test]
fn a_limit_is_shown_where_it_applies() {
    for (width, height) in [(80, 24), (40, 8)] {
        let (mut model, mut queue) = ready(Look::default());
        queue.limit = Some(2_000_000);
        queue.limit_until = "18:00".parse().ok();
        queue.rows[1].limit = Some(500_000);
        queue.rows.truncate(if width == 80 { 4 } else { 2 });
        queue.generation += 1;
        keys(&mut model, &queue, "esc enter");
        let frame = text(&draw(&mut model, &queue, width, height));
        insta::assert_snapshot!(format!("limits-{width}x{height}"), frame);
        keys(&mut model, &queue, "B");
        let frame = text(&draw(&mut model, &queue, width, height));
        insta::assert_snapshot!(format!("limit-of-one-{width}x{height}"), frame);
    }
}

#[test]
fn the_empty_screen_says_what_to_do() {
    let (mut model, queue) = (testing::model(), Fake::default());
    insta::assert_snapshot!("empty-80x24", text(&draw(&mut model, &queue, 80, 24)));
    model.defaults.server = None;
    insta::assert_snapshot!("empty-without-a-server-80x24", text(&draw(&mut model, &queue, 80, 24)));
    insta::assert_snapshot!("empty-40x8", text(&draw(&mut model, &queue, 40, 8)));
}

fn browsing() -> (Model, Fake) {
    let queue = every_state();
    let mut model = logged();
    model.defaults.listing = Some(testing::server().root().clone());
    let effects = start(&mut model);
    let ticket = match effects.as_slice() {
        [Effect::List { ticket, .. }] => *ticket,
        other => panic!("{other:?}"),
    };
    let page = entries(&["films/", "photos/", "a b.txt", "dev-null", "ubuntu-24.04.iso"], false);
    update(&mut model, &queue, Message::Listed { ticket, answer: Ok(page) });
    (model, queue)
}

#[test]
fn the_servers_files_stand_between_queue_and_log() {
    let (mut model, queue) = browsing();
    insta::assert_snapshot!("browser-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "j j space");
    insta::assert_snapshot!("browser-40x8", text(&draw(&mut model, &queue, 40, 8)));
}

#[test]
fn what_is_local_or_queued_is_plain_to_see_in_the_listing() {
    for (name, look) in [("utf8", LOOKS[0].1), ("ascii", LOOKS[3].1)] {
        let (mut model, mut queue) = browsing();
        model.look = look;
        queue.rows[5].address = SafeText::new("fdsp+plain://nas.local:7878/photos");
        let present = vec![false, false, true, true, true];
        update(&mut model, &queue, Message::Present { ticket: Ticket(1), first: 0, present });
        keys(&mut model, &queue, "S a");
        insta::assert_snapshot!(format!("known-80x24-{name}"), text(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("known-40x8-{name}"), text(&draw(&mut model, &queue, 40, 8)));
    }
}

#[test]
fn a_deep_folder_keeps_its_server_and_its_name_in_the_title() {
    let (mut model, queue) = browsing();
    let deep = testing::server().at(&format!("films/{}/last", "long-name/".repeat(20))).expect("a path");
    if let Some(browser) = &mut model.browser {
        browser.directory = deep;
    }
    let shown = text(&draw(&mut model, &queue, 80, 24));
    let title = shown.lines().find(|line| line.contains("5 entries")).expect("a title with its note");
    assert!(title.contains(" nas.local:7878/film") && title.contains("/last "), "{title}");
}

/// Others of the same name may be anywhere in the queue.
#[test]
fn a_row_keeps_its_folder_while_others_of_its_name_scroll() {
    let rows = (0..100).map(|id| {
        let mut row = row(id, &format!("film-{}", id % 50), JobState::Queued);
        row.address = SafeText::new(&format!("fdsp://nas/folder-{}/{}", id / 50, row.name));
        row
    });
    let queue = Fake { rows: rows.collect(), ..Fake::default() };
    let mut model = testing::model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert_eq!(shown.matches("folder-0").count(), 12, "{shown}");
    let compared = queue.distinguished.get();
    draw(&mut model, &queue, 80, 24);
    assert_eq!(queue.distinguished.get(), compared, "nothing changed");
    keys(&mut model, &queue, "G");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert_eq!(shown.matches("folder-1").count(), 12, "{shown}");
}

#[test]
fn a_paste_is_shown_line_by_line_before_it_is_queued() {
    let lines = "films/ubuntu-24.04.iso\nphotos/\nother:9000/backup/2026-11-30.tar.zst\nother:9000\n\
                 fdsp://third.example\nfilms/ubuntu-24.04.iso\nme@nas:films\n../etc/passwd\nftp://nas/a\nlast";
    for (name, look) in [("utf8", LOOKS[0].1), ("ascii", LOOKS[3].1)] {
        let (mut model, queue) = ready(look);
        update(&mut model, &queue, Message::Paste(lines.to_owned()));
        insta::assert_snapshot!(format!("paste-80x24-{name}"), text(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("paste-40x8-{name}"), text(&draw(&mut model, &queue, 40, 8)));
    }
}

#[test]
fn what_is_typed_is_read_below_the_line() {
    let (mut model, queue) = ready(Look::default());
    keys(&mut model, &queue, "i");
    for (name, typed) in [("path", "films/a.iso"), ("server", "other:9000"), ("wrong", "me@nas:films/a.iso")]
    {
        model.input.set(typed);
        insta::assert_snapshot!(format!("typed-{name}-80x24"), text(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("typed-{name}-40x8"), text(&draw(&mut model, &queue, 40, 8)));
    }
}

#[test]
fn details_tell_all() {
    let (mut model, queue) = ready(Look::default());
    keys(&mut model, &queue, "G enter");
    insta::assert_snapshot!("details-of-a-done-one-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "k k");
    insta::assert_snapshot!("details-of-a-failed-one-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "j j tab G");
    insta::assert_snapshot!("details-40x8", text(&draw(&mut model, &queue, 40, 8)));
}

/// What did not arrive is said in the row, and the first names and all of the number in the details.
#[test]
fn an_incomplete_one_names_what_is_missing() {
    let entry = |path: &[u8], reason: &str| MissingEntry {
        path: SafeText::from_bytes(path).to_string(),
        reason: reason.to_owned(),
    };
    let entries = vec![
        entry(b"lost+found", "permission denied"),
        entry(b"caf\xe9/a\xe2\x80\x8eb", "has characters that a terminal obeys or that cannot be seen"),
    ];
    let JobState::Done(finished) = done("photos", 5_000_000) else { panic!("it is done") };
    let incomplete = |missing| {
        let finished = Finished { files: Some(1234), missing, ..finished.clone() };
        row(1, "photos", JobState::Done(finished))
    };
    let one = Missing { count: 1, entries: entries[..1].to_vec() };
    let many = Missing { count: 1236, entries };
    let second = JobView { id: JobId(2), name: SafeText::new("music"), ..incomplete(many) };
    let queue = Fake { rows: vec![incomplete(one), second], ..Fake::default() };
    let mut model = testing::model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab");
    insta::assert_snapshot!("incomplete-80x24", text(&draw(&mut model, &queue, 80, 24)));
    insta::assert_snapshot!("incomplete-40x8", text(&draw(&mut model, &queue, 40, 8)));
    keys(&mut model, &queue, "j enter");
    insta::assert_snapshot!("details-of-an-incomplete-one-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "G");
    insta::assert_snapshot!("names-of-an-incomplete-one-80x24", text(&draw(&mut model, &queue, 80, 24)));
}

/// What is here stays in sight; where nothing is, the reason is. The next attempt is counted down, and is the same for all.
#[test]
fn rows_of_an_unreachable_server() {
    let unreachable = |seconds| {
        let reason = SafeText::new("no connection to nas.local:7878: Connection refused");
        JobState::Unreachable { seconds, reason }
    };
    let begun = |id, name, seconds| JobView {
        state: unreachable(seconds),
        ..running(id, name, 500_000, 2_000_000, 0.0, 0.0)
    };
    let queue = Fake {
        rows: vec![
            begun(1, "half.iso", Some(7.4)),
            row(2, "none.iso", unreachable(Some(7.4))),
            begun(3, "tried-now.iso", None),
            row(4, "nothing-tried-now.iso", unreachable(None)),
        ],
        ..Fake::default()
    };
    let mut model = testing::model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab enter");
    insta::assert_snapshot!("unreachable-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "enter");
    insta::assert_snapshot!("unreachable-40x8", text(&draw(&mut model, &queue, 40, 8)));
}

#[test]
fn the_files_of_a_tree_are_counted() {
    let mut half = running(1, "photos", 500_000, 1_000_000, 5.0, 0.0);
    half.files = Some((1203, 10_000));
    let mut whole = row(2, "music", done("music", 1_000_000));
    if let JobState::Done(finished) = &mut whole.state {
        finished.files = Some(10_000);
    }
    let queue = Fake { rows: vec![half, whole], ..Fake::default() };
    let mut model = testing::model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab enter");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("Files     1,203 of 10,000 received"), "{shown}");
    keys(&mut model, &queue, "j");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("every file verified, tree in place"), "{shown}");
    assert!(shown.contains("Files     10,000"), "{shown}");
}

#[test]
fn dialogs_take_the_bar() {
    let (mut model, queue) = ready(Look::default());
    keys(&mut model, &queue, "j x");
    insta::assert_snapshot!("question-80x24", text(&draw(&mut model, &queue, 80, 24)));
    insta::assert_snapshot!("question-40x8", text(&draw(&mut model, &queue, 40, 8)));
    keys(&mut model, &queue, "n b x enter");
    insta::assert_snapshot!("prompt-with-a-problem-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "esc / i s o");
    insta::assert_snapshot!("filter-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "esc ?");
    insta::assert_snapshot!("help-80x24", text(&draw(&mut model, &queue, 80, 24)));
}

#[test]
fn a_new_server_is_asked_about_with_all_of_its_pin_or_not_at_all() {
    let names = [("short", "nas.local".to_owned()), ("long", format!("first.{}.last", "x".repeat(242)))];
    for (name, host) in names {
        let (mut model, queue) = ready(Look::default());
        let server = Locator::parse(&format!("fdsp://{host}")).expect("an address").server();
        let server = NewServer { server, pin: Pin(std::array::from_fn(|index| index as u8)) };
        update(&mut model, &queue, Message::Doubt(Doubt::New(server)));
        for (width, height) in [(80, 24), (40, 8), (40, 3), (20, 3)] {
            let shown = text(&draw(&mut model, &queue, width, height));
            insta::assert_snapshot!(format!("trust-{name}-{width}x{height}"), shown);
        }
        // The terminal changes after a frame was prepared.
        draw(&mut model, &queue, 80, 24);
        for (width, height) in [(120, 40), (40, 8), (40, 6), (40, 5), (30, 9), (24, 4), (20, 3)] {
            let shown = text(&drawn(&model, width, height));
            let together: String = shown.split_whitespace().collect();
            assert!(
                together.contains("1b1c1d1e1f?") || !shown.contains("0001"),
                "{width}x{height}:\n{shown}"
            );
        }
    }
}

#[test]
fn another_server_than_the_one_that_was_meant_is_plain_to_see() {
    let (mut model, mut queue) = (testing::model(), Fake::default());
    let doubt = Doubt::Other(Locator::parse("fdsp://nas.local").expect("an address").server());
    let message = "SERVER IDENTITY CHANGED: nas.local:7878: its certificate is …";
    let mut trouble = Trouble::new(TroubleKind::Refused, message);
    trouble.question = Some(Box::new(Question::Trust(doubt.clone())));
    queue.rows = vec![row(1, "backup.tar", JobState::Failed(trouble)), row(2, "next.tar", JobState::Queued)];
    update(&mut model, &queue, Message::Doubt(doubt));
    for (width, height) in [(80, 24), (40, 8), (40, 3)] {
        let shown = text(&draw(&mut model, &queue, width, height));
        insta::assert_snapshot!(format!("alarm-{width}x{height}"), shown);
    }
}

#[test]
fn what_a_server_says_is_cut_with_a_sign() {
    let (mut model, queue) = (testing::model(), Fake::default());
    draw(&mut model, &queue, 40, 8);
    model.complain("all that a server says, ".repeat(100));
    let shown = text(&draw(&mut model, &queue, 40, 8));
    assert!(shown.trim_end().ends_with('…'), "{shown}");
}

#[test]
fn the_smallest_screens_say_one_useful_thing() {
    let (mut model, mut queue) = ready(Look::default());
    let line = |model: &mut Model, queue: &Fake, width| text(&draw(model, queue, width, 1)).trim().to_owned();
    let everything = "5 running  2 waiting  1 paused  1 failed  84.0 MB/s";
    assert_eq!(line(&mut model, &queue, 60), everything, "no share of a part passes for one of the whole");
    queue.rows.truncate(1);
    assert_eq!(line(&mut model, &queue, 30), "1 running  58 %  61.0 MB/s");
    assert_eq!(line(&mut model, &queue, 12), "61.0 MB/s");
}

#[test]
fn the_selected_row_is_plain_to_see_without_colour() {
    let (mut model, queue) = ready(LOOKS[3].1);
    let buffer = draw(&mut model, &queue, 80, 24);
    let y = (0..24).find(|y| buffer[(1, *y)].symbol() == ">").expect("a selected row");
    let reversed = |x: u16| buffer[(x, y)].modifier.contains(Modifier::REVERSED);
    assert!((0..24).chain(60..80).all(reversed));
    let gauge = (24..60).filter(|x| "#.=".contains(buffer[(*x, y)].symbol()));
    assert!(gauge.count() > 9 && !reversed(30), "the gauge keeps its colours");
    assert!(
        (0..24).filter(|other| *other != y).all(|y| !buffer[(40, y)].modifier.contains(Modifier::REVERSED))
    );
}

/// A queue with pictures: the speed of a download over all of its time, and which parts of it are local.
fn pictured() -> Fake {
    let wave = |index: u64| 40e6 + 20e6 * (index as f64 / 9.0).sin() + if index < 6 { -30e6 } else { 0.0 };
    let part = |index: u64| match index {
        0..30 => Part::Verified,
        30 | 52 => Part::InWork,
        33 | 34 | 60 => Part::Partial,
        50..52 => Part::Verified,
        _ => Part::Missing,
    };
    let map = (0..80).map(part).collect();
    let picture = Picture { rates: (0..90).map(wave).collect(), seconds: 45.0, map };
    let throughput = vec![10e6, 30e6, 70e6, 60e6, 84e6, 80e6, 50e6, 84e6];
    Fake { picture, throughput, ..every_state() }
}

#[test]
fn pictures_are_in_the_header_the_details_and_beside_the_queue() {
    for (name, look) in LOOKS {
        let (mut model, queue) = (logged(), pictured());
        model.look = look;
        draw(&mut model, &queue, 80, 24);
        keys(&mut model, &queue, "tab enter");
        insta::assert_snapshot!(format!("pictures-80x24_{name}"), picture(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("pictures-120x40_{name}"), text(&draw(&mut model, &queue, 120, 40)));
        keys(&mut model, &queue, "enter");
        insta::assert_snapshot!(format!("side-120x40_{name}"), picture(&draw(&mut model, &queue, 120, 40)));
    }
    let (mut model, queue) = (logged(), pictured());
    draw(&mut model, &queue, 40, 8);
    keys(&mut model, &queue, "tab enter");
    insta::assert_snapshot!("pictures-40x8", text(&draw(&mut model, &queue, 40, 8)));
    keys(&mut model, &queue, "enter");
    insta::assert_snapshot!("side-200x60", text(&draw(&mut model, &queue, 200, 60)));
}

#[test]
fn what_is_done_is_one_line_and_a_lost_server_one_banner() {
    let mut queue = every_state();
    for id in 12..20 {
        let mut row = row(id, &format!("song-{id}.ogg"), done("song.ogg", 4_000_000));
        (row.size, row.received) = (Some(4_000_000), 4_000_000);
        queue.rows.push(row);
    }
    queue.rows[5].name = SafeText::new("next.iso");
    queue.rows[5].address = SafeText::new("fdsp://nas.local/backup/old/next.iso");
    queue.rows[5].state = JobState::Unreachable { seconds: Some(8.0), reason: SafeText::new("refused") };
    queue.lost.push(LostServer {
        server: SafeText::new("nas.local:7878"),
        seconds: Some(8.0),
        reason: SafeText::new("Connection refused"),
    });
    queue.can_undo = true;
    let mut model = logged();
    model.defaults.home = Some("/home".into());
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab");
    insta::assert_snapshot!("overview-80x24", text(&draw(&mut model, &queue, 80, 24)));
    insta::assert_snapshot!("overview-40x8", text(&draw(&mut model, &queue, 40, 8)));
    insta::assert_snapshot!("overview-120x40", text(&draw(&mut model, &queue, 120, 40)));
    keys(&mut model, &queue, "G enter S");
    insta::assert_snapshot!("overview-open-80x24", text(&draw(&mut model, &queue, 80, 24)));
}

#[test]
fn nothing_is_complete_before_it_is_in_place() {
    for state in [JobState::Running, JobState::Verifying, JobState::Paused] {
        let mut all_here = running(1, "a", 1_000_000, 1_000_000, 5.0, 0.0);
        all_here.state = state;
        let queue = Fake { rows: vec![all_here], ..Fake::default() };
        let shown = text(&draw(&mut testing::model(), &queue, 80, 24));
        assert!(shown.contains(" 99 %") && !shown.contains("100 %"), "{shown}");
    }
    let whole = crate::client::JobView { size: Some(5), received: 5, ..row(1, "a", done("a", 5)) };
    let mut rows = vec![whole];
    let shown = text(&draw(&mut testing::model(), &Fake { rows: rows.clone(), ..Fake::default() }, 80, 24));
    assert!(shown.contains("1 of 1 done · 5 of 5 B"), "{shown}");
    rows.push(row(2, "b", testing::failed("not found on the server")));
    let shown = text(&draw(&mut testing::model(), &Fake { rows, ..Fake::default() }, 80, 24));
    assert!(!shown.contains(" %"), "what is never received has no percentage: {shown}");
    assert!(shown.contains("verified 9f3c…a1e0") && shown.contains("done"), "{shown}");
}

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

#[test]
fn in_a_narrow_window_rows_of_one_name_keep_it() {
    let at = |id, folder: &str| {
        let mut row = row(id, "disk.img", JobState::Queued);
        row.address = SafeText::new(&format!("fdsp://nas/{folder}/disk.img"));
        row
    };
    let mut paused = at(3, "oldest");
    (paused.state, paused.size, paused.received) = (JobState::Paused, Some(100), 10);
    let queue = Fake { rows: vec![at(1, "films"), at(2, "backups"), paused], ..Fake::default() };
    for (width, height) in [(40, 8), (80, 24)] {
        let shown = text(&draw(&mut testing::model(), &queue, width, height));
        assert!(shown.contains("disk.img  films  "), "{shown}");
        assert!(shown.contains("disk.img  backups  "), "the room of the gauge is the name's: {shown}");
        assert!(shown.contains(if width == 40 { "di…mg  old " } else { "disk.img  oldest" }), "{shown}");
    }
}

#[test]
fn the_details_say_whether_a_name_or_only_its_folder_is_known() {
    let mut waits = row(1, "disk.img", JobState::Queued);
    waits.target = SafeText::new("/home/u/films");
    let mut queue = Fake { rows: vec![waits], ..Fake::default() };
    let mut model = testing::model();
    model.defaults.home = Some("/home/u".into());
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab enter");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("Saved in  ~/films\n"), "{shown}");
    queue.rows[0].target = SafeText::new("/home/u/films/disk.img");
    draw(&mut model, &queue, 80, 24);
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("Saved as  ~/films/disk.img"), "{shown}");
}

/// Each question with its keys, where there is room and where there is little.
#[test]
fn decisions_show_what_is_asked_and_the_keys_of_the_answers() {
    let claimed = Claimed {
        path: "/home/u/x.bin".into(),
        by: None,
        other: SafeText::new("fdsp+plain://nas.local:7878/a/x.bin"),
    };
    let zip = Question::Changed { part: "/home/u/photos.zip.part".into(), received: 1_100_000_000 };
    let token = Question::Token(testing::server());
    let questions = [
        ("exists", conflict("notes.txt")),
        ("claimed", Question::Claimed(claimed)),
        ("gone", Question::Gone),
        ("changed", zip),
        ("token", token),
    ];
    for (name, question) in questions {
        let mut queue = every_state();
        let mut asking = row(20, "notes.txt", undecided(question.clone()));
        (asking.size, asking.received) = (Some(1_500_000), 600_000);
        queue.rows.push(asking);
        queue.rows.push(JobView { id: JobId(21), size: None, received: 0, ..queue.rows[11].clone() });
        let mut model = logged();
        draw(&mut model, &queue, 80, 24);
        keys(&mut model, &queue, "tab");
        if name == "exists" {
            insta::assert_snapshot!("undecided-80x24", text(&draw(&mut model, &queue, 80, 24)));
        }
        keys(&mut model, &queue, "D");
        insta::assert_snapshot!(format!("decision-{name}-80x24"), text(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("decision-{name}-40x8"), text(&draw(&mut model, &queue, 40, 8)));
    }
}
