//! The address line.

use super::*;

#[test]
fn a_path_is_queued_in_the_folder_of_the_screen() {
    let (mut model, queue) = (model(), Fake::default());
    type_in(&mut model, &queue, "films/a b.iso");
    let jobs = added(keys(&mut model, &queue, "enter"));
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].address.to_string(), "fdsp+plain://nas.local:7878/films/a%20b.iso");
    assert_eq!(jobs[0].folder, std::path::Path::new("/home/u"));
    assert!(model.input.is_empty());
    keys(&mut model, &queue, "up");
    assert_eq!(model.input.value(), "films/a b.iso");
}

#[test]
fn what_cannot_be_read_stays_to_be_corrected() {
    let (mut model, queue) = (model(), Fake::default());
    type_in(&mut model, &queue, "ftp://nas/a");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert_eq!(model.input.value(), "ftp://nas/a");
    assert!(notice(&model).contains("fdsp://"), "{}", notice(&model));
    keys(&mut model, &queue, "left");
    assert_eq!(model.notice, None);
}

#[test]
fn the_first_address_names_the_server_for_paths() {
    let (mut model, mut queue) = (model(), Fake::default());
    model.defaults.server = None;
    type_in(&mut model, &queue, "a");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert!(notice(&model).starts_with("no server yet"));
    model.input.set("fdsp+plain://nas.local/b");
    keys(&mut model, &queue, "enter");
    type_in(&mut model, &queue, "c");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert!(notice(&model).starts_with("nas.local:7878 has not answered yet"), "{}", notice(&model));
    queue.answered.push(testing::server());
    model.refresh(&queue, Size { width: 80, height: 24 });
    assert_eq!(added(keys(&mut model, &queue, "enter"))[0].address.server(), testing::server());
}

/// Anybody can write an address with a pin of their own. What is typed after it does not inherit that pin: the known servers are
/// asked.
#[test]
fn the_pin_of_an_address_that_has_not_answered_is_not_used_elsewhere() {
    let evil = format!("fdsp://nas.local/x#{}", Pin([0xee; 32]));
    let both = format!("fdsp://evil-evil-evil@nas.local/x#{}", Pin([0xee; 32]));
    for first in [&evil, &both] {
        for second in ["fdsp://nas.local/y", "fdsp://sesame-sesame-sesame@nas.local/y"] {
            let (mut model, queue) = (model(), Fake::default());
            model.defaults.server = None;
            model.input.set(first);
            keys(&mut model, &queue, "enter");
            model.refresh(&queue, Size { width: 80, height: 24 });
            model.input.set(second);
            let typed = Locator::parse(second).expect("an address");
            let effects = keys(&mut model, &queue, "enter");
            let mut asked = 0;
            for effect in &effects {
                match effect {
                    Effect::Engine(Command::Add(jobs)) => {
                        asked += 1;
                        assert_eq!(jobs[0].address, typed, "after {first}");
                    }
                    Effect::Engine(Command::Reach(now)) => assert_eq!(*now, typed.server()),
                    _ => {}
                }
            }
            assert_eq!(asked, 1, "{effects:?}");
        }
    }
}

