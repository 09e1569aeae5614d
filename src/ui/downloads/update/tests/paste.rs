//! Pastes.

use super::*;

#[test]
fn a_paste_never_submits() {
    let (mut model, queue) = (model(), Fake::default());
    assert!(update(&mut model, &queue, Message::Paste("films/a.iso\n".into())).is_empty());
    assert_eq!((model.input.value(), model.focus), ("films/a.iso", Focus::Input));
    model.input.set("");
    assert!(update(&mut model, &queue, Message::Paste("a\r\n\nb\x1b[2J\n../c\n".into())).is_empty());
    assert!(matches!(&model.dialog, Dialog::Question(question) if question.text.contains("3 lines")));
    let jobs = added(keys(&mut model, &queue, "y"));
    let paths: Vec<_> = jobs.iter().map(|job| job.address.path()).collect();
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
