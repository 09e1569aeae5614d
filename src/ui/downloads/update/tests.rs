//! What each action does.

mod trust;

use ratatui::layout::Size;

use crate::{
    client::{Command, Doubt, Event, Form, JobId, JobState, NewJob, NewServer, Trouble, TroubleKind},
    protocol::{
        address::{Address, Authority, Security},
        message::Entries,
        pin::Pin,
    },
    text::SafeText,
    ui::{
        actions::Context,
        downloads::{
            Defaults, Effect, Message, Model, Ticket,
            dialog::{Dialog, Pending, Prompt, Purpose},
            model::{Focus, Panel},
            start,
            testing::{self, Fake, HASH, draw, entries, every_state, keys, model, row},
            update,
            update::context,
        },
        testing::text,
    },
};

/// A queue with every state, and the screen of it with the focus on the first row.
fn ready() -> (Model, Fake) {
    let queue = every_state();
    let mut model = model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "esc");
    assert_eq!(context(&model), Context::Queue);
    (model, queue)
}

fn type_in(model: &mut Model, queue: &Fake, text: &str) {
    for c in text.chars() {
        let name = if c == ' ' { "space".to_owned() } else { c.to_string() };
        keys(model, queue, &name);
    }
}

/// The one command among the effects; what is typed may be remembered with it.
fn command(effects: Vec<Effect>) -> Command {
    let mut effects = effects.into_iter().filter(|effect| !matches!(effect, Effect::Remember));
    match (effects.next(), effects.next()) {
        (Some(Effect::Engine(command)), None) => command,
        other => panic!("{other:?}"),
    }
}

fn added(effects: Vec<Effect>) -> Vec<NewJob> {
    match command(effects) {
        Command::Add(jobs) => jobs,
        other => panic!("{other:?}"),
    }
}

fn notice(model: &Model) -> &str {
    model.notice.as_ref().map_or("", |notice| notice.text.as_str())
}

fn ids(numbers: &[u64]) -> Vec<JobId> {
    numbers.iter().copied().map(JobId).collect()
}

