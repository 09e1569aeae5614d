//! Prompts and questions.

use super::*;
use crate::ui::downloads::AtQuit;

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
fn the_limit_of_the_selected_or_marked_downloads_is_asked_for() {
    let (mut model, mut queue) = ready();
    keys(&mut model, &queue, "B 5 0 0 k");
    let Command::SetJobLimit(ids, limit) = command(keys(&mut model, &queue, "enter")) else {
        panic!("no limit")
    };
    assert_eq!((ids, limit), (model.targets(), Some(500_000)));
    let selected = model.targets()[0];
    queue.rows.iter_mut().filter(|row| row.id == selected).for_each(|row| row.limit = Some(500_000));
    keys(&mut model, &queue, "B");
    assert!(matches!(&model.dialog, Dialog::Prompt(prompt) if prompt.line.value() == "500k"), "what it has");
    keys(&mut model, &queue, "x");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert!(matches!(&model.dialog, Dialog::Prompt(prompt) if prompt.problem.is_some()));
    let effects = keys(&mut model, &queue, "ctrl-u enter");
    assert!(matches!(command(effects), Command::SetJobLimit(_, None)), "nothing is no limit");
    keys(&mut model, &queue, "space down space B");
    assert!(matches!(&model.dialog, Dialog::Prompt(prompt) if prompt.line.value().is_empty()), "they differ");
    let Command::SetJobLimit(ids, limit) = command(keys(&mut model, &queue, "0 enter")) else {
        panic!("no limit")
    };
    assert_eq!((ids.len(), limit), (2, None));
    assert_eq!(model.targets().len(), 1, "no marks are left");
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
    model.defaults.at_quit = AtQuit::Saved;
    assert!(keys(&mut model, &queue, "q").is_empty());
    let Dialog::Question(question) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert_eq!(question.text, "5 running, 2 waiting. Quit? Downloads resume at the next start.");
    keys(&mut model, &queue, "n");
    let paused = Fake { rows: vec![testing::row(1, "a", JobState::Paused)], ..Fake::default() };
    draw(&mut model, &paused, 80, 24);
    assert!(matches!(&keys(&mut model, &paused, "q")[..], [Effect::Quit]), "nothing is lost, nothing stops");
}

#[test]
fn downloads_can_continue_in_the_background() {
    let (mut model, queue) = ready();
    model.defaults.at_quit = AtQuit::Ask;
    assert!(keys(&mut model, &queue, "q").is_empty());
    let Dialog::Question(question) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert_eq!(question.text, "5 running, 2 waiting. Quit?");
    assert!(keys(&mut model, &queue, "n").is_empty());
    assert!(matches!(&keys(&mut model, &queue, "q b")[..], [Effect::LeaveRunning]));
    assert!(matches!(&keys(&mut model, &queue, "q y")[..], [Effect::Quit]));
    model.defaults.at_quit = AtQuit::Background;
    assert!(matches!(&keys(&mut model, &queue, "q")[..], [Effect::LeaveRunning]), "it is not asked");
    for at_quit in [AtQuit::Lost, AtQuit::Saved] {
        model.defaults.at_quit = at_quit;
        assert!(keys(&mut model, &queue, "q b").is_empty());
        assert!(matches!(model.dialog, Dialog::Question(_)), "{at_quit:?} offers nothing else");
        keys(&mut model, &queue, "n");
    }
    model.defaults.at_quit = AtQuit::Ask;
    let paused = Fake { rows: vec![testing::row(1, "a", JobState::Paused)], ..Fake::default() };
    draw(&mut model, &paused, 80, 24);
    assert!(matches!(&keys(&mut model, &paused, "q")[..], [Effect::Quit]), "nothing would continue");
}
