//! The details of a download, and its pictures.

use super::*;

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