#[test]
fn a_path_is_queued_where_the_screen_was_told() {
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
fn what_cannot_be_read_stays_to_be_mended() {
    let (mut model, queue) = (model(), Fake::default());
    type_in(&mut model, &queue, "http://nas/a");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert_eq!(model.input.value(), "http://nas/a");
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
    assert_eq!(added(keys(&mut model, &queue, "enter"))[0].address.authority, testing::server());
}

/// Anybody can write an address with a pin of their own. What is typed after it does not inherit that pin: the known servers are
/// asked.
#[test]
fn an_address_that_has_not_answered_lends_its_pin_to_nothing() {
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
            let typed = Address::parse(second).expect("an address");
            let effects = keys(&mut model, &queue, "enter");
            let mut asked = 0;
            for effect in &effects {
                match effect {
                    Effect::Engine(Command::Add(jobs)) => {
                        asked += 1;
                        assert_eq!(jobs[0].address, typed, "after {first}");
                    }
                    Effect::Engine(Command::Reach(now)) => assert_eq!(*now, typed.authority),
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
    let [Effect::Remember, Effect::List { authority, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(authority.host, "other");
    assert_eq!(context(&model), Context::Browser);
}

#[test]
fn what_a_server_is_reached_with_is_taken_from_an_address_wherever_it_is_typed() {
    let token = "fdsp+plain://sesame-sesame-sesame@nas.local";
    let reached = Address::parse(token).expect("an address").authority;
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
    assert_eq!(model.defaults.server, Some(testing::server()), "nobody knows yet whether it is believed");
    queue.answered.push(reached.clone());
    model.refresh(&queue, Size { width: 80, height: 24 });
    let known = [model.defaults.server.as_ref(), model.browser.as_ref().map(|browser| &browser.authority)];
    assert_eq!(known, [Some(&reached); 2], "paths and the listing go there with it, too");
    model.focus = Focus::Input;
    model.input.set(&format!("{token}/b"));
    assert_eq!(added(keys(&mut model, &queue, "enter")).len(), 1, "what is known is not said again");

    let other = "fdsp+plain://sesame-sesame-sesame@other";
    model.focus = Focus::Input;
    model.input.set(other);
    let effects = keys(&mut model, &queue, "enter");
    assert!(
        matches!(&effects[..], [Effect::Remember, Effect::Engine(Command::Reach(now)), Effect::List { .. }]
            if now.host == "other"),
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
fn a_paste_never_submits() {
    let (mut model, queue) = (model(), Fake::default());
    assert!(update(&mut model, &queue, Message::Paste("films/a.iso\n".into())).is_empty());
    assert_eq!((model.input.value(), model.focus), ("films/a.iso", Focus::Input));
    model.input.set("");
    assert!(update(&mut model, &queue, Message::Paste("a\r\n\nb\x1b[2J\n../c\n".into())).is_empty());
    assert!(matches!(&model.dialog, Dialog::Question(question) if question.text.contains("3 lines")));
    let jobs = added(keys(&mut model, &queue, "y"));
    let paths: Vec<_> = jobs.iter().map(|job| job.address.path.as_str()).collect();
    assert_eq!(paths, ["a", "b[2J"]);
    assert!(notice(&model).starts_with("2 queued, 1 not: "), "{}", notice(&model));
}

#[test]
fn a_paste_that_is_not_confirmed_leaves_nothing() {
    let (mut model, queue) = (model(), Fake::default());
    update(&mut model, &queue, Message::Paste("a\nb".into()));
    assert!(keys(&mut model, &queue, "n").is_empty());
    assert!(model.input.is_empty() && matches!(model.dialog, Dialog::None));
}

#[test]
fn characters_are_typed_where_there_is_text() {
    let (mut model, queue) = (model(), Fake::default());
    type_in(&mut model, &queue, "q?pK");
    assert_eq!(model.input.value(), "q?pK");
    model.input.set("");
    keys(&mut model, &queue, "?");
    assert_eq!(context(&model), Context::Page);
    keys(&mut model, &queue, "G pagedown q");
    assert_eq!(context(&model), Context::Input);
}

#[test]
fn tab_completes_what_is_typed_and_else_moves_the_focus() {
    let (mut model, queue) = (model(), Fake::default());
    type_in(&mut model, &queue, "fi");
    let effects = keys(&mut model, &queue, "tab");
    let [Effect::List { ticket, path, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(path.is_root());
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Ok(entries(&["films/"], false)) });
    assert_eq!((model.input.value(), model.focus), ("films/", Focus::Input));

    let effects = keys(&mut model, &queue, "tab");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    type_in(&mut model, &queue, "x");
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Ok(entries(&["a"], false)) });
    assert_eq!(model.input.value(), "films/x", "an answer that comes too late changes nothing");

    model.input.set("");
    keys(&mut model, &queue, "tab");
    assert_eq!(model.focus, Focus::Queue);
    keys(&mut model, &queue, "tab tab");
    assert_eq!(model.focus, Focus::Input);
    keys(&mut model, &queue, "shift-tab");
    assert_eq!(model.focus, Focus::Log);
}

#[test]
fn pause_resumes_what_is_paused() {
    let (mut model, queue) = ready();
    assert!(matches!(command(keys(&mut model, &queue, "p")), Command::Pause(all) if all == ids(&[1])));
    keys(&mut model, &queue, "j j");
    assert!(matches!(command(keys(&mut model, &queue, "p")), Command::Resume(all) if all == ids(&[3])));
    keys(&mut model, &queue, "j");
    assert!(keys(&mut model, &queue, "p").is_empty());
    assert_eq!(notice(&model), "nothing here can be paused");
    let Command::Pause(all) = command(keys(&mut model, &queue, "P")) else { panic!("not paused") };
    assert_eq!(all, ids(&[1, 2, 6, 8, 10, 11]));
}

/// Answers questions for pages of a folder of `files` files until none is left; the other effects.
fn answer_pages(model: &mut Model, queue: &Fake, files: usize, mut effects: Vec<Effect>) -> Vec<Effect> {
    let names: Vec<String> = (0..files).map(|number| format!("f{number:05}")).collect();
    let mut others = Vec::new();
    while !effects.is_empty() {
        let mut next = Vec::new();
        for effect in effects {
            let Effect::List { ticket, after, .. } = effect else {
                others.push(effect);
                continue;
            };
            let first = after.map_or(0, |after| names.partition_point(|name| *name <= after));
            let page = &names[first..files.min(first + 1000)];
            let page: Vec<&str> = page.iter().map(String::as_str).collect();
            let answer = Ok(entries(&page, first + page.len() < files));
            next.extend(update(model, queue, Message::Listed { ticket, answer }));
        }
        effects = next;
    }
    others
}

#[test]
fn all_of_a_folder_is_marked_and_queued_not_what_is_loaded_of_it() {
    let (mut model, queue) = ready();
    let mut effects = keys(&mut model, &queue, "o");
    // Both keys come before the first page.
    effects.extend(keys(&mut model, &queue, "a enter"));
    let others = answer_pages(&mut model, &queue, 3_000, effects);
    assert_eq!(added(others).len(), 3_000);
    assert_eq!(notice(&model), "queued 3,000");
}

#[test]
fn a_filter_and_the_end_are_those_of_the_whole_folder() {
    let (mut model, queue) = ready();
    let effects = keys(&mut model, &queue, "o");
    answer_pages(&mut model, &queue, 3_000, effects);
    keys(&mut model, &queue, "/");
    let mut effects = Vec::new();
    for key in ["f", "0", "2"] {
        effects.extend(keys(&mut model, &queue, key));
    }
    effects.extend(keys(&mut model, &queue, "enter a enter"));
    assert_eq!(added(answer_pages(&mut model, &queue, 3_000, effects)).len(), 1_000);

    let mut effects = keys(&mut model, &queue, "r");
    effects.extend(keys(&mut model, &queue, "G up enter"));
    let jobs = added(answer_pages(&mut model, &queue, 3_000, effects));
    assert_eq!(jobs[0].address.path.as_str(), "f02998");
}

#[test]
fn reading_a_whole_folder_can_be_stopped() {
    let (mut model, queue) = ready();
    let effects = keys(&mut model, &queue, "o");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    keys(&mut model, &queue, "a");
    keys(&mut model, &queue, "/");
    assert!(notice(&model).contains("Esc stops"), "{}", notice(&model));
    keys(&mut model, &queue, "esc");
    let answer = Ok(entries(&["a", "b"], true));
    assert!(update(&mut model, &queue, Message::Listed { ticket: *ticket, answer }).len() <= 1);
    assert_eq!(model.browser.as_ref().map(|browser| browser.list.marked()), Some(0));
    // What cannot be read to its end is neither marked nor queued.
    let effects = keys(&mut model, &queue, "r");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    keys(&mut model, &queue, "a enter");
    let answer = Err(Trouble::new(TroubleKind::Connection, "lost"));
    assert!(update(&mut model, &queue, Message::Listed { ticket: *ticket, answer }).is_empty());
    assert!(notice(&model).contains("nothing was marked"), "{}", notice(&model));
}

#[test]
fn removing_says_which_partial_files_go_and_which_stay() {
    let question = |keys_before: &str, received: u64| {
        let (mut model, mut queue) = ready();
        let failed = queue.rows.iter_mut().find(|row| matches!(row.state, JobState::Failed(_)));
        failed.expect("one has failed").received = received;
        draw(&mut model, &queue, 80, 24);
        let effects = keys(&mut model, &queue, keys_before);
        let shown = text(&draw(&mut model, &queue, 80, 24));
        (shown.split_whitespace().collect::<Vec<_>>().join(" "), effects)
    };
    let (shown, _) = question("d", 0);
    assert!(shown.contains("and delete the partial file? y remove n keep"), "{shown}");
    let (shown, _) = question("j j j j d", 6_300_000);
    assert!(shown.contains("Its partial file stays; x deletes it. y remove n keep"), "{shown}");
    let (_, effects) = question("j j j j d", 0);
    assert!(matches!(command(effects), Command::Remove(_)), "it has left nothing");
    let (shown, _) = question("a d", 6_300_000);
    assert!(shown.contains("unfinished? Those of 1 failed stay."), "{shown}");
}

#[test]
fn cancelling_asks_and_acts_on_what_was_asked_about() {
    let (mut model, mut queue) = ready();
    assert!(keys(&mut model, &queue, "x").is_empty());
    assert!(matches!(
        &model.dialog,
        Dialog::Question(question) if question.pending == Pending::Cancel(ids(&[1]))
    ));
    queue.rows.swap(0, 1);
    queue.generation += 1;
    draw(&mut model, &queue, 80, 24);
    assert!(matches!(command(keys(&mut model, &queue, "enter")), Command::Cancel(all) if all == ids(&[1])));
    keys(&mut model, &queue, "x");
    assert!(keys(&mut model, &queue, "esc").is_empty());
    assert_eq!(context(&model), Context::Queue);
    keys(&mut model, &queue, "j j x");
    assert_eq!(notice(&model), "nothing here to cancel");
    // What has failed may have left something.
    keys(&mut model, &queue, "j x");
    assert!(matches!(
        &model.dialog,
        Dialog::Question(question) if question.pending == Pending::Cancel(ids(&[5]))
    ));
}

#[test]
fn retry_takes_what_can_be_tried_again() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "a");
    assert!(matches!(command(keys(&mut model, &queue, "r")), Command::Retry(all) if all == ids(&[5, 6, 9])));
    assert!(matches!(command(keys(&mut model, &queue, "R")), Command::Retry(all) if all == ids(&[5])));
    keys(&mut model, &queue, "r");
    assert_eq!(notice(&model), "nothing here to try again");
}

#[test]
fn removing_asks_only_where_something_would_be_lost() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "d");
    assert!(matches!(model.dialog, Dialog::Question(_)));
    assert!(matches!(command(keys(&mut model, &queue, "y")), Command::Remove(all) if all == ids(&[1])));
    keys(&mut model, &queue, "j j j");
    assert!(matches!(command(keys(&mut model, &queue, "delete")), Command::Remove(all) if all == ids(&[4])));
    assert!(matches!(command(keys(&mut model, &queue, "C")), Command::ClearFinished));
}

#[test]
fn rows_are_moved() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "space space");
    assert!(matches!(command(keys(&mut model, &queue, "J")), Command::Move(all, 1) if all == ids(&[1, 2])));
    assert!(matches!(command(keys(&mut model, &queue, "shift-up")), Command::Move(_, -1)));
    assert!(matches!(command(keys(&mut model, &queue, "t")), Command::Move(_, -11)));
    assert_eq!(model.queue.marked(), 2, "so that moving can go on");
}