#[test]
fn a_server_without_a_path_is_listed_and_not_fetched() {
    let (mut model, queue) = (model(), Fake::default());
    model.input.set("fdsp+plain://other:1/");
    let effects = keys(&mut model, &queue, "enter");
    let [Effect::Remember, Effect::List { directory, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(directory.server().name(), "other");
    assert_eq!(model.context(), Context::Browser);
}

#[test]
fn an_address_needs_no_scheme() {
    let (mut model, queue) = (model(), Fake::default());
    model.input.set("other:9000/films/a.iso");
    let job = added(keys(&mut model, &queue, "enter")).remove(0);
    assert_eq!(job.address.to_string(), "fdsp://other:9000/films/a.iso");
    model.input.set("other:9000");
    let effects = keys(&mut model, &queue, "enter");
    let [Effect::Remember, Effect::List { directory, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(directory.to_string(), "fdsp://other:9000/");
    assert_eq!(model.defaults.server, Some(testing::server()), "paths stay on the server at hand");
    model.focus = Focus::Input;
    model.input.set("/other:9000/films/a.iso");
    let job = added(keys(&mut model, &queue, "enter")).remove(0);
    assert_eq!(job.address.to_string(), "fdsp+plain://nas.local:7878/other:9000/films/a.iso");
    model.input.set("me@nas:films");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert!(notice(&model).contains("write fdsp://nas/films"), "{}", notice(&model));
}

#[test]
fn tokens_and_pins_are_taken_from_every_typed_address() {
    let token = "fdsp+plain://sesame-sesame-sesame@nas.local";
    let reached = Locator::parse(token).expect("an address").server();
    let (mut model, mut queue) = ready();
    keys(&mut model, &queue, "o");
    model.focus = Focus::Input;
    model.input.set(&format!("{token}/a"));
    let effects = keys(&mut model, &queue, "enter");
    let [Effect::Remember, Effect::Engine(Command::Reach(now)), Effect::Engine(Command::Add(_))] =
        &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(now, &reached);
    assert_eq!(model.defaults.server, Some(testing::server()), "it is not known yet whether it is trusted");
    queue.answered.push(reached.clone());
    model.refresh(&queue, Size { width: 80, height: 24 });
    let browser = model.browser.as_ref().map(|browser| browser.directory.server());
    let known = [model.defaults.server.clone(), browser];
    assert_eq!(
        known,
        [Some(reached.clone()), Some(reached.clone())],
        "paths and the listing go there with it, too"
    );
    model.focus = Focus::Input;
    model.input.set(&format!("{token}/b"));
    assert_eq!(added(keys(&mut model, &queue, "enter")).len(), 1, "what is known is not said again");

    let other = "fdsp+plain://sesame-sesame-sesame@other";
    model.focus = Focus::Input;
    model.input.set(other);
    let effects = keys(&mut model, &queue, "enter");
    assert!(
        matches!(&effects[..], [Effect::Remember, Effect::Engine(Command::Reach(now)), Effect::List { .. }]
            if now.name() == "other"),
        "{effects:?}"
    );
    assert_eq!(model.defaults.server.as_ref(), Some(&reached), "the server at hand stays");

    let lines = format!("{other}/a\n{other}/b\n");
    update(&mut model, &queue, Message::Paste(lines));
    let effects = keys(&mut model, &queue, "y");
    assert!(
        matches!(&effects[..], [Effect::Remember, Effect::Engine(Command::Reach(_)), Effect::Engine(Command::Add(jobs))]
            if jobs.len() == 2),
        "{effects:?}"
    );
}

#[test]
fn characters_are_typed_where_there_is_text() {
    let (mut model, queue) = (model(), Fake::default());
    type_in(&mut model, &queue, "q?pK");
    assert_eq!(model.input.value(), "q?pK");
    model.input.set("");
    keys(&mut model, &queue, "?");
    assert_eq!(model.context(), Context::Page);
    keys(&mut model, &queue, "G pagedown q");
    assert_eq!(model.context(), Context::Input);
}

#[test]
fn tab_completes_what_is_typed_and_else_moves_the_focus() {
    let (mut model, queue) = (model(), Fake::default());
    type_in(&mut model, &queue, "fi");
    let effects = keys(&mut model, &queue, "tab");
    let [Effect::List { ticket, directory, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(directory.is_root());
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Ok(entries(&["films/"], false)) });
    assert_eq!((model.input.value(), model.focus), ("films/", Focus::Input));

    let effects = keys(&mut model, &queue, "tab");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    type_in(&mut model, &queue, "x");
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Ok(entries(&["a"], false)) });
    assert_eq!(model.input.value(), "films/x", "a late answer changes nothing");

    model.input.set("");
    keys(&mut model, &queue, "tab");
    assert_eq!(model.focus, Focus::Queue);
    keys(&mut model, &queue, "tab tab");
    assert_eq!(model.focus, Focus::Input);
    keys(&mut model, &queue, "shift-tab");
    assert_eq!(model.focus, Focus::Log);
}

#[test]
fn the_history_of_earlier_runs_is_recalled() {
    let defaults =
        Defaults { history: vec!["films/a.iso".into(), "b\u{1b}[2J".into()], ..testing::model().defaults };
    let Model { keys: map, look, .. } = testing::model();
    let mut model = Model::new(defaults, map, look, crate::logging::LogRing::new());
    let queue = Fake::default();
    keys(&mut model, &queue, "up");
    assert_eq!(model.input.value(), "b[2J");
    keys(&mut model, &queue, "up");
    assert_eq!(model.input.value(), "films/a.iso");
    let effects = keys(&mut model, &queue, "enter");
    assert!(matches!(&effects[..], [Effect::Remember, Effect::Engine(_)]), "{effects:?}");
    assert_eq!(model.input.history().last().map(String::as_str), Some("films/a.iso"));
}

#[test]
fn escape_clears_what_is_typed_and_keeps_the_focus() {
    let (mut model, queue) = (model(), every_state());
    type_in(&mut model, &queue, "films/x");
    keys(&mut model, &queue, "esc");
    assert_eq!((model.input.value(), model.focus), ("", Focus::Input));
    assert_eq!(notice(&model), "cleared; ↑ brings it back");
    // What is typed next is no key of the queue.
    keys(&mut model, &queue, "esc x");
    assert_eq!((model.input.value(), model.focus), ("x", Focus::Input));
    assert!(matches!(model.dialog, Dialog::None));
    keys(&mut model, &queue, "up");
    assert_eq!((model.input.value(), notice(&model)), ("x", "no earlier entry starts with \"x\""));
    keys(&mut model, &queue, "backspace up");
    assert_eq!(model.input.value(), "films/x");
}
