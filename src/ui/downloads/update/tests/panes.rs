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
    keys(&mut model, &queue, "tab tab");
    assert_eq!(model.context(), Context::Log);
    keys(&mut model, &queue, "k");
    assert!(!model.log.follows());
    keys(&mut model, &queue, "G");
    assert!(model.log.follows());
    keys(&mut model, &queue, "l");
    assert_eq!(model.log.level(), tracing::Level::WARN);
    assert_eq!(notice(&model), "the log shows warnings and up");
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
    keys(&mut model, &queue, "tab g");
    assert!(!text(&draw(&mut model, &queue, 80, 24)).contains("file-70"), "a person who looks is left alone");
}

#[test]
fn the_log_can_be_enlarged_and_a_line_of_it_copied() {
    let (queue, mut model) = (every_state(), testing::logged());
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab tab");
    let before = model.layout().log.height;
    keys(&mut model, &queue, "+");
    assert!(model.layout().log.height > before + 5);
    let effects = keys(&mut model, &queue, "Y");
    assert!(
        matches!(&effects[..], [Effect::Copy(line)] if line == "22:31:08 notes.tar.zst is done"),
        "{effects:?}"
    );
    assert_eq!(notice(&model), "line sent to the terminal's clipboard");
    keys(&mut model, &queue, "/");
    type_in(&mut model, &queue, "warn");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("warning: films.zip") && !shown.contains("notes.tar.zst is done"), "{shown}");
    type_in(&mut model, &queue, "zzz");
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("no line matches"));
    keys(&mut model, &queue, "enter");
    assert!(keys(&mut model, &queue, "Y").is_empty());
    keys(&mut model, &queue, "+");
    assert_eq!(model.layout().log.height, before);
}

#[test]
fn the_palette_runs_an_action_in_the_pane_that_it_is_for() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "tab");
    assert_eq!(model.context(), Context::Log);
    keys(&mut model, &queue, ":");
    assert_eq!(model.context(), Context::Palette);
    let drawn = text(&draw(&mut model, &queue, 80, 24));
    assert!(drawn.contains("Actions") && drawn.contains("copy-line"), "{drawn}");
    type_in(&mut model, &queue, "pause all");
    let drawn = text(&draw(&mut model, &queue, 80, 24));
    assert!(drawn.contains("pause-all") && !drawn.contains("copy-line"), "{drawn}");
    assert_eq!(command(keys(&mut model, &queue, "enter")), Command::PauseAll);
    assert_eq!(model.context(), Context::Queue);
    keys(&mut model, &queue, ": esc");
    assert_eq!(model.context(), Context::Queue);
    keys(&mut model, &queue, ":");
    type_in(&mut model, &queue, "no such thing");
    keys(&mut model, &queue, "enter");
    assert_eq!(model.context(), Context::Palette, "nothing is run");
    keys(&mut model, &queue, "ctrl-c");
}

#[test]
fn the_palette_offers_no_action_of_a_pane_that_is_closed() {
    let (mut model, queue) = ready();
    for name in ["zip", "submit", "disconnect", "page-down", "yes"] {
        keys(&mut model, &queue, ":");
        type_in(&mut model, &queue, name);
        let Dialog::Palette(palette) = &model.dialog else { panic!("{:?}", model.dialog) };
        assert_ne!(palette.selected().map(|action| action.name()), Some(name));
        keys(&mut model, &queue, "esc");
    }
}

#[test]
fn the_help_page_is_searched_and_left_step_by_step() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "? /");
    type_in(&mut model, &queue, "clipboard");
    let drawn = text(&draw(&mut model, &queue, 80, 24));
    assert!(drawn.contains("Send the address") && !drawn.contains("Mark or unmark"), "{drawn}");
    keys(&mut model, &queue, "enter esc");
    assert_eq!(model.context(), Context::Page, "all entries are shown again");
    keys(&mut model, &queue, "esc");
    assert_eq!(model.context(), Context::Queue);
}