#[test]
fn marking_all_respects_the_filter() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "/");
    type_in(&mut model, &queue, "ISO");
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "enter a");
    assert!(matches!(command(keys(&mut model, &queue, "p")), Command::Pause(all) if all == ids(&[1, 8])));
    assert_eq!(model.queue.targets(), ids(&[1, 8, 9]));
    keys(&mut model, &queue, "esc");
    assert_eq!((model.queue.marked(), model.filter.as_str()), (0, "ISO"));
    keys(&mut model, &queue, "esc");
    assert_eq!(model.queue.keys().len(), 11);
}

#[test]
fn a_dismissed_filter_is_as_it_was() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "/ i s o enter / x x");
    assert!(model.queue.keys().is_empty());
    keys(&mut model, &queue, "esc");
    assert_eq!((model.filter.as_str(), model.queue.keys().len()), ("iso", 3));
}

#[test]
fn limit_jobs_and_segments_are_asked_for_until_they_can_be_read() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "b f a s t");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert!(matches!(&model.dialog, Dialog::Prompt(prompt) if prompt.problem.is_some()));
    keys(&mut model, &queue, "ctrl-u 2 M");
    assert!(matches!(command(keys(&mut model, &queue, "enter")), Command::SetLimit(Some(2_000_000))));
    keys(&mut model, &queue, "n ctrl-u 0 enter");
    assert!(matches!(&model.dialog, Dialog::Prompt(_)));
    keys(&mut model, &queue, "backspace 5");
    assert!(matches!(command(keys(&mut model, &queue, "enter")), Command::SetJobs(5)));
    assert_eq!(model.jobs, 5);
    keys(&mut model, &queue, "s ctrl-u 1 7 enter");
    assert!(matches!(&model.dialog, Dialog::Prompt(_)));
    keys(&mut model, &queue, "backspace");
    assert!(matches!(command(keys(&mut model, &queue, "enter")), Command::SetSegments(1)));
}

