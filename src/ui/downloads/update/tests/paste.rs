//! Pastes.

use super::*;

#[test]
fn a_paste_never_submits() {
    let (mut model, queue) = (model(), Fake::default());
    assert!(update(&mut model, &queue, Message::Paste("films/a.iso\n".into())).is_empty());
    assert_eq!((model.input.value(), model.focus), ("films/a.iso", Focus::Input));
    model.input.set("");
    assert!(update(&mut model, &queue, Message::Paste("a\r\n\nb\x1b[2J\n../c\n".into())).is_empty());
    assert!(matches!(&model.dialog, Dialog::Question(question) if question.text == "Queue 2 of 3 lines?"));
    let jobs = added(keys(&mut model, &queue, "y"));
    let paths: Vec<_> = jobs.iter().map(|job| job.address.path()).collect();
    assert_eq!(paths, ["a", "b[2J"]);
}

#[test]
fn a_paste_that_is_not_confirmed_leaves_nothing() {
    let (mut model, queue) = (model(), Fake::default());
    update(&mut model, &queue, Message::Paste("a\nb".into()));
    assert!(keys(&mut model, &queue, "n").is_empty());
    assert!(model.input.is_empty() && matches!(model.dialog, Dialog::None));
}

#[test]
fn a_paste_lists_its_server_and_queues_the_rest() {
    let (mut model, queue) = (model(), Fake::default());
    update(&mut model, &queue, Message::Paste("other:9000\nother:9000/a\nother:9000/a".into()));
    let effects = keys(&mut model, &queue, "enter");
    let [Effect::Remember, Effect::Engine(Command::Add(jobs)), Effect::List { directory, .. }] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((jobs.len(), jobs[0].address.to_string().as_str()), (1, "fdsp://other:9000/a"));
    assert_eq!(directory.to_string(), "fdsp://other:9000/");
    assert_eq!((model.context(), model.input.history().len()), (Context::Browser, 2));
}

#[test]
fn a_paste_without_a_right_line_asks_nothing() {
    let (mut model, queue) = (model(), Fake::default());
    update(&mut model, &queue, Message::Paste("../a\nme@nas:b".into()));
    assert!(matches!(model.dialog, Dialog::None));
    assert!(notice(&model).starts_with("nothing queued: '../a': "), "{}", notice(&model));
}

#[test]
fn the_lines_of_a_paste_scroll_while_they_are_asked_about() {
    let (mut model, queue) = ready();
    let selected = model.queue.selected();
    let lines: Vec<String> = (0..30).map(|number| format!("file-{number:02}")).collect();
    update(&mut model, &queue, Message::Paste(lines.join("\n")));
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("file-00"));
    keys(&mut model, &queue, "G");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("file-29") && !shown.contains("file-00"), "{shown}");
    keys(&mut model, &queue, "g n");
    assert_eq!(model.queue.selected(), selected);
    assert!(!text(&draw(&mut model, &queue, 80, 24)).contains("file-0"));
}
