//! Details, log and the selection.

use super::*;

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
    assert_eq!(model.context(), Context::Details, "a small screen shows one pane");
    keys(&mut model, &queue, "esc");
    assert_eq!(model.context(), Context::Queue);
}

#[test]
fn the_log_follows_again_at_its_end() {
    let (queue, mut model) = (every_state(), testing::logged());
    draw(&mut model, &queue, 80, 14);
    keys(&mut model, &queue, "esc tab");
    assert_eq!(model.context(), Context::Log);
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
fn without_the_focus_the_queue_shows_the_first_running_job() {
    let rows = (0..100).map(|id| row(id, &format!("file-{id:02}"), JobState::Queued)).collect();
    let queue = Fake { rows, ..Fake::default() };
    let mut model = model();
    draw(&mut model, &queue, 80, 24);
    model.engine(&Event::Started { id: JobId(70), name: SafeText::new("file-70"), size: None, here: 0 });
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("file-70"));
    keys(&mut model, &queue, "esc g");
    assert!(!text(&draw(&mut model, &queue, 80, 24)).contains("file-70"), "a person who looks is left alone");
}