#[test]
fn addresses_and_sums_are_sent_and_not_called_copied() {
    let (mut model, queue) = ready();
    let effects = keys(&mut model, &queue, "c");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text.ends_with("/srv/ubuntu-24.04.iso")));
    assert_eq!(notice(&model), "address sent to the terminal's clipboard");
    assert!(keys(&mut model, &queue, "Y").is_empty());
    let effects = keys(&mut model, &queue, "j j j Y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text == HASH));
}

#[test]
fn quitting_asks_when_something_would_stop() {
    let (mut model, queue) = ready();
    assert!(keys(&mut model, &queue, "q").is_empty());
    assert!(
        matches!(&model.dialog, Dialog::Question(question) if question.text.starts_with("5 running, 2 waiting, 1 paused. "))
    );
    assert!(keys(&mut model, &queue, "ctrl-c").is_empty());
    assert!(matches!(&keys(&mut model, &queue, "q y")[..], [Effect::Quit]));
    let (mut idle, none) = (testing::model(), Fake::default());
    draw(&mut idle, &none, 80, 24);
    assert!(matches!(&keys(&mut idle, &none, "ctrl-c")[..], [Effect::Quit]));
    assert!(matches!(&keys(&mut idle, &none, "ctrl-z")[..], [Effect::Suspend]));
    assert!(matches!(&keys(&mut idle, &none, "ctrl-l")[..], [Effect::Redraw]));
}

