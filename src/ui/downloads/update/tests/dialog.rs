//! Prompts and questions.

use super::*;

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
