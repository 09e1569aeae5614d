//! The queue, its header and its rows.

use super::*;

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
        let header = frame.lines().next().unwrap_or_default();
        assert!(header.contains(if width == 80 { "limit 2 MB/s until 18:00" } else { "≤2 MB/s" }), "{frame}");
        assert!(frame.contains("≤23.0 MB/s") && frame.contains(" 61.0 MB/s"), "one has its own: {frame}");
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