#[test]
fn quitting_a_queue_that_is_kept_says_so() {
    let (mut model, queue) = ready();
    model.defaults.kept = true;
    assert!(keys(&mut model, &queue, "q").is_empty());
    let Dialog::Question(question) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert_eq!(question.text, "5 running, 2 waiting. Quit? Downloads resume at the next start.");
    keys(&mut model, &queue, "n");
    let paused = Fake { rows: vec![testing::row(1, "a", JobState::Paused)], ..Fake::default() };
    draw(&mut model, &paused, 80, 24);
    assert!(matches!(&keys(&mut model, &paused, "q")[..], [Effect::Quit]), "nothing is lost, nothing stops");
}

#[test]
fn what_was_typed_in_an_earlier_run_comes_back() {
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
fn details_open_and_close_and_follow_the_selection() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "enter");
    assert_eq!((model.panel, model.focus), (Panel::Details, Focus::Queue));
    keys(&mut model, &queue, "j");
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("Details of photos.zip"));
    keys(&mut model, &queue, "esc");
    assert_eq!(model.panel, Panel::Closed);
    draw(&mut model, &queue, 40, 8);
    keys(&mut model, &queue, "enter");
    assert_eq!(context(&model), Context::Details, "a small screen shows one pane");
    keys(&mut model, &queue, "esc");
    assert_eq!(context(&model), Context::Queue);
}

/// A model whose listing has been opened and answered with these names.
fn browsing(names: &[&str], more: bool) -> (Model, Fake, Vec<Effect>) {
    let (mut model, queue) = (model(), Fake::default());
    model.defaults.browse = true;
    let effects = start(&mut model);
    let [Effect::List { ticket, after: None, .. }] = &effects[..] else { panic!("{effects:?}") };
    let answer = Ok(entries(names, more));
    let effects = update(&mut model, &queue, Message::Listed { ticket: *ticket, answer });
    (model, queue, effects)
}

#[test]
fn the_first_download_of_a_demo_takes_one_key() {
    let (mut model, queue, _) = browsing(&["a b.iso", "c"], false);
    let jobs = added(keys(&mut model, &queue, "enter"));
    assert_eq!((jobs[0].address.path.as_str(), jobs[0].form), ("a b.iso", Form::File));
    assert_eq!(notice(&model), "queued a b.iso");
    assert_eq!(added(keys(&mut model, &queue, "enter"))[0].address.path.as_str(), "c");
}

