//! The listing of a server.

use super::*;

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
