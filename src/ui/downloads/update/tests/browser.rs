//! The listing of remote files.

use super::*;
use crate::ui::downloads::remote::browser::{FileSort, Known};

/// Answers questions for pages of a folder of `files` files until none is left; the other effects.
fn answer_pages(model: &mut Model, queue: &Fake, files: usize, mut effects: Vec<Effect>) -> Vec<Effect> {
    let names: Vec<String> = (0..files).map(|number| format!("f{number:05}")).collect();
    let mut others = Vec::new();
    while !effects.is_empty() {
        let mut next = Vec::new();
        for effect in effects {
            let (ticket, after) = match effect {
                Effect::List { ticket, after, .. } => (ticket, after),
                Effect::Present { .. } => continue,
                effect => {
                    others.push(effect);
                    continue;
                }
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
fn mark_all_marks_the_whole_folder_and_not_only_what_is_loaded() {
    let (mut model, queue) = ready();
    let mut effects = keys(&mut model, &queue, "o");
    // Both keys are pressed before the first page is received.
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
    assert_eq!(jobs[0].address.path(), "f02998");
}

#[test]
fn a_sort_reads_the_whole_folder_and_stays_in_the_next_one() {
    let (mut model, queue) = ready();
    let mut effects = keys(&mut model, &queue, "o");
    effects.extend(keys(&mut model, &queue, "S"));
    assert_eq!(notice(&model), "sorted by size, largest first");
    answer_pages(&mut model, &queue, 3_000, effects);
    let selected = model.browser.as_ref().and_then(|browser| browser.selected());
    assert_eq!(selected.map(|entry| entry.name.as_str()), Some("f00999"), "the largest of its page");
    let jobs = added(keys(&mut model, &queue, "enter"));
    assert_eq!(jobs[0].address.path(), "f00999");
    keys(&mut model, &queue, "S S");
    assert_eq!(notice(&model), "sorted by name");
    let effects = keys(&mut model, &queue, "S r");
    assert!(matches!(&effects[..], [Effect::List { .. }]), "{effects:?}");
    keys(&mut model, &queue, "esc");
    assert_eq!(notice(&model), "stopped reading the folder");
    assert_eq!(model.browser.as_ref().map(|browser| browser.sort()), Some(FileSort::Name));
}

#[test]
fn files_of_each_page_are_looked_for_in_the_download_folder() {
    let (mut model, queue) = (model(), Fake::default());
    let effects = keys(&mut model, &queue, "ctrl-o");
    let [Effect::List { ticket: first, .. }] = &effects[..] else { panic!("{effects:?}") };
    let page = || Ok(entries(&["films/", "a"], false));
    let effects = update(&mut model, &queue, Message::Listed { ticket: *first, answer: page() });
    let [Effect::Present { ticket, folder, first: 0, files }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((ticket, folder.as_path(), files.len()), (first, std::path::Path::new("/home/u"), 2));
    let known = |model: &Model| model.browser.as_ref().and_then(|browser| browser.known(1));
    keys(&mut model, &queue, "r");
    let late = Message::Present { ticket: *ticket, first: 0, present: vec![true, true] };
    update(&mut model, &queue, late);
    assert_eq!(known(&model), None, "an answer about what was there before");
}

#[test]
fn a_download_that_is_done_is_local_in_the_listing() {
    let (mut model, _, _) = browsing(&["films/", "a"], false);
    let JobState::Done(finished) = testing::done("a", 2_469_134) else { panic!("it is done") };
    model.engine(&Event::Done { id: JobId(1), name: SafeText::new("a"), finished });
    assert_eq!(model.browser.as_ref().and_then(|browser| browser.known(1)), Some(Known::Local));
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
    assert!(update(&mut model, &queue, Message::Listed { ticket: *ticket, answer }).len() <= 2);
    assert_eq!(model.browser.as_ref().map(|browser| browser.list.marked()), Some(0));
    // What cannot be read to its end is neither marked nor queued.
    let effects = keys(&mut model, &queue, "r");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    keys(&mut model, &queue, "a enter");
    let answer = Err(Trouble::new(TroubleKind::Connection, "lost"));
    assert!(update(&mut model, &queue, Message::Listed { ticket: *ticket, answer }).is_empty());
    assert!(notice(&model).contains("nothing was marked"), "{}", notice(&model));
}

/// A model whose listing has been opened and answered with these names.
fn browsing(names: &[&str], more: bool) -> (Model, Fake, Vec<Effect>) {
    let (mut model, queue) = (model(), Fake::default());
    model.defaults.listing = Some(testing::server().root().clone());
    let effects = start(&mut model);
    let [Effect::List { ticket, after: None, .. }] = &effects[..] else { panic!("{effects:?}") };
    let answer = Ok(entries(names, more));
    let mut effects = update(&mut model, &queue, Message::Listed { ticket: *ticket, answer });
    effects.retain(|effect| !matches!(effect, Effect::Present { .. }));
    (model, queue, effects)
}

#[test]
fn the_first_download_of_a_demo_takes_one_key() {
    let (mut model, queue, _) = browsing(&["a b.iso", "c"], false);
    let jobs = added(keys(&mut model, &queue, "enter"));
    assert_eq!((jobs[0].address.path(), jobs[0].form), ("a b.iso", Form::File));
    assert_eq!(notice(&model), "queued a b.iso");
    assert_eq!(added(keys(&mut model, &queue, "enter"))[0].address.path(), "c");
}

#[test]
fn directories_are_entered_left_and_fetched_as_zip_or_tree() {
    let (mut model, queue, _) = browsing(&["films/", "photos/"], false);
    let jobs = added(keys(&mut model, &queue, "t"));
    assert_eq!((jobs[0].address.path(), jobs[0].form), ("films", Form::Tree));
    let jobs = added(keys(&mut model, &queue, "z"));
    assert_eq!((jobs[0].address.path(), jobs[0].form), ("photos", Form::Zip));
    let effects = keys(&mut model, &queue, "enter");
    let [Effect::List { ticket, directory, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(directory.path(), "photos");
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Ok(entries(&[], false)) });
    let effects = keys(&mut model, &queue, "backspace");
    let [Effect::List { ticket, directory, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(directory.is_root());
    let answer = Ok(entries(&["films/", "photos/"], false));
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer });
    let selected = model.browser.as_ref().and_then(|browser| browser.selected());
    assert_eq!(selected.map(|entry| entry.name.as_str()), Some("photos"), "the directory that was left");
    assert!(keys(&mut model, &queue, "h").is_empty());
    assert_eq!(notice(&model), "this is all that the server serves");
}

#[test]
fn marked_files_are_queued_together() {
    let (mut model, queue, _) = browsing(&["films/", "a", "dev-x", "b"], false);
    let jobs = added(keys(&mut model, &queue, "a enter"));
    let got: Vec<_> = jobs.iter().map(|job| (job.address.path(), job.form)).collect();
    assert_eq!(got, [("films", Form::Auto), ("a", Form::File), ("b", Form::File)]);
    assert_eq!(notice(&model), "queued 3; 1 are not served");
    assert!(keys(&mut model, &queue, "z").is_empty() || model.browser.is_some());
}

#[test]
fn names_that_are_not_utf8_are_queued_from_the_listing() {
    let (mut model, queue, _) = browsing(&["caf\0E9", "d\0FF/"], false);
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("caf‹xE9›"));
    let jobs = added(keys(&mut model, &queue, "a enter"));
    let got: Vec<_> = jobs.iter().map(|job| (job.address.path(), job.form)).collect();
    assert_eq!(got, [("caf\0E9", Form::File), ("d\0FF", Form::Auto)]);
    let effects = keys(&mut model, &queue, "G enter");
    assert!(
        matches!(&effects[..], [Effect::List { directory, .. }] if directory.path() == "d\0FF"),
        "{effects:?}"
    );
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
fn the_next_page_is_requested_near_the_end() {
    let names: Vec<String> = (0..200).map(|number| format!("file-{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut model, queue, effects) = browsing(&names, true);
    assert!(effects.is_empty(), "the selection is far from the end");
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
fn an_empty_page_ends_the_listing() {
    let (mut model, queue, effects) = browsing(&["a"], true);
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    let answer = Ok(Entries { entries: Vec::new(), more: true });
    assert!(update(&mut model, &queue, Message::Listed { ticket: *ticket, answer }).is_empty());
}

#[test]
fn a_listing_that_fails_shows_why() {
    let (mut model, queue) = (model(), Fake::default());
    let effects = keys(&mut model, &queue, "ctrl-o");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    let trouble =
        Trouble::new(TroubleKind::Connection, SafeText::new("connection refused by nas.local:7878"));
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Err(trouble) });
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(
        shown.contains("connection refused by nas.local:7878") && shown.contains(" not read "),
        "{shown}"
    );
    assert!(matches!(&keys(&mut model, &queue, "r")[..], [Effect::List { .. }]));
    keys(&mut model, &queue, "esc");
    assert_eq!((model.panel, model.focus), (Panel::Closed, Focus::Queue));
}