#[test]
fn directories_are_entered_left_and_fetched_as_zip_or_tree() {
    let (mut model, queue, _) = browsing(&["films/", "photos/"], false);
    let jobs = added(keys(&mut model, &queue, "t"));
    assert_eq!((jobs[0].address.path.as_str(), jobs[0].form), ("films", Form::Tree));
    let jobs = added(keys(&mut model, &queue, "z"));
    assert_eq!((jobs[0].address.path.as_str(), jobs[0].form), ("photos", Form::Zip));
    let effects = keys(&mut model, &queue, "enter");
    let [Effect::List { ticket, path, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(path.as_str(), "photos");
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Ok(entries(&[], false)) });
    let effects = keys(&mut model, &queue, "backspace");
    let [Effect::List { ticket, path, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(path.is_root());
    let answer = Ok(entries(&["films/", "photos/"], false));
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer });
    let selected = model.browser.as_ref().and_then(|browser| browser.selected());
    assert_eq!(selected.map(|entry| entry.name.as_str()), Some("photos"), "where one came from");
    assert!(keys(&mut model, &queue, "h").is_empty());
    assert_eq!(notice(&model), "this is all that the server serves");
}

#[test]
fn marked_files_are_queued_together() {
    let (mut model, queue, _) = browsing(&["films/", "a", "dev-x", "b"], false);
    let jobs = added(keys(&mut model, &queue, "a enter"));
    let got: Vec<_> = jobs.iter().map(|job| (job.address.path.as_str(), job.form)).collect();
    assert_eq!(got, [("films", Form::Auto), ("a", Form::File), ("b", Form::File)]);
    assert_eq!(notice(&model), "queued 3; 1 are not served");
    assert!(keys(&mut model, &queue, "z").is_empty() || model.browser.is_some());
}

#[test]
fn names_that_are_not_utf8_are_queued_from_the_listing() {
    let (mut model, queue, _) = browsing(&["caf\0E9", "d\0FF/"], false);
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("caf‹xE9›"));
    let jobs = added(keys(&mut model, &queue, "a enter"));
    let got: Vec<_> = jobs.iter().map(|job| (job.address.path.to_bytes().into_owned(), job.form)).collect();
    assert_eq!(got, [(b"caf\xe9".to_vec(), Form::File), (b"d\xff".to_vec(), Form::Auto)]);
    let effects = keys(&mut model, &queue, "G enter");
    assert!(matches!(&effects[..], [Effect::List { path, .. }] if path.as_str() == "d\0FF"), "{effects:?}");
}

#[test]
fn what_is_not_served_cannot_be_fetched() {
    let (mut model, queue, _) = browsing(&["dev-null"], false);
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert!(notice(&model).contains("neither a file nor a directory"));
    let (mut model, queue, _) = browsing(&["../../etc/passwd"], false);
    assert!(keys(&mut model, &queue, "enter").is_empty());
}

#[test]
fn a_long_name_leaves_room_for_what_is_asked() {
    let queue = Fake { rows: vec![row(1, &"n".repeat(255), JobState::Paused)], ..Fake::default() };
    let mut model = model();
    draw(&mut model, &queue, 40, 8);
    for (key, words) in [("x", "and delete the partial file?"), ("d", "and delete the partial file?")] {
        keys(&mut model, &queue, &format!("esc esc {key}"));
        let shown = text(&draw(&mut model, &queue, 40, 8));
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(words), "{shown}");
        keys(&mut model, &queue, "n");
    }
}

#[test]
fn further_pages_are_asked_for_when_they_come_near() {
    let names: Vec<String> = (0..200).map(|number| format!("file-{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut model, queue, effects) = browsing(&names, true);
    assert!(effects.is_empty(), "nobody has looked that far yet");
    let effects = keys(&mut model, &queue, "G");
    let [Effect::List { ticket, after, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(after.as_deref(), Some("file-0199"));
    assert!(keys(&mut model, &queue, "G").is_empty(), "it was asked for already");
    let stale = Ticket(999);
    let page = || Ok(entries(&["file-0200"], false));
    update(&mut model, &queue, Message::Listed { ticket: stale, answer: page() });
    assert_eq!(model.browser.as_ref().map(|browser| browser.list.keys().len()), Some(200));
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: page() });
    assert_eq!(model.browser.as_ref().map(|browser| browser.list.keys().len()), Some(201));
}

#[test]
fn a_server_that_promises_more_and_sends_nothing_is_not_asked_for_ever() {
    let (mut model, queue, effects) = browsing(&["a"], true);
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    let answer = Ok(Entries { entries: Vec::new(), more: true });
    assert!(update(&mut model, &queue, Message::Listed { ticket: *ticket, answer }).is_empty());
}

#[test]
fn a_listing_that_does_not_come_says_why() {
    let (mut model, queue) = (model(), Fake::default());
    let effects = keys(&mut model, &queue, "ctrl-o");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    let trouble = Trouble::new(TroubleKind::Connection, SafeText::new("nobody listens at nas.local:7878"));
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Err(trouble) });
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("nobody listens at nas.local:7878"));
    assert!(matches!(&keys(&mut model, &queue, "r")[..], [Effect::List { .. }]));
    keys(&mut model, &queue, "esc");
    assert_eq!((model.panel, model.focus), (Panel::Closed, Focus::Queue));
}

#[test]
fn the_log_follows_again_at_its_end() {
    let (queue, mut model) = (every_state(), testing::logged());
    draw(&mut model, &queue, 80, 14);
    keys(&mut model, &queue, "esc tab");
    assert_eq!(context(&model), Context::Log);
    keys(&mut model, &queue, "k");
    assert!(!model.log.follows());
    keys(&mut model, &queue, "G");
    assert!(model.log.follows());
    keys(&mut model, &queue, "l");
    assert_eq!(model.log.level(), tracing::Level::WARN);
    keys(&mut model, &queue, "/ o l d enter");
    assert_eq!(model.log.filter(), "old");
    keys(&mut model, &queue, "esc");
    assert_eq!((model.log.filter(), model.focus), ("", Focus::Log));
    keys(&mut model, &queue, "esc");
    assert_eq!(model.focus, Focus::Queue);
}

#[test]
fn while_nobody_moves_about_the_first_running_job_stays_in_sight() {
    let rows = (0..100).map(|id| row(id, &format!("file-{id:02}"), JobState::Queued)).collect();
    let queue = Fake { rows, ..Fake::default() };
    let mut model = model();
    draw(&mut model, &queue, 80, 24);
    model.engine(&Event::Started { id: JobId(70), name: SafeText::new("file-70"), size: None, here: 0 });
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("file-70"));
    keys(&mut model, &queue, "esc g");
    assert!(!text(&draw(&mut model, &queue, 80, 24)).contains("file-70"), "a person who looks is left alone");
}

/// A large queue is told of in numbers that can be read, and not all at once where there is no room.
#[test]
fn ten_thousand_marked_rows() {
    let rows = |state: fn(u64) -> JobState| {
        let rows = (0..10_000).map(|id| row(id, "a", state(id))).collect();
        Fake { rows, ..Fake::default() }
    };
    let shown = |queue: &Fake, pressed: &str| {
        let mut model = model();
        draw(&mut model, queue, 80, 24);
        keys(&mut model, queue, "esc a");
        keys(&mut model, queue, pressed);
        text(&draw(&mut model, queue, 80, 24))
    };
    let mut queue = rows(|id| if id < 85 { testing::done("a", 1) } else { JobState::Paused });
    for row in &mut queue.rows[..5000] {
        (row.size, row.received) = (Some(1_234_567_890), 617_283_945);
    }
    let screen = shown(&queue, "g");
    assert!(screen.contains("10,000 marked"), "{screen}");
    assert!(screen.contains("of unknown size"), "{screen}");
    assert!(screen.contains("p resume"), "{screen}");
    let asked = shown(&queue, "d").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(asked.contains("Remove 10,000 downloads and delete the partial files of 9,915"), "{asked}");
    // Of what is out of sight, only the sums are known.
    let screen = shown(&rows(|id| if id == 9_999 { JobState::Queued } else { JobState::Paused }), "g");
    assert!(screen.contains("p pause"), "{screen}");
}
